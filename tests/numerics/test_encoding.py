"""Cells and converters: what is stored decodes to what was meant, and what loses nothing computes the exact product."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cimc.numerics.encoding import Cells, decode, encode, input_steps, loses_nothing, multiply_by_steps
from tests.numerics.brute_force import product

Ints = npt.NDArray[np.int64]

KINDS = (("offset", False), ("offset", True), ("differential", False))
ISAAC = {"cell_bits": 2, "rows": 128, "dac_bits": 1, "adc_bits": 8}


def integers(rng: np.random.Generator, bits: int, shape: tuple[int, ...], signed: bool = True) -> Ints:
    """Seeded integers of a width, with both ends of the range among them more often than chance has it."""
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    values = rng.integers(low, high, shape, endpoint=True)
    ends = rng.choice([low, high], shape)
    return np.where(rng.random(shape) < 0.2, ends, values)


@pytest.mark.parametrize(("encoding", "flipped"), KINDS)
@pytest.mark.parametrize("bits", range(2, 17))
@pytest.mark.parametrize("cell_bits", range(1, 5))
def test_decode_takes_encode_back(bits: int, cell_bits: int, encoding: str, flipped: bool) -> None:
    """Every width, all values of the range (at most 2^12 of them, both ends always)."""
    low = -(1 << (bits - 1)) + (encoding == "differential")  # a pair holds magnitudes: not the lowest number
    values = np.unique(np.linspace(low, (1 << (bits - 1)) - 1, 1 << min(bits, 12)).astype(np.int64))
    weights = np.resize(values, (16, -(-len(values) // 16)))
    cells = encode(weights, bits, cell_bits, encoding, flipped)
    assert cells.levels.min() >= 0
    assert cells.levels.max() < 1 << cell_bits
    assert np.array_equal(decode(cells), weights)
    if flipped:
        assert (2 * cells.levels.sum(axis=2) <= ((1 << cell_bits) - 1) * len(weights)).all()


@given(st.data())
@settings(max_examples=150)
def test_conversion_by_conversion_is_the_exact_product_where_nothing_is_lost(data: st.DataObject) -> None:
    encoding, flipped = data.draw(st.sampled_from(KINDS))
    bits, cell_bits = data.draw(st.integers(2, 16)), data.draw(st.integers(1, 4))
    dac_bits, signed = data.draw(st.sampled_from((1, 2))), data.draw(st.booleans())
    input_bits = data.draw(st.integers(1, 8)) * dac_bits + (1 if dac_bits == 1 else 0)
    rows, columns = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    weights = integers(rng, bits, (rows, columns))
    if encoding == "differential":
        weights = np.maximum(weights, 1 - (1 << (bits - 1)))
    x = integers(rng, input_bits, (4, rows), signed)
    cells = encode(weights, bits, cell_bits, encoding, flipped)
    adc_bits = next(b for b in range(1, 16) if loses_nothing(cells, dac_bits, b))
    got = multiply_by_steps(x, cells, input_bits, signed, dac_bits, adc_bits)
    assert np.array_equal(got, x @ weights)


@given(st.data())
@settings(max_examples=150)
def test_conversions_clip_as_cell_by_cell(data: st.DataObject) -> None:
    """Any converter, from one bit to enough, any digits, against a crossbar in plain integers."""
    encoding, flipped = data.draw(st.sampled_from(KINDS))
    bits, cell_bits = data.draw(st.integers(2, 9)), data.draw(st.integers(1, 4))
    dac_bits, signed, input_bits = data.draw(st.integers(1, 4)), data.draw(st.booleans()), data.draw(st.integers(2, 9))
    rows, columns, adc_bits = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 3)), data.draw(st.integers(1, 8))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    weights = integers(rng, bits, (rows, columns))
    if encoding == "differential":
        weights = np.maximum(weights, 1 - (1 << (bits - 1)))
    x = integers(rng, input_bits, (3, rows), signed)
    cells = encode(weights, bits, cell_bits, encoding, flipped)
    got = multiply_by_steps(x, cells, input_bits, signed, dac_bits, adc_bits)
    expected = [
        product(weights.tolist(), lane, bits, input_bits, signed, cell_bits, dac_bits, adc_bits, encoding, flipped)
        for lane in x.tolist()
    ]
    assert got.tolist() == expected


@pytest.mark.parametrize("dac_bits", [1, 2])
@pytest.mark.parametrize(("encoding", "flipped"), KINDS)
def test_one_adc_bit_less_than_needed_loses_something(encoding: str, flipped: bool, dac_bits: int) -> None:
    """loses_nothing is no mere upper bound: the input that drives every row fully is wrong with one bit less."""
    rng = np.random.default_rng(5)
    weights = np.maximum(integers(rng, 8, (64, 6)), -127)
    cells = encode(weights, 8, 2, encoding, flipped)
    needed = next(b for b in range(1, 16) if loses_nothing(cells, dac_bits, b))
    x = np.full((1, 64), (1 << dac_bits) - 1, np.int64)
    assert np.array_equal(multiply_by_steps(x, cells, 2, False, dac_bits, needed), x @ weights)
    assert not np.array_equal(multiply_by_steps(x, cells, 2, False, dac_bits, needed - 1), x @ weights)


def hardest_columns(bits: int) -> Ints:
    """(128, 6): weights whose stored cells are all full, all empty, half full, and just beside half."""
    top, bottom = (1 << (bits - 1)) - 1, -(1 << (bits - 1))
    columns = [np.full(128, top), np.full(128, bottom)]
    for full in (63, 64, 65):
        columns.append(np.where(np.arange(128) < full, top, bottom))
    columns.append(np.resize([top, -1, 0, bottom], 128))
    return np.stack(columns, axis=1).astype(np.int64)


def isaac_product(weights: Ints, x: Ints, bits: int, input_bits: int, flipped: bool) -> tuple[Ints, Cells]:
    """The product with ISAAC's converters, and the cells."""
    cells = encode(weights, bits, ISAAC["cell_bits"], "offset", flipped)
    return multiply_by_steps(x, cells, input_bits, True, ISAAC["dac_bits"], ISAAC["adc_bits"]), cells


@pytest.mark.parametrize("bits", [8, 16])
def test_isaac_with_flipped_columns_loses_nothing_in_the_worst_cases(bits: int) -> None:
    """Flipped, a column of 128 cells of 2 bits holds at most 192: 8 bits of ADC hold it, whatever the inputs."""
    weights = hardest_columns(bits)
    x = np.concatenate([np.full((1, 128), v) for v in (-1, 1, 2**15 - 1, -(2**15))])
    alternate = np.where(np.arange(128) % 2, 2**15 - 1, -(2**15))[None]
    got, cells = isaac_product(weights, np.concatenate([x, alternate]), bits, 16, flipped=True)
    assert cells.levels.sum(axis=2).max() <= 192
    assert loses_nothing(cells, ISAAC["dac_bits"], ISAAC["adc_bits"])
    assert np.array_equal(got, np.concatenate([x, alternate]) @ weights)


@given(st.integers(0, 1 << 30), st.floats(0.0, 1.0), st.integers(2, 16))
@settings(max_examples=40)
def test_isaac_with_flipped_columns_loses_nothing_for_any_weights(seed: int, share: float, bits: int) -> None:
    """share: of the rows at the top of the range, so that columns of every fill are met."""
    rng = np.random.default_rng(seed)
    weights = integers(rng, bits, (128, 4))
    weights[rng.random(weights.shape) < share] = (1 << (bits - 1)) - 1
    x = integers(rng, 16, (3, 128))
    got, cells = isaac_product(weights, x, bits, 16, flipped=True)
    assert loses_nothing(cells, ISAAC["dac_bits"], ISAAC["adc_bits"])
    assert np.array_equal(got, x @ weights)


def test_isaac_without_flipping_loses_something() -> None:
    """All cells full: 128 x 3 = 384 in a column, and the ADC stops at 255."""
    weights, x = hardest_columns(16), np.full((1, 128), -1, np.int64)
    got, cells = isaac_product(weights, x, 16, 16, flipped=False)
    assert not loses_nothing(cells, ISAAC["dac_bits"], ISAAC["adc_bits"])
    assert got[0, 0] != (x @ weights)[0, 0]


def test_a_unit_column_that_clips_is_noticed() -> None:
    """Offset encoding takes off offset * (sum of inputs): its column of ones must fit the ADC as well."""
    cells = encode(np.full((20, 1), -8), 4, 4, "offset", False)  # every cell at 0
    assert not loses_nothing(cells, 1, 4)
    assert loses_nothing(cells, 1, 5)


@given(st.integers(1, 16), st.integers(1, 8))
def test_input_steps_cover_every_bit_once(bits: int, dac_bits: int) -> None:
    steps = input_steps(bits, dac_bits)
    assert (steps - 1) * dac_bits < bits <= steps * dac_bits


@pytest.mark.parametrize("input_bits", [3, 5, 7])
def test_signed_inputs_of_odd_width_in_two_bit_steps(input_bits: int) -> None:
    """The last step has one bit only."""
    rng = np.random.default_rng(1)
    weights, x = integers(rng, 6, (9, 3)), integers(rng, input_bits, (20, 9))
    got = multiply_by_steps(x, encode(weights, 6, 2, "offset", False), input_bits, True, 2, 12)
    assert np.array_equal(got, x @ weights)
