"""The Graph evaluator on inputs that can be checked by hand; its agreement with onnxruntime is in tests/frontends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from cimc.ir import graph as operations
from cimc.ir.evaluate import apply, evaluate
from cimc.ir.graph import Concat, Conv, Dequantize, Graph, Node, Pool, Quantize, Tensor, Unary
from cimc.ir.infer_shapes import infer, result_of
from cimc.ir.verify_graph import verify_graph
from cimc.numerics.functions import BINARY_FUNCTIONS, UNARY_FUNCTIONS


def one_node(node: Node, x: Sequence[int], constants: dict[str, npt.NDArray[np.generic]] | None = None) -> Graph:
    held = constants or {}
    tensors = {"x": Tensor("x", tuple(x))}
    tensors |= {name: Tensor(name, array.shape, array.dtype.name) for name, array in held.items()}
    tensors["y"] = result_of(node, [tensors[name] for name in node.inputs])
    graph = Graph("one", (node,), tensors, held, ("x",), ("y",))
    verify_graph(graph)
    return graph


def node_classes() -> list[type[Node]]:
    return [
        kind
        for kind in vars(operations).values()
        if isinstance(kind, type) and issubclass(kind, Node) and kind is not Node
    ]


@pytest.mark.parametrize("kind", node_classes())
def test_every_operation_has_a_meaning_and_a_shape_rule(kind: type[Node]) -> None:
    assert kind in apply.registry
    assert kind in infer.registry or kind is operations.Reshape


def test_the_functions_are_those_that_the_graph_documents() -> None:
    assert operations.Unary.__doc__ is not None and operations.Binary.__doc__ is not None
    assert all(name in operations.Unary.__doc__ for name in UNARY_FUNCTIONS)
    assert all(name in operations.Binary.__doc__ for name in BINARY_FUNCTIONS)


def test_a_convolution_by_hand() -> None:
    node = Conv(inputs=("x", "w", "b"), output="y", strides=(1, 1), pads=(0, 1, 0, 0), dilations=(1, 1), groups=1)
    constants = {"w": np.float32([[[[1, 10]]]]), "b": np.float32([0.5])}
    graph = one_node(node, (1, 1, 1, 3), constants)
    x = np.float32([[[[[1, 2, 3]]]], [[[[4, 5, 6]]]]])
    y = evaluate(graph, {"x": x})["y"]
    np.testing.assert_array_equal(y.reshape(2, 3), [[10.5, 21.5, 32.5], [40.5, 54.5, 65.5]])


@pytest.mark.parametrize(("include", "corner"), [(True, 1.0), (False, 4.0)])
def test_an_average_at_the_border_by_hand(include: bool, corner: float) -> None:
    node = Pool(
        inputs=("x",), output="y", kind="average", kernel=(2, 2), strides=(2, 2), pads=(1, 1, 1, 1),
        count_include_pad=include,
    )  # fmt: skip
    y = evaluate(one_node(node, (1, 1, 2, 2)), {"x": np.full((1, 1, 1, 2, 2), 4, np.float32)})["y"]
    np.testing.assert_array_equal(y, np.full((1, 1, 1, 2, 2), corner, np.float32))


def test_padding_never_wins_a_maximum() -> None:
    node = Pool(inputs=("x",), output="y", kind="max", kernel=(2, 2), strides=(2, 2), pads=(1, 1, 1, 1))
    y = evaluate(one_node(node, (1, 1, 2, 2)), {"x": np.full((1, 1, 1, 2, 2), -4, np.float32)})["y"]
    np.testing.assert_array_equal(y, np.full((1, 1, 1, 2, 2), -4, np.float32))


def test_quantisation_rounds_half_to_even_and_saturates() -> None:
    node = Quantize(inputs=("x", "s", "z"), output="y", axis=-1)
    graph = one_node(node, (7,), {"s": np.array(2.0, np.float32), "z": np.array(1, np.int8)})
    y = evaluate(graph, {"x": np.float32([[1, 3, 5, -1, -3, 1000, -1000]])})["y"]
    np.testing.assert_array_equal(y, np.int8([[1, 3, 3, 1, -1, 127, -128]]))


def test_dequantisation_along_an_axis() -> None:
    node = Dequantize(inputs=("q", "s", "z"), output="d", axis=0)
    add = operations.Binary(inputs=("x", "d"), output="y", function="add")
    constants = {"q": np.int8([[-128, 127], [0, 1]]), "s": np.float32([1, 0.5]), "z": np.int8([127, -1])}
    tensors = {name: Tensor(name, array.shape, array.dtype.name) for name, array in constants.items()}
    tensors |= {name: Tensor(name, (2, 2)) for name in "xdy"}
    graph = Graph("dequantise", (node, add), tensors, constants, ("x",), ("y",))
    verify_graph(graph)
    y = evaluate(graph, {"x": np.zeros((1, 2, 2), np.float32)})["y"]
    np.testing.assert_array_equal(y[0], np.float32([[-255, 0], [0.5, 1]]))


def test_constants_in_a_concat_are_repeated_for_every_lane() -> None:
    node = Concat(inputs=("c", "x"), output="y", axis=0)
    y = evaluate(one_node(node, (1,), {"c": np.float32([7])}), {"x": np.float32([[1], [2]])})["y"]
    np.testing.assert_array_equal(y, np.float32([[7, 1], [7, 2]]))


def test_kept_tensors_and_nothing_else_are_returned() -> None:
    nodes = tuple(
        Unary(inputs=(source,), output=target, function="neg")
        for source, target in (("x", "a"), ("a", "b"), ("b", "y"))
    )
    graph = Graph("chain", nodes, {name: Tensor(name, (2,)) for name in "xaby"}, {}, ("x",), ("y",))
    x = np.float32([[1, 2]])
    assert set(evaluate(graph, {"x": x})) == {"y"}
    kept = evaluate(graph, {"x": x}, keep={"x", "a"})
    assert set(kept) == {"x", "a"}
    np.testing.assert_array_equal(kept["a"], -x)


def test_lanes_do_not_meet() -> None:
    generator = np.random.default_rng(0)
    weight = generator.standard_normal((4, 3, 3, 3)).astype(np.float32)
    node = Conv(inputs=("x", "w"), output="y", strides=(1, 1), pads=(1, 1, 1, 1), dilations=(1, 1), groups=1)
    graph = one_node(node, (1, 3, 5, 5), {"w": weight})
    x = generator.standard_normal((4, 1, 3, 5, 5)).astype(np.float32)
    together = evaluate(graph, {"x": x})["y"]
    alone = [evaluate(graph, {"x": x[lane : lane + 1]})["y"][0] for lane in range(4)]
    np.testing.assert_array_equal(together, np.stack(alone))
