"""How a network input is laid out on its map: as the first operation that computes with it wants it."""

from __future__ import annotations

import numpy as np

from cimc.ir import graph as g
from cimc.passes.places import Places


def input_layout(graph: g.Graph, name: str) -> Places:
    """(height, width, channels) of flat tensor indices.

    Follows layout operations forward to the first convolution, pool or product and takes its view, where that view
    holds every element once; else the usual reading of the shape: (1, C, H, W), or tokens by channels.
    """
    shape = graph.tensors[name].shape
    size = int(np.prod(shape))
    start = np.arange(size, dtype=np.int64).reshape(shape)
    views: dict[str, Places] = {name: start}
    for node in graph.nodes:
        source = next((x for x in node.inputs if x in views), None)
        if source is None:
            continue
        view = views[source]
        wanted = None
        if isinstance(node, g.Conv | g.Pool) and view.ndim == 4 and view.shape[0] == 1:
            wanted = view[0].transpose(1, 2, 0)
        elif isinstance(node, g.MatMul):
            wanted = spatial(start) if view.size == view.shape[-1] else view.reshape(-1, 1, view.shape[-1])
        if wanted is not None and wanted.size == size and np.unique(wanted).size == size:
            return np.ascontiguousarray(wanted)
        moved = _moved(graph, node, view)
        if moved is not None:
            views[node.output] = moved
    return np.ascontiguousarray(spatial(start))


def spatial(indices: Places) -> Places:
    """(1, C, H, W) as (H, W, C); anything else as tokens by its last axis."""
    if indices.ndim == 4 and indices.shape[0] == 1:
        return np.asarray(indices[0].transpose(1, 2, 0))
    return indices.reshape(-1, 1, indices.shape[-1] if indices.ndim else 1)


def _moved(graph: g.Graph, node: g.Node, view: Places) -> Places | None:
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
