"""What a write leaves, against closed forms. 40,000 cells: a mean is within 5 deviations / 200 of its own, a variance
within 5 * sqrt(2) / 200 = 3.6 % of it."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from cimc.crossbar.device import Specimen
from cimc.numerics.keys import Key
from tests.device.cells import WRITE, Floats, cells_of, levels, siemens

VARIANCE = 0.036


def check(found: Floats, mean: float, deviation: float) -> None:
    found, mean, deviation = found * 1e6, mean * 1e6, deviation * 1e6  # uS: approx takes 1e-12 for nothing
    assert found.mean() == pytest.approx(mean, abs=5 * deviation / 200 + 1e-3)
    assert found.var() == pytest.approx(deviation**2, rel=VARIANCE)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_what_remains_of_a_write_has_the_deviation_that_is_said(level: int) -> None:
    """Of 0.3 uS at every level, of 4 % of the conductance, and of both."""
    wanted = level * 10e-6
    check(siemens(level, program_error=0.3e-6), wanted, 0.3e-6)
    check(siemens(level, program_error_relative=0.04), wanted, 0.04 * wanted)
    both = math.hypot(0.3e-6, 0.04 * wanted)
    check(siemens(level, program_error=0.3e-6, program_error_relative=0.04), wanted, both)


def test_phase_change_cells_by_level() -> None:
    """At g = 0.4, 0.8 and 1.2 by the polynomial of Joshi et al., in uS."""
    for level, deviation in ((1, 0.861804), (2, 1.084716), (3, 0.932236)):
        check(siemens(level, program_law="pcm"), level * 10e-6, deviation * 1e-6)
    both = math.hypot(0.5e-6, 0.861804e-6)
    check(siemens(1, program_law="pcm", program_error=0.5e-6), 10e-6, both)


def test_variation_stays_and_cycles_come_anew() -> None:
    """Factors of two independent normal numbers; of another write of the same cells only the second is another."""
    check(siemens(3, variation=0.05), 30e-6, 1.5e-6)
    check(siemens(3, cycle_variation=0.05), 30e-6, 1.5e-6)
    both = 30e-6 * math.sqrt(0.05**2 + 0.1**2 + (0.05 * 0.1) ** 2)
    check(siemens(3, variation=0.05, cycle_variation=0.1), 30e-6, both)
    again = WRITE.around.at(1)
    assert np.array_equal(siemens(3, variation=0.05), siemens(3, variation=0.05, write=again))
    a, b = siemens(3, cycle_variation=0.05), siemens(3, cycle_variation=0.05, write=again)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / 200
    a, b = siemens(3, program_error=1e-6), siemens(3, program_error=1e-6, write=again)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / 200


@pytest.mark.parametrize("tries", [1, 2, 4])
def test_write_and_verify(tries: int) -> None:
    """Deviation 3 uS, tolerance 1 uS: a try is within it with p = 0.2611. So 1 - (1 - p)^n of the cells are, and their
    deviation is that of a normal distribution cut at a third of its own on both sides."""
    error = siemens(3, cycle_variation=0.1, write_tries=tries, write_tolerance=1e-6) - 30e-6
    normal, cut = NormalDist(), 1 / 3
    p = 2 * normal.cdf(cut) - 1
    inside = np.abs(error) <= 1e-6 + 2e-9  # the grid
    share = 1 - (1 - p) ** tries
    assert inside.mean() == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share)) / 200)
    truncated = 3e-6 * math.sqrt(1 - 2 * cut * normal.pdf(cut) / p)
    assert error[inside].std() == pytest.approx(truncated, rel=0.03)  # of 10,000 cells or more


def test_without_a_tolerance_the_nearest_try_stays() -> None:
    """The least of three magnitudes is beyond x with (2 cdf(-x))^3: half of them beyond 0.2585 deviations."""
    error = np.abs(siemens(3, cycle_variation=0.1, write_tries=3) - 30e-6)
    median = 3e-6 * NormalDist().inv_cdf(1 - 0.5 ** (1 / 3) / 2)
    assert (error > median).mean() == pytest.approx(0.5, abs=5 * 0.5 / 200)


def test_the_first_try_within_the_tolerance_stays() -> None:
    """With a tolerance that the first always meets, more tries change nothing; what is left is not verified."""
    one = siemens(2, cycle_variation=0.02, write_tolerance=1e-3)
    assert np.array_equal(siemens(2, cycle_variation=0.02, write_tolerance=1e-3, write_tries=7), one)
    left = siemens(2, program_error=1e-6, write_tries=50, write_tolerance=1e-9)
    check(left, 20e-6, 1e-6)


def test_conductances_are_not_negative() -> None:
    """Of a cell that is off half of the errors would be; the mean of the rest is deviation / sqrt(2 pi)."""
    found = siemens(0, program_error=1e-6)
    assert found.min() == 0
    assert (found == 0).mean() == pytest.approx(0.5, abs=5 * 0.5 / 200)
    assert found.mean() == pytest.approx(1e-6 / math.sqrt(2 * math.pi), rel=0.05)


def test_a_cell_is_drawn_for_by_its_place_alone() -> None:
    """Whatever the size of its matrix; every cell has its own number, and another seed or MVMU other ones."""
    keys = {"variation": 0.1, "cycle_variation": 0.1, "program_error": 1e-6, "stuck_on": 0.1}
    whole = siemens(2, shape=(60, 50), **keys)
    assert np.array_equal(siemens(2, shape=(20, 30), **keys), whole[:20, :30])
    assert (
        len(np.unique(siemens(2, shape=(60, 50), variation=0.1))) > 1500
    )  # not one a level; the grid has 820 steps a deviation
    for other in (WRITE.around.around.at(4, 0), Key(8).at(1, 2, 3, 0)):
        assert not np.array_equal(siemens(2, shape=(60, 50), write=other, **keys), whole)


def test_slices_halves_and_the_unit_column_have_numbers_of_their_own() -> None:
    device, one = cells_of(variation=0.1), levels(np.full((50, 1), 1), "offset")
    four = replace(one, levels=np.full((2, 2, 50, 1), 1, np.uint8))
    found = device.program(four, WRITE)
    assert found.unit is not None
    columns = [*found.cells.reshape(4, 50), found.unit[:, 0]]
    for i, a in enumerate(columns):
        for b in columns[:i]:
            assert not np.array_equal(a, b)
    assert np.array_equal(found.cells[0, 0], device.program(one, WRITE).cells[0, 0])
    assert device.specimen == Specimen()
