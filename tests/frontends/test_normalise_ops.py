"""Normalisation, softmax and reductions against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cimc.ir.graph import BatchNorm, Pool, Softmax
from tests.frontends.against_onnxruntime import check, floats, model, node


@pytest.mark.parametrize("rest", [(), (7,), (4, 5)])
def test_batch_norm(rest: tuple[int, ...]) -> None:
    constants = {"s": floats(3), "b": floats(3, seed=1), "m": floats(3, seed=2), "v": np.abs(floats(3, seed=3))}
    made = model([node("BatchNormalization", "x s b m v", epsilon=1e-3)], {"x": ["N", 3, *rest]}, constants)
    assert [type(made_node) for made_node in check(made).nodes] == [BatchNorm]


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("operands", ["x s", "x s b"])
def test_layer_norm(axis: int, operands: str) -> None:
    shape = (5,) if axis == -1 else (4, 5)
    constants = {"s": floats(*shape), "b": floats(*shape, seed=1)}
    check(model([node("LayerNormalization", operands, axis=axis, epsilon=1e-3)], {"x": ["N", 4, 5]}, constants))


def test_instance_norm() -> None:
    check(model([node("InstanceNormalization", "x s b")], {"x": ["N", 3, 4, 5]}, {"s": floats(3), "b": floats(3)}))


@pytest.mark.parametrize("size", [3, 5])
def test_lrn(size: int) -> None:
    check(model([node("LRN", "x", size=size, alpha=0.3, beta=0.6, bias=2.0)], {"x": ["N", 7, 4, 5]}))


@pytest.mark.parametrize(
    ("shape", "opset", "attributes"),
    [
        ((4,), 17, {}),
        ((3, 4, 5), 17, {"axis": 1}),
        ((3, 4, 5), 17, {"axis": -2}),
        ((4,), 11, {}),
        ((3, 4, 5), 11, {"axis": 2}),
        ((3, 1, 1), 8, {}),
        ((3, 1, 4), 8, {"axis": 3}),
    ],
)
@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_softmax_old_and_new(op: str, shape: tuple[int, ...], opset: int, attributes: dict[str, Any]) -> None:
    check(model([node(op, "x", **attributes)], {"x": ["N", *shape]}, opset=opset))


def test_an_old_softmax_over_one_long_axis_needs_no_flattening() -> None:
    graph = check(model([node("Softmax", "x")], {"x": ["N", 3, 1, 1]}, opset=8))
    assert [type(made) for made in graph.nodes] == [Softmax]


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2"])
@pytest.mark.parametrize("axes", [[1], [2, 3], [-1, 1], None])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_reductions(op: str, axes: list[int] | None, keepdims: int) -> None:
    attributes: dict[str, Any] = {"keepdims": keepdims}
    if axes is not None:
        attributes["axes"] = axes
    check(model([node(op, "x", **attributes)], {"x": ["N", 3, 4, 5]}, opset=11))


def test_reductions_with_axes_as_an_operand() -> None:
    axes = {"a": np.array([1, 2], np.int64)}
    check(model([node("ReduceSum", "x a")], {"x": ["N", 3, 4, 5]}, axes))
    check(model([node("ReduceMean", "x a", keepdims=0)], {"x": ["N", 3, 4, 5]}, axes, opset=18))
    check(model([node("ReduceSum", "x", noop_with_empty_axes=1)], {"x": ["N", 3, 4, 5]}))


def test_a_mean_over_the_map_is_a_pool() -> None:
    graph = check(model([node("ReduceMean", "x", axes=[2, 3])], {"x": ["N", 3, 4, 5]}))
    assert [type(made) for made in graph.nodes] == [Pool]
