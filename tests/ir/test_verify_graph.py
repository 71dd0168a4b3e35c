"""The Graph verifier sees what a faulty pass could do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cimc.ir.graph import Conv, Dequantize, Graph, MatMul, Node, Pad, Reshape, Slice, Tensor, Unary
from cimc.ir.infer_shapes import ShapeError, result_of
from cimc.ir.verify_graph import verify_graph

NODES: tuple[Node, ...] = (
    Unary(inputs=("x",), outputs=("a",), function="relu"),
    MatMul(inputs=("a", "w"), outputs=("y",)),
)
TENSORS = {
    "x": Tensor("x", (1, 3)),
    "a": Tensor("a", (1, 3)),
    "w": Tensor("w", (3, 2)),
    "y": Tensor("y", (1, 2)),
}
GOOD = Graph("good", NODES, TENSORS, {"w": np.zeros((3, 2), np.float32)}, ("x",), ("y",))


def test_a_good_graph_passes() -> None:
    verify_graph(GOOD)


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (replace(GOOD, nodes=NODES[::-1]), 'reads "a" before it is made'),
        (replace(GOOD, nodes=(*NODES, NODES[0])), '"a" is made twice'),
        (replace(GOOD, nodes=NODES[:1]), 'output "y" is never made'),
        (replace(GOOD, constants={}), 'reads "w" before it is made'),
        (replace(GOOD, inputs=("x", "w")), "an input is a constant"),
        (replace(GOOD, outputs=("y", "y")), "an output is listed twice"),
        (replace(GOOD, outputs=("w",)), 'output "w" is never made'),
        (replace(GOOD, tensors={**TENSORS, "y": Tensor("y", (1, 3))}), "recomputed"),
        (replace(GOOD, tensors={**TENSORS, "y": Tensor("y", (1, 2), "int8")}), "recomputed"),
        (replace(GOOD, tensors={**TENSORS, "w": Tensor("w", (2, 3))}), "float32"),
        (replace(GOOD, nodes=(NODES[0], replace(NODES[1], inputs=("w", "a")))), 'weight "a" is no constant'),
        (replace(GOOD, nodes=(replace(NODES[0], function="sine"), NODES[1])), "unknown function 'sine'"),
    ],
)
def test_a_broken_graph_is_caught(broken: Graph, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        verify_graph(broken)


CONV = Conv(inputs=("x", "w"), outputs=("y",), strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), groups=1)


@pytest.mark.parametrize(
    ("node", "shapes"),
    [
        (CONV, [(1, 3, 5, 5), (4, 2, 3, 3)]),
        (CONV, [(1, 3, 2, 2), (4, 3, 3, 3)]),
        (replace(CONV, groups=2), [(1, 4, 5, 5), (3, 2, 3, 3)]),
        (Slice(inputs=("x",), outputs=("y",), ranges=((2, 2, 1),)), [(4,)]),
        (Pad(inputs=("x",), outputs=("y",), pads=((-1, 0),), value=0.0), [(4,)]),
        (Dequantize(inputs=("x", "s", "z"), outputs=("y",), axis=-1), [(4,), (), ()]),
    ],
)
def test_operands_that_do_not_fit(node: Node, shapes: list[tuple[int, ...]]) -> None:
    operands = [Tensor(name, shape) for name, shape in zip(node.inputs, shapes, strict=True)]
    with pytest.raises(ShapeError):
        result_of(node, operands)


def test_a_reshape_keeps_the_number_of_elements() -> None:
    node = Reshape(inputs=("x",), outputs=("y",))
    assert result_of(node, [Tensor("x", (2, 6))], (3, 4)).shape == (3, 4)
    with pytest.raises(ShapeError):
        result_of(node, [Tensor("x", (2, 6))], (3, 5))
