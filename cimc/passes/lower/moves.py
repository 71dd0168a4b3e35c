"""Layout operations move no data: the same elements at other indices."""

from __future__ import annotations

from cimc.ir import graph as g
from cimc.passes.lower.index_map import joined
from cimc.passes.lower.state import Lowering, Refusal


def lower_concat(low: Lowering, node: g.Concat) -> None:
    """Joined tensors."""
    if any(low.is_constant(name) for name in node.inputs):
        raise Refusal("joining with a constant is not built yet")
    low.tensors[node.output] = joined([low.tensors[name] for name in node.inputs], node.axis)


def lower_slice(low: Lowering, node: g.Slice) -> None:
    """A part of a tensor."""
    tensor = low.tensors[node.inputs[0]]
    for axis, (start, stop, step) in enumerate(node.ranges):
        start, stop, step = slice(start, None if stop < 0 else stop, step).indices(tensor.shape[axis])
        count = len(range(start, stop, step))
        if (start, step, count) != (0, 1, tensor.shape[axis]):
            tensor = tensor.slice(axis, start, count, step)
    low.tensors[node.output] = tensor


def lower_pad(low: Lowering, node: g.Pad) -> None:
    """A tensor with zeros around it; of integers, with their zero point."""
    tensor = low.tensors[node.inputs[0]]
    zeros = {0}
    if low.graph.tensors[node.output].dtype != "float32":
        zeros = {quant.zero for quant in low.formats_of(tensor) if quant is not None}
    if zeros != {node.value}:
        raise Refusal(f"padding with {node.value:g} is not built yet (zero is, and integers' zero point)")
    for axis, (before, after) in enumerate(node.pads):
        tensor = tensor.pad(axis, before, after)
    low.tensors[node.output] = tensor


def lower_reshape(low: Lowering, node: g.Reshape) -> None:
    """Other axes, same order."""
    low.tensors[node.output] = low.tensors[node.inputs[0]].reshape(low.graph.tensors[node.output].shape)


def lower_transpose(low: Lowering, node: g.Transpose) -> None:
    """Other order of axes."""
    low.tensors[node.output] = low.tensors[node.inputs[0]].transpose(node.perm)
