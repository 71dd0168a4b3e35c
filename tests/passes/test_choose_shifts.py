"""Shifts and scales of rounding targets: what calibration has not seen must still fit, and errors must have no mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cimc.driver.compile import Compiled
from cimc.driver.verify import reference_maps
from cimc.frontends import load_onnx
from cimc.ir.evaluate import evaluate
from cimc.ir.reference import windows_of
from cimc.layer_kinds.matrix.sums import accumulate
from cimc.numerics.quant import dequantise
from cimc.passes.numbers import choose_shifts
from cimc.runtime.step import StepEngine
from tests.passes.end_to_end import IDEAL, PUMA, build, snr_db


def product(weights: np.ndarray, bias: np.ndarray, relu: bool = False) -> onnx.ModelProto:
    """y = x @ weights + bias, (K, N), and perhaps a Relu."""
    info = helper.make_tensor_value_info
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["g" if relu else "y"], name="gemm")]
    if relu:
        nodes.append(helper.make_node("Relu", ["g"], ["y"], name="relu"))
    graph = helper.make_graph(
        nodes,
        "product",
        [info("x", TensorProto.FLOAT, ["N", weights.shape[0]])],
        [info("y", TensorProto.FLOAT, ["N", weights.shape[1]])],
        [
            numpy_helper.from_array(weights.astype(np.float32), "w"),
            numpy_helper.from_array(bias.astype(np.float32), "b"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def errors(made: Compiled, x: np.ndarray) -> np.ndarray:
    """Chip minus float, in steps of the output, (lanes, outputs)."""
    quant = made.mapped.quants["y"]
    got = dequantise(reference_maps(made, {"x": x})["y"], quant).reshape(len(x), -1)
    right = evaluate(made.graph, {"x": x})["y"].reshape(len(x), -1)
    return (got - right) / quant.scale


def test_columns_that_calibration_never_saw_loud_do_not_saturate() -> None:
    """64 classes, one of them loud in the calibration data, so the shift suits quiet columns; others are loud later."""
    generator = np.random.default_rng(0)
    weights = np.eye(64) + generator.normal(0, 0.003, (64, 64))
    x = np.eye(64, dtype=np.float32)[:, None]
    seen = np.concatenate([x[:1], 0.2 * x[1:8]])
    made = build(load_onnx(product(weights, np.zeros(64))), PUMA, {"x": seen})
    worst = np.abs(errors(made, x[8:])).max()
    assert worst < 20, f"{worst} steps of {made.mapped.quants['y'].high}"


def test_sums_have_no_mean_error_on_calibration_data() -> None:
    """Weights of loud columns become coarse, and behind positive inputs that would be an offset."""
    generator = np.random.default_rng(1)
    x = generator.uniform(0.4, 0.6, (64, 1, 512)).astype(np.float32)
    weights = generator.normal(0, 1, (512, 64))
    weights[:, :4] = generator.uniform(0, 20, (512, 4)) ** 2
    made = build(load_onnx(product(weights, np.zeros(64))), PUMA, {"x": x})
    (layer,) = made.mapped.layers
    assert layer.epilogue.n is not None
    maps = reference_maps(made, {"x": x})
    unrounded = (
        accumulate(made.mapped, layer, windows_of(made.mapped, layer.layer, maps)) * layer.epilogue.m + layer.epilogue.n
    )
    real = evaluate(made.graph, {"x": x})["y"].reshape(unrounded.shape) / made.mapped.quants["y"].scale
    mean = np.abs((unrounded - real).mean(axis=(0, 1, 2))).max()
    assert mean < 0.05, f"a column is off by {mean} steps on average"


@pytest.mark.parametrize("loud", [0, 4, 32])
def test_the_shift_that_is_chosen_makes_the_least_error(loud: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 64 columns so many are 16 times as loud. Every shift that there is is tried, and what the chip gives with it
    measured. A tenth: the choice lets errors of weights count for more than these inputs show."""
    generator = np.random.default_rng(1)
    weights = generator.normal(0, 1, (64, 64))
    weights[:, :loud] *= 16
    x = generator.normal(0, 1, (64, 1, 64)).astype(np.float32)
    graph = load_onnx(product(weights, np.zeros(64)))

    def measured() -> tuple[int, float]:
        made = build(graph, PUMA, {"x": x})
        return made.mapped.layers[0].shift, float(np.sqrt(np.square(errors(made, x)).mean()))

    chosen, error = measured()
    found = {}
    for wanted in range(chosen - 3, chosen + 5):
        monkeypatch.setattr(
            choose_shifts, "_noise", lambda m, needed, units, shift, power, blocks, w=wanted: abs(shift - w)
        )
        shift, found[wanted] = measured()
        assert shift == wanted or wanted > chosen, "a shift that there is not"
    assert error <= 1.1 * min(found.values())
    assert max(found.values()) > 1.3 * error, "all shifts are alike"


def test_targets_that_do_not_round_have_no_shift() -> None:
    wide = replace(IDEAL, numbers=replace(IDEAL.numbers, weight=9, input=16))
    made = build(load_onnx(product(np.eye(4), np.ones(4))), wide, {"x": np.ones((2, 1, 4), np.float32)})
    assert all(m.shift == 0 for m in made.mapped.layers)


def test_columns_that_could_overflow_are_coarser_where_nothing_rounds() -> None:
    """Sums of 512 products of 8 x 8 bits in accumulators of 24 bits: the loud column would saturate, the others keep
    the scale that their weights alone ask for."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0.9, 1.0, (16, 1, 512)).astype(np.float32)
    weights = rng.normal(0, 1, (512, 6))
    weights[:, 2] = 1 + rng.uniform(0, 0.1, 512)
    target = replace(IDEAL, numbers=replace(IDEAL.numbers, accumulator=24))
    made = build(load_onnx(product(weights, np.zeros(6))), target, {"x": x})
    (layer,) = made.mapped.layers
    assert layer.weight_scale is not None
    wanted = np.abs(weights).max(axis=0) / 127
    grown = layer.weight_scale / wanted
    assert np.allclose(np.delete(grown, 2), 1, rtol=1e-6)
    assert 2 * 512 * 127 * 255 / 2**23 * 0.8 < grown[2] < 2 * 512 * 127 * 255 / 2**23 * 1.01
    execution = StepEngine(made.program, made.weights, target).run({"x": x})
    assert snr_db(evaluate(made.graph, {"x": x})["y"], execution.outputs["y"]) > 25
