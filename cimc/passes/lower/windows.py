"""Pooling and reductions over windows."""

from __future__ import annotations

from cimc.ir import graph as g
from cimc.layer_kinds.pool import PoolLayer
from cimc.passes.lower.layout import spatial
from cimc.passes.lower.state import Lowering, Refusal


def lower_pool(low: Lowering, node: g.Pool) -> None:
    """Pooling over windows."""
    operand = low.windowed(node.inputs[0], node.pads)
    if not all(part.map for part in operand.parts):
        low.materialise(node.inputs[0])
        operand = low.windowed(node.inputs[0], node.pads)
    layer = PoolLayer(
        name="",
        output="",
        origin="",
        x=operand,
        kind=node.kind,
        kernel=node.kernel,
        strides=node.strides,
        pads=node.pads,
        dilations=node.dilations,
        counts_padding=node.kind == "max" or node.count_include_pad or not any(node.pads),
    )
    group = low.add_layer(layer, node, spatial(low.graph.tensors[node.output].shape), linear=False)
    group.open = feeds_quantize(low, node.output)
    given = {m.quant for m in low.maps if m.name in operand.maps}
    if node.kind == "max" and low.graph.tensors[node.output].dtype != "float32" and len(given) == 1:
        low.set_format(group.map, given.pop())


def feeds_quantize(low: Lowering, tensor: str) -> bool:
    """Whether the one reader of a tensor gives it a number format."""
    readers = low.graph.uses_of().get(tensor, [])
    return len(readers) == 1 and isinstance(readers[0], g.Quantize)


def lower_reduce(low: Lowering, node: g.Reduce) -> None:
    """A reduction over rows and columns arrives as a pool; no other is built."""
    shape = low.graph.tensors[node.inputs[0]].shape
    raise Refusal(f"reduction ({node.kind}) over axes {node.axes} of shape {shape} is not built yet")
