"""Random keys: the same for the same thing, independent of everything else, and normally distributed."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cimc.numerics.keys import Key

WORD = (1 << 64) - 1


def by_hand(*numbers: int) -> float:
    """SplitMix64's mixer over the numbers, in Python's integers, and the normal distribution of the library."""
    state = 0
    for number in numbers:
        z = ((state ^ (number & WORD)) + 0x9E3779B97F4A7C15) & WORD
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
        state = z ^ (z >> 31)
    return NormalDist().inv_cdf(((state >> 12) + 0.5) / 2**52)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6), st.integers(0, 5))
def test_a_draw_by_hand(numbers: list[int], split: int) -> None:
    """However the numbers are divided between the key and the coordinates."""
    seed, path, coordinates = numbers[0], numbers[1 : 1 + split], numbers[1 + split :]
    found = Key(seed).at(*path).normal(*(np.asarray(c) for c in coordinates))
    assert float(found) == pytest.approx(by_hand(*numbers), rel=2e-10, abs=1e-10)  # a table of polynomials


def test_what_is_drawn_for_a_cell_does_not_depend_on_the_others() -> None:
    key, rows, columns = Key(7).at(1, 2, 3), np.arange(40)[:, None], np.arange(30)
    whole = key.normal(rows, columns)
    assert np.array_equal(key.normal(rows[5:9], columns[::2]), whole[5:9, ::2])
    assert np.array_equal(key.normal(rows[::-1], columns), whole[::-1])


def test_keys_within_keys() -> None:
    assert Key(3).at(1).at(2, 4) == Key(3).at(1, 2, 4) == Key(3, (1, 2, 4))


@pytest.mark.parametrize("other", [Key(1).at(0, 0), Key(0).at(1, 0), Key(0).at(0, 1)])
def test_other_keys_draw_other_numbers(other: Key) -> None:
    """Correlations of 10^5 independent pairs have a deviation of 0.0032, means and variances of 0.0032 and 0.0045: all
    lie within five of them."""
    count = np.arange(100_000)
    a, b = Key(0).at(0, 0).normal(count), other.normal(count)
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.016
    assert abs(np.corrcoef(b[1:], b[:-1])[0, 1]) < 0.016
    assert abs(b.mean()) < 0.016
    assert abs(b.var() - 1) < 0.023


def test_no_draw_is_infinite() -> None:
    """The tails of 2 * 10^6 draws reach about five deviations."""
    found = np.abs(Key(0).normal(np.arange(2_000_000)))
    assert 4.5 < found.max() < 6.5
