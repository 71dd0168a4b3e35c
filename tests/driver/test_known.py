"""Estimates that look at numbers: weights that a network carries as integers, and calibration data."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest

import cimc as api
from benchmarks.estimate_agreement import INTEGERS, compiled, estimated
from cimc.base.diagnostics import CimcError
from cimc.driver.compile import compile_network
from cimc.driver.options import CompileOptions, EstimateOptions
from cimc.estimator import known as known_module
from cimc.estimator.estimating import estimate_network
from cimc.estimator.whole import Whole
from cimc.runtime.timing.engine import time_program
from cimc.runtime.timing.result import Timing
from tests.cli.commands import CALIBRATION, DIGITS, QUANTISED, cimc
from tests.cli.commands import compiled as compiled_folder
from tests.shared_data import MODELS, SHARED, require

SLOW = ("ResNet-20 int8", "VGG-8 int8", "MLPerf MobileNet int8", "SqueezeNet int8")
"""Networks that take seconds to compile."""

MOBILENET = "mobilenet_v1_0.25_128_uint8_qdq"


def printed(found: Timing | Whole) -> tuple[str, str, str]:
    """Energy, latency and interval, as far as they can be told from roundings off."""
    assert found.interval is not None
    return f"{found.joules:.11e}", f"{found.latency:.11e}", f"{found.interval:.11e}"


def whole(model: str, options: EstimateOptions, calibration: dict[str, np.ndarray] | None = None) -> Whole:
    found = estimate_network(model, options, calibration).whole
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "mvmus"),
    [
        pytest.param(name, mvmus, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in INTEGERS
        for mvmus in (None, 200)
    ],
)
def test_networks_that_carry_integers(name: str, mvmus: int | None) -> None:
    """Which of their sums are rounded depends on weights and inputs: a bias is added, or is a term of the
    requantisation."""
    model = str(require(SHARED / f"{INTEGERS[name]}.onnx"))
    program = compiled(model, "puma", mvmus)
    assert printed(whole(model, EstimateOptions("puma", budget=mvmus))) == printed(
        time_program(program.program, program.target)
    )


@pytest.mark.slow
def test_a_network_that_carries_integers_with_data() -> None:
    """On pictures other sums of MobileNet are rounded than on random bytes."""
    model = str(require(MODELS / f"{MOBILENET}.onnx"))
    pictures = np.load(require(SHARED / "images" / "imagenet_sample100_256.npz"))["images"][:4, ::2, ::2]
    program = compile_network(model, CompileOptions("puma"), {"input": pictures})
    found = printed(whole(model, EstimateOptions("puma"), {"input": pictures}))
    assert found == printed(time_program(program.program, program.target))
    assert found != printed(whole(model, EstimateOptions("puma")))


@pytest.mark.parametrize("target", ["puma", "isaac"])
@pytest.mark.parametrize("mvmus", [None, 40])
def test_pixels_are_never_negative(target: str, mvmus: int | None) -> None:
    """Crossbars are fed a bit less of what is never negative, and of an input only data can tell."""
    data = dict(np.load(CALIBRATION))
    program = compile_network(DIGITS, CompileOptions(target, mvmus=mvmus), data)
    options = EstimateOptions(target, budget=mvmus)
    assert printed(whole(DIGITS, options, data)) == printed(time_program(program.program, program.target))
    assert whole(DIGITS, options).joules > 1.01 * whole(DIGITS, options, data).joules


def test_the_command_and_the_function_take_data(tmp_path: Path) -> None:
    folder = compiled_folder(tmp_path / "net")
    timed = re.search(r"time between inputs +(\S+ µs),", cimc("time", folder).out)
    assert timed is not None
    interval = timed[1]
    told = cimc("estimate", DIGITS, "--target", "puma", "--calibration", CALIBRATION)
    assert told.code == 0, told.err
    assert f"{interval} between inputs" in told.out
    assert f"{interval} between inputs" not in cimc("estimate", DIGITS, "--target", "puma").out
    found = api.estimate(DIGITS, "puma", CALIBRATION).whole
    assert found is not None and f"{found.interval * 1e6:.0f} µs" == interval


def test_data_that_do_not_fit() -> None:
    with pytest.raises(CimcError) as raised:
        estimate_network(DIGITS, EstimateOptions("puma"), {"input": np.zeros((4, 3, 8, 8), np.float32)})
    assert [diagnostic.code for diagnostic in raised.value.diagnostics] == ["input.shape"]


def test_of_a_large_network_no_integer_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = estimated(QUANTISED, EstimateOptions("puma"))
    monkeypatch.setattr(known_module, "MOST_PRODUCTS", 0)
    monkeypatch.delattr(known_module, "load_onnx")
    assert estimated(QUANTISED, EstimateOptions("puma")).joules == pytest.approx(exact.joules, rel=0.01)


def test_integers_that_are_still_to_come(tmp_path: Path) -> None:
    """Weights in a file that is not there: as many bits are stored, whatever they say."""
    model = onnx.load(QUANTISED)
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    (tmp_path / "weights").unlink()
    without, exact = (estimated(str(file), EstimateOptions("puma")) for file in (tmp_path / "net.onnx", QUANTISED))
    assert without.joules == pytest.approx(exact.joules, rel=0.01)
