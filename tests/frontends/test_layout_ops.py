"""Operators that only move data, and constant chains, against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import TensorProto

from cimc.ir.graph import Concat, Reshape, Slice
from tests.frontends.against_onnxruntime import check, floats, model, node


def ints(*values: int) -> npt.NDArray[np.int64]:
    return np.array(values, np.int64)


@pytest.mark.parametrize("shape", [(0, -1), (1, 60), (0, 0, 20), (1, 5, -1, 3)])
def test_reshape(shape: tuple[int, ...]) -> None:
    check(model([node("Reshape", "x s")], {"x": ["N", 3, 4, 5]}, {"s": ints(*shape)}))


@pytest.mark.parametrize("axis", [0, 1, 2, 4, -1])
def test_flatten(axis: int) -> None:
    check(model([node("Flatten", "x", axis=axis)], {"x": ["N", 3, 4, 5]}))


def test_squeeze_and_unsqueeze_by_attribute_and_operand() -> None:
    check(model([node("Squeeze", "x", axes=[-1, 1])], {"x": ["N", 1, 4, 1]}, opset=11))
    check(model([node("Squeeze", "x a")], {"x": ["N", 1, 4, 1]}, {"a": ints(1)}))
    check(model([node("Squeeze", "x")], {"x": ["N", 1, 4, 1]}))
    check(model([node("Unsqueeze", "x", axes=[0, 3])], {"x": ["N", 4]}, opset=11))
    check(model([node("Unsqueeze", "x a")], {"x": ["N", 4]}, {"a": ints(-1, 1)}))


@pytest.mark.parametrize("attributes", [{}, {"perm": [0, 2, 3, 1]}, {"perm": [0, 1, 2, 3]}])
def test_transpose(attributes: dict[str, Any]) -> None:
    check(model([node("Transpose", "x", **attributes)], {"x": ["N", 3, 4, 5]}))


def test_concat_of_activations_and_constants() -> None:
    check(model([node("Concat", "x c x", axis=-2)], {"x": ["N", 3, 5]}, {"c": floats(1, 2, 5)}))


def test_split_into_slices() -> None:
    shape = {"x": ["N", 6, 5]}
    outputs = ("a", "b")
    check(model([node("Split", "x", "a b", axis=1, split=[2, 4])], shape, outputs=outputs, opset=11))
    check(model([node("Split", "x s", "a b", axis=-2)], shape, {"s": ints(5, 1)}, outputs))
    graph = check(model([node("Split", "x", "a b", axis=1)], shape, outputs=("b",)))
    assert [type(made) for made in graph.nodes] == [Slice]
    check(model([node("Split", "x", "a b", axis=2, num_outputs=2)], shape, outputs=outputs, opset=18))


@pytest.mark.parametrize(
    "bounds",
    [
        ("starts", (1,), "ends", (4,)),
        ((1, 0), (-1, 100), (1, 2), (1, 2)),
        ((-1,), (-100,), (1,), (-1,)),
        ((4,), (0,), (1,), (-2,)),
        ((0,), (2**63 - 1,), (2,), (1,)),
    ],
)
def test_slice(bounds: tuple[Any, ...]) -> None:
    if bounds[0] == "starts":
        made = model([node("Slice", "x", starts=[1], ends=[4], axes=[1])], {"x": ["N", 6, 5]}, opset=9)
    else:
        names = dict(zip("seap", (ints(*values) for values in bounds), strict=True))
        made = model([node("Slice", "x s e a p")], {"x": ["N", 6, 5]}, names)
    check(made)


def test_pad_by_attribute_operand_and_axes() -> None:
    check(model([node("Pad", "x", pads=[0, 1, 0, 0, 2, 3], value=1.5)], {"x": ["N", 4, 5]}, opset=7))
    check(model([node("Pad", "x p v")], {"x": ["N", 4, 5]}, {"p": ints(0, 1, 0, 0, 2, 3), "v": np.float32(-2)}))
    check(model([node("Pad", "x p")], {"x": ["N", 4, 5]}, {"p": ints(0, -1, 2, 0, 0, -3)}))
    check(model([node("Pad", "x p")], {"x": ["N", 4, 5]}, {"p": ints(0, -1, 0, 0, 0, -3)}))
    check(model([node("Pad", "x p - a")], {"x": ["N", 4, 5]}, {"p": ints(1, 2), "a": ints(-1)}, opset=18))


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(mode: str) -> None:
    check(model([node("DepthToSpace", "x", blocksize=2, mode=mode)], {"x": ["N", 12, 3, 4]}))


def test_space_to_depth() -> None:
    check(model([node("SpaceToDepth", "x", blocksize=2)], {"x": ["N", 3, 4, 6]}))


@pytest.mark.parametrize(
    "indices", [np.array(1), ints(0, 1, 2), ints(3, 1), ints(0, 3, 1, -1), ints(2, 2), ints(0, 1, 3, 2).reshape(2, 2)]
)
def test_gather_of_an_activation(indices: npt.NDArray[np.int64]) -> None:
    check(model([node("Gather", "x i", axis=1)], {"x": ["N", 4, 5]}, {"i": indices}))


def test_expand_and_tile_are_copies() -> None:
    graph = check(model([node("Expand", "x s")], {"x": ["N", 1, 4]}, {"s": ints(2, 1, 3, 1)}))
    assert {type(made) for made in graph.nodes} == {Reshape, Concat}
    check(model([node("Expand", "x s")], {"x": ["N", 3, 4]}, {"s": ints(3, 1)}))
    check(model([node("Tile", "x s")], {"x": ["N", 3, 4]}, {"s": ints(1, 2, 3)}))


def test_a_chain_of_shape_operators_folds() -> None:
    nodes = [
        node("Shape", "x", "shape"),
        node("Gather", "shape zero", "batch"),
        node("Unsqueeze", "batch zeros", "b"),
        node("Shape", "x", "rest", start=1),
        node("ReduceProd", "rest", "p", keepdims=1),
        node("Cast", "p", "pf", to=TensorProto.FLOAT),
        node("Floor", "pf", "pg"),
        node("Cast", "pg", "pi", to=TensorProto.INT64),
        node("Concat", "b pi", "target", axis=0),
        node("Reshape", "x target"),
    ]
    graph = check(model(nodes, {"x": ["N", 3, 4]}, {"zero": np.int64(0), "zeros": ints(0)}))
    assert [type(made) for made in graph.nodes] == [Reshape]
    assert not graph.constants


def test_constants_from_nodes_fold() -> None:
    nodes = [
        node("Constant", "", "s", value_ints=[3, 4]),
        node("ConstantOfShape", "s", "ones"),
        node("Range", "a b c", "r"),
        node("Expand", "r s", "wide"),
        node("Add", "ones wide", "sum"),
        node("Where", "mask sum ones", "chosen"),
        node("Add", "x chosen"),
    ]
    constants = {
        "a": np.float32(0), "b": np.float32(4), "c": np.float32(1), "mask": np.eye(3, 4, dtype=bool),
    }  # fmt: skip
    graph = check(model(nodes, {"x": ["N", 3, 4]}, constants))
    assert len(graph.nodes) == 1


def test_identities_leave_no_node_and_outputs_keep_their_names() -> None:
    nodes = [node("Relu", "x", "a"), node("Identity", "a", "b"), node("Dropout", "b", "y"), node("Neg", "a", "z")]
    graph = check(model(nodes, {"x": ["N", 4]}, outputs=("y", "z")))
    assert [made.output for made in graph.nodes] == ["y", "z"]


def test_an_input_and_a_tensor_may_be_outputs_twice() -> None:
    nodes = [node("Identity", "x", "a"), node("Relu", "x", "b"), node("Identity", "b", "c")]
    graph = check(model(nodes, {"x": ["N", 4]}, outputs=("a", "b", "c")))
    assert graph.outputs == ("a", "b", "c")


def test_dead_nodes_are_dropped() -> None:
    graph = check(model([node("Relu", "x"), node("Neg", "x", "unused")], {"x": ["N", 4]}))
    assert len(graph.nodes) == 1


def test_resize_by_whole_factors() -> None:
    scales = {"s": np.float32([1, 1, 2, 3])}
    attributes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    check(model([node("Resize", "x - s", **attributes)], {"x": ["N", 2, 3, 4]}, scales))
    check(model([node("Resize", "x - s", mode="nearest")], {"x": ["N", 2, 3, 4]}, scales))
    roi = {"r": np.zeros(0, np.float32), **scales}
    check(model([node("Resize", "x r s", mode="nearest")], {"x": ["N", 2, 3, 4]}, roi))
    sizes = {"s": ints(1, 2, 6, 4)}
    check(model([node("Resize", "x - - s", mode="nearest")], {"x": ["N", 2, 3, 4]}, sizes))
    check(model([node("Upsample", "x s", mode="nearest")], {"x": ["N", 2, 3, 4]}, scales, opset=9))
    check(model([node("Upsample", "x", mode="nearest", scales=[1.0, 1.0, 2.0, 2.0])], {"x": ["N", 2, 3, 4]}, opset=7))
