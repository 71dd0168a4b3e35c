"""The Graph verifier: what every pass may rely on. A breach is a fault of ours, so it is an assertion."""

from __future__ import annotations

from cimc.ir.graph import BatchNorm, Conv, Dequantize, Graph, MatMul, Node, Quantize
from cimc.ir.infer_shapes import ShapeError, results_of
from cimc.numerics.integers import storage_of

CONSTANT_OPERANDS: dict[type[Node], range] = {
    BatchNorm: range(1, 5),
    Quantize: range(1, 3),
    Dequantize: range(1, 3),
}
"""Operands that must be constants. (Weights and biases may also be Dequantize of one.)"""

WEIGHT_OPERANDS: dict[type[Node], range] = {Conv: range(1, 3), MatMul: range(1, 3)}
"""Operands that must be constants or the Dequantize of a constant."""


def verify_graph(graph: Graph) -> None:
    """Topological order, one producer a tensor, known constants, and shapes and types as the rules give them."""
    ready = set(graph.inputs) | set(graph.constants)
    assert len(ready) == len(graph.inputs) + len(graph.constants), "an input is a constant, or listed twice"
    for name in ready:
        assert name in graph.tensors, f'"{name}" has no entry in tensors'
    for name, array in graph.constants.items():
        tensor = graph.tensors[name]
        assert tensor.shape == array.shape and storage_of(tensor.dtype) == array.dtype.name, (
            tensor,
            array.shape,
            array.dtype,
        )
    dequantised: set[str] = set()
    for node in graph.nodes:
        label = f'{type(node).__name__} "{", ".join(node.outputs)}" from "{node.origin}"'
        for name in node.inputs:
            assert name in ready, f'{label} reads "{name}" before it is made'
        for name in node.outputs:
            assert name not in ready, f'{label}: "{name}" is made twice'
            assert name in graph.tensors, f"{label}: the result has no entry in tensors"
            ready.add(name)
        _verify_constants(node, label, graph, dequantised)
        declared = tuple(graph.tensors[name] for name in node.outputs)
        try:
            wanted = results_of(node, [graph.tensors[name] for name in node.inputs], declared[0].shape)
        except ShapeError as error:
            raise AssertionError(f"{label}: {error}") from error
        assert declared == wanted, f"{label}: declared {declared}, recomputed {wanted}"
        if isinstance(node, Dequantize) and node.inputs[0] in graph.constants:
            dequantised.add(node.output)
    for name in graph.outputs:
        assert name in ready and name not in graph.constants, f'output "{name}" is never made'
    assert len(set(graph.outputs)) == len(graph.outputs), f"an output is listed twice: {graph.outputs}"


def _verify_constants(node: Node, label: str, graph: Graph, dequantised: set[str]) -> None:
    for index in CONSTANT_OPERANDS.get(type(node), range(0)):
        assert node.inputs[index] in graph.constants, f'{label}: operand "{node.inputs[index]}" is no constant'
    for index in WEIGHT_OPERANDS.get(type(node), range(0)):
        if index < len(node.inputs):
            name = node.inputs[index]
            assert name in graph.constants or name in dequantised, f'{label}: weight "{name}" is no constant'
