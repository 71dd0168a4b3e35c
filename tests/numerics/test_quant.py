"""Requantisation, rounding and tables against formulations that share no code with cimc.numerics."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cimc.numerics.quant import (
    Quant,
    dequantise,
    finite32,
    look_up,
    multiply_shift,
    quantise,
    range_quant,
    requant,
    requant2,
    requant_by,
    saturate,
    shift_round,
)

INT32 = st.integers(-(2**31), 2**31 - 1)
MULTIPLIER = st.floats(2.0**-40, 4.0, width=32)


@pytest.mark.filterwarnings("error")
def test_beyond_float32() -> None:
    """What overflows is infinite or saturates, and nothing is printed about it."""
    largest = float(np.finfo(np.float32).max)
    byte = Quant(2.0**-20, 3, -128, 127)
    assert quantise(np.array([largest, -largest]), byte).tolist() == [127, -128]
    assert dequantise(np.array([127, -128]), Quant(largest, 0, -128, 127)).tolist() == [np.inf, -np.inf]


@pytest.mark.filterwarnings("error")
def test_multipliers_beyond_float32_saturate_alike() -> None:
    largest = float(np.finfo(np.float32).max)
    m = finite32(np.array([1e39, -1e300, np.inf, largest, 0.5, 1e-45]))
    assert m.tolist() == [largest, -largest, largest, largest, 0.5, float(np.float32(1e-45))]
    sums = np.array([[1], [0], [-1]])
    for factor in (1, 1 << 30):  # a product of the second is infinite
        assert requant(factor * sums, m[:2], 3, -128, 127).tolist() == [[127, -128], [3, 3], [-128, 127]]
        assert requant2(factor * sums, sums, m[:2], m[:2], 3, -128, 127).tolist() == [[127, -128], [3, 3], [-128, 127]]
        assert requant_by(factor * sums, m[:2], np.ones(1, np.int64), 3, -128, 127)[0].tolist() == [127, -128]


def to_float32(x: Fraction) -> Fraction:
    """The float32 nearest to x, ties to the even one, by arithmetic of fractions (normal numbers only)."""
    if x == 0:
        return x
    exponent = 0
    while abs(x) >= 2 ** (exponent + 1):
        exponent += 1
    while abs(x) < Fraction(2) ** exponent:
        exponent -= 1
    step = Fraction(2) ** (exponent - 23)
    return round(x / step) * step  # Python rounds a Fraction half to even


def by_fractions(acc: int, m: float, zero: int, low: int, high: int) -> int:
    """requant as the design states it, one float32 operation after the other."""
    product = to_float32(to_float32(Fraction(acc)) * Fraction(m))
    return min(max(round(product) + zero, low), high)


@given(INT32, MULTIPLIER, st.integers(0, 255))
@example(5, 0.5, 0)  # 2.5: a tie goes to the even 2
@example(7, 0.5, 0)  # 3.5: and to the even 4
@example(-5, 0.5, 128)
@example(2**24 + 1, 2.0**-20, 0)  # float32 has no 2^24 + 1
@example(2**24 + 3, 1.0, 0)
@example(2**31 - 1, 2.0**-24, 0)
@example(-(2**31), 2.0**-24, 128)
@example(33554435, 2.0**-2, 0)
def test_requant_is_the_stated_chain_of_float32_operations(acc: int, m: float, zero: int) -> None:
    low, high = -(2**35), 2**35  # beyond every product: saturation has a test of its own
    got = requant(np.asarray([acc]), np.asarray([m], np.float32), zero, low, high)
    assert got.dtype == np.int64
    assert got[0] == by_fractions(acc, m, zero, low, high)


def test_requant_differs_from_exact_arithmetic_beyond_24_bits() -> None:
    """float32(2^25 + 3) is 2^25 + 4: were the product taken in float64, the result would be 2^25 + 3."""
    assert requant(np.asarray([2**25 + 3]), np.float32([1.0]), 0, 0, 2**30)[0] == 2**25 + 4


@given(INT32, MULTIPLIER, st.integers(-128, 127))
def test_requant_saturates_after_the_zero_point(acc: int, m: float, zero: int) -> None:
    got = int(requant(np.asarray([acc]), np.asarray([m], np.float32), zero, -128, 127)[0])
    assert got == by_fractions(acc, m, zero, -128, 127)
    assert -128 <= got <= 127


@given(INT32, INT32, MULTIPLIER, MULTIPLIER)
@example(2**22, 1, 1.0, np.float32(0.6))  # 2^22 + 0.6 is 2^22 + 0.5 in float32, a tie, and goes to the even 2^22
@example(2**22 + 1, 1, 1.0, np.float32(0.4))
@example(2**24 + 1, -(2**24), 1.0, 1.0)
def test_requant2_rounds_each_product_and_their_sum_to_float32(a: int, b: int, m: float, n: float) -> None:
    """No fused multiply-add: five roundings, then the one to an integer."""
    m, n = float(m), float(n)
    first = to_float32(to_float32(Fraction(a)) * Fraction(m))
    parts = first + to_float32(to_float32(Fraction(b)) * Fraction(n))
    expected = min(max(round(to_float32(parts)) + 3, -(2**40)), 2**40)
    got = requant2(np.asarray([a]), np.asarray([b]), np.float32([m]), np.float32([n]), 3, -(2**40), 2**40)
    assert got[0] == expected


@given(
    st.sampled_from([2**24 - 1, 2**24, 2**24 + 1, 2**25 + 1, 2**26 + 2, 2**31 - 1, 2**33 + 1]),
    st.sampled_from([0, 1, -1, 2**24 + 1]),
    st.booleans(),
)
def test_limits_beyond_24_bits_hold_to_the_last_bit(limit: int, zero: int, upper: bool) -> None:
    """2^25 + 1 is no float32 number, and still what an infinite sum is limited to."""
    far = np.float32([3e38 if upper else -3e38])
    got = requant(np.asarray([1]), far, zero, -limit, limit)
    assert int(got[0]) == (limit if upper else -limit)


@given(st.integers(0, 2**15 - 1), st.integers(1, 2**24))
def test_requant_by_divides_the_multiplier_first(a: int, total: int) -> None:
    m = np.float32([2.0**16])
    share = to_float32(Fraction(2**16) / total)
    expected = min(round(to_float32(Fraction(a) * share)), 65535)
    assert requant_by(np.asarray([a]), m, np.asarray([total]), 0, 0, 65535)[0] == expected


@pytest.mark.parametrize("zero", [0, 5])
def test_of_a_total_of_nothing_every_share_is_nothing(zero: int) -> None:
    got = requant_by(np.asarray([7, 0, -7]), np.float32([4.0]), np.asarray([0]), zero, -100, 100)
    assert got.tolist() == [zero] * 3


@given(st.integers(-(2**50), 2**50), st.integers(0, 40))
@example(-3, 1)  # -1.5 rounds up to -1: half up, not half away
@example(3, 1)
@example(-1, 1)
def test_shift_round_is_half_up_and_the_same_in_int64_and_float64(x: int, shift: int) -> None:
    expected = (Fraction(x, 1 << shift) + Fraction(1, 2)).__floor__() if shift else x
    assert int(shift_round(np.asarray([x], np.int64), shift)[0]) == expected
    assert int(shift_round(np.asarray([float(x)]), shift)[0]) == expected


@given(st.integers(-(2**40), 2**40), st.integers(2, 32))
def test_saturate(x: int, bits: int) -> None:
    assert int(saturate(np.asarray([x]), bits)[0]) == min(max(x, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**15), 2**15), st.integers(1, 30))
def test_multiply_shift_keeps_the_full_product(a: int, b: int, shift: int) -> None:
    got = multiply_shift(np.asarray([a], np.int32), np.asarray([b], np.int32), shift)
    assert int(got[0]) == (a * b + (1 << (shift - 1))) >> shift


@given(st.integers(-400, 400), st.integers(-200, 100))
def test_look_up_without_a_step_clamps_at_both_ends(x: int, first: int) -> None:
    entries = np.arange(256)[::-1] * 7
    expected = int(entries[min(max(x - first, 0), 255)])
    assert int(look_up(np.asarray([x]), entries, first, 0)[0]) == expected


@given(st.integers(-40000, 40000), st.integers(1, 8), st.integers(0, 1000))
def test_look_up_interpolates_half_up(x: int, step: int, seed: int) -> None:
    entries = np.random.default_rng(seed).integers(-32768, 32767, 17)
    first = -300
    at = min(max(x - first, 0), 16 << step)
    below, above = int(entries[at >> step]), int(entries[min((at >> step) + 1, 16)])
    share = Fraction(at & ((1 << step) - 1), 1 << step)
    expected = (below + (above - below) * share + Fraction(1, 2)).__floor__()
    assert int(look_up(np.asarray([x]), entries, first, step)[0]) == expected


def test_look_up_gives_the_entries_themselves() -> None:
    entries = np.asarray([5, -3, 12, 12, 0])
    at = 100 + 4 * np.arange(5)
    assert look_up(at, entries, 100, 2).tolist() == entries.tolist()


@given(st.floats(-1e6, 1e6, width=32), st.floats(2.0**-20, 8.0, width=32), st.integers(-128, 127))
@example(2.5, 1.0, 0)  # ties go to the even number
@example(-0.25, 0.5, 3)
@example(1.75, 0.5, -3)
def test_quantise_divides_in_float32_and_rounds_half_to_even(x: float, scale: float, zero: int) -> None:
    quotient = to_float32(Fraction(x) / Fraction(scale))
    quant = Quant(scale, zero, -128, 127)
    assert int(quantise(np.float32([x]), quant)[0]) == min(max(round(quotient) + zero, -128), 127)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 3e38])
def test_quantise_saturates_what_overflows(value: float) -> None:
    with np.errstate(over="ignore"):
        got = int(quantise(np.float32([value]), Quant(1e-3, 0, -128, 127))[0])
    assert got == (127 if value > 0 else -128)


@given(
    st.floats(-100, 100), st.floats(0, 100), st.integers(2, 16), st.booleans(), st.integers(0, 1), st.integers(0, 16)
)
def test_range_quant_holds_the_range_and_zero_exactly(
    low: float, width: float, bits: int, symmetric: bool, headroom: int, spare: int
) -> None:
    """Half a step is the rounding itself; the rounded zero point adds another, float32 scales less than 0.01. Every
    number is one of a signed word, and none below zero is left out where nothing is negative."""
    high, word = low + width, bits + spare
    quant = range_quant(low, high, bits, symmetric, word, headroom)
    assert 0 <= quant.high - quant.low < 1 << bits
    assert quant.low <= quant.zero <= quant.high
    assert -(1 << (word - 1)) <= quant.low <= quant.high < 1 << (word - 1)
    if low >= 0:
        assert (quant.low, quant.high) == (0, min(2**bits, 2 ** (word - 1)) - 1)
    elif not symmetric and high > 0:
        assert quant.high - quant.low == 2**bits - 1
    assert dequantise(np.asarray([quant.zero]), quant)[0] == 0
    assert quant.zero == 0 or not symmetric
    if low < 0 and not symmetric:  # the zero point is the whole number that is nearest to where 0 lies
        assert abs((quant.zero - quant.low) + Fraction(low) / Fraction(quant.scale)) <= Fraction(501, 1000)
    below, above = max(-low, 0.0), max(high, 0.0)
    if below + above >= 2.0**-100:  # else it is a range of nothing; float32 rounds a scale by 2^-24 of it at most
        whole = low < 0 and not symmetric
        span = below + above if whole else max(below, above)
        steps = quant.high - quant.low if whole else quant.high
        assert steps * quant.scale == pytest.approx(span * 2**headroom, rel=1e-7)
    ends = np.float32([min(low, 0.0), max(high, 0.0)])
    back = dequantise(quantise(ends, quant), quant)
    assert np.abs(back - ends).max() <= 1.01 * quant.scale


@given(st.integers(-(2**15), 0), st.integers(0, 2**16))
def test_bits_hold_every_integer_of_the_format(low: int, high: int) -> None:
    bits = Quant(1.0, 0, low, high).bits
    if low < 0:
        assert -(1 << (bits - 1)) <= low
        assert high < 1 << (bits - 1)
        assert bits == 2 or low < -(1 << (bits - 2)) or high >= 1 << (bits - 2)
    else:
        assert high < 1 << bits
        assert bits == 1 or high >= 1 << (bits - 1)


def test_limits_that_are_no_float32_numbers_hold() -> None:
    top = 2**31 - 1
    x = np.array([-np.inf, -(2.0**40), 0.0, 2.0**31 - 256, 2.0**31, np.inf])
    assert quantise(x, Quant(1.0, 0, -top - 1, top)).tolist() == [-top - 1, -top - 1, 0, top - 255, top, top]
    assert quantise(x[-2:], Quant(1.0, -5, -top, top - 1)).tolist() == [top - 4, top - 1]


def test_infinities_of_different_signs_are_nothing() -> None:
    large = np.array([3e38], np.float32)
    a, b = np.array([4, 4, -4, 0]), np.array([-4, 4, -4, -4])
    assert requant2(a, b, large, large, 7, -100, 90).tolist() == [7, 90, -100, -100]
    assert requant2(a, b, large, np.float32([1]), 7, -100, 90).tolist() == [90, 90, -100, 3]
