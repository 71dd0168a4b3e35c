"""Ends of calibrated ranges: few bits, not inside of what was seen, and the same for sums that differ in a last bit."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from cimc.passes.numbers.calibrate import RANGE_BITS, SAME, rounded

ENDS = st.floats(2.0**-40, 2.0**40)


@given(ENDS)
def test_an_end_has_few_bits_and_is_not_inside(end: float) -> None:
    _, high = rounded(0.0, end)
    assert (math.frexp(high)[0] * 2**RANGE_BITS).is_integer()
    assert end * (1 - SAME) <= high <= end * (1 + 2.0 ** (1 - RANGE_BITS))
    assert rounded(-end, 0.0) == (-high, 0.0)
    assert rounded(0.0, high) == (0.0, high)


@given(st.integers(1 << (RANGE_BITS - 1), (1 << RANGE_BITS) - 1), st.integers(-4, 4))
def test_values_beside_a_rounded_one_are_the_same(steps: int, units: int) -> None:
    """A Relu6, a sigmoid or a pixel of 255 / 255 ends exactly there, or a float32 unit beside it."""
    end = float(steps)
    beside = end * (1 + units * 2.0**-23)
    assert rounded(0.0, beside) == (0.0, end)


def test_zero_stays_zero() -> None:
    assert rounded(0.0, 0.0) == (0.0, 0.0)
