"""Each compiled function equals the plain meaning of its instruction, in unbounded integers or cimc.numerics.quant."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cimc.isa.meaning import Entries, Factors
from cimc.isa.program import Scale
from cimc.isa.table import FORM
from cimc.numerics import quant
from cimc.runtime.machine import Argument, Register, Scratch
from cimc.runtime.vector import QUICK, compile_scalar, compile_vector

Ints = npt.NDArray[np.int64]

LENGTH = 4
seeds = st.integers(0, 2**32 - 1)
widths = st.sampled_from([8, 16, 24, 31, 32])
lane_counts = st.sampled_from([1, 3, 20])


class Case:
    """Registers with random words, many of them at the ends of their range, and what is stored in the end."""

    def __init__(self, seed: int, lanes: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.scratch = Scratch(lanes)
        self.lanes = lanes

    def register(self, length: int, bits: int) -> Register:
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        words = self.rng.integers(low, high, (length, self.lanes), endpoint=True)
        words >>= self.rng.integers(0, bits, words.shape)
        ends = self.rng.random(words.shape) < 0.2
        words[ends] = self.rng.choice([low, low + 1, high - 1, high], words.shape)[ends]
        return Register(words.astype(np.int32), bits)


def run(mnemonic: str, dest: Register, *arguments: Argument, s: Ints | None = None) -> None:
    compile_vector(FORM[mnemonic], dest, arguments, Scratch(dest.words.shape[1]), s)()


def wide(register: Register) -> Ints:
    return register.words.astype(np.int64)


def saturated(values: Ints, dest: Register) -> list[list[int]]:
    shape = dest.words.shape
    limited: list[list[int]] = np.broadcast_to(quant.saturate(values, dest.bits), shape).tolist()
    return limited


PLAIN_BINARY = {"add": np.add, "sub": np.subtract, "max": np.maximum, "min": np.minimum}


@given(seeds, lane_counts, widths, widths, widths, st.sampled_from([(4, 4), (1, 4), (4, 1), (1, 1)]))
def test_binary(seed: int, lanes: int, to: int, left: int, right: int, lengths: tuple[int, int]) -> None:
    case = Case(seed, lanes)
    for mnemonic, ufunc in PLAIN_BINARY.items():
        a, b = case.register(lengths[0], left), case.register(lengths[1], right)
        dest = case.register(LENGTH, to)
        expected = saturated(ufunc(wide(a), wide(b)), dest)
        run(mnemonic, dest, a, b)
        assert dest.words.tolist() == expected


@pytest.mark.parametrize("bits", [16, 32])
@given(seeds)
def test_operands_that_overlap_the_destination(bits: int, seed: int) -> None:
    case = Case(seed, 3)
    for mnemonic, ufunc in PLAIN_BINARY.items():
        file = case.register(8, bits)
        dest, a, b = (Register(file.words[k : k + 4], bits) for k in (1, 0, 2))
        expected = saturated(ufunc(wide(a), wide(b)), dest)
        run(mnemonic, dest, a, b)
        assert dest.words.tolist() == expected
    file = case.register(8, bits)
    dest, a = Register(file.words[1:3], bits), Register(file.words[0:6], bits)
    expected = wide(a).reshape(3, 2, 3).max(axis=0).tolist()
    run("rmax", dest, a)
    assert dest.words.tolist() == expected


values = st.one_of(st.integers(-300, 300), st.integers(-(1 << 33), 1 << 33))


@given(seeds, lane_counts, widths, widths, values, st.integers(0, 63))
def test_immediate(seed: int, lanes: int, to: int, bits: int, value: int, shift: int) -> None:
    case = Case(seed, lanes)
    plain: dict[str, Callable[[Ints], Ints]] = {
        "addi": lambda a: a + value,
        "maxi": lambda a: np.maximum(a, value),
        "mini": lambda a: np.minimum(a, value),
        "andi": lambda a: a & value,
        "shri": lambda a: a >> shift,
    }
    for mnemonic, meaning in plain.items():
        a, dest = case.register(LENGTH, bits), case.register(LENGTH, to)
        expected = saturated(meaning(wide(a)), dest)
        number = shift if mnemonic == "shri" else value
        run(mnemonic, dest, a, number)
        assert dest.words.tolist() == expected, mnemonic


@given(seeds, lane_counts, widths, widths, values, st.integers(1, 62))
def test_set_copy_mulshr_rmax(seed: int, lanes: int, to: int, bits: int, value: int, shift: int) -> None:
    case = Case(seed, lanes)
    a, b, dest = case.register(LENGTH, bits), case.register(1, bits), case.register(LENGTH, to)
    run("set", dest, value)
    assert dest.words.tolist() == saturated(np.array([[value]]), dest)
    run("copy", dest, a)
    assert dest.words.tolist() == saturated(wide(a), dest)
    run("mulshr", dest, a, b, shift)
    assert dest.words.tolist() == saturated(quant.multiply_shift(wide(a), wide(b), shift), dest)
    terms = case.register(3 * LENGTH, bits)
    run("rmax", dest, terms)
    assert dest.words.tolist() == saturated(wide(terms).reshape(3, LENGTH, lanes).max(axis=0), dest)


@given(seeds, lane_counts, widths, widths, st.integers(-200, 100), st.integers(0, 5), st.integers(1, 40))
def test_lut(seed: int, lanes: int, to: int, bits: int, first: int, step: int, entries: int) -> None:
    case = Case(seed, lanes)
    a, dest = case.register(LENGTH, bits), case.register(LENGTH, to)
    table = case.rng.integers(-(1 << 20), 1 << 20, entries)
    expected = saturated(quant.look_up(wide(a), table, first, step), dest)
    run("lut", dest, a, Entries(table, first, step))
    assert dest.words.tolist() == expected


@st.composite
def scales(draw: st.DrawFn, rows: int = 1) -> tuple[Scale, int]:
    """A scale with ends inside of a byte, of 16 or of 32 bits, and a seed for its multipliers."""
    bits = draw(st.sampled_from([8, 16, 32]))
    low = draw(st.integers(-(1 << (bits - 1)), 0))
    high = draw(st.integers(0, (1 << (bits - 1)) - 1))
    zero = draw(st.integers(low, high))
    a0, b0 = (draw(st.one_of(st.just(0), st.integers(-200, 200))) for _ in range(2))
    return Scale("s", 0, LENGTH, rows, zero, low, high, a0, b0, "m"), draw(seeds)


def factors(scale: Scale, seed: int, entries: int) -> Factors:
    rng = np.random.default_rng(seed)
    m = (2.0 ** rng.uniform(-24, 2, (scale.rows, entries, 1)) * rng.choice([-1, 1, 1])).astype(np.float32)
    return of(scale, m)


def of(scale: Scale, m: npt.NDArray[np.float32]) -> Factors:
    return Factors(m[0], m[-1], scale.zero, scale.low, scale.high, scale.a0, scale.b0, False)


@given(seeds, lane_counts, widths, widths, scales(), scales(2), st.sampled_from([1, LENGTH]))
def test_requantisation(
    seed: int,
    lanes: int,
    to: int,
    bits: int,
    one: tuple[Scale, int],
    two: tuple[Scale, int],
    entries: int,
) -> None:
    case = Case(seed, lanes)
    scale, pair = one[0], two[0]
    single, double = factors(*one, entries), factors(*two, entries)
    m, ends = single.m, (scale.zero, scale.low, scale.high)
    a, b, dest = case.register(LENGTH, bits), case.register(case.rng.choice([1, LENGTH]), bits), case.register(4, to)

    run("requant", dest, a, single)
    assert dest.words.tolist() == saturated(quant.requant(wide(a), m, *ends), dest)

    first, second = double.m, double.n
    expected = quant.requant2(wide(a) - pair.a0, wide(b) - pair.b0, first, second, pair.zero, pair.low, pair.high)
    run("requant2", dest, a, b, double)
    assert dest.words.tolist() == saturated(expected, dest)

    product = (wide(a) - scale.a0) * (wide(b) - scale.b0)
    run("requantm", dest, a, b, single)
    assert dest.words.tolist() == saturated(quant.requant(product, m, *ends), dest)

    terms = case.register(3 * LENGTH, bits)
    total = (wide(terms) - scale.a0).reshape(3, LENGTH, lanes).sum(axis=0)
    run("rsum", dest, terms, single)
    assert dest.words.tolist() == saturated(quant.requant(total, m, *ends), dest)


@given(seeds, lane_counts, widths, widths, scales(), st.sampled_from([1, LENGTH]))
def test_shares_of_a_sum(seed: int, lanes: int, to: int, bits: int, one: tuple[Scale, int], entries: int) -> None:
    case = Case(seed, lanes)
    scale, single = one[0], factors(*one, entries)
    a, dest = case.register(LENGTH, bits), case.register(LENGTH, to)
    s = case.rng.integers(-5, 5, lanes)
    before = s.copy()
    compile_scalar(FORM["sums"], [a], case.scratch, s)()
    assert s.tolist() == (before + wide(a).sum(axis=0)).tolist()
    s[: lanes // 2] = 0
    s = case.rng.permutation(s)
    plain = quant.requant_by(wide(a), single.m, s[None], scale.zero, scale.low, scale.high)
    run("requants", dest, a, single, s=s)
    assert dest.words.tolist() == saturated(plain, dest)


@given(seeds, lane_counts, st.sampled_from([8, 16, 32]), scales(), scales(2))
def test_the_quicker_ways_are_the_meanings(
    seed: int, lanes: int, bits: int, one: tuple[Scale, int], two: tuple[Scale, int]
) -> None:
    """Bit for bit, before anything is rounded to a whole number; a source of one word is broadcast."""
    case = Case(seed, lanes)
    a, b = case.register(LENGTH, bits), case.register(case.rng.choice([1, LENGTH]), bits)
    arguments: dict[str, list[Argument]] = {
        "requant": [a, factors(*one, LENGTH)],
        "requant2": [a, b, factors(*two, LENGTH)],
    }
    assert {FORM[mnemonic].meaning for mnemonic in arguments} == QUICK.keys()
    for mnemonic, given_to in arguments.items():
        meaning = FORM[mnemonic].meaning
        assert meaning is not None
        plain = meaning(*(wide(argument) if isinstance(argument, Register) else argument for argument in given_to))
        assert QUICK[meaning](LENGTH, case.scratch, *given_to)().tobytes() == plain.tobytes()


def settled(real: int, zero: int, low: int, high: int, bits: int) -> int:
    """A whole number in units of the result: zero point, limits of the scale and of the register."""
    limited = min(max(real + zero, low), high)
    return min(max(limited, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)


wide_limits = st.one_of(
    st.sampled_from([2**24 - 1, 2**24, 2**24 + 1, 2**25 + 1, 2**26 - 1, 2**26 + 2, 2**31 - 1]),
    st.integers(0, 2**31 - 1),
)


@given(wide_limits, wide_limits, st.sampled_from([0, 1, -1, 2**24 + 1, 100]), st.sampled_from([16, 31, 32]))
def test_limits_that_float32_has_not(high: int, low: int, zero: int, bits: int) -> None:
    """A multiplier of 1 and words far beyond the limits: the results are the limits themselves, to the last bit."""
    zero = min(max(zero, -low), high)
    scale = Scale("s", 0, 1, 1, zero, -low, high, 0, 0, "m")
    single = of(scale, np.ones((1, 1, 1), np.float32))
    words = np.array([[2**31 - 128, -(2**31), 2**20, -(2**20), 0]], np.int32)  # all of them float32 numbers
    dest = Register(np.zeros((1, 5), np.int32), bits)
    run("requant", dest, Register(words, 32), single)
    assert dest.words.tolist() == [[settled(word, zero, -low, high, bits) for word in words[0].tolist()]]


@pytest.mark.parametrize("zero", [0, 7])
def test_shares_of_nothing_are_zero(zero: int) -> None:
    """Lanes with a sum of 0 beside others: 3 * 8 / 4 = 6, and 0 where there is nothing to share, even of nothing."""
    scale = Scale("s", 0, 1, 1, zero, -100, 100, 0, 0, "m")
    single = of(scale, np.full((1, 1, 1), 8, np.float32))
    a = Register(np.array([[3, 3, 0, 3]], np.int32), 16)
    dest = Register(np.zeros((1, 4), np.int32), 16)
    run("requants", dest, a, single, s=np.array([4, 0, 0, -4]))
    assert dest.words.tolist() == [[6 + zero, zero, zero, -6 + zero]]


@pytest.mark.parametrize("zero", [0, 7])
def test_halves_go_to_the_even_number(zero: int) -> None:
    """1/2, 3/2, 5/2 and their negatives; with a zero point it is added behind the rounding."""
    scale = Scale("s", 0, 1, 1, zero, -100, 100, 0, 0, "m")
    a = Register(np.array([[1, 3, 5, -1, -3, -5]], np.int32), 16)
    dest = Register(np.zeros((1, 6), np.int32), 16)
    run("requant", dest, a, of(scale, np.full((1, 1, 1), 0.5, np.float32)))
    assert dest.words.tolist() == [[zero + n for n in (0, 2, 2, 0, -2, -2)]]
