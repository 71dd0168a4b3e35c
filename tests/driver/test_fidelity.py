"""The second verdict of verify: faithful or not, and what a low figure is due to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import cimc
from cimc.driver.onnx_oracle import OnnxOracle
from cimc.driver.verification import Verification
from cimc.frontends import load_onnx
from cimc.ir.reference import windows_of
from cimc.layer_kinds.matrix.sums import clipped_conversions
from tests.cli.commands import CALIBRATION, DIGITS, QUANTISED, TEST
from tests.laws.digits import varied
from tests.passes.cases.net import Net
from tests.passes.end_to_end import IDEAL, build
from tests.target.files import target_file

with np.load(TEST) as _file:
    DATA = {name: _file[name][:100] for name in _file.files}


def verified(target: str, calibration: Any = CALIBRATION, **options: Any) -> Verification:
    """The plain digits network on a hundred test images."""
    return cimc.verify(DIGITS, DATA, target, calibration, **options)


def cause(found: Verification) -> str:
    """The one warning about fidelity."""
    (warning,) = [w.what for w in found.warnings if w.code == "verify.fidelity"]
    return warning


def test_converters_that_clip_are_exact_and_not_faithful(tmp_path: Path) -> None:
    """The reference knows the converters, so the chip does what its model says; the warning says what that costs."""
    found = verified(target_file(tmp_path, crossbar={"adc_bits": 4}))
    assert (found.bit_exact, found.faithful, found.passed) == (True, False, True)
    assert "of the conversions of layer" in cause(found)
    assert "clip: the ADC is too narrow" in cause(found)


def test_the_share_of_conversions_that_clip() -> None:
    """20 rows of weight 1, stored as 3 in one cell: fed with ones, 60 in the column and 20 in the unit column meet an
    ADC that ends at 15, at each of 8 steps; fed with zeros nothing does."""
    n = Net(1, 20)
    n.inputs["x"] = (1, 20)
    graph = load_onnx(n.model(n.node("MatMul", "x", n.constant(np.ones((20, 1))))))
    target = varied(IDEAL, numbers={"weight": 2}, crossbar={"adc_bits": 4, "cell_bits": 2}, mvmu={"encoding": "offset"})
    made = build(graph, target, {"x": np.ones((1, 1, 20), np.float32)})
    (layer,) = made.mapped.layers
    fed = np.stack([np.full((1, 1, 20), 255), np.zeros((1, 1, 20), np.int64)])
    assert clipped_conversions(made.mapped, layer, windows_of(made.mapped, layer.layer, {"x": fed})) == (16, 32)


def test_values_beyond_calibration() -> None:
    with np.load(CALIBRATION) as file:
        found = verified("puma", {"input": file["input"] / 16})
    assert not found.faithful
    assert "are beyond what calibration has seen" in cause(found)


def test_no_calibration_data() -> None:
    assert "there were no calibration data" in cause(verified("puma", None, min_snr=200.0))


def test_few_bits() -> None:
    found = verified("puma", weight_bits=2, input_bits=2)
    assert not found.faithful
    assert "few bits: weights or inputs of 2" in cause(found)
    assert 'the first layer below 10 dB is "conv1"' in cause(found)


def test_a_format_that_underflows(tmp_path: Path) -> None:
    """Calibrated on inputs a million times as large, everything is rounded to zero."""
    with np.load(CALIBRATION) as file:
        found = verified("puma", {"input": file["input"] * np.float32(1e6)})
    assert found.bit_exact and not found.faithful
    assert "is rounded to zero: its format underflows" in cause(found)


@pytest.mark.parametrize(("limits", "passed"), [({}, True), ({"min_snr": 5.0}, True), ({"min_snr": 95.0}, False)])
def test_decibels_asked_for_decide(limits: dict[str, float], passed: bool) -> None:
    assert verified("puma", **limits).passed == passed


def test_labels_that_are_lost() -> None:
    """By default five points may be lost; what the user allows decides."""
    few = {"weight_bits": 2, "input_bits": 3}
    found = verified("puma", **few)
    assert found.top1_float is not None and found.top1_chip is not None
    lost = 100 * (found.top1_float - found.top1_chip)
    assert lost > 5
    assert f"{lost:.1f} points of right labels are lost, more than 5" in cause(found)
    assert verified("puma", max_loss=lost - 0.5, **few).passed is False
    assert verified("puma", max_loss=lost + 0.5, min_snr=0.0, **few).passed is True


@pytest.mark.parametrize("numbers", [{"word": 8, "accumulator": 24}, {"word": 16, "accumulator": 24}])
def test_carried_integers_are_equal_on_a_target_that_holds_them(numbers: dict[str, int], tmp_path: Path) -> None:
    """uint8 activations in words of 8 bits are moved to -128 .. 127; biases wider than a word are added exactly."""
    found = cimc.verify(QUANTISED, DATA, target_file(tmp_path, numbers=numbers, mvmu={"round": "shift"}), CALIBRATION)
    assert (found.bit_exact, found.snr_db) == (True, None)


def test_carried_integers_that_are_missed_are_named(tmp_path: Path) -> None:
    numbers = {"word": 16, "accumulator": 12}
    found = cimc.verify(QUANTISED, DATA, target_file(tmp_path, numbers=numbers, mvmu={"round": "shift"}), CALIBRATION)
    assert found.bit_exact and found.snr_db is not None
    (warning,) = [w for w in found.warnings if w.code == "verify.carried"]
    steps = {one.name: one.max_steps for one in found.layers}
    assert any(steps.values())
    assert all(f"{layer} by at most {most}" in warning.what for layer, most in steps.items() if most)


def test_integers_at_the_border_must_be_words(tmp_path: Path) -> None:
    """What enters as uint8 cannot be moved: the target is refused with the range."""
    model = onnx.load(QUANTISED)
    model.graph.node.remove(next(node for node in model.graph.node if node.op_type == "QuantizeLinear"))
    model.graph.input[0].name = "input_QuantizeLinear_Output"
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    onnx.save(model, tmp_path / "net.onnx")
    target = target_file(tmp_path, numbers={"word": 8, "accumulator": 24}, mvmu={"round": "shift"})
    with pytest.raises(cimc.CimcError, match="integers from 0 to 255; words of tried have 8 bits"):
        cimc.compile(tmp_path / "net.onnx", target)


def test_carried_weights_that_cells_do_not_hold(tmp_path: Path) -> None:
    numbers, mvmu = {"weight": 4}, {"crossbars": 2, "slices": "crossbars"}
    target = target_file(tmp_path, numbers=numbers, mvmu=mvmu, crossbar={"cell_bits": 4})
    with pytest.raises(cimc.CimcError, match=r"weights of 8 bits, and an MVMU of tried holds at most [45]"):
        cimc.compile(QUANTISED, target, CALIBRATION)


def two_outputs(tmp_path: Path) -> Path:
    """x and y, each through a matrix of its own to an output of its own; a is a thousand times as large as b."""
    n = Net(1, 8)
    n.input("y", 1, 8)
    matrix = np.random.default_rng(0).standard_normal((8, 8))
    outputs = (n.node("MatMul", name, n.constant(size * matrix)) for name, size in (("x", 1000), ("y", 1)))
    onnx.save(n.model(*outputs), tmp_path / "two.onnx")
    return tmp_path / "two.onnx"


def test_a_good_output_does_not_make_up_for_a_bad_one(tmp_path: Path) -> None:
    """y's calibration is a million times too large, so the second output is all zeros: 0 dB."""
    x = np.random.default_rng(1).standard_normal((16, 8)).astype(np.float32)
    calibration = {"x": x, "y": x * np.float32(1e6)}
    found = cimc.verify(two_outputs(tmp_path), {"x": x, "y": x}, "puma", calibration, min_snr=40.0)
    assert (found.bit_exact, found.faithful, found.passed, found.snr_db) == (True, False, False, 0.0)
    bad = found.layers[1].name
    assert f"the output {bad} has 0.0 dB" in cause(found)
    assert f'the first layer below 10 dB is "{bad}"' in cause(found)


def test_a_figure_without_a_number_is_refused(tmp_path: Path) -> None:
    """The network's own logarithm of a negative number is no number: no chip can be near it."""
    n = Net(1, 8)
    h = n.node("MatMul", "x", n.constant(np.eye(8)))
    onnx.save(n.model(n.node("Log", h)), tmp_path / "log.onnx")
    x = np.random.default_rng(1).uniform(1, 2, (16, 8)).astype(np.float32)
    assert cimc.verify(tmp_path / "log.onnx", {"x": x}, "puma", {"x": x}).faithful
    for wrong in (-1, 0):
        data = np.concatenate([x, np.full_like(x[:1], wrong)])
        with pytest.raises(cimc.CimcError, match="not all finite on these data"):
            cimc.verify(tmp_path / "log.onnx", {"x": data}, "puma", {"x": x})


@pytest.mark.parametrize("limit", ["min_snr", "max_loss"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_limits_that_nothing_could_miss_or_keep(limit: str, value: float) -> None:
    with pytest.raises(cimc.CimcError, match="give a finite number"):
        verified("puma", **{limit: value})


def test_labels_to_lose_must_be_there() -> None:
    with pytest.raises(cimc.CimcError, match="the data hold no labels"):
        cimc.verify(DIGITS, {"input": DATA["input"]}, "puma", CALIBRATION, max_loss=1.0)


@pytest.mark.parametrize("limit", [0, -1])
def test_no_inputs_prove_nothing(limit: int) -> None:
    with pytest.raises(cimc.CimcError, match="give 1 or more"):
        verified("puma", limit=limit)


def test_an_output_that_misses_the_oracle_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime may round otherwise than the float network that layers are held against: then no layer is off."""
    model = onnx.load(QUANTISED)
    last = model.graph.node.pop()
    assert last.op_type == "DequantizeLinear"
    model.graph.output[0].name = last.input[0]
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    onnx.save(model, tmp_path / "net.onnx")
    assert not cimc.verify(tmp_path / "net.onnx", DATA, "ideal", CALIBRATION).warnings
    right = OnnxOracle.run
    monkeypatch.setattr(OnnxOracle, "run", lambda *given: {k: v ^ np.uint8(1) for k, v in right(*given).items()})
    found = cimc.verify(tmp_path / "net.onnx", DATA, "ideal", CALIBRATION)
    assert not any(one.max_steps for one in found.layers)
    (warning,) = [w.what for w in found.warnings if w.code == "verify.carried"]
    assert warning.endswith(f'differ from it: output "{last.input[0]}" by at most 1')
