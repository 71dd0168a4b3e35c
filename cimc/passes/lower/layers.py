"""lower: Graph to LayerGraph. Layout operations become index maps, chains of operations become one layer each.

Needs: a verified Graph. Promises: every layer reads earlier maps (or inputs) through Operands, and the LayerGraph in
real numbers computes what the Graph computes. What can't be lowered is reported at once, each node with its reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.ir import graph as g
from cimc.ir.layers import Binding, FeatureMap, Layer, LayerGraph
from cimc.numerics.integers import storage_of
from cimc.passes.lower.elementwise import lower_batch_norm, lower_binary, lower_softmax, lower_unary
from cimc.passes.lower.fusion_group import FusionGroup
from cimc.passes.lower.index_map import Scattered
from cimc.passes.lower.input_layout import input_layout
from cimc.passes.lower.layout import spatial
from cimc.passes.lower.matrices import lower_conv, lower_matmul
from cimc.passes.lower.moves import lower_concat, lower_pad, lower_reshape, lower_slice, lower_transpose
from cimc.passes.lower.quantised import input_format, lower_dequantize, lower_quantize
from cimc.passes.lower.state import Lowering, Refusal
from cimc.passes.lower.windows import lower_pool, lower_reduce

HANDLERS: dict[type[g.Node], Callable[[Lowering, Any], None]] = {
    g.Conv: lower_conv,
    g.MatMul: lower_matmul,
    g.Pool: lower_pool,
    g.Unary: lower_unary,
    g.Binary: lower_binary,
    g.BatchNorm: lower_batch_norm,
    g.Softmax: lower_softmax,
    g.Reduce: lower_reduce,
    g.Concat: lower_concat,
    g.Slice: lower_slice,
    g.Pad: lower_pad,
    g.Reshape: lower_reshape,
    g.Transpose: lower_transpose,
    g.Quantize: lower_quantize,
    g.Dequantize: lower_dequantize,
}


def lower(graph: g.Graph, weightless: bool = False) -> LayerGraph:
    """Lower a Graph. weightless: of an estimate - weights have shapes and no values, inputs and outputs no moves, and
    other constants may be stand-ins.

    Raises CimcError with every node that can't be lowered.
    """
    low = Lowering(graph, weightless)
    inputs = tuple(_input(low, name) for name in graph.inputs)
    with np.errstate(all="ignore"):  # constants that are folded to what is not finite are refused below
        _walk(low)
    outputs = tuple(_output(low, name) for name in graph.outputs)
    layers = tuple(_finished(low, group) for group in low.groups)
    endless = [] if weightless else [_endless(layer) for layer in layers if not _is_finite(layer)]
    if endless:
        raise CimcError(endless)
    maps = {m.name: m for m in low.maps}
    assert len(maps) == len(low.maps), "two maps have one name"
    return LayerGraph(graph.name, layers, maps, inputs, outputs)


def _is_finite(layer: Layer) -> bool:
    """Whether float32 holds everything that a layer multiplies with and adds."""
    largest = np.finfo(np.float32).max
    return all(-largest <= values.min(initial=0) <= values.max(initial=0) <= largest for values in layer.constants)


def _endless(layer: Layer) -> Diagnostic:
    what = "constants that are folded into this layer are no finite numbers of 32 bits"
    return Diagnostic("lower.constant", what, Place(item=layer.origin), "look for a division by zero among its nodes")


def _walk(low: Lowering) -> None:
    """Lower every node. Behind one that can't be, a map of its own stands in, so that the others are looked at too."""
    problems = []
    for node in low.graph.nodes:
        handler = HANDLERS.get(type(node))
        try:
            if handler is None:
                raise Refusal("this operation is not built yet (activations times activations)")
            handler(low, node)
        except (Refusal, Scattered) as refusal:
            what = f"{type(node).__name__}: {refusal}"
            problems.append(Diagnostic("lower.unsupported", what, Place(item=node.origin)))
            for name in node.outputs:
                shape = low.graph.tensors[name].shape
                low.maps.append(FeatureMap(name, *spatial(shape).shape))
                low.tensors[name] = spatial(shape).tensor_of(len(low.maps) - 1, shape)
    if problems:
        raise CimcError(dict.fromkeys(problems))


def _input(low: Lowering, name: str) -> Binding:
    """Give a network input a map, laid out as its first consumer wants it."""
    tensor = low.graph.tensors[name]
    low.add_map(name, input_layout(low.graph, name), input_format(low.graph, name))
    moves = None if low.weightless else low.tensors[name].moves([0] * len(low.maps))
    return Binding(name, tensor.shape, storage_of(tensor.dtype), (name,), moves)


def _output(low: Lowering, name: str) -> Binding:
    """Where a network output lies."""
    tensor = low.graph.tensors[name]
    if low.is_constant(name):
        raise CimcError([Diagnostic("lower.constant", f'output "{name}" does not depend on any input')])
    if low.tensors[name].has_zeros or any(low.maps[m].name in low.graph.inputs for m in low.tensors[name].maps):
        try:
            low.materialise(name)
        except (Refusal, Scattered) as refusal:
            what = f'output "{name}": {refusal}'
            producer = low.graph.producer_of().get(name)
            where = Place(item=producer.origin if producer else name)
            raise CimcError([Diagnostic("lower.unsupported", what, where)]) from refusal
    maps = low.tensors[name].maps
    starts = [0] * len(low.maps)
    for before, after in pairwise(maps):
        starts[after] = starts[before] + low.maps[before].words
    moves = None if low.weightless else low.tensors[name].moves(starts)
    return Binding(name, tensor.shape, storage_of(tensor.dtype), tuple(low.maps[m].name for m in maps), moves)


def _finished(low: Lowering, group: FusionGroup) -> Layer:
    """The layer of a group under its final names."""
    name = low.maps[group.map].name
    origin = ", ".join(dict.fromkeys(o for o in group.origins if o))
    return replace(group.layer, name=name, output=name, origin=origin)
