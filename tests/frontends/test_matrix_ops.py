"""Gemm and MatMul against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cimc.ir.graph import Dequantize, MatMul, MatMulDynamic
from tests.frontends.against_onnxruntime import check, floats, model, node


@pytest.mark.parametrize("attributes", [{}, {"transB": 1}, {"alpha": 0.5, "beta": -2.0}, {"transB": 1, "alpha": 3.0}])
@pytest.mark.parametrize("bias", [None, (4,), (1, 4), (1,), (), (1, 1)])
def test_gemm_with_constants_is_one_matmul(attributes: dict[str, Any], bias: tuple[int, ...] | None) -> None:
    weight = floats(4, 6) if attributes.get("transB") else floats(6, 4)
    constants = {"w": weight} if bias is None else {"w": weight, "c": floats(*bias, seed=1)}
    graph = check(
        model([node("Gemm", "x w c" if bias is not None else "x w", **attributes)], {"x": ["N", 6]}, constants)
    )
    assert [type(made) for made in graph.nodes] == [MatMul]


def test_gemm_of_transposed_activations_and_a_bias_for_each_row() -> None:
    made = model([node("Gemm", "x w c", transA=1)], {"x": [6, 3]}, {"w": floats(6, 4), "c": floats(3, 1)})
    check(made)


def test_gemm_of_two_activations() -> None:
    made = model([node("Gemm", "a b c", transA=1, transB=1, alpha=0.5, beta=2.0)], {"a": [6, 3], "b": [4, 6], "c": [4]})
    check(made)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((1, 6), (6, 4)),
        ((2, 5, 6), (6, 4)),
        ((2, 3, 5, 6), (1, 6, 4)),
        ((2, 6), (1, 1, 6, 4)),
        ((6,), (6, 4)),
        ((5, 6), (6,)),
    ],
)
def test_matmul_by_a_constant(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    graph = check(model([node("MatMul", "x w")], {"x": left}, {"w": floats(*right)}))
    assert MatMul in {type(made) for made in graph.nodes}
    assert MatMulDynamic not in {type(made) for made in graph.nodes}


@pytest.mark.parametrize(
    ("left", "right"), [((4, 6), (6, 5)), ((4, 6), (2, 6, 5)), ((1, 1, 4, 6), (6, 5)), ((4, 6), (6,))]
)
def test_matmul_with_the_constant_on_the_left(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    graph = check(model([node("MatMul", "w x")], {"x": right}, {"w": floats(*left)}))
    assert MatMul in {type(made) for made in graph.nodes}


@pytest.mark.parametrize(("left", "right"), [((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((4,), (2, 4, 3))])
def test_matmul_of_two_activations(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    graph = check(model([node("MatMul", "a b")], {"a": left, "b": right}))
    assert MatMulDynamic in {type(made) for made in graph.nodes}


def test_a_quantised_weight_keeps_its_integers_through_trans_b() -> None:
    integers = np.random.default_rng(0).integers(-128, 128, (4, 6)).astype(np.int8)
    constants = {"q": integers, "s": np.abs(floats(4)) + 0.1, "z": np.zeros(4, np.int8), "c": floats(4)}
    nodes = [node("DequantizeLinear", "q s z", "w", axis=0), node("Gemm", "x w c", transB=1)]
    graph = check(model(nodes, {"x": ["N", 6]}, constants))
    dequantize, matmul = graph.nodes
    assert isinstance(dequantize, Dequantize) and isinstance(matmul, MatMul)
    assert dequantize.axis == 1
    np.testing.assert_array_equal(graph.constants[dequantize.inputs[0]], integers.T)


def test_one_weight_read_twice_is_transposed_once() -> None:
    nodes = [node("Gemm", "x w", "a", transB=1), node("Gemm", "a w", "y", transB=1)]
    graph = check(model(nodes, {"x": ["N", 5]}, {"w": floats(5, 5)}))
    assert len(graph.constants) == 1
