"""Loops over sums of physical cells that are compiled by numba. Only imported where it is installed (see
cimc.crossbar.noisy)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from cimc.numerics.keys import FIRST, GOLDEN, SECOND
from cimc.numerics.normal import ALL, BITS, HALF, ONE, PIECE_BITS, TABLE
from cimc.numerics.normal import FIRST as FIRST_NUMBER

REST, MANTISSA = np.uint64(64 - BITS), np.uint64(52 - PIECE_BITS)
SHIFT, THIRTY, TWENTY_SEVEN, THIRTY_ONE = (np.uint64(bits) for bits in (PIECE_BITS, 30, 27, 31))
FIRST_PIECE = np.uint64(FIRST_NUMBER)
C0, C1, C2, C3 = (np.ascontiguousarray(row) for row in TABLE)


def _cast(source: Any, target: Any) -> Any:
    """An intrinsic that takes the bits of one type for those of another."""

    def typed(context: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], context.get_value_type(target))

        return target(source), generate

    return intrinsic(typed)


bits_of: Any = _cast(types.float64, types.uint64)
float_of: Any = _cast(types.uint64, types.float64)


@njit(inline="always")
def mixed(state: Any, number: Any) -> Any:
    """cimc.numerics.keys.mixed, of one number."""
    z = (state ^ np.uint64(number)) + GOLDEN
    z = (z ^ (z >> THIRTY)) * FIRST
    z = (z ^ (z >> TWENTY_SEVEN)) * SECOND
    return z ^ (z >> THIRTY_ONE)


@njit(inline="always")
def normal(state: Any) -> Any:
    """cimc.numerics.normal.normal_of, of one hash."""
    r = state >> REST
    upper = r >= HALF
    x = float(np.int64(r ^ ALL if upper else r)) + 0.5
    bits = bits_of(x)
    piece = (bits >> MANTISSA) - FIRST_PIECE
    t = float_of(((bits << SHIFT) & ALL) | ONE) - 1.0
    found = ((C3[piece] * t + C2[piece]) * t + C1[piece]) * t + C0[piece]
    return -found if upper else found


@njit(nogil=True)
def read_column_sums(
    sums: Any, variances: Any, state: Any, sign: Any, number: Any, first: Any, hashes: Any, found: Any
) -> None:
    """Column sums (columns,) with their noise, where variances are not empty, into `found`, in float64. state: the hash
    of the read, to which sign, number of the slice and columns from `first` on are added; hashes: a buffer."""
    if not variances.size:
        for column in range(found.size):
            found[column] = sums[column]
        return
    cell = mixed(mixed(state, sign), number)
    for column in range(found.size):
        hashes[column] = mixed(cell, np.int64(column + first))
    for column in range(found.size):
        found[column] = sums[column] + math.sqrt(float(variances[column])) * normal(hashes[column])


@njit(cache=True, nogil=True)
def add_codes(
    sums: Any, variances: Any, hashes: Any, slices: Any, first: Any, subtracted: Any, steps: Any, low: Any, high: Any,
    down: Any, worths: Any, counts: Any, total: Any,
) -> None:  # fmt: skip
    """Add to total (lanes, columns) the codes of sums (lanes, reads, cells, columns) times what they count: worths
    (reads,) times counts (cells or, where pairs are subtracted, half as many, columns).

    variances: of the sums, or of no reads; hashes: (lanes, reads); cells are signs times `slices`, first: the number of
    the first column. steps: (columns,), or empty for steps of 1; low, high, down: of the converter.
    """
    lanes, reads, _, columns = sums.shape
    converted, noisy = counts.shape[0], variances.shape[1] > 0
    none = np.zeros(0, sums.dtype)
    buffer, one, other = np.zeros(columns, np.uint64), np.zeros(columns), np.zeros(columns)
    for lane in range(lanes):
        for read in range(reads):
            worth, state = worths[read], hashes[lane, read] if noisy else np.uint64(0)
            for cell in range(converted):
                variance = variances[lane, read, cell] if noisy else none
                sign, number = cell // slices, cell % slices
                read_column_sums(sums[lane, read, cell], variance, state, sign, number, first, buffer, one)
                if subtracted:
                    lower = cell + converted
                    variance = variances[lane, read, lower] if noisy else none
                    read_column_sums(sums[lane, read, lower], variance, state, 1, number, first, buffer, other)
                    for column in range(columns):
                        one[column] -= other[column]
                if steps.size:
                    for column in range(columns):
                        one[column] /= steps[column]
                count = counts[cell]
                if down:
                    for column in range(columns):
                        code = min(max(np.floor(one[column]), low), high)
                        total[lane, column] += worth * count[column] * np.int64(code)
                else:
                    for column in range(columns):
                        code = min(max(np.rint(one[column]), low), high)
                        total[lane, column] += worth * count[column] * np.int64(code)
