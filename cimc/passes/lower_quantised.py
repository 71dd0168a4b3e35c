"""Networks that carry their own quantisation keep exactly the one they carry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cimc.ir import graph as g
from cimc.ir.layers import VectorLayer
from cimc.numerics.integers import integer_range
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
    low, high = integer_range(graph.tensors[node.inputs[2]].dtype)
    return Quant(float(np.float32(scale.item())), int(zero.item()), low, high)


def input_format(graph: g.Graph, name: str) -> Quant | None:
    """The number format of a network input, where the network fixes one.

    Of integers: what the first Dequantize of them names, be they moved or pooled before it, else a step of 1. Of
    float32: what the Quantize names that is all that is ever done to them, be they moved before it.
    """
    floats = graph.tensors[name].dtype == "float32"
    found: list[Quant] = []
    reached = {name}
    for node in graph.nodes:
        if not any(x in reached for x in node.inputs):
            continue
        if isinstance(node, g.Quantize | g.Dequantize) and node.axis == -1:
            found.append(format_of(graph, node))
        elif graph.tensors[node.output].dtype == graph.tensors[name].dtype:
            reached.add(node.output)
            floats = floats and isinstance(node, g.Reshape | g.Transpose | g.Slice | g.Pad)
    if graph.tensors[name].dtype != "float32":
        return found[0] if found else Quant(1.0, 0, *integer_range(graph.tensors[name].dtype))
    return found[0] if floats and len(set(found)) == 1 and not reached & set(graph.outputs) else None


def lower_quantize(low: Lowering, node: g.Quantize) -> None:
    """A fixed number format: of the layer before, or the one the tensor already has, or of a copy."""
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


def _in_one_format(low: Lowering, node: g.Quantize | g.Dequantize, places: Places, quant: Quant) -> Places:
    """Places in maps of one format: each map that has another one is copied into it.

    A Quantize keeps the real numbers of a map, a Dequantize its integers.
    """
    moved = places.copy()
    belongs = low.book.index_of(places)
    for k, index in enumerate(low.book.maps_in(places)):
        m = low.book.maps[index]
        if m.quant == quant:
            continue
        gain, offset = 1.0, 0.0
        if isinstance(node, g.Dequantize):
            if m.quant is None:
                raise Refusal("its integers are joined from several formats before it, which is not built yet")
            gain, offset = quant.scale / m.quant.scale, quant.scale * (m.quant.zero - quant.zero)
        whole = np.arange(m.words).reshape(m.height, m.width, m.channels)
        operand = low.operand(whole + low.book.starts[index])
        gains, bias = (np.full(m.channels, gain),), np.full(m.channels, offset)
        layer = VectorLayer(name="", output="", origin="", kind="sum", operands=(operand,), gains=gains, bias=bias)
        copy = low.add_layer(layer, node, whole, linear=False, tensor=f"{node.output}.{k}")
        copy.open = False
        low.book.maps[copy.map_index] = replace(low.book.maps[copy.map_index], quant=quant)
        moved[belongs == index] += low.book.starts[copy.map_index] - low.book.starts[index]
    return moved


def lower_dequantize(low: Lowering, node: g.Dequantize) -> None:
    """Constants become real numbers that remember their integers; an activation stays what it is, or is copied where
    its integers were written in another format."""
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
    if all(low.book.maps[i].quant == quant for i in low.book.maps_in(places)):
        low.places[node.output] = places
        return
    low.places[node.output] = _in_one_format(low, node, places, quant)
