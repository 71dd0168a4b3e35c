"""Quantisation against onnxruntime: integers equal, or one step apart where a float sum lies on a tie."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import NodeProto, TensorProto

from cimc.ir.graph import Concat, Conv, Dequantize, MatMul, Quantize
from tests.frontends.against_onnxruntime import check, floats, model, node

ONE_STEP = 1.0
"""onnxruntime sums integers exactly, the Graph evaluator in float32: on a tie they may round apart by one."""


def bytes_(*shape: int, dtype: str = "int8") -> npt.NDArray[Any]:
    limits = np.iinfo(dtype)
    return np.random.default_rng(1).integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize(("dtype", "zero"), [("uint8", 100), ("int8", -7), ("uint8", 0)])
def test_quantize_and_dequantize_are_exact(dtype: str, zero: int) -> None:
    constants = {"s": np.float32(0.037), "z": np.array(zero, dtype)}
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z")]
    types = {"q": TensorProto.UINT8 if dtype == "uint8" else TensorProto.INT8}
    graph = check(model(nodes, {"x": ["N", 500]}, constants, outputs=("q", "y"), types=types))
    assert [type(made) for made in graph.nodes] == [Quantize, Dequantize]


def test_sixteen_bits_and_halves_round_to_even() -> None:
    constants = {"s": np.float32(0.5), "z": np.array(3, np.int16)}
    nodes = [node("Round", "x", "r"), node("Mul", "r s", "m"), node("QuantizeLinear", "m t z", "q")]
    constants["t"] = np.float32(1.0)
    types = {"q": TensorProto.INT16}
    check(model(nodes, {"x": ["N", 500]}, constants, outputs=("q",), types=types, opset=21))


def test_quantisation_along_an_axis() -> None:
    constants = {"s": np.float32([0.1, 0.2, 0.05]), "z": np.array([0, 3, -4], np.int8)}
    nodes = [node("QuantizeLinear", "x s z", "q", axis=1), node("DequantizeLinear", "q s z", axis=-2)]
    check(model(nodes, {"x": ["N", 3, 20]}, constants, outputs=("q", "y"), types={"q": TensorProto.INT8}))


def test_a_missing_zero_point_is_an_unsigned_zero() -> None:
    graph = check(
        model(
            [node("QuantizeLinear", "x s", "q"), node("DequantizeLinear", "q s")],
            {"x": ["N", 9]},
            {"s": np.float32(0.1)},
        )
    )
    assert graph.tensors["q"].dtype == "uint8"


def test_weights_and_biases_stay_integers() -> None:
    weight, bias = bytes_(4, 3, 3, 3), np.arange(4, dtype=np.int32)
    constants = {
        "w": weight, "ws": np.abs(floats(4)) + 0.1, "wz": np.zeros(4, np.int8),
        "b": bias, "bs": np.float32([0.1, 0.2, 0.3, 0.4]), "bz": np.zeros(4, np.int32),
    }  # fmt: skip
    nodes = [
        node("DequantizeLinear", "w ws wz", "wd", axis=0),
        node("DequantizeLinear", "b bs bz", "bd", axis=0),
        node("Conv", "x wd bd"),
    ]
    graph = check(model(nodes, {"x": ["N", 3, 6, 6]}, constants))
    assert [type(made) for made in graph.nodes] == [Dequantize, Dequantize, Conv]
    np.testing.assert_array_equal(graph.constants["w"], weight)
    np.testing.assert_array_equal(graph.constants["b"], bias)


def test_fake_quantised_weights_become_integers() -> None:
    constants = {"w": floats(6, 4), "s": np.float32(0.02), "z": np.int8(0)}
    nodes = [node("QuantizeLinear", "w s z", "q"), node("DequantizeLinear", "q s z", "d"), node("MatMul", "x d")]
    graph = check(model(nodes, {"x": ["N", 6]}, constants))
    assert [type(made) for made in graph.nodes] == [Dequantize, MatMul]
    assert graph.constants[graph.nodes[0].inputs[0]].dtype == np.int8


def test_layout_operators_move_to_the_integers() -> None:
    constants = {
        "q": bytes_(4, 6),
        "s": np.abs(floats(4)) + 0.1,
        "z": np.zeros(4, np.int8),
        "n": np.array([0, 0, 1, 1]),
    }
    nodes = [
        node("DequantizeLinear", "q s z", "d", axis=0),
        node("Reshape", "d n", "k"),
        node("Conv", "x k"),
    ]
    graph = check(model(nodes, {"x": ["N", 6, 3, 3]}, constants))
    assert [type(made) for made in graph.nodes] == [Dequantize, Conv]
    nodes = [node("DequantizeLinear", "q s z", "d", axis=0), node("Transpose", "d", "k"), node("MatMul", "x k")]
    graph = check(model(nodes, {"x": ["N", 6]}, {name: constants[name] for name in "qsz"}))
    assert [type(made) for made in graph.nodes] == [Dequantize, MatMul]


def test_arithmetic_on_quantised_constants_folds_to_floats() -> None:
    constants = {"q": bytes_(6), "s": np.float32(0.1), "z": np.int8(2), "f": floats(6)}
    nodes = [node("DequantizeLinear", "q s z", "d"), node("Mul", "d f", "m"), node("Add", "x m")]
    graph = check(model(nodes, {"x": ["N", 6]}, constants))
    assert len(graph.nodes) == 1


def quantised(*after: NodeProto) -> list[NodeProto]:
    """x quantised to "q" with scale "xs" and zero point "xz", then these nodes."""
    return [node("QuantizeLinear", "x xs xz", "q"), *after]


INPUT = {"xs": np.float32(0.03), "xz": np.uint8(120), "ys": np.float32(0.8), "yz": np.uint8(110)}


@pytest.mark.parametrize("per_channel", [False, True])
def test_qlinear_conv(per_channel: bool) -> None:
    scale = np.abs(floats(4)) * np.float32(0.01) + np.float32(0.002) if per_channel else np.float32(0.004)
    zero = np.zeros(4, np.int8) if per_channel else np.int8(0)
    weight = {"w": bytes_(4, 3, 3, 3) // 2, "ws": scale, "wz": zero, "b": np.array([100, -200, 0, 50], np.int32)}
    nodes = quantised(node("QLinearConv", "q xs xz w ws wz ys yz b", pads=[1, 1, 1, 1]))
    graph = check(
        model(nodes, {"x": ["N", 3, 6, 6]}, {**INPUT, **weight}, types={"y": TensorProto.UINT8}), steps=ONE_STEP
    )
    assert [type(made) for made in graph.nodes if not isinstance(made, Dequantize | Quantize)] == [Conv]


def test_qlinear_matmul() -> None:
    weight = {"w": bytes_(6, 4) // 2, "ws": np.float32(0.004), "wz": np.int8(0)}
    nodes = quantised(node("QLinearMatMul", "q xs xz w ws wz ys yz"))
    check(model(nodes, {"x": ["N", 6]}, {**INPUT, **weight}, types={"y": TensorProto.UINT8}), steps=ONE_STEP)


@pytest.mark.parametrize("to", ["uint8", "float"])
def test_qgemm(to: str) -> None:
    weight = {
        "w": bytes_(4, 6) // 2,
        "ws": np.abs(floats(4)) * 0.01,
        "wz": np.zeros(4, np.int8),
        "c": np.arange(4, dtype=np.int32),
    }
    weight["ws"] = weight["ws"].astype(np.float32)
    operands = "q xs xz w ws wz c" + (" ys yz" if to == "uint8" else "")
    nodes = quantised(node("QGemm", operands, domain="com.microsoft", transB=1))
    types = {"y": TensorProto.UINT8 if to == "uint8" else TensorProto.FLOAT}
    made = model(nodes, {"x": ["N", 6]}, {**INPUT, **weight}, types=types, domains=["com.microsoft"])
    check(made, steps=ONE_STEP)


@pytest.mark.parametrize(
    ("op", "operands", "attributes"),
    [
        ("QLinearAdd", "q xs xz q xs xz ys yz", {}),
        ("QLinearMul", "q xs xz q xs xz ys yz", {}),
        ("QLinearSigmoid", "q xs xz us uz", {}),
        ("QLinearLeakyRelu", "q xs xz ys yz", {"alpha": 0.2}),
        ("QLinearGlobalAveragePool", "q xs xz us yz", {"channels_last": 0}),
        ("QLinearAveragePool", "q xs xz us yz", {"kernel_shape": [2, 2], "strides": [2, 1]}),
        ("QLinearConcat", "us yz q xs xz q xs xz", {"axis": 1}),
        ("QLinearSoftmax", "q xs xz us uz", {"axis": -1, "opset": 13}),
    ],
)
def test_microsoft_quantised_operators(op: str, operands: str, attributes: dict[str, Any]) -> None:
    constants = {**INPUT, "us": np.float32(1 / 256), "uz": np.uint8(0)}
    nodes = quantised(node(op, operands, domain="com.microsoft", **attributes))
    made = model(nodes, {"x": ["N", 3, 4, 4]}, constants, types={"y": TensorProto.UINT8}, domains=["com.microsoft"])
    graph = check(made, steps=ONE_STEP)
    assert not (op == "QLinearConcat" and Concat not in {type(one) for one in graph.nodes})


def test_integer_maps_are_pooled_as_integers() -> None:
    nodes = quantised(node("MaxPool", "q", kernel_shape=[2, 2], pads=[0, 0, 1, 1]))
    check(model(nodes, {"x": ["N", 3, 5, 5]}, INPUT, types={"y": TensorProto.UINT8}))


def test_four_bit_weights_become_bytes() -> None:
    from onnx import helper

    made = model(
        [node("DequantizeLinear", "w s", "d"), node("MatMul", "x d")], {"x": ["N", 4]}, {"s": np.float32(0.1)}, opset=21
    )
    made.graph.initializer.append(helper.make_tensor("w", TensorProto.INT4, [4, 2], [1, -8, 7, 0, 3, -2, 5, 6]))
    graph = check(made)
    assert graph.constants["w"].dtype == np.int8
