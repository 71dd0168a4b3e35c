"""Layout operations move no data: the same elements at other indices."""

from __future__ import annotations

import numpy as np

from cimc.ir import graph as g
from cimc.passes.lowering import Lowering, Refusal
from cimc.passes.places import Places


def moved(low: Lowering, node: g.Node, places: Places) -> None:
    """A layout operation: the same elements at other indices."""
    low.places[node.output] = places


def lower_concat(low: Lowering, node: g.Concat) -> None:
    """Joined tensors."""
    if any(name in low.real_constants for name in node.inputs):
        raise Refusal("joining with a constant is not built yet")
    moved(low, node, np.concatenate([low.places[name] for name in node.inputs], axis=node.axis))


def lower_slice(low: Lowering, node: g.Slice) -> None:
    """A part of a tensor."""
    ranges = tuple(slice(start, None if stop < 0 else stop, step) for start, stop, step in node.ranges)
    moved(low, node, low.places[node.inputs[0]][ranges])


def lower_pad(low: Lowering, node: g.Pad) -> None:
    """A tensor with zeros around it; of integers, with their zero point."""
    places = low.places[node.inputs[0]]
    zeros = {0}
    if low.graph.tensors[node.output].dtype != "float32":
        zeros = {q.zero for q in (low.book.maps[i].quant for i in low.book.maps_in(places)) if q is not None}
    if zeros != {node.value}:
        raise Refusal(f"padding with {node.value:g} is not built yet (zero is, and integers' zero point)")
    moved(low, node, np.pad(places, node.pads, constant_values=-1))


def lower_reshape(low: Lowering, node: g.Reshape) -> None:
    """Other axes, same order."""
    moved(low, node, low.places[node.inputs[0]].reshape(low.graph.tensors[node.output].shape))


def lower_transpose(low: Lowering, node: g.Transpose) -> None:
    """Other order of axes."""
    moved(low, node, low.places[node.inputs[0]].transpose(node.perm))
