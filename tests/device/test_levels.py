"""Levels and what they are meant to conduct; where cells have no physics they are the ideal ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cimc.base.diagnostics import CimcError
from cimc.crossbar.device import IDEAL, Specimen, device_of
from cimc.target.load import load_target
from tests.device.cells import WRITE, cells_of, levels, programmed, target_with


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, [0, 10, 20, 30]),
        ({"off_conductance": 6e-6}, [6, 14, 22, 30]),
        ({"off_conductance": 6e-6, "levels": "even in resistance"}, [6, 90 / 11, 90 / 7, 30]),
        ({"off_conductance": 30e-6 / 8, "levels": "logarithmic"}, [3.75, 7.5, 15, 30]),
        ({"levels": "listed", "level_list": (1e-6, 2e-6, 5e-6, 7e-6)}, [1, 2, 5, 7]),
    ],
)
def test_levels_by_hand(keys: dict[str, object], expected: list[float]) -> None:
    """In uS, and as converters see them: in steps of a third of the way from the lowest to the highest. Resistances of
    6 and 30 uS are 1/6 and 1/30; a third of the way down from 1/6 is 11/90."""
    device = cells_of(read_noise=1e-9, **keys)
    wanted, unit = device.wanted(levels([[0, 1, 2, 3]], "offset"))
    assert wanted[0, 0, 0] * 1e6 == pytest.approx(expected)
    assert unit is not None and unit.tolist() == [[wanted[0, 0, 0, 1]]]
    step = (expected[3] - expected[0]) / 3
    assert device.step(3) * 1e6 == pytest.approx(step)
    found = device.program(levels([[0, 1, 2, 3]], "offset"), WRITE)
    assert found.cells[0, 0, 0] == pytest.approx([value / step for value in expected], abs=2**-13)
    assert found.off == pytest.approx(expected[0] / step)


def test_the_unit_column_is_at_level_one() -> None:
    found = cells_of(off_conductance=6e-6).program(levels([[3], [0]], "offset"), WRITE)
    assert found.unit is not None
    assert found.unit == pytest.approx(np.full((2, 1), 1.75), abs=2**-13)


def test_cells_that_nothing_is_said_of_are_ideal() -> None:
    """Also with keys that do nothing by themselves, on an old chip; and not where something does."""
    old = Specimen(seed=3, seconds=1e6, reads=10**9)
    for keys in (None, {}, {"read_voltage": 1.0, "write_tries": 5, "write_tolerance": 1e-6, "drift_start": 3.0}):
        assert device_of(target_with(keys, {}), old) is IDEAL
    assert device_of(load_target("puma"), old) is IDEAL
    assert device_of(load_target("puma"), Specimen(writes=1)) is not IDEAL  # it says what cells bear
    for keys in ({"variation": 0.1}, {"program_law": "pcm"}, {"off_conductance": 1e-6}, {"drift_spread": 0.1}):
        assert device_of(target_with(keys), Specimen()) is not IDEAL
    for wires in ({"row_segment": 1.0}, {"column_segment": 1.0}, {"driver": 1.0}, {"sense": 1.0}):
        assert device_of(target_with(None, wires), Specimen()) is not IDEAL


def test_cells_that_conduct_their_level_give_the_products_of_ideal_ones() -> None:
    """A map of faults without any makes the device a physical one, whose numbers are still those of levels."""
    rng = np.random.default_rng(1)
    weights, x = rng.integers(-127, 128, (40, 6)), rng.integers(-128, 128, (5, 40))
    for encoding, flipped in (("differential", False), ("offset", True)):
        target = target_with()
        target = replace(target, mvmu=replace(target.mvmu, encoding=encoding, flipped=flipped))
        chip = Specimen(faults={(9, 9, 9): np.zeros((1, 1, 1, 1), np.int8)})
        found = programmed(target, weights, 8, chip)
        assert found.chain.device is not IDEAL
        assert np.array_equal(found.multiply(x, found.chain.feed(8, True)), x @ weights)


@pytest.mark.parametrize(("encoding", "flipped"), [("differential", False), ("offset", False), ("offset", True)])
@pytest.mark.parametrize("dac_bits", [1, 3])
def test_the_current_of_cells_that_are_off_is_taken_off(encoding: str, flipped: bool, dac_bits: int) -> None:
    """Cells at a quarter of a step too much, inputs that drive a multiple of four rows' worth: every code is whole, and
    what is left is the exact product."""
    rng = np.random.default_rng(2)
    target = target_with({"on_conductance": 13e-6, "off_conductance": 1e-6})
    crossbar = replace(target.crossbar, dac_bits=dac_bits, adc_bits=16)
    target = replace(target, mvmu=replace(target.mvmu, encoding=encoding, flipped=flipped), crossbar=crossbar)
    weights, quarter = rng.integers(-127, 128, (40, 6)), rng.integers(-128, 128, (5, 10))
    x = np.repeat(quarter, 4, axis=1)
    found = programmed(target, weights, 8)
    assert found.conductances.off == 0.25
    assert np.array_equal(found.multiply(x, found.chain.feed(8, True)), x @ weights)


def test_what_is_taken_off_by_hand() -> None:
    """One offset weight of two bits in one cell, -1 + 2 = 1, and the unit column, counted -2: with cells half a step
    too high the input 3 gives 3 * 1.5 = 4.5 in both, converted to the even code 4: 4 - 2 * 4 = -4. Of that 0.5 * 3 *
    (1 - 2) = -1.5, rounded to -2, is taken off: -2, beside the exact -3."""
    target = target_with({"on_conductance": 35e-6, "off_conductance": 5e-6})
    crossbar = replace(target.crossbar, dac_bits=2)
    target = replace(target, mvmu=replace(target.mvmu, encoding="offset"), crossbar=crossbar)
    found = programmed(target, [[-1]], 2)
    assert found.multiply(np.array([[3]]), found.chain.feed(2, False)).tolist() == [[-2]]


def test_a_preset_is_the_whole_section_and_keys_beside_it_go_first() -> None:
    pcm = load_target("puma", {"device.preset": "pcm"}).device
    assert pcm is not None and (pcm.on_conductance, pcm.program_law, pcm.drift_start) == (25e-6, "pcm", 20)
    other = load_target("puma", {"device.preset": "pcm", "device.on_conductance": "5 uS"}).device
    assert other == replace(pcm, on_conductance=5e-6)
    base = load_target("puma", {"device.preset": "b-rram", "device.variation": "0.1"})
    assert base.device is not None and base.device.variation == 0.1
    assert load_target(base, {"device.preset": "pcm"}).device == pcm
    assert device_of(load_target(base, {"device.preset": "ideal"})) is IDEAL
    assert load_target(base, {"device.variation": "0.2"}).device == replace(base.device, variation=0.2)


@pytest.mark.parametrize("name", ["b-rram", "pcm", "rram-binary", "rram-filamentary", "sram"])
def test_presets_say_where_every_value_comes_from(name: str) -> None:
    target = load_target("puma", {"device.preset": name})
    assert target.device is not None and target.device.preset == name
    told = [source for path, source in target.sources.items() if path[0] == "device"]
    assert sum("assumed: what cimc takes" not in source for source in told) >= 4
    assert device_of(target) is not IDEAL


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"device.off_conductance": "1e-4 S"}, "off_conductance, 0.0001 S, is not below on_conductance, 0.0001 S"),
        ({"device.levels": "logarithmic"}, 'levels that lie "logarithmic" cannot start from an off_conductance of 0'),
        (
            {"device.levels": "listed", "device.level_list": "1,2,3uS"},
            "3 levels are listed, and a cell of 2 bits has 4",
        ),
        ({"device.levels": "listed", "device.level_list": "1,2,2,3uS"}, "the listed levels do not rise"),
        ({"device.level_list": "1,2,3,4uS"}, 'levels are listed, and device.levels is "even"'),
        ({"device.stuck_on": "0.6", "device.stuck_off": "0.5"}, "more cells are stuck than there are"),
        ({"device.preset": "gold"}, '"device.preset" cannot be "gold"'),
        ({"device.level_list": "1,x,3uS"}, '"device.level_list" needs a list of numbers'),
        ({"device.level_list": "1,2S"}, '"device.level_list" is 1 S, which is out of range'),
    ],
)
def test_keys_that_cannot_be(settings: dict[str, str], what: str) -> None:
    with pytest.raises(CimcError) as caught:
        load_target("puma", settings)
    assert what in str(caught.value)
