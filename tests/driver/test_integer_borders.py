"""Integers as a network writes them - types, formats, borders - against onnxruntime or onnx's reference evaluator.

Everything here is exact: integers are equal, and so are the floats that are dequantised from them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper
from onnx.reference import ReferenceEvaluator

from cimc.base.diagnostics import CimcError
from cimc.driver.compile import compile_network
from cimc.driver.options import CompileOptions
from cimc.driver.verification import Verification
from cimc.driver.verify import verify_network
from cimc.frontends import load_onnx
from cimc.ir.lanes import lanes_of
from cimc.runtime.step import StepEngine
from tests.frontends.against_onnxruntime import floats, model, node

Arrays = dict[str, npt.NDArray[Any]]

NUMBERS = {
    "int2": TensorProto.INT2, "uint2": TensorProto.UINT2, "int4": TensorProto.INT4, "uint4": TensorProto.UINT4,
    "int8": TensorProto.INT8, "uint8": TensorProto.UINT8, "int16": TensorProto.INT16, "uint16": TensorProto.UINT16,
}  # fmt: skip
RANGES = {"int2": (-2, 1), "uint2": (0, 3), "int4": (-8, 7), "uint4": (0, 15), "int8": (-128, 127), "uint8": (0, 255),
          "int16": (-32768, 32767), "uint16": (0, 65535)}  # fmt: skip
ON_PUMA = tuple(kind for kind in RANGES if kind != "uint16")
"""A word of puma is signed and has 16 bits."""


def integer_model(
    nodes: list[NodeProto], inputs: dict[str, Any], constants: Arrays, outputs: tuple[str, ...], types: dict[str, str]
) -> ModelProto:
    """A model of opset 25, where every integer type is known."""
    kinds = {name: NUMBERS[kind] for name, kind in types.items()}
    made = model(nodes, inputs, constants, outputs, opset=25, types=kinds)
    made.ir_version = 13
    return made


def constant(kind: str, value: int) -> npt.NDArray[Any]:
    return np.asarray(value).astype(helper.tensor_dtype_to_np_dtype(NUMBERS[kind]))


def verified(made: ModelProto, folder: Path, data: Arrays, target: str) -> Verification:
    file = folder / "net.onnx"
    file.write_bytes(made.SerializeToString())
    return verify_network(file, data, CompileOptions(target=target), data)


def check(made: ModelProto, folder: Path, data: Arrays, target: str) -> None:
    """Equal to the oracle, element by element."""
    found = verified(made, folder, data, target)
    assert found.bit_exact, str(found.first_mismatch)
    assert found.snr_db is None, f"{found.snr_db} dB against {found.oracle}"


def whole_range(kind: str, *shape: int) -> npt.NDArray[Any]:
    """Values of a type, its extremes among them, in bytes or wider."""
    low, high = RANGES[kind]
    values = np.random.default_rng(0).integers(low, high, shape, endpoint=True)
    values.reshape(-1)[:2] = low, high
    return values.astype(kind if kind in ("int16", "uint16") else "int8" if low < 0 else "uint8")


@pytest.mark.parametrize("target", ["ideal", "puma"])
@pytest.mark.parametrize("kind", RANGES)
def test_activations_saturate_at_their_own_width(kind: str, target: str, tmp_path: Path) -> None:
    if kind not in ON_PUMA and target == "puma":
        pytest.skip("no word of puma holds it")
    low, high = RANGES[kind]
    zero = (low + high) // 2 + 1
    constants = {"s": np.float32(0.11), "z": constant(kind, zero)}
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z")]
    made = integer_model(nodes, {"x": ["N", 40]}, constants, ("y",), {})
    x = floats(6, 40) * np.float32(0.11 * (high - low))
    check(made, tmp_path, {"x": x}, target)


@pytest.mark.parametrize("kind", ["int4", "uint4", "int2", "uint2"])
def test_a_network_of_narrow_integers(kind: str, tmp_path: Path) -> None:
    """Packed weights and activations of the same type; 60 dB: the result is rounded to 16 bits."""
    zero = constant(kind, 0 if RANGES[kind][0] < 0 else 1)
    weight = whole_range(kind, 4, 3)
    constants = {"s": np.float32(0.3), "z": zero, "w": weight.astype(zero.dtype), "t": np.float32(0.2)}
    nodes = [
        node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "d"),
        node("DequantizeLinear", "w t z", "v"), node("Gemm", "d v"),
    ]  # fmt: skip
    made = integer_model(nodes, {"x": ["N", 4]}, constants, ("y",), {})
    found = verified(made, tmp_path, {"x": floats(40, 4)}, "puma")
    assert found.bit_exact, str(found.first_mismatch)
    assert found.snr_db is None or found.snr_db > 60


@pytest.mark.parametrize("target", ["ideal", "puma"])
@pytest.mark.parametrize("kind", RANGES)
def test_integers_pass_through(kind: str, target: str, tmp_path: Path) -> None:
    if kind not in ON_PUMA and target == "puma":
        pytest.skip("no word of puma holds it")
    made = integer_model([node("Identity", "x")], {"x": ["N", 3, 4]}, {}, ("y",), {"x": kind, "y": kind})
    check(made, tmp_path, {"x": whole_range(kind, 5, 3, 4)}, target)


@pytest.mark.parametrize("target", ["ideal", "puma"])
@pytest.mark.parametrize("kind", ["int8", "uint8", "int16"])
def test_integers_are_passed_on_pooled_and_dequantised(kind: str, target: str, tmp_path: Path) -> None:
    zero = 5
    constants = {"s": np.float32(0.1), "z": constant(kind, zero), "p": np.array([0, 0, 0, 1, 0, 0, 0, 1])}
    nodes = [
        node("Identity", "x", "same"),
        node("MaxPool", "x", "pooled", kernel_shape=[2, 2], strides=[2, 2]),
        node("DequantizeLinear", "x s z", "real"),
        node("Transpose", "x", "turned", perm=[0, 1, 3, 2]),
        node("Pad", "x p z", "padded"),
        node("DequantizeLinear", "pooled s z", "most"),
    ]
    outputs = ("same", "pooled", "real", "turned", "padded", "most")
    types = dict.fromkeys(("x", "same", "pooled", "turned", "padded"), kind)
    if kind == "int16":  # onnxruntime pools bytes only
        nodes, outputs = (
            [n for n in nodes if "pooled" not in (*n.input, *n.output)],
            ("same", "real", "turned", "padded"),
        )
    types = {name: kind for name in types if name == "x" or name in outputs}
    made = integer_model(nodes, {"x": ["N", 2, 4, 4]}, constants, outputs, types)
    check(made, tmp_path, {"x": whole_range(kind, 5, 2, 4, 4)}, target)


@pytest.mark.parametrize("target", ["ideal", "puma"])
@pytest.mark.parametrize("source", ["input", "quantised"])
def test_integers_are_read_in_two_formats(source: str, target: str, tmp_path: Path) -> None:
    """The same integers with other scales and zero points: as such they are equal, as reals they are others."""
    constants = {"s": np.float32(0.1), "t": np.float32(0.037), "z": np.int8(3), "u": np.int8(-60)}
    nodes = [node("DequantizeLinear", "q s z", "a"), node("DequantizeLinear", "q t u", "b"), node("Identity", "q", "c")]
    types, x = {"c": "int8"}, floats(5, 30) * np.float32(5)
    inputs = {"x": ["N", 30]}
    if source == "input":
        inputs, types = {"q": ["N", 30]}, {"c": "int8", "q": "int8"}
    else:
        nodes.insert(0, node("QuantizeLinear", "x s z", "q"))
    made = integer_model(nodes, inputs, constants, ("a", "b", "c"), types)
    check(made, tmp_path, {"q": whole_range("int8", 5, 30)} if source == "input" else {"x": x}, target)


def test_integers_joined_from_two_formats_are_refused(tmp_path: Path) -> None:
    constants = {"s": np.float32(0.1), "t": np.float32(0.037), "z": np.int8(3)}
    nodes = [
        node("QuantizeLinear", "x s z", "p"), node("QuantizeLinear", "v t z", "q"), node("Concat", "p q", "c", axis=1),
        node("MaxPool", "c", "m", kernel_shape=[2, 2]), node("DequantizeLinear", "m s z"),
    ]  # fmt: skip
    made = integer_model(nodes, {"x": ["N", 2, 4, 4], "v": ["N", 2, 4, 4]}, constants, ("y",), {})
    with pytest.raises(CimcError, match="joined from several formats"):
        verified(made, tmp_path, {"x": floats(5, 2, 4, 4), "v": floats(5, 2, 4, 4, seed=1)}, "puma")


@pytest.mark.parametrize("target", ["ideal", "puma"])
def test_an_input_is_quantised_twice(target: str, tmp_path: Path) -> None:
    constants = {"s": np.float32(0.05), "z": np.int8(3)}
    nodes = [
        node("QuantizeLinear", "x s z", "p"), node("DequantizeLinear", "p s z", "a"),
        node("QuantizeLinear", "x s z", "q"), node("Reshape", "q n", "r"), node("DequantizeLinear", "r s z", "b"),
    ]  # fmt: skip
    constants["n"] = np.array([0, 5, 6])
    made = integer_model(nodes, {"x": ["N", 30]}, constants, ("a", "b"), {})
    check(made, tmp_path, {"x": floats(5, 30)}, target)


@pytest.mark.parametrize("target", ["ideal", "puma"])
@pytest.mark.parametrize("shape", ["relu", "clip", "residual", "concat"])
def test_formats_on_every_path(shape: str, target: str, tmp_path: Path) -> None:
    """Two quantised maps meet, and the result is quantised again; one step, 0.03, where a sum lies on a tie."""
    constants = {"a": np.float32(0.05), "b": np.float32(0.02), "c": np.float32(0.03), "z": np.uint8(90),
                 "low": np.float32(-0.7), "high": np.float32(1.3)}  # fmt: skip
    joined = {
        "relu": [node("Relu", "A", "m")],
        "clip": [node("Clip", "A low high", "m")],
        "residual": [node("Add", "A B", "m")],
        "concat": [node("Concat", "A B", "m", axis=1)],
    }
    nodes = [
        node("QuantizeLinear", "x a z", "p"), node("DequantizeLinear", "p a z", "A"),
        node("QuantizeLinear", "v b z", "q"), node("DequantizeLinear", "q b z", "B"),
        *joined[shape], node("QuantizeLinear", "m c z", "n"), node("DequantizeLinear", "n c z"),
    ]  # fmt: skip
    made = integer_model(nodes, {"x": ["N", 2, 3, 3], "v": ["N", 2, 3, 3]}, constants, ("y",), {})
    data = {"x": 3 * floats(9, 2, 3, 3), "v": 2 * floats(9, 2, 3, 3, seed=1)}
    found = verified(made, tmp_path, data, target)
    assert found.bit_exact, str(found.first_mismatch)
    assert found.max_abs_error < 1.01 * 0.03
    assert found.snr_db is None or found.snr_db > 50


@pytest.mark.parametrize("quantised_input", [True, False])
def test_a_bias_in_units_of_its_own(quantised_input: bool, tmp_path: Path) -> None:
    """Integers of a bias count in the scale that the network gives them, not in the sums'. onnxruntime's fused kernels
    overlook that scale, so onnx's reference evaluator is asked; 0.5 %: in the sums' units the bias is 40 times less."""
    constants = {
        "s": np.float32(0.05), "z": np.int8(0), "w": whole_range("int8", 4, 3), "t": np.float32(0.01),
        "b": np.array([100, -200, 300], np.int32), "u": np.float32(0.02), "o": np.int32(0),
    }  # fmt: skip
    nodes = [
        node("DequantizeLinear", "w t z", "W"), node("DequantizeLinear", "b u o", "B"), node("Gemm", "X W B"),
    ]  # fmt: skip
    if quantised_input:
        nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "X"), *nodes]
    made = integer_model(nodes, {"x" if quantised_input else "X": ["N", 4]}, constants, ("y",), {})
    name, x = "x" if quantised_input else "X", floats(40, 4)
    file = tmp_path / "net.onnx"
    file.write_bytes(made.SerializeToString())
    compiled = compile_network(file, CompileOptions(target="puma"), {name: x})
    execution = StepEngine(compiled.program, compiled.weights, compiled.target).run(lanes_of(compiled.graph, {name: x}))
    (wanted,) = ReferenceEvaluator(made).run(None, {name: x})
    error = np.abs(execution.outputs["y"][:, 0] - wanted).max()
    assert error < 0.005 * np.abs(wanted).max()


@pytest.mark.parametrize("target", ["ideal", "puma"])
def test_a_bias_beyond_every_accumulator(target: str, tmp_path: Path) -> None:
    """It saturates, and the result with it; the other columns keep their numbers."""
    constants = {
        "s": np.float32(0.05), "z": np.int8(0), "w": whole_range("int8", 4, 3), "t": np.float32(0.01),
        "b": np.array([100, -200, 300], np.int32), "u": np.float32([1e30, 5e-4, 5e-4]), "o": np.zeros(3, np.int32),
        "v": np.float32(0.1),
    }  # fmt: skip
    nodes = [
        node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "X"),
        node("DequantizeLinear", "w t z", "W"), node("DequantizeLinear", "b u o", "B", axis=0),
        node("Gemm", "X W B", "Y"), node("QuantizeLinear", "Y v z", "p"), node("DequantizeLinear", "p v z"),
    ]  # fmt: skip
    made = integer_model(nodes, {"x": ["N", 4]}, constants, ("y",), {})
    found = verified(made, tmp_path, {"x": floats(40, 4)}, target)
    assert found.bit_exact, str(found.first_mismatch)


def test_a_scale_is_a_floating_number(tmp_path: Path) -> None:
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z")]
    made = integer_model(nodes, {"x": ["N", 4]}, {"s": np.int32(3), "z": np.int8(0)}, ("y",), {})
    with pytest.raises(CimcError, match='the scale "s" is no floating number'):
        verified(made, tmp_path, {"x": floats(5, 4)}, "puma")


@pytest.mark.parametrize("scale", [0.0, -0.1, np.nan, np.inf, 1e-40, 1e-30, 1e30])
def test_scales_that_mean_nothing(scale: float, tmp_path: Path) -> None:
    constants = {"s": np.float32(scale), "z": np.int8(0)}
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z")]
    with pytest.raises(CimcError, match='the scale "s" is') as caught:
        verified(integer_model(nodes, {"x": ["N", 4]}, constants, ("y",), {}), tmp_path, {"x": floats(5, 4)}, "puma")
    assert {d.code for d in caught.value.diagnostics} <= {"onnx.nan", "onnx.range"}


def test_weights_of_a_dead_channel_have_any_scale(tmp_path: Path) -> None:
    constants = {"w": whole_range("int8", 4, 2), "t": np.float32([0.01, 1e-40]), "z": np.int8([0, 0])}
    nodes = [node("DequantizeLinear", "w t z", "W", axis=1), node("Gemm", "x W")]
    found = verified(
        integer_model(nodes, {"x": ["N", 4]}, constants, ("y",), {}), tmp_path, {"x": floats(40, 4)}, "puma"
    )
    assert found.bit_exact
    assert found.snr_db is not None and found.snr_db > 45


@pytest.mark.parametrize(("kind", "value"), [("int4", 8), ("int4", -9), ("uint4", 16), ("int2", 2), ("uint2", 4)])
def test_narrow_inputs_have_a_range(kind: str, value: int) -> None:
    graph = load_onnx(integer_model([node("Identity", "x")], {"x": ["N", 3]}, {}, ("y",), {"x": kind, "y": kind}))
    x = np.full((2, 3), value, np.int8 if RANGES[kind][0] < 0 else np.uint8)
    with pytest.raises(CimcError, match=f'the input "x" of type {kind} holds {value} to {value}'):
        lanes_of(graph, {"x": x})
    narrow = whole_range(kind, 2, 3)
    for given in (narrow, narrow.astype(helper.tensor_dtype_to_np_dtype(NUMBERS[kind]))):
        np.testing.assert_array_equal(lanes_of(graph, {"x": given})["x"], narrow.reshape(2, 1, 3))
