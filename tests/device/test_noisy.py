"""The compiled loop of physical cells gives the bits of plain NumPy, for every way to read and convert."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cimc.crossbar import chain as chains
from cimc.crossbar import noisy
from cimc.crossbar.chain import Chain
from cimc.crossbar.device import Reading, Specimen, device_of
from cimc.crossbar.noisy import can_compile
from cimc.numerics.keys import Key
from cimc.numerics.normal import normal_of
from tests.device.cells import target_with

if noisy.compiled() is None:
    pytest.skip("numba is not installed", allow_module_level=True)

KEYS = {"read_noise": 1e-6, "read_noise_relative": 0.05, "program_error": 2e-6, "off_conductance": 2e-6}
MVMU = Key(1).at(4, 5, 6)


@st.composite
def targets(draw: st.DrawFn) -> Any:
    """`ideal` with noisy cells and other converters, encodings and ways to read."""
    encoding = draw(st.sampled_from(["offset", "differential"]))
    offset = encoding == "offset"
    noise = {key: value for key, value in KEYS.items() if "read" not in key or draw(st.booleans())}
    target = target_with(noise)
    crossbar = replace(
        target.crossbar,
        cell_bits=draw(st.integers(1, 3)),
        dac_bits=draw(st.integers(1, 4)),
        adc_bits=draw(st.sampled_from([3, 6, 9, 12, 24])),
        conversions=draw(st.sampled_from(["each step", "once"])),
        rows_at_once=draw(st.sampled_from([0, 5, 16])),
        adc_rounds=draw(st.sampled_from(["nearest", "down"])),
        adc_signed=draw(st.booleans()),
        adc_noise=draw(st.sampled_from([0.0, 0.7])),
        adc_offset=draw(st.sampled_from([0.0, 0.4])),
    )
    mvmu = replace(
        target.mvmu,
        encoding=encoding,
        flipped=offset and draw(st.booleans()),
        pairs="apart" if offset else draw(st.sampled_from(["apart", "subtracted"])),
        correction=draw(st.sampled_from(["unit column", "digital"])) if offset else target.mvmu.correction,
    )
    return replace(target, crossbar=crossbar, mvmu=mvmu)


@given(targets(), st.integers(0, 1 << 30), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_the_bits_of_plain_numpy(target: Any, seed: int, signed: bool, stepped: bool) -> None:
    rng = np.random.default_rng(seed)
    weights, x = rng.integers(-31, 32, (40, 3)), rng.integers(-128, 128, (9, 40))
    made = Chain.of(target.crossbar, target.mvmu, device_of(target, Specimen(3)))
    steps = np.full(3, 0.75) if stepped else None
    programmed = made.program(weights, 6, Key(3).at(4, 5, 6, 0), steps)
    feed, reading = made.feed(8, signed), Reading.of(MVMU, np.arange(9) + 3, 2)
    assert can_compile(programmed.held)
    fast = programmed.multiply(x, feed, reading)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chains, "can_compile", lambda held: False)
        assert np.array_equal(programmed.multiply(x, feed, reading), fast)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(noisy, "AT_ONCE", 1)
        assert np.array_equal(programmed.multiply(x, feed, reading), fast)


def test_normal_numbers_are_those_of_the_distribution() -> None:
    """Of hashes at both ends, around the middle, beside the ends of pieces, and at random, by the library's inverse."""
    rng = np.random.default_rng(1)
    exact = [0, 1, 2, 1 << 51, (1 << 51) - 1, (1 << 52) - 1, (1 << 52) - 2]
    exact += [(1 << power) + k for power in range(2, 52) for k in (-1, 0, 1)]
    words = np.concatenate([np.array(exact, np.uint64), rng.integers(0, 1 << 52, 3000).astype(np.uint64)])
    found, normal = normal_of(words << np.uint64(12)), NormalDist()
    for word, value in zip(words.tolist(), found.tolist(), strict=True):
        upper = word >= 1 << 51
        p = (((1 << 52) - 1 - word if upper else word) + 0.5) * 2.0**-52
        assert value == pytest.approx(-normal.inv_cdf(p) if upper else normal.inv_cdf(p), rel=1e-9, abs=1e-10)


def test_whole_inputs_are_multiplied_exactly() -> None:
    """Sums of 200 cells times inputs of 8 bits are beyond what float32 holds of their grid: of 12,000 conversions it
    would round one in some hundreds another way."""
    rng = np.random.default_rng(5)
    target = target_with({"program_error": 2e-6})
    crossbar = replace(target.crossbar, conversions="once", adc_bits=24)
    made = Chain.of(crossbar, target.mvmu, device_of(replace(target, crossbar=crossbar), Specimen(3)))
    programmed = made.program(rng.integers(-31, 32, (200, 10)), 6, Key(3).at(4, 5, 6, 0))
    x, feed = rng.integers(0, 256, (200, 200)), made.feed(8, False)
    fast = programmed.multiply(x, feed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chains, "can_compile", lambda held: False)
        assert np.array_equal(programmed.multiply(x, feed), fast)
