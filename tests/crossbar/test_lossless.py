"""May a chain lose anything: the proof is right, and as tight as it says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cimc.crossbar.device import IDEAL, Conductances, IdealArray, IdealDevice
from cimc.crossbar.lossless import ExactProduct, may_lose
from cimc.crossbar.storage import Cells
from cimc.numerics.keys import Key
from tests.crossbar.brute_force import Met, Readout, ends
from tests.crossbar.small import KINDS, Case, Ints, cases, integers

ISAAC = {"cell_bits": 2, "dac_bits": 1, "adc_bits": 8}


def loses(case: Case) -> bool:
    return may_lose(case.chain, case.feed, case.weights, case.bits, case.real_steps)


def all_inputs(case: Case) -> Ints:
    low, high = (
        (-(1 << (case.input_bits - 1)), 1 << (case.input_bits - 1)) if case.signed else (0, 1 << case.input_bits)
    )
    return np.array(list(product(range(low, high), repeat=len(case.weights))), np.int64)


@given(cases(bits=4, input_bits=3, cell_bits=2, dac_bits=3, rows=3, columns=2, adc_bits=6, steps=False))
@settings(max_examples=500)
def test_of_all_inputs_of_small_cases(case: Case) -> None:
    """Lossless: cell by cell every input gives the exact product. Not so: some input makes a conversion clip, and in a
    pair gives a wrong product."""
    x, met = all_inputs(case), Met()
    right = case.by_hand(x, met) == (x @ case.weights).tolist()
    (first, last), every = ends(case.adc_bits, case.readout.signed), met.columns + met.units
    assert loses(case) == (min(every) < first or max(every) > last)
    if not loses(case) or case.way[0] == "differential":
        assert right != loses(case)


@given(
    cases(bits=16, input_bits=16, cell_bits=4, dac_bits=4, rows=100, adc_bits=16, steps=False), st.integers(0, 1 << 30)
)
@settings(max_examples=150)
def test_conversion_by_conversion_is_the_exact_product_where_nothing_is_lost(case: Case, seed: int) -> None:
    x = integers(np.random.default_rng(seed), case.input_bits, (4, len(case.weights)), case.signed)
    enough = next(replace(case, adc_bits=b) for b in range(1, 33) if not loses(replace(case, adc_bits=b)))
    assert np.array_equal(enough.multiply(x), x @ case.weights)


@pytest.mark.parametrize("dac_bits", [1, 2])
@pytest.mark.parametrize("way", KINDS)
def test_one_adc_bit_less_than_needed_loses_something(way: tuple[str, bool], dac_bits: int) -> None:
    """The input that drives every row fully is wrong with one bit less."""
    weights = np.maximum(integers(np.random.default_rng(5), 8, (64, 6)), -127)
    tried = [Case(weights, 8, 2, False, 2, dac_bits, bits, way) for bits in range(1, 16)]
    needed = next(number for number, case in enumerate(tried) if not loses(case))
    x = np.full((1, 64), (1 << dac_bits) - 1, np.int64)
    assert np.array_equal(tried[needed].multiply(x), x @ weights)
    assert not np.array_equal(tried[needed - 1].multiply(x), x @ weights)


def test_errors_of_a_slice_and_of_the_unit_column_may_cancel() -> None:
    """Zeros with an offset of 2 lie in one-bit cells as 10: the upper slice is the unit column and clips with it."""
    case = Case(np.zeros((3, 1), np.int64), 2, 2, False, 1, 1, 1, ("offset", False))
    assert loses(case)
    assert not case.multiply(all_inputs(case)).any()


@pytest.mark.parametrize(("input_bits", "lost"), [(1, False), (2, True)])
def test_inputs_narrower_than_a_dac_drive_rows_less(input_bits: int, lost: bool) -> None:
    """Five rows at level 3: 15 at digit 1, which four bits hold, and 45 at digit 3."""
    assert loses(Case(np.full((5, 1), 3), 3, input_bits, False, 2, 2, 4, ("differential", False))) == lost


def test_a_unit_column_that_clips_is_noticed() -> None:
    """Offset encoding takes off offset * (sum of inputs): its column of ones must fit the ADC as well."""
    case = Case(np.full((20, 1), -8), 4, 1, False, 4, 1, 4, ("offset", False))  # every cell at 0
    assert loses(case)
    assert not loses(replace(case, adc_bits=5))


def test_a_step_other_than_one_may_lose_something() -> None:
    case = Case(np.array([[1]]), 2, 1, False, 2, 1, 8, ("differential", False))
    assert loses(replace(case, steps=(2.0,))) and loses(replace(case, steps=(0.5,)))


@pytest.mark.parametrize(
    ("readout", "input_bits", "lost"),
    [
        (Readout(), 1, 5),  # 20 rows at level 1: 20, and the unit column's 20
        (Readout(rows_at_once=8), 1, 4),  # 8
        (Readout(digital=True), 1, 5),
        (Readout(once=True), 3, 8),  # 20 * 7 = 140
        (Readout(signed=True), 1, 6),  # codes to 32
        (Readout(rows_at_once=8, signed=True), 1, 4),  # codes to 8
    ],
)
def test_bits_that_are_enough_by_hand(readout: Readout, input_bits: int, lost: int) -> None:
    """Weights -7 lie as 1 with their offset of 8."""
    case = Case(np.full((20, 1), -7), 4, input_bits, False, 4, 1, lost, ("offset", False), readout)
    assert not loses(case)
    assert loses(replace(case, adc_bits=lost - 1))


def test_what_no_unit_column_reads_need_not_be_held() -> None:
    """Every cell empty: nothing is converted but zeros, unless it is a unit column's 20 rows."""
    case = Case(np.full((20, 1), -8), 4, 1, False, 4, 1, 1, ("offset", False), Readout(digital=True))
    assert not loses(case)
    assert loses(replace(case, readout=Readout()))


def test_subtracted_pairs_meet_the_difference() -> None:
    """Rows of 3, 3 and -3: apart 6 and 3, subtracted -3 to 6; of a signed ADC 3 bits hold 4 and 4 bits 8."""
    weights = np.array([[3], [3], [-3]])
    case = Case(weights, 3, 1, False, 2, 1, 4, ("differential", False), Readout(signed=True, subtracted=True))
    assert not loses(case) and loses(replace(case, adc_bits=3))
    assert not loses(replace(case, weights=weights[1:], adc_bits=3)), "-3 .. 3 in -3 .. 4"
    whole = replace(case, signed=True, input_bits=2, readout=replace(case.readout, once=True))
    assert not loses(replace(whole, adc_bits=5)), "two rows at -2 and one at 1: -15, at 1, 1 and -2: 12"
    assert loses(replace(whole, adc_bits=4))
    halves = replace(whole, readout=replace(whole.readout, halves=True))
    assert not loses(replace(halves, adc_bits=5)) and loses(replace(halves, adc_bits=4)), "rows driven with 2: 12"


class OtherCells(IdealDevice):
    exact = False


class OtherWires(IdealArray):
    exact = False


def test_cells_and_wires_that_are_not_exact_may_lose_something() -> None:
    case = Case(np.array([[1]]), 2, 1, False, 2, 1, 8, ("differential", False))
    assert not loses(case)
    assert may_lose(replace(case.chain, device=OtherCells()), case.feed, case.weights, 2)
    assert may_lose(replace(case.chain, array=OtherWires()), case.feed, case.weights, 2)


@dataclass(frozen=True)
class Halved:
    """Cells that conduct half of their level."""

    exact: bool = False

    def program(self, cells: Cells, key: Key) -> Conductances:
        whole = IDEAL.program(cells, key)
        return replace(whole, cells=whole.cells / 2)


def test_what_cells_conduct_is_what_is_converted() -> None:
    """3 * 3 + 2 * 1 = 11 halved is 5.5, and the nearest even code 6."""
    case = Case(np.array([[3], [2]]), 3, 2, False, 2, 2, 8, ("differential", False))
    programmed = replace(case.chain, device=Halved()).program(case.weights, 3, Key(0))
    assert programmed.multiply(np.array([[3, 1]]), case.feed).tolist() == [[6]]


def hardest_columns(bits: int) -> Ints:
    """(128, 6): weights whose stored cells are all full, all empty, half full, and just beside half."""
    top, bottom = (1 << (bits - 1)) - 1, -(1 << (bits - 1))
    columns = [np.full(128, top), np.full(128, bottom)]
    for full in (63, 64, 65):
        columns.append(np.where(np.arange(128) < full, top, bottom))
    columns.append(np.resize([top, -1, 0, bottom], 128))
    return np.stack(columns, axis=1).astype(np.int64)


@pytest.mark.parametrize("bits", [8, 16])
def test_isaac_with_flipped_columns_loses_nothing_in_the_worst_cases(bits: int) -> None:
    """Flipped, a column of 128 cells of 2 bits holds at most 192: 8 bits of ADC hold it, whatever the inputs."""
    case = Case(hardest_columns(bits), bits, 16, True, **ISAAC, way=("offset", True))
    x = np.concatenate([np.full((1, 128), v) for v in (-1, 1, 2**15 - 1, -(2**15))])
    x = np.concatenate([x, np.where(np.arange(128) % 2, 2**15 - 1, -(2**15))[None]])
    assert case.chain.storage.store(case.weights, bits).largest_columns(slice(None), False)[1] <= 192
    assert not loses(case)
    assert np.array_equal(case.multiply(x), x @ case.weights)


@given(st.integers(0, 1 << 30), st.floats(0.0, 1.0), st.integers(2, 16))
@settings(max_examples=40)
def test_isaac_with_flipped_columns_loses_nothing_for_any_weights(seed: int, share: float, bits: int) -> None:
    """share: of the rows at the top of the range, so that columns of every fill are met."""
    rng = np.random.default_rng(seed)
    weights = integers(rng, bits, (128, 4))
    weights[rng.random(weights.shape) < share] = (1 << (bits - 1)) - 1
    x, case = integers(rng, 16, (3, 128)), Case(weights, bits, 16, True, **ISAAC, way=("offset", True))
    assert not loses(case)
    assert np.array_equal(case.multiply(x), x @ weights)


def test_isaac_without_flipping_loses_something() -> None:
    """All cells full: 128 x 3 = 384 in a column, and the ADC stops at 255."""
    case, x = Case(hardest_columns(16), 16, 16, True, **ISAAC, way=("offset", False)), np.full((1, 128), -1, np.int64)
    assert loses(case)
    assert case.multiply(x)[0, 0] != (x @ case.weights)[0, 0]


@pytest.mark.parametrize(
    ("weights", "bits", "signed", "shift", "dtype", "largest"),
    [
        ([[1], [-2]], 3, False, 0, np.float32, 21),  # 3 * 7
        ([[1], [-2]], 3, True, 0, np.float32, 12),  # 3 * 4
        ([[1, 2], [-2, 4]], 3, True, 0, np.float32, 24),  # the larger column
        ([[255], [2]], 16, False, 0, np.float64, 257 * 65535),  # 2^24 + 65279
        ([[255]], 16, False, 0, np.float32, 255 * 65535),  # 2^24 - 65791
        ([[255]], 16, False, 17, np.float32, 255 * 65535),  # and half a step of 2^17 is 65536: 2^24 - 255
        ([[255]], 16, False, 18, np.float64, 255 * 65535),  # of 2^18: beyond 2^24
        ([[0]], 1, False, 24, np.float64, 0),
    ],
)
def test_the_type_of_an_exact_product_holds_every_sum(
    weights: list[list[int]], bits: int, signed: bool, shift: int, dtype: type, largest: int
) -> None:
    case = Case(np.array(weights), 9, bits, signed, 2, 1, 8, ("differential", False))
    found = ExactProduct.of(case.weights, case.feed, shift)
    assert (found.weights.dtype, found.largest) == (dtype, largest)
    assert found.weights.T.tolist() == weights
