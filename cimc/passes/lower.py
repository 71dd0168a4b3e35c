"""lower: Graph to LayerGraph. Layout operations become places, chains of operations become one layer each.

Needs: a verified Graph. Promises: every layer reads earlier maps (or inputs) through Operands, and the LayerGraph in
real numbers computes what the Graph computes. What can't be lowered is reported at once, each node with its reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.ir import graph as g
from cimc.ir.layers import Binding, FeatureMap, Layer, LayerGraph, MatrixLayer, VectorLayer
from cimc.numerics.integers import storage_of
from cimc.passes.draft import Draft
from cimc.passes.input_layout import input_layout, spatial
from cimc.passes.lower_elementwise import lower_batch_norm, lower_binary, lower_softmax, lower_unary
from cimc.passes.lower_layout import lower_concat, lower_pad, lower_reshape, lower_slice, lower_transpose
from cimc.passes.lower_matrices import lower_conv, lower_matmul
from cimc.passes.lower_quantised import input_format, lower_dequantize, lower_quantize
from cimc.passes.lower_windows import lower_pool, lower_reduce
from cimc.passes.lowering import Lowering, Refusal

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


def lower(graph: g.Graph) -> LayerGraph:
    """Lower a Graph.

    Raises CimcError with every node that can't be lowered.
    """
    low = Lowering(graph)
    inputs = tuple(_input(low, name) for name in graph.inputs)
    with np.errstate(all="ignore"):  # constants that are folded to what is not finite are refused below
        _walk(low)
    outputs = tuple(_output(low, name) for name in graph.outputs)
    layers = tuple(_finish(low, draft) for draft in low.drafts)
    endless = [_endless(layer) for layer in layers if not _is_finite(layer)]
    if endless:
        raise CimcError(endless)
    maps = {m.name: m for m in low.book.maps}
    assert len(maps) == len(low.book.maps), "two maps have one name"
    return LayerGraph(graph.name, layers, maps, inputs, outputs)


def _is_finite(layer: Layer) -> bool:
    """Whether float32 holds everything that a layer multiplies with and adds."""
    match layer:
        case MatrixLayer():
            constants: tuple[npt.NDArray[Any], ...] = (layer.weight, layer.bias)
        case VectorLayer():
            constants = (*layer.gains, layer.bias)
        case _:
            return True
    largest = np.finfo(np.float32).max
    return all(-largest <= values.min(initial=0) <= values.max(initial=0) <= largest for values in constants)


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
        except Refusal as refusal:
            what = f"{type(node).__name__}: {refusal}"
            problems.append(Diagnostic("lower.unsupported", what, Place(item=node.origin)))
            _stand_in(low, node)
    if problems:
        raise CimcError(dict.fromkeys(problems))


def _stand_in(low: Lowering, node: g.Node) -> None:
    """Places for the result of a node that is refused, laid out as its shape is usually read."""
    shape = low.graph.tensors[node.output].shape
    layout = spatial(np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape))
    height, width, channels = layout.shape
    places = np.empty(layout.size, np.int64)
    places[layout.ravel()] = low.book.add(FeatureMap(node.output, height, width, channels)).ravel()
    low.places[node.output] = places.reshape(shape)


def _input(low: Lowering, name: str) -> Binding:
    """Give a network input a map, laid out as its first consumer wants it."""
    tensor = low.graph.tensors[name]
    layout = input_layout(low.graph, name)
    height, width, channels = layout.shape
    quant = input_format(low.graph, name)
    numbers = low.book.add(FeatureMap(name, height, width, channels, quant))
    places = np.empty(layout.size, np.int64)
    places[layout.ravel()] = numbers.ravel()
    low.places[name] = places.reshape(tensor.shape)
    return Binding(name, tensor.shape, storage_of(tensor.dtype), (name,), layout.ravel())


def _output(low: Lowering, name: str) -> Binding:
    """Where a network output lies."""
    tensor = low.graph.tensors[name]
    if name in low.real_constants:
        raise CimcError([Diagnostic("lower.constant", f'output "{name}" does not depend on any input')])
    places = low.places[name]
    if (places < 0).any() or any(low.book.maps[i].name in low.graph.inputs for i in low.book.maps_in(places)):
        try:
            low.materialise(name, name)
        except Refusal as refusal:
            what = f'output "{name}": {refusal}'
            producer = low.graph.producer_of().get(name)
            where = Place(item=producer.origin if producer else name)
            raise CimcError([Diagnostic("lower.unsupported", what, where)]) from refusal
        places = low.places[name]
    indices = low.book.maps_in(places)
    shift = np.zeros(len(low.book.maps), np.int64)
    start = 0
    for i in indices:
        shift[i] = start - low.book.starts[i]
        start += low.book.maps[i].words
    flat = places.ravel()
    index = flat + shift[low.book.index_of(flat)]
    return Binding(name, tensor.shape, storage_of(tensor.dtype), tuple(low.book.maps[i].name for i in indices), index)


def _finish(low: Lowering, draft: Draft) -> Layer:
    """The layer of a draft under its final names."""
    name = low.book.maps[draft.map_index].name
    origin = ", ".join(dict.fromkeys(o for o in draft.origins if o))
    return replace(draft.layer, name=name, output=name, origin=origin)
