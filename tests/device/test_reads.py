"""Noise of reads: one number for each column sum, with the variance that independent cells have."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cimc.crossbar.device import NEW, Reading, Specimen
from cimc.crossbar.feed import Feed
from cimc.numerics.keys import Key
from tests.device.cells import Floats, programmed, target_with

MVMU = Key(0).at(0, 0, 0)
COUNT = 20_000
"""Inputs: a variance is within 5 sqrt(2 / 20,000) = 5 % of its own."""


def column_sums(keys: dict[str, Any], x: list[int], weights: list[int], chip: Specimen = NEW, **parts: Any) -> Floats:
    """What one input makes a column of one slice carry, read 20,000 times, in uS: (reads, halves of the pair)."""
    target = target_with(keys)
    crossbar = replace(target.crossbar, cell_bits=2, dac_bits=2)
    found = programmed(replace(target, crossbar=crossbar), np.array(weights)[:, None], 3, chip)
    reading = Reading.of(MVMU, np.arange(COUNT), 0)
    (read,) = found.reads(np.tile(x, (COUNT, 1)), Feed(2, False, 2), reading)
    step = (found.chain.device.step(3)) * 1e6  # type: ignore[attr-defined]
    return np.asarray(read.cells[:, 0, :, 0].T * step)


@pytest.mark.parametrize(
    ("keys", "variance"),
    [
        ({"read_noise": 0.3e-6}, 0.09 * 14),  # digits 3, 2, 1: 9 + 4 + 1
        ({"read_noise_relative": 0.05}, 0.0025 * (9 * 100 + 4 * 400 + 1 * 900)),
        ({"read_noise": 0.3e-6, "read_noise_relative": 0.05}, 0.09 * 14 + 0.0025 * 3400),
    ],
)
def test_variance_of_a_column(keys: dict[str, float], variance: float) -> None:
    """Cells at 10, 20 and 30 uS driven with 3, 2 and 1: 100 uS, and the sum of squares of digit times deviation."""
    found = column_sums(keys, [3, 2, 1], [1, 2, 3])[:, 0]
    assert found.mean() == pytest.approx(100, abs=5 * math.sqrt(variance / COUNT))
    assert found.var() == pytest.approx(variance, rel=0.05)


def test_noise_of_phase_change_cells() -> None:
    """At g = 0.8 (20 uS) as programmed: Q = 0.0088 / 0.8^0.65 = 0.010174, times the root of ln(20 s / 500 ns) at first
    and of ln(10^5 s / 500 ns) later; relative to what the cell conducts by then."""
    keys = {"read_law": "pcm", "drift_start": 20.0, "drift_exponent": 0.05}
    first = column_sums(keys, [1], [2])[:, 0]
    assert first.std() == pytest.approx(20 * 0.010174 * math.sqrt(math.log(20.00000025 / 5e-7)), rel=0.025)
    later = column_sums(keys, [1], [2], Specimen(seconds=1e5))[:, 0]
    left = 20 * (1e5 / 20) ** -0.05
    assert later.mean() == pytest.approx(left, rel=1e-3)
    assert later.std() == pytest.approx(left * 0.010174 * math.sqrt(math.log(1e5 / 5e-7)), rel=0.025)


def test_noise_of_phase_change_cells_in_their_first_microsecond() -> None:
    """ln((1 us + 250 ns) / 500 ns) = ln 2.5."""
    found = column_sums({"read_law": "pcm", "drift_start": 1e-6}, [1], [2])[:, 0]
    assert found.std() == pytest.approx(20 * 0.010174 * math.sqrt(math.log(2.5)), rel=0.025)


def test_weak_phase_change_cells_have_at_most_a_fifth() -> None:
    """A thousandth of the full conductance: 0.0088 / 0.001^0.65 = 0.78 is cut to 0.2."""
    listed = {"levels": "listed", "level_list": (0.0, 25e-9, 1e-6, 3e-6)}
    found = column_sums({"read_law": "pcm", "drift_start": 20.0, **listed}, [1], [1])[:, 0]
    assert found.std() == pytest.approx(0.025 * 0.2 * math.sqrt(math.log(20 / 5e-7)), rel=0.1)  # on the grid


def test_rows_that_are_not_driven_have_no_noise() -> None:
    found = column_sums({"read_noise": 1e-6}, [0, 0], [1, 2])
    assert np.all(found == 0)


def test_columns_halves_inputs_products_and_steps_are_independent() -> None:
    target = target_with({"read_noise": 1e-6})
    found = programmed(target, np.ones((4, 2), np.int64), 8)
    x = np.full((2000, 4), 3)
    first = list(found.reads(x, Feed(2, False, 1), Reading.of(MVMU, np.arange(2000), 0)))
    second = list(found.reads(x, Feed(2, False, 1), Reading.of(MVMU, np.arange(2000), 1)))
    assert [len(first), len(second)] == [2, 2]
    one = [part.cells - np.round(part.cells) for part in (*first, *second)]
    drawn = [
        part[sign, number, :, column] for part in one for sign in range(2) for number in range(4) for column in range(2)
    ]
    drawn.append(one[0][0, 0, ::-1, 0])
    for i, a in enumerate(drawn):
        for b in drawn[:i]:
            assert not np.array_equal(a, b)
            assert abs(np.corrcoef(a, b)[0, 1]) < 5 / math.sqrt(2000)


def test_the_unit_column_has_noise_of_its_own() -> None:
    """Five rows of 10 uS with 1 uS each: sqrt(5) uS beside the 50 of each column, and of the unit column."""
    target = target_with({"read_noise": 1e-6})
    target = replace(target, mvmu=replace(target.mvmu, encoding="offset"))
    found = programmed(target, np.full((5, 1), -127), 8)  # 1 in the lowest slice
    (read,) = found.reads(np.ones((COUNT, 5), np.int64), Feed(1, False, 1), Reading.of(MVMU, np.arange(COUNT), 0))
    assert read.unit is not None
    for sums in (read.cells[0, 0, :, 0], read.unit[:, 0]):
        assert sums.mean() == pytest.approx(5, abs=5 * math.sqrt(0.05 / COUNT))
        assert sums.var() == pytest.approx(0.05, rel=0.05)
    assert abs(np.corrcoef(read.cells[0, 0, :, 0], read.unit[:, 0])[0, 1]) < 5 / math.sqrt(COUNT)


def test_noise_does_not_depend_on_what_is_read_together() -> None:
    """The same bits of 23 inputs at once, one by one, and of rows in another order; of a program in two parts."""
    rng = np.random.default_rng(3)
    keys = {"read_noise": 2e-6, "program_error": 2e-6, "read_noise_relative": 0.1}
    found = programmed(target_with(keys), rng.integers(-127, 128, (100, 5)), 8)
    x, feed = rng.integers(-128, 128, (23, 100)), found.chain.feed(8, True)
    whole = found.multiply(x, feed, Reading.of(MVMU, np.arange(23) + 4, 9))
    for lane in range(23):
        one = found.multiply(x[lane : lane + 1], feed, Reading.of(MVMU, np.array([lane + 4]), 9))
        assert np.array_equal(one[0], whole[lane])
    order = rng.permutation(100)
    c = found.conductances
    assert c.variances is not None
    mixed = replace(c, cells=c.cells[:, :, order], variances=c.variances[:, :, order])
    turned = replace(found, conductances=mixed).multiply(x[:, order], feed, Reading.of(MVMU, np.arange(23) + 4, 9))
    assert np.array_equal(turned, whole)
    assert not np.array_equal(found.multiply(x, feed, Reading.of(MVMU, np.arange(23), 9)), whole)
    assert not np.array_equal(found.multiply(x, feed, Reading.of(MVMU, np.arange(23) + 4, 8)), whole)


@pytest.mark.parametrize("rows", [7, 256])
@pytest.mark.parametrize("dac_bits", [1, 8])
def test_sums_are_exact_in_float32(rows: int, dac_bits: int) -> None:
    """Conductances and variances are multiples of a power of two of which no column has 2^24, at the largest digits."""
    target = target_with({"program_error": 2e-6, "read_noise": 3e-6})
    target = replace(target, crossbar=replace(target.crossbar, dac_bits=dac_bits))
    found = programmed(target, np.full((rows, 3), 127), 8).conductances
    assert found.variances is not None
    for values, digit, finest in ((found.cells, 2**dac_bits - 1, 12), (found.variances, (2**dac_bits - 1) ** 2, 24)):
        grid = min(unit for unit in np.exp2(np.arange(-12.0, finest + 1)) if not np.any(values * unit % 1))
        assert (values * digit).sum(axis=2).max() * grid < 2**24
        driven = np.full((1, rows), digit, np.float32)
        exact = driven.astype(np.float64) @ values
        assert np.array_equal((driven @ values.astype(np.float32)).astype(np.float64), exact)


def test_the_grid_is_fine_where_there_is_room() -> None:
    found = programmed(target_with({"program_error": 2e-6}), np.full((100, 3), 127), 8).conductances.cells
    assert not np.any(found * 4096 % 1)
    assert np.any(found * 2048 % 1)
