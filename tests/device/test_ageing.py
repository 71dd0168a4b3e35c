"""Drift, read disturb, wear and stuck cells, against closed forms; 40,000 cells, see test_writing.py."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from cimc.crossbar.device import Measured, Specimen, device_of
from cimc.target.model import Writing
from tests.device.cells import ON, TOP, WRITE, cells_of, levels, siemens, target_with


def after(seconds: float) -> Specimen:
    return Specimen(seconds=seconds)


def test_drift_by_hand() -> None:
    """An exponent of 0.1 over three decades is a factor of 10^-0.3; nothing before drift_start."""
    keys = {"drift_exponent": 0.1, "drift_start": 20.0}
    assert siemens(3, after(20e3), **keys) == pytest.approx(np.full((200, 200), 30e-6 * 10**-0.3), rel=1e-4)
    assert siemens(3, after(20.0), **keys) == pytest.approx(np.full((200, 200), 30e-6))
    assert siemens(3, after(5.0), **keys) == pytest.approx(np.full((200, 200), 30e-6))


def test_drift_spreads() -> None:
    """ln G is normal with the mean -nu L and the deviation spread * L, L = ln(t / t0)."""
    log = math.log(1e4 / 20)
    found = np.log(siemens(3, after(1e4), drift_exponent=0.05, drift_spread=0.01, drift_start=20.0) / 30e-6)
    assert found.mean() == pytest.approx(-0.05 * log, abs=5 * 0.01 * log / 200)
    assert found.std() == pytest.approx(0.01 * log, rel=0.02)


@pytest.mark.parametrize(
    ("level", "mean", "spread"),
    [
        (1, 0.049, 0.008),  # g = 0.4: 0.0386 is cut to 0.049, and 0.0056 to 0.008
        (3, 0.049, 0.008),
    ],
)
def test_drift_of_phase_change_cells(level: int, mean: float, spread: float) -> None:
    log = math.log(1e5 / 20)
    found = np.log(siemens(level, after(1e5), drift_law="pcm", drift_start=20.0) / (level * 10e-6))
    assert found.mean() == pytest.approx(-mean * log, abs=5 * spread * log / 200)
    assert found.std() == pytest.approx(spread * log, rel=0.02)


@pytest.mark.parametrize(("conductance", "mean", "spread"), [(2.5e-6, 0.0600901, 0.0228823), (1e-9, 0.1, 0.045)])
def test_weak_phase_change_cells_drift_more(conductance: float, mean: float, spread: float) -> None:
    """g = 0.1: -0.0155 ln 0.1 + 0.0244 and -0.0125 ln 0.1 - 0.0059; the weakest at the ends of the cut."""
    log = math.log(1e3 / 20)
    listed = {"levels": "listed", "level_list": (0.0, conductance, 2 * conductance, 3 * conductance)}
    found = np.log(siemens(1, after(1e3), drift_law="pcm", drift_start=20.0, **listed) / conductance)
    assert found.mean() == pytest.approx(-mean * log, abs=5 * spread * log / 200)
    assert found.std() == pytest.approx(spread * log, rel=0.02)


def test_reads_move_cells_towards_on() -> None:
    """1,000 reads of 10^-3 leave (1 - 10^-3)^1000 = 0.3677 of the distance."""
    for level, wanted in ((0, 30e-6 * (1 - 0.999**1000)), (2, 30e-6 - 10e-6 * 0.999**1000), (3, 30e-6)):
        found = siemens(level, Specimen(reads=1000), read_disturb=1e-3)
        assert found == pytest.approx(np.full((200, 200), wanted), abs=3e-9)
    assert np.all(siemens(0, Specimen(reads=0), read_disturb=1e-3) == 0)


def test_shares_of_stuck_cells() -> None:
    found = siemens(1, stuck_on=0.1, stuck_off=0.05, off_conductance=3e-6)
    for value, share in ((30e-6, 0.1), (3e-6, 0.05), (12e-6, 0.85)):
        there = np.abs(found - value) < 1e-8
        assert there.mean() == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share)) / 200)


def test_stuck_cells_stay_and_do_not_drift() -> None:
    keys = {"stuck_on": 0.2, "stuck_off": 0.2, "drift_exponent": 0.1}
    a, b = siemens(1, **keys), siemens(2, after(1e6), write=WRITE.around.at(5), **keys)
    assert np.array_equal(a == a.max(), b == b.max())
    assert np.array_equal(a == 0, b == 0)
    assert a.max() == b.max() == pytest.approx(ON)


def test_a_map_of_faults() -> None:
    states = np.array([[[[1, 0], [-1, 0]]]], np.int8)
    chip = Specimen(faults={(1, 2, 3): states})
    device = cells_of(chip, stuck_on=1.0)  # the map says it, not the rate
    found = device.program(levels([[1, 1], [1, 2]]), WRITE).cells[0, 0]
    assert found.tolist() == [[3, 1], [0, 2]]
    assert device.program(levels([[1, 1], [1, 2]]), WRITE.around.around.at(4, 0)).cells[0, 0].tolist() == [
        [3, 3],
        [3, 3],
    ]


@pytest.mark.parametrize("worn", ["stuck off", "stuck on"])
def test_worn_cells(worn: str) -> None:
    """After 2,000 writes of cells that bear 1,000 exp(n): worn are cdf(ln 2); without spread all from 1,001 on."""
    share = NormalDist().cdf(math.log(2))
    for spread, writes, expected in ((1.0, 2000, share), (0.0, 1001, 1.0), (0.0, 1000, 0.0)):
        target = target_with({"endurance_spread": spread, "worn": worn}, writing=Writing(1e-6, 1e-12, 1000))
        device = device_of(target, Specimen(writes=writes))
        found = device.program(levels(np.full((200, 200), 1)), WRITE).cells
        dead = found == (TOP if worn == "stuck on" else 0)
        assert dead.mean() == pytest.approx(expected, abs=5 * math.sqrt(expected * (1 - expected)) / 200)


def test_measured_cells_are_not_written_but_drift() -> None:
    """Their MVMU alone; and a map of faults goes before them."""
    cells, unit = np.array([[[[4e-6, 17e-6]]]]), np.array([[9e-6]])
    chip = Specimen(seconds=100.0, measured={(1, 2, 3): Measured(cells, unit)})
    device = cells_of(chip, drift_exponent=0.5, drift_start=1.0, program_error=1e-6, stuck_on=1.0)
    found = device.program(levels([[3, 3]], "offset"), WRITE)
    assert found.unit is not None
    assert found.cells[0, 0, 0] == pytest.approx([0.04, 0.17], abs=2**-13)
    assert found.unit[0, 0] == pytest.approx(0.09, abs=2**-13)
    other = device.program(levels([[1, 1]], "offset"), WRITE.around.around.at(4, 0))
    assert other.cells[0, 0].tolist() == [[3, 3]]
