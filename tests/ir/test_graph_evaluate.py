"""The Graph evaluator on inputs that can be checked by hand; its agreement with onnxruntime is in tests/frontends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest

from cimc.base.diagnostics import CimcError
from cimc.frontends.graph_builder import GraphBuilder
from cimc.ir import graph as operations
from cimc.ir.evaluate import apply, evaluate
from cimc.ir.graph import Array, Concat, Conv, Dequantize, Graph, Node, Pool, Quantize, Tensor, Unary
from cimc.ir.infer_shapes import infer, result_of
from cimc.ir.verify_graph import verify_graph
from cimc.passes.lower.layers import lower


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Halves(Node):
    """Both halves of the last axis: an operation of two results."""


@apply.register
def _halves(node: Halves, operands: Sequence[Array], *results: Tensor) -> tuple[Array, ...]:
    return tuple(np.split(operands[0], 2, axis=-1))


@infer.register
def _sizes(node: Halves, operands: Sequence[Tensor]) -> list[tuple[tuple[int, ...], str]]:
    (x,) = operands
    return [((*x.shape[:-1], x.shape[-1] // 2), x.dtype)] * 2


def test_an_operation_of_two_results() -> None:
    halves = Halves(inputs=("x",), outputs=("a", "b"))
    less = operations.Binary(inputs=("b", "a"), outputs=("y",), function="sub")
    tensors = {name: Tensor(name, (size,)) for name, size in zip("xaby", (4, 2, 2, 2), strict=True)}
    graph = Graph("two", (halves, less), tensors, {}, ("x",), ("a", "y"))
    verify_graph(graph)
    assert graph.producer_of() == {"a": halves, "b": halves, "y": less}
    results = evaluate(graph, {"x": np.float32([[1, 2, 13, 14], [5, 6, 27, 28]])})
    np.testing.assert_array_equal(results["a"], [[1, 2], [5, 6]])
    np.testing.assert_array_equal(results["y"], [[12, 12], [22, 22]])
    wrong = replace(graph, tensors={**tensors, "b": Tensor("b", (3,))})
    with pytest.raises(AssertionError, match=r"declared .*\(3,\).*recomputed .*\(2,\)"):
        verify_graph(wrong)
    with pytest.raises(CimcError, match="Halves: this operation is not built yet"):
        lower(graph)


def test_an_operation_of_two_results_on_constants_is_folded() -> None:
    build = GraphBuilder(())
    build.constant("c", np.float32([1, 2, 3, 4]))
    assert build.add(Halves(inputs=("c",), outputs=("a", "b"))) == "a"
    assert not build.nodes
    np.testing.assert_array_equal(build.constants["a"], [1, 2])
    np.testing.assert_array_equal(build.constants["b"], [3, 4])


def test_a_convolution_by_hand() -> None:
    node = Conv(inputs=("x", "w", "b"), outputs=("y",), strides=(1, 1), pads=(0, 1, 0, 0), dilations=(1, 1), groups=1)
    constants = {"w": np.float32([[[[1, 10]]]]), "b": np.float32([0.5])}
    graph = one_node(node, (1, 1, 1, 3), constants)
    x = np.float32([[[[[1, 2, 3]]]], [[[[4, 5, 6]]]]])
    y = evaluate(graph, {"x": x})["y"]
    np.testing.assert_array_equal(y.reshape(2, 3), [[10.5, 21.5, 32.5], [40.5, 54.5, 65.5]])


@pytest.mark.parametrize(("include", "corner"), [(True, 1.0), (False, 4.0)])
def test_an_average_at_the_border_by_hand(include: bool, corner: float) -> None:
    node = Pool(
        inputs=("x",), outputs=("y",), kind="average", kernel=(2, 2), strides=(2, 2), pads=(1, 1, 1, 1),
        count_include_pad=include,
    )  # fmt: skip
    y = evaluate(one_node(node, (1, 1, 2, 2)), {"x": np.full((1, 1, 1, 2, 2), 4, np.float32)})["y"]
    np.testing.assert_array_equal(y, np.full((1, 1, 1, 2, 2), corner, np.float32))


def test_padding_never_wins_a_maximum() -> None:
    node = Pool(inputs=("x",), outputs=("y",), kind="max", kernel=(2, 2), strides=(2, 2), pads=(1, 1, 1, 1))
    y = evaluate(one_node(node, (1, 1, 2, 2)), {"x": np.full((1, 1, 1, 2, 2), -4, np.float32)})["y"]
    np.testing.assert_array_equal(y, np.full((1, 1, 1, 2, 2), -4, np.float32))


def test_quantisation_rounds_half_to_even_and_saturates() -> None:
    node = Quantize(inputs=("x", "s", "z"), outputs=("y",), axis=-1)
    graph = one_node(node, (7,), {"s": np.array(2.0, np.float32), "z": np.array(1, np.int8)})
    y = evaluate(graph, {"x": np.float32([[1, 3, 5, -1, -3, 1000, -1000]])})["y"]
    np.testing.assert_array_equal(y, np.int8([[1, 3, 3, 1, -1, 127, -128]]))


def test_dequantisation_along_an_axis() -> None:
    node = Dequantize(inputs=("q", "s", "z"), outputs=("d",), axis=0)
    add = operations.Binary(inputs=("x", "d"), outputs=("y",), function="add")
    constants = {"q": np.int8([[-128, 127], [0, 1]]), "s": np.float32([1, 0.5]), "z": np.int8([127, -1])}
    tensors = {name: Tensor(name, array.shape, array.dtype.name) for name, array in constants.items()}
    tensors |= {name: Tensor(name, (2, 2)) for name in "xdy"}
    graph = Graph("dequantise", (node, add), tensors, constants, ("x",), ("y",))
    verify_graph(graph)
    y = evaluate(graph, {"x": np.zeros((1, 2, 2), np.float32)})["y"]
    np.testing.assert_array_equal(y[0], np.float32([[-255, 0], [0.5, 1]]))


def test_constants_in_a_concat_are_repeated_for_every_lane() -> None:
    node = Concat(inputs=("c", "x"), outputs=("y",), axis=0)
    y = evaluate(one_node(node, (1,), {"c": np.float32([7])}), {"x": np.float32([[1], [2]])})["y"]
    np.testing.assert_array_equal(y, np.float32([[7, 1], [7, 2]]))


def test_kept_tensors_and_nothing_else_are_returned() -> None:
    nodes = tuple(
        Unary(inputs=(source,), outputs=(target,), function="neg")
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
    node = Conv(inputs=("x", "w"), outputs=("y",), strides=(1, 1), pads=(1, 1, 1, 1), dilations=(1, 1), groups=1)
    graph = one_node(node, (1, 3, 5, 5), {"w": weight})
    x = generator.standard_normal((4, 1, 3, 5, 5)).astype(np.float32)
    together = evaluate(graph, {"x": x})["y"]
    alone = [evaluate(graph, {"x": x[lane : lane + 1]})["y"][0] for lane in range(4)]
    np.testing.assert_array_equal(together, np.stack(alone))
