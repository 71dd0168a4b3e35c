"""split_averages: a wide average becomes one along rows and one along columns, Graph to Graph.

For targets with narrow words: the sum over a row and the sum over a column of row averages each fit the registers
that the whole window would not, and the tensor between them gets a number format of its own. Promises the same real
numbers.
"""

from __future__ import annotations

from dataclasses import replace

from cimc.ir.graph import Graph, Node, Pool, Tensor

LARGEST_WINDOW = 16  # pixels that are averaged in one step


def split_averages(graph: Graph) -> Graph:
    """The Graph with every average over more than LARGEST_WINDOW pixels in two steps."""
    nodes: list[Node] = []
    tensors = dict(graph.tensors)
    for node in graph.nodes:
        if not isinstance(node, Pool) or not _is_wide(node):
            nodes.append(node)
            continue
        source, result = tensors[node.inputs[0]].shape, tensors[node.output]
        middle = Tensor(f"{node.output}.rows", (*source[:3], result.shape[3]), result.dtype)
        tensors[middle.name] = middle
        (kh, kw), (sy, sx), (top, left, bottom, right) = node.kernel, node.strides, node.pads
        nodes.append(replace(node, outputs=(middle.name,), kernel=(1, kw), strides=(1, sx), pads=(0, left, 0, right)))
        nodes.append(replace(node, inputs=(middle.name,), kernel=(kh, 1), strides=(sy, 1), pads=(top, 0, bottom, 0)))
    return replace(graph, nodes=tuple(nodes), tensors=tensors)


def _is_wide(pool: Pool) -> bool:
    """Whether a pool is an average that is split."""
    counted = pool.count_include_pad or not any(pool.pads)
    wide = min(pool.kernel) > 1 and pool.kernel[0] * pool.kernel[1] > LARGEST_WINDOW
    return pool.kind == "average" and counted and wide and pool.dilations == (1, 1)
