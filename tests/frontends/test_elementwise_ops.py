"""Activation functions and arithmetic against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from cimc.frontends.onnx_ops import OPERATORS
from cimc.ir.graph import Binary, Dequantize, Unary
from tests.frontends.against_onnxruntime import check, floats, model, node


@pytest.mark.parametrize(
    ("op", "attributes", "opset"),
    [
        *((op, {}, 17) for op in ("Relu", "Sigmoid", "Tanh", "Erf", "Exp", "Neg", "Abs", "Softplus", "Round", "Floor")),
        *(
            (op, {}, 17)
            for op in ("Ceil", "LeakyRelu", "HardSigmoid", "HardSwish", "Elu", "Selu", "Softsign", "Identity")
        ),
        ("Reciprocal", {}, 17),
        ("LeakyRelu", {"alpha": 0.3}, 17),
        ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}, 17),
        ("Elu", {"alpha": 0.7}, 17),
        ("Selu", {"alpha": 1.5, "gamma": 2.0}, 17),
        ("Mish", {}, 18),
        ("Gelu", {}, 20),
        ("Gelu", {"approximate": "tanh"}, 20),
        ("Clip", {"min": -0.5, "max": 0.75}, 7),
        ("Clip", {"max": 0.75}, 10),
        ("Dropout", {"ratio": 0.3}, 7),
        ("Dropout", {}, 17),
        ("Sum", {}, 17),
    ],
)
def test_functions_of_one_tensor(op: str, attributes: dict[str, Any], opset: int) -> None:
    check(model([node(op, "x", **attributes)], {"x": ["N", 3, 4]}, opset=opset))


@pytest.mark.parametrize("op", ["Sqrt", "Log"])
def test_functions_of_positive_values(op: str) -> None:
    check(model([node("Abs", "x", "a"), node(op, "a")], {"x": ["N", 30]}))


@pytest.mark.parametrize("bounds", ["x low high", "x - high", "x low", "x"])
def test_clip_with_operands(bounds: str) -> None:
    constants = {"low": np.float32(-0.5), "high": np.float32(0.6)}
    graph = check(model([node("Clip", bounds)], {"x": ["N", 9]}, constants))
    assert [type(made) for made in graph.nodes] == [Unary]


@pytest.mark.parametrize("slope", [(3, 1, 1), (1,), (3, 4, 5)])
def test_prelu(slope: tuple[int, ...]) -> None:
    check(model([node("PRelu", "x s")], {"x": ["N", 3, 4, 5]}, {"s": floats(*slope)}))


@pytest.mark.parametrize("exponent", [1.0, 2.0, 0.5, -1.0, 3.0])
def test_pow(exponent: float) -> None:
    nodes = [node("Abs", "x", "a"), node("Pow", "a e")]
    check(model(nodes, {"x": ["N", 9]}, {"e": np.float32(exponent)}))


def test_pow_with_an_integer_exponent() -> None:
    check(model([node("Pow", "x e")], {"x": ["N", 9]}, {"e": np.int64(3)}))


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Min", "Max"])
@pytest.mark.parametrize("constant", [(3, 1, 1), (5,), (), (2, 3, 4, 5)])
def test_arithmetic_with_a_constant_broadcasts(op: str, constant: tuple[int, ...]) -> None:
    constants = {"c": floats(*constant) + np.float32(3)}
    check(model([node(op, "x c")], {"x": ["N", 3, 4, 5]}, constants))
    check(model([node(op, "c a", "y")], {"a": [1, 3, 1, 5]}, constants))


def test_arithmetic_of_activations_with_fewer_axes_broadcasts() -> None:
    check(model([node("Add", "a bb", "y")], {"a": [2, 3, 4], "bb": [3, 1]}))


@pytest.mark.parametrize("op", ["Sum", "Max", "Min", "Mean"])
def test_many_operands_make_a_chain(op: str) -> None:
    graph = check(model([node(op, "a bb ccc")], {"a": [1, 4], "bb": [1, 4], "ccc": [4]}))
    assert all(isinstance(made, Binary) for made in graph.nodes)


def test_a_cast_of_an_integer_input_is_a_dequantize() -> None:
    nodes = [node("Cast", "x", "f", to=TensorProto.FLOAT), node("Cast", "f", "y", to=TensorProto.FLOAT)]
    graph = check(model(nodes, {"x": ["N", 4]}, types={"x": TensorProto.UINT8}))
    assert [type(made) for made in graph.nodes] == [Dequantize]


def test_microsoft_gelu_and_fast_gelu() -> None:
    nodes = [node("Gelu", "x", "a", domain="com.microsoft"), node("FastGelu", "a b", domain="com.microsoft")]
    check(model(nodes, {"x": ["N", 6]}, {"b": floats(6)}, domains=["com.microsoft"]))


def test_the_operator_table_is_sorted_into_groups_without_repeats() -> None:
    assert set(OPERATORS) == {"", "com.microsoft"}
    assert len(OPERATORS[""]) >= 70
