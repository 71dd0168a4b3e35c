"""Weights packed into words of memory, as they travel to the cells of an MVMU.

A row of weights of b bits, each in two's complement, is one number: the first weight its lowest b bits, the next one
the b bits above, and so on. Words of memory hold it from its lowest bits on, each in two's complement, 0 behind its
end.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def packed_words(columns: int, weight_bits: int, word_bits: int) -> int:
    """Words that hold a row of so many weights."""
    return -(-columns * weight_bits // word_bits)


def pack(weights: Ints, weight_bits: int, word_bits: int) -> Ints:
    """Rows of weights, (rows, columns), as words, (rows, words)."""
    return _recut(weights, weight_bits, word_bits, packed_words(weights.shape[1], weight_bits, word_bits))


def unpack(words: Ints, columns: int, weight_bits: int, word_bits: int) -> Ints:
    """The weights, (rows, columns), that words, (rows, words), hold."""
    return _recut(words, word_bits, weight_bits, columns)


def _recut(numbers: Ints, bits: int, to_bits: int, count: int) -> Ints:
    """Rows of numbers of `bits` bits as so many of `to_bits` bits: the same bits in the same order, or 0."""
    planes = numbers[:, :, None] >> np.arange(bits) & 1
    flat = planes.reshape(len(numbers), -1)[:, : count * to_bits]
    whole = np.zeros((len(numbers), count * to_bits), np.int64)
    whole[:, : flat.shape[1]] = flat
    values = whole.reshape(len(numbers), count, to_bits) @ (np.int64(1) << np.arange(to_bits, dtype=np.int64))
    return np.asarray(values - ((values >> (to_bits - 1) & 1) << to_bits))
