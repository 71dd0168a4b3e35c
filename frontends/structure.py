"""The structure of an ONNX network from shapes alone: its matrices, how often each is used, and what stands between.

No weight is read: tensors may be random, in a file that is not there, made by ConstantOfShape, or plain inputs of the
graph. So that a network can be explored before it is trained, and one of 500 MB in a second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from onnx import ModelProto, NodeProto

from cimc.base.diagnostics import CimcError, Diagnostic
from cimc.frontends.graph_builder import ELEMENTS_LIMIT, INVALID
from cimc.frontends.onnx_file import ModelLike, place_of
from cimc.frontends.outline import load_outline
from cimc.frontends.structure_shapes import Shapes, integers_of, node_name, read_structure, weight_operand
from cimc.ir.graph import Graph

_VIEWS = frozenset(
    ("Cast", "DequantizeLinear", "Dropout", "Flatten", "Identity", "QuantizeLinear", "Reshape", "Squeeze", "Unsqueeze")
)
"""Operators behind which a vector is still the same map."""

UNCOUNTED = frozenset(
    ("Attention", "ConvTranspose", "DeformConv", "Einsum", "GRU", "If", "LSTM", "Loop", "RNN", "Scan")
)
"""Operators that multiply by matrices, or may, and that are not taken apart here."""


@dataclass(frozen=True, slots=True)
class MatrixShape:
    """A matrix to be stored on crossbars.

    name: its ONNX node; output: the tensor that the node makes. A dot product has `channels` x `window` inputs: input
    channels of one group, places of the kernel. A fully connected layer behind a map has the whole map as its window.
    outputs: of all groups. vectors: dot products with the matrix for one input. map: height and width of what it reads;
    reach: rows of it that a window and the next one under it take.
    """

    name: str
    operator: str
    output: str
    channels: int
    window: int
    outputs: int
    groups: int
    vectors: int
    map: tuple[int, int]
    reach: int

    @property
    def rows(self) -> int:
        """Rows of the matrix, of one group."""
        return self.channels * self.window

    @property
    def weights(self) -> int:
        """Numbers in the matrix."""
        return self.rows * self.outputs


@dataclass(frozen=True, slots=True)
class Structure:
    """A network's matrices in the order of its nodes. dynamic: multiply-adds of the products of two activations, which
    have no matrix to store, by node. uncounted: nodes that UNCOUNTED names. outline: the whole network with stand-ins
    for its weights (cimc.frontends.outline), None where it cannot be compiled; obstacle: why, in words."""

    name: str
    matrices: tuple[MatrixShape, ...]
    dynamic: Mapping[str, int]
    uncounted: tuple[str, ...]
    outline: Graph | None = None
    obstacle: str = ""


def load_structure(source: ModelLike, bind: Mapping[str, int] | None = None) -> Structure:
    """The structure of an ONNX file; one CimcError with everything that is wrong. The batch is bound to 1, `bind`
    fixes other symbolic dimensions."""
    model, shapes = read_structure(source, bind or {})
    matrices: list[MatrixShape] = []
    dynamic: dict[str, int] = {}
    wrong: list[Diagnostic] = []
    walk = _Walk(model, shapes)
    for index, node in enumerate(model.graph.node):
        at = weight_operand(node)
        if at is None or (len(node.input) > at[1] and node.input[at[0]] in walk.constants):
            continue
        name = node_name(node, index)
        problem = _problem(node, at, walk)
        if problem is not None:
            what, todo = problem
            where = replace(place_of(source), item=f'node "{name}"')
            wrong.append(Diagnostic("onnx.shape", f'{node.op_type} node "{name}": {what}', where, todo))
        elif node.input[at[1]] not in walk.constants:
            dynamic[name] = math.prod(shapes[node.output[0]]) * shapes[node.input[at[0]]][-1]
        elif "Conv" in node.op_type:
            matrices.append(_convolution(node, name, at, shapes))
        else:
            matrices.append(walk.product(node, name, at))
    if wrong:
        raise CimcError(wrong)
    nodes = enumerate(model.graph.node)
    uncounted = tuple(f"{node.op_type} {node_name(node, i)}" for i, node in nodes if node.op_type in UNCOUNTED)
    outline, obstacle = None, ""
    try:
        outline = load_outline(model, bind or {}, shapes, walk.constants)
    except CimcError as error:
        obstacle = error.diagnostics[0].what
    return Structure(model.graph.name, tuple(matrices), dynamic, uncounted, outline, obstacle)


def _problem(node: NodeProto, at: tuple[int, int], walk: _Walk) -> tuple[str, str] | None:
    """Why a node's matrix cannot be told from its shapes, and what to do; None where it can."""
    shapes = walk.shapes
    if len(node.input) <= at[1] or not node.output:
        return "it lacks operands or a result", INVALID
    names = (node.input[at[0]], node.input[at[1]], node.output[0])
    missing = [name for name in names if name not in shapes]
    if missing:
        what = f'the shape of "{missing[0]}" does not follow from the inputs\''
        return what, "export the network with static shapes, or fix a dimension with --bind NAME=INT"
    x, weight, y = (shapes[name] for name in names)
    if max(math.prod(x), math.prod(y)) > ELEMENTS_LIMIT:
        return "it reads or makes more than 2^28 elements", "export or bind the network with smaller shapes"
    if names[1] not in walk.constants:
        return None
    convolution = "Conv" in node.op_type
    groups = integers_of(node, "group", (1,))[0] if convolution else 1
    ranks = len(weight) == len(x) > 2 if convolution else len(weight) == 2
    if not ranks or min(weight) < 1 or groups < 1 or weight[0] % groups:
        return f"a weight of shape {weight} in {groups} groups is no matrix of it", INVALID
    return None


def _convolution(node: NodeProto, name: str, at: tuple[int, int], shapes: Shapes) -> MatrixShape:
    x, weight, y = shapes[node.input[at[0]]], shapes[node.input[at[1]]], shapes[node.output[0]]
    outputs, channels, *kernel = weight
    strides = integers_of(node, "strides", (1,) * len(kernel))
    dilations = integers_of(node, "dilations", (1,) * len(kernel))
    size, reach = (x[2], math.prod(x[3:])), (kernel[0] - 1) * dilations[0] + 1 + strides[0]
    if len(x) == 3:  # a 1-D convolution has one row
        size, reach = (1, x[2]), 2
    groups = integers_of(node, "group", (1,))[0]
    vectors = y[0] * math.prod(y[2:])
    window = math.prod(kernel)
    return MatrixShape(name, node.op_type, node.output[0], channels, window, outputs, groups, vectors, size, reach)


class _Walk:
    """What is known of a graph's tensors: which are constants, and who makes which."""

    def __init__(self, model: ModelProto, shapes: Shapes) -> None:
        graph = model.graph
        self.shapes = shapes
        self.producer = {name: node for node in graph.node for name in node.output if name}
        self.inputs = {info.name for info in graph.input}
        self.constants = {tensor.name for tensor in graph.initializer}
        self.constants |= {tensor.values.name for tensor in graph.sparse_initializer}
        self.constants |= self._weight_inputs(model)
        for node in graph.node:
            if node.op_type == "Shape" or all(name in self.constants for name in node.input if name):
                self.constants.update(node.output)

    def _weight_inputs(self, model: ModelProto) -> set[str]:
        """Inputs of the graph that are only ever a matrix or a bias: weights that are still to come."""
        as_weight: set[str] = set()
        as_data: set[str] = set()
        for node in model.graph.node:
            at = weight_operand(node)
            for index, name in enumerate(node.input):
                (as_weight if at is not None and index >= at[1] else as_data).add(name)
        return (as_weight - as_data) & self.inputs

    def product(self, node: NodeProto, name: str, at: tuple[int, int]) -> MatrixShape:
        """Gemm or MatMul with a stored matrix: one vector for each row of the left side."""
        x, weight = self.shapes[node.input[at[0]]], self.shapes[node.input[at[1]]]
        gemm = "Gemm" in node.op_type
        transposed = gemm and integers_of(node, "transB", (0,))[0]
        rows, outputs = (weight[-1], weight[-2]) if transposed else (weight[-2], weight[-1])
        vectors = math.prod(x) // rows
        channels, window = self._map_behind(node.input[at[0]], rows) if vectors == 1 else (rows, 1)
        size, reach = ((window, 1), window + 1) if vectors == 1 else ((vectors, 1), 2)
        return MatrixShape(name, node.op_type, node.output[0], channels, window, outputs, 1, vectors, size, reach)

    def _map_behind(self, name: str, rows: int) -> tuple[int, int]:
        """(channels, places) of the map that a vector is a view of; an input of the network is laid out as a vector."""
        while name in self.producer:
            shape = self.shapes.get(name, ())
            if len(shape) == 4 and math.prod(shape) == rows:
                return shape[1], shape[2] * shape[3]
            if self.producer[name].op_type not in _VIEWS:
                break
            name = self.producer[name].input[0]
        return rows, 1
