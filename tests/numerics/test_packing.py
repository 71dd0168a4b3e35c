"""Weights packed into words: the number that docs/isa.md describes, computed with Python's whole numbers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cimc.numerics.packing import pack, packed_words, unpack


def by_hand(row: list[int], weight_bits: int, word_bits: int) -> list[int]:
    """The words of a row: one number with all weights, cut."""
    number = sum((weight % (1 << weight_bits)) << (at * weight_bits) for at, weight in enumerate(row))
    words = []
    for _ in range(-(-len(row) * weight_bits // word_bits)):
        word = number % (1 << word_bits)
        words.append(word - (1 << word_bits) if word >> (word_bits - 1) else word)
        number >>= word_bits
    return words


@given(
    st.integers(2, 16),
    st.sampled_from((8, 16, 24, 32)),
    st.lists(st.lists(st.integers(-(1 << 15), (1 << 15) - 1), min_size=7, max_size=7), min_size=1, max_size=3),
    st.integers(1, 7),
)
def test_a_row_is_one_number(weight_bits: int, word_bits: int, rows: list[list[int]], columns: int) -> None:
    half = 1 << (weight_bits - 1)
    weights = np.array([[(w + half) % (2 * half) - half for w in row[:columns]] for row in rows], np.int64)
    words = pack(weights, weight_bits, word_bits)
    assert words.tolist() == [by_hand(row, weight_bits, word_bits) for row in weights.tolist()]
    assert words.shape[1] == packed_words(columns, weight_bits, word_bits)
    assert np.array_equal(unpack(words, columns, weight_bits, word_bits), weights)
