"""Operators that only move data: reshapes, transposes, slices, pads, concatenations."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from cimc.frontends.graph_builder import Unsupported
from cimc.frontends.onnx_node import OnnxNode, positive_axis
from cimc.ir.graph import Concat, Pad, Slice
from cimc.ir.infer_shapes import Shape

Ranges = tuple[tuple[int, int, int], ...]


def reshape(node: OnnxNode) -> None:
    """Reshape with a constant shape; 0 keeps a dimension (unless allowzero), -1 takes the rest."""
    x = node.operand(0)
    shape = node.build.shape(x)
    wanted = node.integers("shape", 1)
    if wanted is None:
        raise Unsupported("it has no shape", "onnx.invalid")
    filled = []
    for axis, dim in enumerate(wanted):
        kept = dim
        if dim == 0 and not node.integer("allowzero", 0):
            if axis >= len(shape):
                raise Unsupported(f"shape {wanted} keeps axis {axis} of {shape}", "onnx.shape")
            kept = shape[axis]
        filled.append(kept)
    rest = math.prod(dim for dim in filled if dim != -1)
    if filled.count(-1) > 1 or any(dim < -1 for dim in filled):
        raise Unsupported(f"shape {wanted}", "onnx.invalid")
    if -1 in filled and (rest == 0 or math.prod(shape) % rest):
        raise Unsupported(f"a tensor of shape {shape} cannot be reshaped to {wanted}", "onnx.shape")
    _reshaped(node, x, tuple(math.prod(shape) // rest if dim == -1 else dim for dim in filled))


def flatten(node: OnnxNode) -> None:
    """Flatten to a matrix at `axis`."""
    shape = node.shape(0)
    axis = node.integer("axis", 1)
    if not -len(shape) <= axis <= len(shape):
        raise Unsupported(f"axis {axis} of shape {shape}", "onnx.invalid")
    axis = axis + len(shape) if axis < 0 else axis
    _reshaped(node, node.operand(0), (math.prod(shape[:axis]), math.prod(shape[axis:])))


def squeeze(node: OnnxNode) -> None:
    """Squeeze of the axes named, or of all of size 1."""
    shape = node.shape(0)
    axes = node.integers("axes", 1)
    if axes is None:
        dropped = {axis for axis, dim in enumerate(shape) if dim == 1}
    else:
        dropped = {positive_axis(axis, len(shape)) for axis in axes}
    if any(shape[axis] != 1 for axis in dropped):
        raise Unsupported(f"axes {axes} of shape {shape} are not all 1", "onnx.shape")
    _reshaped(node, node.operand(0), tuple(dim for axis, dim in enumerate(shape) if axis not in dropped))


def unsqueeze(node: OnnxNode) -> None:
    """Unsqueeze: new axes of size 1 at the places named in the result."""
    shape = node.shape(0)
    axes = node.integers("axes", 1)
    if axes is None:
        raise Unsupported("it has no axes", "onnx.invalid")
    rank = len(shape) + len(axes)
    new = {positive_axis(axis, rank) for axis in axes}
    if len(new) != len(axes):
        raise Unsupported(f"axes {axes} name one place twice", "onnx.invalid")
    rest = iter(shape)
    _reshaped(node, node.operand(0), tuple(1 if axis in new else next(rest) for axis in range(rank)))


def _reshaped(node: OnnxNode, x: str, shape: Shape) -> None:
    if node.build.shape(x) == shape:
        node.result(x)
    else:
        node.reshape(x, shape, node.output)


def transpose(node: OnnxNode) -> None:
    """Transpose; without perm the axes are reversed."""
    rank = len(node.shape(0))
    perm = node.integers("perm")
    perm = tuple(reversed(range(rank))) if perm is None else perm
    if perm == tuple(range(rank)):
        node.result(node.operand(0))
    else:
        node.transpose(node.operand(0), perm, node.output)


def concat(node: OnnxNode) -> None:
    """Concat along one axis."""
    names = tuple(node.operand(index) for index in range(len(node.proto.input)))
    axis = node.axis(1, len(node.shape(0)))
    if len(names) == 1:
        node.result(names[0])
    else:
        node.emit(Concat, names, node.output, axis=axis)


def split(node: OnnxNode) -> None:
    """Split: one Slice for each result."""
    x, shape = node.operand(0), node.shape(0)
    axis = node.axis(0, len(shape))
    results = len(node.proto.output)
    sizes = node.integers("split", 1)
    if sizes is None:
        count = node.integer("num_outputs", results)
        part = math.ceil(shape[axis] / max(count, 1))
        sizes = tuple(max(0, min(part, shape[axis] - index * part)) for index in range(count))
    if sum(sizes) != shape[axis] or len(sizes) != results or min(sizes) < 1:
        raise Unsupported(f"split {sizes} of {shape[axis]} into {results} results", "onnx.shape")
    start = 0
    for index, size in enumerate(sizes):
        output = node.proto.output[index]
        if output:
            node.result(_sliced(node, x, {axis: (start, start + size, 1)}, output), index)
        start += size


def slice_(node: OnnxNode) -> None:
    """Slice with constant bounds."""
    x, shape = node.operand(0), node.shape(0)
    starts, ends = node.integers("starts", 1), node.integers("ends", 2)
    if starts is None or ends is None or len(starts) != len(ends):
        raise Unsupported(f"starts {starts} and ends {ends}", "onnx.invalid")
    axes = node.integers("axes", 3)
    axes = tuple(range(len(starts))) if axes is None else axes
    steps = node.integers("steps", 4)
    steps = (1,) * len(starts) if steps is None else steps
    if not len(axes) == len(steps) == len(starts) or 0 in steps:
        raise Unsupported(f"axes {axes} and steps {steps} for {len(starts)} slices", "onnx.invalid")
    bounds = {}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        at = positive_axis(axis, len(shape))
        first, last, _ = slice(start, end, step).indices(shape[at])
        bounds[at] = (first, last if last >= 0 else -(shape[at] + 1), step)
    if all(bounds[at] == (0, shape[at], 1) for at in bounds):
        node.result(x)
    else:
        _sliced(node, x, bounds, node.output)


def _sliced(node: OnnxNode, x: str, bounds: dict[int, tuple[int, int, int]], output: str) -> str:
    ranges = tuple(bounds.get(axis, (0, dim, 1)) for axis, dim in enumerate(node.build.shape(x)))
    return node.emit(Slice, (x,), output, ranges=ranges)


def pad(node: OnnxNode) -> None:
    """Pad in constant mode; negative pads cut."""
    x, shape = node.operand(0), node.shape(0)
    mode = node.text("mode", "constant")
    if mode != "constant":
        raise Unsupported(f'mode "{mode}"; only "constant" is supported')
    amounts = node.integers("pads", 1) or ()
    stated = node.integers("axes", 3)
    axes = range(len(shape)) if stated is None else [positive_axis(axis, len(shape)) for axis in stated]
    if len(amounts) != 2 * len(axes):
        raise Unsupported(f"pads {amounts} for {len(axes)} axes", "onnx.invalid")
    pads = {axis: (amounts[at], amounts[at + len(axes)]) for at, axis in enumerate(axes)}
    value = node.real("value", 0.0) if "value" in node.attributes else node.real_operand("constant_value", 2, 0.0)
    cuts = {
        axis: (max(0, -before), shape[axis] - max(0, -after), 1)
        for axis, (before, after) in pads.items()
        if before < 0 or after < 0
    }
    grown = tuple(
        (max(0, before), max(0, after)) for before, after in (pads.get(at, (0, 0)) for at in range(len(shape)))
    )
    grows = any(before or after for before, after in grown)
    if cuts:
        x = _sliced(node, x, cuts, node.fresh("cut") if grows else node.output)
    if grows:
        node.emit(Pad, (x,), node.output, pads=grown, value=value)
    elif not cuts:
        node.result(x)


def depth_to_space(node: OnnxNode) -> None:
    """DepthToSpace: Reshape, Transpose, Reshape."""
    n, channels, height, width = _map(node)
    block = node.integer("blocksize", 0)
    mode = node.text("mode", "DCR")
    if block < 1 or channels % (block * block) or mode not in ("DCR", "CRD"):
        raise Unsupported(f"blocksize {block} and mode {mode!r} for {channels} channels", "onnx.invalid")
    depth = channels // (block * block)
    if mode == "DCR":
        split_shape, perm = (n, block, block, depth, height, width), (0, 3, 4, 1, 5, 2)
    else:
        split_shape, perm = (n, depth, block, block, height, width), (0, 1, 4, 2, 5, 3)
    _blocks(node, split_shape, perm, (n, depth, height * block, width * block))


def space_to_depth(node: OnnxNode) -> None:
    """SpaceToDepth: Reshape, Transpose, Reshape."""
    n, channels, height, width = _map(node)
    block = node.integer("blocksize", 0)
    if block < 1 or height % block or width % block:
        raise Unsupported(f"blocksize {block} for a map of {height} by {width}", "onnx.invalid")
    split_shape = (n, channels, height // block, block, width // block, block)
    result = (n, channels * block * block, height // block, width // block)
    mode = node.text("mode", "DCR")
    if mode not in ("DCR", "CRD"):
        raise Unsupported(f"mode {mode!r}", "onnx.invalid")
    _blocks(node, split_shape, (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4), result)


def _map(node: OnnxNode) -> tuple[int, int, int, int]:
    shape = node.shape(0)
    if len(shape) != 4:
        raise Unsupported(f"shape {shape}; 4 axes are needed", "onnx.shape")
    return (shape[0], shape[1], shape[2], shape[3])


def _blocks(node: OnnxNode, split_shape: Shape, perm: tuple[int, ...], result: Shape) -> None:
    parts = node.reshape(node.operand(0), split_shape, node.fresh("blocks"))
    node.reshape(node.transpose(parts, perm, node.fresh("moved")), result, node.output)


def gather(node: OnnxNode) -> None:
    """Gather with constant indices: a Slice where they are evenly spaced, else a Concat of Slices."""
    x, shape = node.operand(0), node.shape(0)
    axis = node.axis(0, len(shape))
    indices = np.asarray(node.known(1, "indices"), np.int64)
    if indices.size == 0 or indices.min() < -shape[axis] or indices.max() >= shape[axis]:
        raise Unsupported(f"indices outside {shape[axis]} along axis {axis}", "onnx.invalid")
    places = [int(index) % shape[axis] for index in indices.reshape(-1)]
    wanted = (*shape[:axis], *indices.shape, *shape[axis + 1 :])
    plain = indices.ndim == 1
    name = select(node, x, axis, places, node.output if plain else node.fresh("gathered"))
    if not plain:
        node.reshape(name, wanted, node.output)


def select(node: OnnxNode, x: str, axis: int, places: list[int], output: str) -> str:
    """The elements at `places` (each >= 0) along one axis, in that order."""
    steps = {after - before for before, after in pairwise(places)} or {1}
    step = steps.pop()
    if not steps and step != 0:
        stop = places[-1] + (1 if step > 0 else -1)
        stop = stop if stop >= 0 else -(node.build.shape(x)[axis] + 1)
        return _sliced(node, x, {axis: (places[0], stop, step)}, output)
    runs: list[list[int]] = []
    for place in places:
        if runs and runs[-1][-1] + 1 == place:
            runs[-1].append(place)
        else:
            runs.append([place])
    parts = tuple(_sliced(node, x, {axis: (run[0], run[-1] + 1, 1)}, node.fresh("part")) for run in runs)
    return node.emit(Concat, parts, output, axis=axis)


def expand(node: OnnxNode) -> None:
    """Expand to a constant shape: copies side by side."""
    x, shape = node.operand(0), node.shape(0)
    wanted = node.integers("shape", 1) or ()
    try:
        full = np.broadcast_shapes(shape, wanted)
    except ValueError:
        raise Unsupported(f"a tensor of shape {shape} cannot be expanded to {wanted}", "onnx.shape") from None
    aligned = (1,) * (len(full) - len(shape)) + shape
    _repeated(node, x, aligned, tuple(dim // old for dim, old in zip(full, aligned, strict=True)))


def tile(node: OnnxNode) -> None:
    """Tile with constant repeats."""
    shape, repeats = node.shape(0), node.integers("repeats", 1) or ()
    if len(repeats) != len(shape) or min(repeats, default=1) < 1:
        raise Unsupported(f"repeats {repeats} for shape {shape}", "onnx.invalid")
    _repeated(node, node.operand(0), shape, repeats)


def _repeated(node: OnnxNode, x: str, shape: Shape, repeats: tuple[int, ...]) -> None:
    if node.build.shape(x) != shape:
        x = node.reshape(x, shape, node.fresh("aligned") if any(count > 1 for count in repeats) else node.output)
    growing = [axis for axis, count in enumerate(repeats) if count > 1]
    for axis in growing:
        if repeats[axis] > 4096:
            raise Unsupported(f"{repeats[axis]} copies along axis {axis}")
        output = node.output if axis == growing[-1] else node.fresh("repeated")
        x = node.emit(Concat, (x,) * repeats[axis], output, axis=axis)
    node.result(x)
