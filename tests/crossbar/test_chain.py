"""All stages together, against a crossbar in plain integers that shares no code with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cimc.crossbar import chain, packed
from tests.crossbar.brute_force import Met
from tests.crossbar.small import KINDS, Case, cases, integers


@given(cases(), st.integers(0, 1 << 30))
@settings(max_examples=200)
def test_conversions_clip_as_cell_by_cell(case: Case, seed: int) -> None:
    """Any converter, from one bit to enough, any digits."""
    x = integers(np.random.default_rng(seed), case.input_bits, (3, len(case.weights)), case.signed)
    assert case.multiply(x).tolist() == case.by_hand(x)


@given(cases(cell_bits=2, dac_bits=2, rows=140), st.integers(0, 1 << 30))
@settings(max_examples=100)
def test_the_kernel_and_plain_numpy_agree(case: Case, seed: int) -> None:
    """More rows than a word has bits; whatever each of them takes on itself."""
    x = integers(np.random.default_rng(seed), case.input_bits, (3, len(case.weights)), case.signed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "compiled", lambda: None)
        plain = case.multiply(x)
    assert np.array_equal(case.multiply(x), plain)
    assert plain[:1].tolist() == case.by_hand(x[:1])


@given(cases(bits=16, input_bits=16, cell_bits=8, dac_bits=16, rows=40, adc_bits=32), st.integers(0, 1 << 30))
@settings(max_examples=60)
def test_the_widest_weights_inputs_and_converters(case: Case, seed: int) -> None:
    x = integers(np.random.default_rng(seed), case.input_bits, (2, len(case.weights)), case.signed)
    assert case.multiply(x).tolist() == case.by_hand(x)


@given(cases(), st.integers(0, 1 << 30))
def test_words_count_by_the_bits_that_are_fed(case: Case, seed: int) -> None:
    x = integers(np.random.default_rng(seed), 20, (3, len(case.weights)))
    fed = x & ((1 << case.input_bits) - 1)
    if case.signed:
        fed = np.where(fed >> (case.input_bits - 1), fed - (1 << case.input_bits), fed)
    assert np.array_equal(case.multiply(x), case.multiply(fed))


@pytest.mark.parametrize("way", KINDS)
@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_lanes_do_not_depend_on_how_many_are_converted_at_once(
    way: tuple[str, bool], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    case = Case(integers(rng, 5, (6, 2)).clip(-15), 5, 4, True, 2, 1, 3, way)
    x = integers(rng, 4, (23, 6))
    whole = case.multiply(x)
    monkeypatch.setattr(chain, "AT_ONCE", at_once)
    assert np.array_equal(case.multiply(x), whole)
    assert case.multiply(x[:0]).shape == (0, 2)


@given(cases(), st.integers(0, 1 << 30))
@settings(max_examples=60)
def test_what_is_read_is_what_cell_by_cell_is_converted(case: Case, seed: int) -> None:
    """As often as it is converted; the unit column, which all columns share, counts once a step."""
    x = integers(np.random.default_rng(seed), case.input_bits, (1, len(case.weights)), case.signed)
    columns: list[int] = []
    units: list[int] = []
    for read in case.programmed.reads(x, case.feed):
        columns += read.cells.astype(int).ravel().tolist()
        units += [] if read.unit is None else read.unit.astype(int).ravel().tolist()
    met = Met()
    case.by_hand(x, met)
    assert sorted(columns) == sorted(met.columns)
    assert sorted(units) == sorted(met.units)
