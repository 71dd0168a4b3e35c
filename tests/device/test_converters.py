"""Noise and offsets of converters: closed forms of what they add to a product; read noise of conversions that weight
several steps or read some of the rows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cimc.crossbar.chain import Chain, Programmed
from cimc.crossbar.device import IDEAL, Reading, device_of
from cimc.crossbar.feed import Feed
from cimc.numerics.keys import Key
from tests.device.cells import programmed, target_with

Ints = npt.NDArray[np.int64]
MVMU = Key(0).at(0, 0, 0)
COUNT = 20_000
"""Inputs: a variance is within 5 sqrt(2 / 20,000) = 5 % of its own."""

STEPS_SQUARED, SLICES_SQUARED = 1 + 4 + 16 + 64, 1 + 16 + 256 + 4096
"""Of inputs of 4 bits, one at a time, and of weights of 8 bits in cells of 2: what conversions count, squared."""

ROUNDED = 1 / 12
"""Variance that rounding to a code adds to noise of several steps."""


def with_adc(weights: Any, write: int = 0, mvmu: int = 0, steps: float = 1.0, **keys: Any) -> Programmed:
    """A matrix of 8 bits behind signed ADCs of 24 bits, which never clip. keys: of [crossbar], and of [mvmu]."""
    target = target_with({})
    of_mvmu = {key: keys.pop(key) for key in ("encoding", "pairs", "correction") if key in keys}
    crossbar = replace(target.crossbar, cell_bits=2, dac_bits=1, adc_bits=24, adc_signed=True, **keys)
    target = replace(target, crossbar=crossbar, mvmu=replace(target.mvmu, **of_mvmu))
    chain = Chain.of(target.crossbar, target.mvmu, device_of(target))
    weights = np.asarray(weights, np.int64)
    own = None if steps == 1 else np.full(weights.shape[1], steps)
    return chain.program(weights, 8, Key(0).at(0, 0, mvmu, write), own)


def noise_of(found: Programmed, x: list[int], weights: Any, step: float = 1.0) -> Ints:
    """What is added to the product of one input, read 20,000 times, (reads, columns), in steps."""
    lanes = np.tile(x, (COUNT, 1))
    return found.multiply(lanes, found.chain.feed(4, False), Reading.of(MVMU, np.arange(COUNT), 0)) - np.asarray(
        lanes @ np.asarray(weights) / step, np.int64
    )


WEIGHTS = [[100, -3], [-50, 7], [1, 127]]


@pytest.mark.parametrize("step", [1.0, 0.5, 0.25])
@pytest.mark.parametrize(
    ("keys", "conversions"),
    [
        ({}, 2 * SLICES_SQUARED),
        ({"pairs": "subtracted"}, SLICES_SQUARED),
        ({"rows_at_once": 2}, 2 * 2 * SLICES_SQUARED),
        ({"encoding": "offset", "correction": "digital"}, SLICES_SQUARED),
        ({"encoding": "offset"}, SLICES_SQUARED + 128**2),  # the unit column counts 2^7
    ],
)
def test_noise_of_a_product(keys: dict[str, Any], conversions: int, step: float) -> None:
    """5 steps a conversion, whatever a step is, and the rounding; every conversion's own."""
    found = noise_of(with_adc(WEIGHTS, adc_noise=5.0, steps=step, **keys), [15, 6, 9], WEIGHTS, step)
    variance = STEPS_SQUARED * conversions * (25 + ROUNDED)
    for column in found.T:
        assert column.mean() == pytest.approx(0, abs=5 * math.sqrt(variance / COUNT))
        assert column.var() == pytest.approx(variance, rel=0.05)
    shared = 128**2 / conversions if keys == {"encoding": "offset"} else 0
    assert np.corrcoef(found.T)[0, 1] == pytest.approx(shared, abs=5 / math.sqrt(COUNT))


def test_noise_of_an_input_that_is_converted_once() -> None:
    """One conversion of each slice of each half of a pair, which counts as the whole input does."""
    found = noise_of(with_adc(WEIGHTS, adc_noise=5.0, conversions="once"), [15, 6, 9], WEIGHTS)
    for column in found.T:
        assert column.var() == pytest.approx(2 * SLICES_SQUARED * (25 + ROUNDED), rel=0.05)


def test_noise_of_converters_is_not_that_of_cells() -> None:
    """Three rows with 0.1 of a step each, a conversion with 0.2: 0.03 + 0.04, and nothing of their product."""
    target = target_with({"read_noise": 1e-6})
    target = replace(target, crossbar=replace(target.crossbar, adc_noise=0.2))
    found = programmed(target, np.full((3, 2), 1), 8)
    (read,) = found.reads(np.ones((COUNT, 3), np.int64), Feed(1, False, 1), Reading.of(MVMU, np.arange(COUNT), 0))
    for column in range(2):
        assert read.cells[0, 0, :, column].var() == pytest.approx(0.07, rel=0.05)


def test_offsets_stay_with_a_converter() -> None:
    """The same for every input and every write; 2000 columns and 8 converters a column have them apart: 5 steps and the
    rounding, times what all steps of an input count together."""
    rng = np.random.default_rng(5)
    weights, x = rng.integers(-127, 128, (3, 2000)), rng.integers(0, 16, (50, 3))
    feed, added = Feed(4, False, 1), {}
    for write, mvmu in ((0, 0), (1, 0), (0, 1)):
        found = with_adc(weights, write, mvmu, adc_offset=5.0).multiply(x, feed) - x @ weights
        assert np.all(found == found[0])
        added[write, mvmu] = found[0]
    variance = 15**2 * 2 * SLICES_SQUARED * (25 + ROUNDED)
    assert added[0, 0].var() == pytest.approx(variance, rel=5 * math.sqrt(2 / 2000))
    assert added[0, 0].mean() == pytest.approx(0, abs=5 * math.sqrt(variance / 2000))
    assert np.array_equal(added[0, 0], added[1, 0])
    assert abs(np.corrcoef(added[0, 0], added[0, 1])[0, 1]) < 5 / math.sqrt(2000)
    halves = with_adc(weights, adc_offset=5.0, steps=0.5).multiply(x, feed) - 2 * x @ weights
    assert np.array_equal(halves[0], added[0, 0]), "an offset is so many steps"
    pairs = with_adc(weights, adc_offset=5.0, pairs="subtracted").multiply(x, feed) - x @ weights
    assert pairs[0].var() == pytest.approx(variance / 2, rel=5 * math.sqrt(2 / 2000))


@pytest.mark.parametrize("keys", [{}, {"encoding": "offset"}, {"rows_at_once": 7, "conversions": "once"}])
def test_noise_of_converters_does_not_depend_on_what_is_read_together(keys: dict[str, Any]) -> None:
    """The same bits of 23 inputs at once and one by one; other ones of other inputs and of another product."""
    rng = np.random.default_rng(3)
    found = with_adc(rng.integers(-127, 128, (100, 5)), adc_noise=3.0, adc_offset=2.0, **keys)
    x, feed = rng.integers(-128, 128, (23, 100)), found.chain.feed(8, True)
    whole = found.multiply(x, feed, Reading.of(MVMU, np.arange(23) + 4, 9))
    for lane in range(23):
        one = found.multiply(x[lane : lane + 1], feed, Reading.of(MVMU, np.array([lane + 4]), 9))
        assert np.array_equal(one[0], whole[lane])
    assert not np.array_equal(found.multiply(x, feed, Reading.of(MVMU, np.arange(23), 9)), whole)
    assert not np.array_equal(found.multiply(x, feed, Reading.of(MVMU, np.arange(23) + 4, 8)), whole)


@pytest.mark.parametrize("keys", [{}, {"encoding": "offset"}, {"pairs": "subtracted", "rows_at_once": 3}])
def test_converters_without_noise_change_nothing(keys: dict[str, Any]) -> None:
    """Without any the cells are ideal ones; with less than half a step every code of a whole sum is its own."""
    rng = np.random.default_rng(4)
    weights, x = rng.integers(-127, 128, (20, 3)), rng.integers(0, 16, (9, 20))
    reading = Reading.of(MVMU, np.arange(9), 0)
    neutral, quiet = with_adc(weights, **keys), with_adc(weights, adc_noise=0.01, adc_offset=0.01, **keys)
    assert neutral.chain.device is IDEAL and quiet.chain.device is not IDEAL
    feed = neutral.chain.feed(4, False)
    assert np.array_equal(neutral.multiply(x, feed), x @ weights)
    assert np.array_equal(quiet.multiply(x, feed, reading), x @ weights)


def read_noise_of(feed: Feed, x: list[int], rows_at_once: int = 0) -> list[npt.NDArray[np.float64]]:
    """The variances of a column's conversions in a product, of cells with a deviation of a tenth of a step."""
    target = target_with({"read_noise": 1e-6})
    once = "once" if feed.once else "each step"
    crossbar = replace(
        target.crossbar, cell_bits=2, dac_bits=feed.dac_bits, conversions=once, rows_at_once=rows_at_once
    )
    found = programmed(replace(target, crossbar=crossbar), np.ones((len(x), 1)), 3)
    lanes, reading = np.tile(x, (COUNT, 1)), Reading.of(MVMU, np.arange(COUNT), 0)
    return [np.asarray(read.cells[0, 0, :, 0].var() * 100) for read in found.reads(lanes, feed, reading)]


@pytest.mark.parametrize(
    ("feed", "x", "rows_at_once", "variances"),
    [
        # digits 3, 2, 1 of 27 count 1, 4, 16, and 16 is the last alone: 9 + 64 + 256, and 256
        (Feed(6, False, 2, once=True), [27, 16], 0, [585]),
        (Feed(6, False, 2, once=True), [27, 16], 1, [329, 256]),
        (Feed(6, False, 2, once=True), [27, 16, 3], 2, [585, 9]),
        # all four bits of -1 are set: 1 + 4 + 16 + 64; of -8 the sign bit
        (Feed(4, True, 1, once=True), [-1, -8], 0, [85 + 64]),
        # the positive and then the negative part
        (Feed(4, True, 1, once=True, halves=True), [5, -6], 0, [1 + 16, 4 + 16]),
        # digits of each step, which are driven apart
        (Feed(4, False, 2), [7, 8, 3], 2, [9, 9, 1 + 4, 0]),
    ],
)
def test_read_noise_of_what_a_conversion_weights(
    feed: Feed, x: list[int], rows_at_once: int, variances: list[int]
) -> None:
    """sigma^2 of each row that is read, times the squares of its digits as their steps are weighted."""
    found = read_noise_of(feed, x, rows_at_once)
    assert len(found) == len(variances)
    for one, expected in zip(found, variances, strict=True):
        assert one == pytest.approx(expected, rel=0.05, abs=1e-12)


def test_read_noise_of_rows_at_once_is_that_of_these_rows() -> None:
    """A tenth of what cells conduct, 1 and 3 steps, one after the other."""
    target = target_with({"read_noise_relative": 0.1})
    target = replace(target, crossbar=replace(target.crossbar, rows_at_once=1))
    found = programmed(target, [[1], [3]], 3)
    lanes, reading = np.ones((COUNT, 2), np.int64), Reading.of(MVMU, np.arange(COUNT), 0)
    variances = [read.cells[0, 0, :, 0].var() for read in found.reads(lanes, Feed(1, False, 1), reading)]
    assert variances == pytest.approx([0.01, 0.09], rel=0.05)
