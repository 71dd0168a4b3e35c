"""How a network input is laid out on its map: as the first operation that computes with it wants it."""

from __future__ import annotations

from cimc.ir import graph as g
from cimc.passes.lower.index_map import IndexMap, Scattered
from cimc.passes.lower.layout import Layout, layout_as, spatial


def input_layout(graph: g.Graph, name: str) -> Layout:
    """Follows layout operations forward to the first convolution, pool or product and takes its view, where that view
    holds every element once; else the usual reading of the shape: (1, C, H, W), or tokens by channels."""
    shape = graph.tensors[name].shape
    start = IndexMap.whole(0, shape)
    views: dict[str, IndexMap] = {name: start}
    for node in graph.nodes:
        view = next((views[x] for x in node.inputs if x in views), None)
        if view is None:
            continue
        try:
            wanted = _wanted(node, view, start)
            found = None if wanted is None else layout_as(wanted)
            moved = _moved(graph, node, view)
        except Scattered:
            continue
        if found is not None:
            return found
        if moved is not None:
            views[node.output] = moved
    return spatial(shape)


def _wanted(node: g.Node, view: IndexMap, start: IndexMap) -> IndexMap | None:
    """The input as (height, width, channels), as a node that computes with windows or products would have it."""
    shape = view.shape
    if isinstance(node, g.Conv | g.Pool) and len(shape) == 4 and shape[0] == 1:
        return view.transpose((0, 2, 3, 1)).reshape((shape[2], shape[3], shape[1]))
    if isinstance(node, g.MatMul):
        if view.count == shape[-1]:
            return spatial(start.shape).of(start)
        return view.reshape((view.count // shape[-1], 1, shape[-1]))
    return None


def _moved(graph: g.Graph, node: g.Node, view: IndexMap) -> IndexMap | None:
    """The view after a node that only moves elements or works on each alone; None for any other."""
    if isinstance(node, g.Transpose):
        return view.transpose(node.perm)
    if isinstance(node, g.Reshape):
        return view.reshape(graph.tensors[node.output].shape)
    if isinstance(node, g.Quantize | g.Dequantize | g.Unary | g.BatchNorm):
        return view
    if isinstance(node, g.Binary) and graph.tensors[node.output].shape == view.shape:
        return view
    return None
