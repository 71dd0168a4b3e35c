"""The law of each stage on its own: feed, device, array, converter, recombination."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cimc.crossbar.device import IDEAL
from cimc.crossbar.feed import Feed
from cimc.crossbar.storage import Recombination
from cimc.numerics.keys import Key
from tests.crossbar.brute_force import PLAIN, Readout
from tests.crossbar.small import Case, cases


@given(st.integers(1, 10), st.booleans(), st.integers(1, 10), st.booleans(), st.booleans(), st.booleans())
def test_digits_add_up_to_the_input(
    bits: int, signed: bool, dac_bits: int, once: bool, biased: bool, halves: bool
) -> None:
    """All inputs of a width, and words that agree with them in their lowest bits."""
    feed = Feed(bits, signed, dac_bits, once, once and biased, halves)
    x = np.arange(1 << bits) - ((1 << (bits - 1)) if signed else 0)
    for words in (x, x + (1 << bits), x - (3 << bits)):
        found = list(feed.digits(words))
        assert len(found) == (1 if once else feed.steps) * (2 if signed and halves else 1)
        assert (feed.steps - 1) * dac_bits < bits <= feed.steps * dac_bits
        assert np.array_equal(sum(worth * digits for worth, digits in found) - feed.bias, x)
        every = np.concatenate([digits for _, digits in found])
        assert (every.min(), every.max()) == feed.digit_range
        assert once or every.max() < 1 << dac_bits


def test_the_last_digit_of_a_signed_input_by_hand() -> None:
    """-3 in four bits is 1101: 1 + 4 - 8. In two-bit digits -3 + 8 = 5 is 11, and 8 is taken off."""
    assert [(w, int(d)) for w, d in Feed(4, True, 1).digits(np.array(-3))] == [(1, 1), (2, 0), (4, 1), (-8, 1)]
    assert [(w, int(d)) for w, d in Feed(4, True, 2).digits(np.array(-3))] == [(1, 1), (4, 1)]
    assert Feed(4, True, 2).bias == 8


def test_inputs_at_once_and_in_halves_by_hand() -> None:
    """-3: whole, moved by 8, and in halves: 0 and then 3, which is 11 in bits."""
    x = np.array(-3)
    assert [(w, int(d)) for w, d in Feed(4, True, 1, once=True).digits(x)] == [(1, -3)]
    assert [(w, int(d)) for w, d in Feed(4, True, 1, once=True, biased=True).digits(x)] == [(1, 5)]
    assert [(w, int(d)) for w, d in Feed(4, True, 3, once=True, halves=True).digits(x)] == [(1, 0), (-1, 3)]
    halves = [(w, int(d)) for w, d in Feed(3, True, 1, halves=True).digits(x)]
    assert halves == [(1, 0), (2, 0), (4, 0), (-1, 1), (-2, 1), (-4, 0)]
    assert [Feed(4, True, 1, once=True, biased=b, halves=h).bias for b, h in ((0, 0), (1, 0), (1, 1))] == [0, 8, 0]


@pytest.mark.parametrize(
    ("once", "signed", "adc_bits", "dac_bits", "bias"),
    [
        (False, False, 8, 1, 0),
        (False, False, 8, 2, 8),
        (True, False, 8, 1, 8),
        (True, True, 8, 1, 0),
        (True, True, 2, 1, 0),
        (True, True, 1, 1, 8),  # of one bit a signed ADC has codes 0 and 1 only
        (True, True, 8, 2, 8),
    ],
)
def test_inputs_are_moved_where_converters_read_no_negative_sums(
    once: bool, signed: bool, adc_bits: int, dac_bits: int, bias: int
) -> None:
    readout = Readout(once=once, signed=signed)
    case = Case(np.array([[1]]), 2, 4, True, 1, dac_bits, adc_bits, ("differential", False), readout)
    assert case.feed.bias == bias


@given(cases(), st.integers(0, 1 << 40))
def test_ideal_cells_conduct_their_level_whatever_the_key(case: Case, seed: int) -> None:
    cells = case.chain.storage.store(case.weights, case.bits)
    conductances = IDEAL.program(cells, Key(seed).at(1, 2, 3))
    assert IDEAL.exact
    assert np.array_equal(conductances.cells, cells.levels)
    assert (conductances.unit is None) == (case.way[0] == "differential")
    assert conductances.unit is None or conductances.unit.tolist() == [[1.0]] * len(case.weights)


@given(cases())
def test_ideal_columns_carry_digits_times_conductances(case: Case) -> None:
    """Of every slice of every half, and beyond what float32 holds."""
    case = replace(case, readout=PLAIN)
    levels = case.programmed.conductances.cells
    digits = np.arange(2 * len(case.weights)).reshape(2, -1) + (1 << 24)
    (read,) = case.programmed.reads(digits, Feed(32, False, 32))
    for sign, number in np.ndindex(*levels.shape[:2]):
        wanted = [[sum(d * int(c) for d, c in zip(lane, column, strict=True))
                   for column in levels[sign, number].T] for lane in digits.tolist()]  # fmt: skip
        assert read.cells[sign, number].tolist() == wanted


@given(cases(bits=16, cell_bits=8))
def test_a_row_that_is_driven_alone_gives_its_weights(case: Case) -> None:
    """Its levels are the codes then, and 1 the unit column's."""
    cells = case.chain.storage.store(case.weights, case.bits)
    recombination = Recombination.of(cells)
    for row, wanted in enumerate(case.weights.tolist()):
        codes, unit = cells.levels[:, :, row : row + 1].astype(np.float64), np.ones((1, 1))
        assert recombination.recombine(codes, unit if cells.offset else None).tolist() == [wanted]


@pytest.mark.parametrize("flipped", [False, True])
def test_recombination_by_hand(flipped: bool) -> None:
    """Weights -1 and 1 of three bits: 3 = 011 and 5 = 101 in one-bit slices, so columns of 2, 1, 1 of two rows; none is
    more than half full but the first, which flipped holds nothing. Codes 2, 1, 1 and 2 of the unit column count 2 + 2 +
    4 - 4 * 2 = 0 = -1 + 1."""
    case = Case(np.array([[-1], [1]]), 3, 1, False, 1, 1, 4, ("offset", flipped))
    codes = np.array([0.0 if flipped else 2.0, 1.0, 1.0]).reshape(1, 3, 1, 1)
    recombination = Recombination.of(case.chain.storage.store(case.weights, 3))
    assert recombination.recombine(codes, np.array([[2.0]])).tolist() == [[0]]
