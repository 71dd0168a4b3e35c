"""Numbers of the standard normal distribution from hashes, by steps that every program does alike: whole numbers, one
table, and additions and multiplications one after the other. So a compiled loop gives the same bits as NumPy.

The upper 52 bits r of a hash stand for the probability (r + 1/2) 2^-52. Below one half - beyond it by symmetry - it is
x 2^-52 with a float x of 0.5 .. 2^51. Of x, the exponent and the next 6 bits choose one of 3,328 pieces, and what is
behind them, t in 0 .. 1, goes into the piece's polynomial of degree 3, which is the inverse of the distribution to
within 10^-10 (scipy.special.ndtri, interpolated at Chebyshev's points).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

BITS = 52
PIECE_BITS = 6
DEGREE = 3
FIRST = (1023 - 1) << PIECE_BITS
"""The number of the piece that begins at 0.5, as the upper bits of a float64 have it."""

HALF, ALL = np.uint64(1 << (BITS - 1)), np.uint64((1 << BITS) - 1)
ONE = np.uint64(1023 << 52)
"""The bits of 1.0."""


def _table() -> npt.NDArray[np.float64]:
    """Coefficients by power and piece: (DEGREE + 1, pieces)."""
    pieces = np.arange(BITS << PIECE_BITS)
    least = np.exp2((pieces >> PIECE_BITS) - 1.0) * (1 + (pieces % (1 << PIECE_BITS)) / (1 << PIECE_BITS))
    width = np.exp2((pieces >> PIECE_BITS) - 1.0 - PIECE_BITS)
    points = (1 - np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))) / 2
    values = ndtri((least + points[:, None] * width) * 2.0**-BITS)
    return np.ascontiguousarray(np.linalg.solve(np.vander(points, increasing=True), values))


TABLE = _table()


def normal_of(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """Numbers for hashes, in their shape."""
    r = hashes >> np.uint64(64 - BITS)
    upper = r >= HALF
    x = np.where(upper, r ^ ALL, r).astype(np.float64)
    x += 0.5
    bits: Any = x.view(np.uint64)
    piece = (bits >> np.uint64(52 - PIECE_BITS)).astype(np.int64) - FIRST
    t = (((bits << np.uint64(PIECE_BITS)) & ALL) | ONE).view(np.float64) - 1.0
    found = TABLE[DEGREE][piece]
    for power in range(DEGREE - 1, -1, -1):
        found *= t
        found += TABLE[power][piece]
    return np.asarray(np.where(upper, -found, found))
