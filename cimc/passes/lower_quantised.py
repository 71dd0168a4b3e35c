"""Networks that carry their own quantisation keep exactly the one they carry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cimc.ir import graph as g
from cimc.ir.layers import VectorLayer
from cimc.numerics.quant import Quant
from cimc.passes.lower_elementwise import add_vector
from cimc.passes.lowering import Lowering, Refusal
from cimc.passes.places import Places


def format_of(graph: g.Graph, node: g.Quantize | g.Dequantize) -> Quant:
    """The number format that a Quantize or Dequantize of an activation names."""
    scale = graph.constants[node.inputs[1]]
    zero = graph.constants[node.inputs[2]]
    if scale.size != 1:
        raise Refusal("activations with a scale for each channel are not built yet")
    kind = np.iinfo(zero.dtype.name)
    return Quant(float(np.float32(scale.item())), int(zero.item()), int(kind.min), int(kind.max))


def lower_quantize(low: Lowering, node: g.Quantize) -> None:
    """A fixed number format: of the layer before, of an input, or the one the tensor already has."""
    tensor = node.inputs[0]
    quant = format_of(low.graph, node)
    places = low.places[tensor]
    indices = low.book.maps_in(places)
    draft = low.open_draft(tensor)
    if draft is not None and len(indices) == 1 and indices[0] == draft.map_index:
        low.absorb(draft, node)
        draft.open = False
        low.book.maps[draft.map_index] = replace(low.book.maps[draft.map_index], quant=quant)
        return
    maps = [low.book.maps[i] for i in indices]
    fresh = [m.quant is None and m.name in low.graph.inputs and low.reads[m.name] == 1 for m in maps]
    if all(fresh) and len(indices) == 1:
        low.book.maps[indices[0]] = replace(maps[0], quant=quant)
    if all(low.book.maps[i].quant == quant for i in indices):
        low.places[node.output] = places
        return
    if len(indices) > 1:
        low.places[node.output] = _in_one_format(low, node, places, quant)
        return
    layout = low.layout_of(places)
    copy = add_vector(low, node, "sum", (low.operand(places.ravel()[layout]),), layout, False)
    copy.open = False
    low.book.maps[copy.map_index] = replace(low.book.maps[copy.map_index], quant=quant)


def _in_one_format(low: Lowering, node: g.Quantize, places: Places, quant: Quant) -> Places:
    """Joined maps of different formats: each map that has another one is requantised into a copy."""
    moved = places.copy()
    belongs = low.book.index_of(places)
    for k, index in enumerate(low.book.maps_in(places)):
        m = low.book.maps[index]
        if m.quant == quant:
            continue
        whole = np.arange(m.words).reshape(m.height, m.width, m.channels)
        operand = low.operand(whole + low.book.starts[index])
        ones = (np.ones(m.channels),)
        layer = VectorLayer(
            name="", output="", origin="", kind="sum", operands=(operand,), gains=ones, bias=np.zeros(m.channels)
        )
        copy = low.add_layer(layer, node, whole, linear=False, tensor=f"{node.output}.{k}")
        copy.open = False
        low.book.maps[copy.map_index] = replace(low.book.maps[copy.map_index], quant=quant)
        moved[belongs == index] += low.book.starts[copy.map_index] - low.book.starts[index]
    return moved


def lower_dequantize(low: Lowering, node: g.Dequantize) -> None:
    """Constants become real numbers that remember their integers; an activation stays what it is."""
    name = node.inputs[0]
    if name in low.graph.constants:
        integers = np.asarray(low.graph.constants[name], np.int64)
        scale = np.asarray(low.graph.constants[node.inputs[1]], np.float32).astype(np.float64)
        zero = np.asarray(low.graph.constants[node.inputs[2]], np.int64)
        if scale.size > 1:
            shape = [1] * integers.ndim
            shape[node.axis] = -1
            scale, zero = scale.reshape(shape), zero.reshape(shape) if zero.size > 1 else zero
        low.real_constants[node.output] = (integers - zero) * scale
        low.dequantised[node.output] = node
        return
    quant = format_of(low.graph, node)
    places = low.places[name]
    for i in low.book.maps_in(places):
        m = low.book.maps[i]
        if m.quant is None and m.name in low.graph.inputs:
            low.book.maps[i] = replace(m, quant=quant)
        elif m.quant != quant:
            raise Refusal("it reads integers in another format than they were written in")
    low.places[node.output] = places
