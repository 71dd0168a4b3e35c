"""The transfer curve of an ADC to its last code, against exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cimc.crossbar.converter import TwinRangeConverter, UniformConverter
from tests.crossbar.brute_force import Readout
from tests.crossbar.small import Case

KINDS = pytest.mark.parametrize(("signed", "down"), [(False, False), (False, True), (True, False), (True, True)])
STEPS = (None, 1.0, 2.0, 64.0, 0.5, 0.69, 3.3)


def exact_code(value: float, step: float, bits: int, signed: bool, down: bool) -> int:
    """By the transfer curve: thresholds lie at the codes, or in the middle between them, where the even one wins."""
    first, last = (1 - 2 ** (bits - 1), 2 ** (bits - 1)) if signed else (0, 2**bits - 1)
    quotient = Fraction(float(np.float64(value) / np.float64(step)))
    whole = math.floor(quotient)
    rest = quotient - whole
    if not down and (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1)):
        whole += 1
    return min(max(whole, first), last)


@KINDS
@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("step", STEPS)
def test_every_code_and_both_sides_of_every_threshold(bits: int, step: float | None, signed: bool, down: bool) -> None:
    """Sums at the codes, at the thresholds and at the numbers next to them, and beyond both ends."""
    size = 1.0 if step is None else step
    codes = np.arange(-(2**bits) - 2, 2**bits + 3, dtype=np.float64)
    at = np.concatenate([codes, codes + 0.5]) * size
    sums = np.concatenate([at, np.nextafter(at, -np.inf), np.nextafter(at, np.inf)])
    found = UniformConverter(bits, signed, down).convert(sums, None if step is None else np.array(step))
    assert found.tolist() == [exact_code(value, size, bits, signed, down) for value in sums.tolist()]
    first, last = (1 - 2 ** (bits - 1), 2 ** (bits - 1)) if signed else (0, 2**bits - 1)
    assert sorted(set(found.tolist())) == list(range(first, last + 1)), "a code is never reached"


@KINDS
@pytest.mark.parametrize("bits", range(1, 9))
def test_a_converter_holds_what_it_does_not_change(bits: int, signed: bool, down: bool) -> None:
    """Ranges to a little beyond the ends, on both sides."""
    converter, edge = UniformConverter(bits, signed, down), 2**bits + 1
    lows = {0, 1, -1, 1 - 2 ** (bits - 1), -(2 ** (bits - 1)), -edge}
    highs = {0, 1, 2 ** (bits - 1), 2 ** (bits - 1) + 1, 2**bits - 1, 2**bits, edge}
    for low in lows:
        for high in {high for high in highs if high >= low}:
            sums = np.arange(low, high + 1.0)
            assert converter.holds(low, high) == np.array_equal(converter.convert(sums), sums), (low, high)


def test_codes_by_hand() -> None:
    """Halves go to the even code; two bits end at 3, signed ones at -1 and 2; down is down below 0 too."""
    sums = np.array([-1.6, -1.0, -0.5, 0.5, 1.5, 2.4, 2.5, 3.0, 3.4, 9.0])
    assert UniformConverter(2).convert(sums).tolist() == [0, 0, 0, 0, 2, 2, 2, 3, 3, 3]
    assert UniformConverter(2, signed=True).convert(sums).tolist() == [-1, -1, 0, 0, 2, 2, 2, 2, 2, 2]
    assert UniformConverter(3, True, down=True).convert(sums).tolist() == [-2, -1, -1, 0, 1, 2, 2, 3, 3, 4]
    columns = np.array([[4.0, 4.0, 4.0]])
    assert UniformConverter(8).convert(columns, np.array([1.0, 3.0, 0.5])).tolist() == [[4, 1, 8]]


@given(st.integers(1, 12), st.booleans(), st.integers(-5000, 0), st.integers(0, 5000))
def test_a_full_step_reaches_both_ends_and_is_no_larger(bits: int, signed: bool, least: int, largest: int) -> None:
    """At it no end is further out than its code; with any smaller one, some end is (of an ADC that has codes there)."""
    first, last = (1 - 2 ** (bits - 1), 2 ** (bits - 1)) if signed else (0, 2**bits - 1)
    step = UniformConverter(bits, signed).full_step(least, largest)
    slack = 1 + 1e-12
    assert largest <= last * step * slack and (first == 0 or least >= first * step * slack)
    if step > 0:
        smaller = step * (1 - 1e-9)
        assert largest > last * smaller or (first != 0 and least < first * smaller)


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("bits", range(1, 7))
@pytest.mark.parametrize(("least", "ratio"), [(1.0, 1), (1.0, 4), (0.5, 3), (0.69, 7), (3.3, 16)])
def test_every_sum_of_both_ranges(bits: int, least: float, ratio: int, down: bool) -> None:
    """From 0 to beyond the coarse range, in quarters: the fine code where there is one, then the coarse one, which
    counts as many fine steps as it is long; and every code of both is reached."""
    top, most = 2**bits - 1, least * ratio
    sums = np.arange(0, (top + 2) * most, 0.25)
    found = TwinRangeConverter(bits, down).convert(sums[:, None], np.array([[least], [most]]))[:, 0]
    expected = []
    for value in sums.tolist():
        small = exact_code(value, least, bits + 40, False, down)  # an ADC that has every code
        expected.append(small if small <= top else ratio * exact_code(value, most, bits, False, down))
    assert found.tolist() == expected
    assert {code for code in found.tolist() if code <= top} >= set(range(0, top + 1))
    assert found.max() == ratio * top


def test_columns_with_one_fine_step_and_several_coarse_ones() -> None:
    """Sums of 7, 7 and 14 behind 2 bits: beyond 3; two fours, 7 rounds to 8; one five; and three fours, the end."""
    weights = np.array([[7, 7, 14]])
    readout, steps = Readout(twin=True), ((1.0, 4.0), (1.0, 5.0), (1.0, 4.0))
    case = Case(weights, 5, 1, False, 4, 1, 2, ("differential", False), readout, steps)
    assert case.multiply(np.array([[1]])).tolist() == case.by_hand(np.array([[1]])) == [[8, 5, 12]]


def test_codes_of_two_ranges_by_hand() -> None:
    """Two bits, ones and fours: 3.4 is 3; 3.5 becomes 4, which is no fine code, and one four; 6 is 1.5 fours, rounded
    to the even 2; 10 is 2.5, also 2; the end is three fours. Rounded down, 3.9 is 3 and 11.9 two fours."""
    sums, steps = np.array([[3.4], [3.5], [6.0], [10.0], [10.1], [99.0]]), np.array([[1.0], [4.0]])
    assert TwinRangeConverter(2).convert(sums, steps)[:, 0].tolist() == [3, 4, 8, 8, 12, 12]
    below = np.array([[3.9], [4.0], [7.9], [11.9], [12.0]])
    assert TwinRangeConverter(2, down=True).convert(below, steps)[:, 0].tolist() == [3, 4, 4, 8, 12]
    each = TwinRangeConverter(2).convert(np.full((1, 3), 6.0), np.array([[1.0, 2.0, 0.5], [4.0, 8.0, 5.0]]))
    assert each.tolist() == [[8, 3, 10]]
    assert TwinRangeConverter(2).convert(np.array([2.6, 9.0]), np.array([1.0, 1.0])).tolist() == [3, 3]
