"""Networks that carry their own quantisation keep exactly the one they carry."""

from __future__ import annotations

import numpy as np

from cimc.ir import graph as g
from cimc.numerics.integers import integer_range
from cimc.numerics.quant import Quant
from cimc.passes.lower.index_map import IndexMap
from cimc.passes.lower.layout import Layout
from cimc.passes.lower.state import Lowering, Refusal


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
        elif graph.tensors[node.outputs[0]].dtype == graph.tensors[name].dtype:
            reached.update(node.outputs)
            floats = floats and isinstance(node, g.Reshape | g.Transpose | g.Slice | g.Pad)
    if graph.tensors[name].dtype != "float32":
        return found[0] if found else Quant(1.0, 0, *integer_range(graph.tensors[name].dtype))
    return found[0] if floats and len(set(found)) == 1 and not reached & set(graph.outputs) else None


def lower_quantize(low: Lowering, node: g.Quantize) -> None:
    """A fixed number format: of the layer before, or the one the tensor already has, or of a copy."""
    quant = format_of(low.graph, node)
    tensor = low.tensors[node.inputs[0]]
    group = low.open_group(node.inputs[0])
    if group is not None and tensor.maps == (group.map,):
        low.absorb(group, node)
        group.open = False
        low.set_format(group.map, quant)
        return
    if low.formats_of(tensor) <= {quant}:
        low.tensors[node.output] = tensor
        return
    if len(tensor.maps) > 1:
        low.tensors[node.output] = _in_one_format(low, node, tensor, quant)
        return
    layout = low.layout_of(node.inputs[0])
    copy = low.add_vector(node, "sum", (low.operand(layout.of(tensor)),), layout, linear=False)
    copy.open = False
    low.set_format(copy.map, quant)


def _in_one_format(low: Lowering, node: g.Quantize | g.Dequantize, tensor: IndexMap, quant: Quant) -> IndexMap:
    """A tensor on maps of one format: each map that has another one is copied into it.

    A Quantize keeps the real numbers of a map, a Dequantize its integers.
    """
    copies: dict[int, int] = {}
    for k, number in enumerate(tensor.maps):
        m = low.maps[number]
        if m.quant == quant:
            continue
        gain, offset = 1.0, 0.0
        if isinstance(node, g.Dequantize):
            if m.quant is None:
                raise Refusal("its integers are joined from several formats before it, which is not built yet")
            gain, offset = quant.scale / m.quant.scale, quant.scale * (m.quant.zero - quant.zero)
        shape = (m.height, m.width, m.channels)
        operand = low.operand(IndexMap.whole(number, shape))
        gains, bias = (np.full(m.channels, gain),), np.full(m.channels, offset)
        layout = Layout(shape, (0, 1, 2), shape)
        copy = low.add_vector(
            node, "sum", (operand,), layout, False, gains, bias, tensor=low.fresh(f"{node.output}.{k}")
        )
        copy.open = False
        low.set_format(copy.map, quant)
        copies[number] = copy.map
    return tensor.on_maps(copies)


def lower_dequantize(low: Lowering, node: g.Dequantize) -> None:
    """Constants become real numbers that remember their integers; an activation stays what it is, or is copied where
    its integers were written in another format."""
    name = node.inputs[0]
    if name in low.graph.constants:
        low.dequantised[node.output] = node
        return
    tensor = low.tensors[name]
    quant = format_of(low.graph, node)
    low.tensors[node.output] = tensor if low.formats_of(tensor) <= {quant} else _in_one_format(low, node, tensor, quant)
