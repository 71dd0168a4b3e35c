"""Convolution and pooling: windows over feature maps. 1-D ones become 2-D ones of height 1 between two Reshapes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cimc.frontends.graph_builder import Unsupported
from cimc.frontends.onnx_node import Names, OnnxNode
from cimc.ir.graph import Conv, Pad, Pool
from cimc.ir.infer_shapes import Shape

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]


def conv(node: OnnxNode) -> None:
    """Conv of 1 or 2 spatial axes with a constant weight."""
    x, weight = node.operand(0), node.operand(1)
    bias = node.operand(2) if node.has(2) else None
    convolution(node, x, weight, bias, node.output)


def convolution(node: OnnxNode, x: str, weight: str, bias: str | None, output: str) -> None:
    """A Conv node from the attributes of `node` and the Graph tensors given (QLinearConv shares this)."""
    if not node.build.is_known(weight):
        raise Unsupported("its weight is computed at run time; it must be a constant")
    if bias is not None and not node.build.is_known(bias):
        raise Unsupported("its bias is computed at run time; it must be a constant")
    spatial = _spatial(node, node.build.shape(x))
    if len(node.build.shape(weight)) != spatial + 2:
        raise Unsupported(f"a weight of shape {node.build.shape(weight)} for {spatial} spatial axes", "onnx.shape")
    x, shape = _as_2d(node, x)
    weight = node.build.reshape_known(weight, _shape_2d(node.build.shape(weight)), node.origin)
    kernel: Pair = (node.build.shape(weight)[2], node.build.shape(weight)[3])
    stated = node.integers("kernel_shape")
    if stated is not None and (len(stated) != spatial or _pair(stated, spatial) != kernel):
        raise Unsupported(f"kernel_shape {stated} and a weight of shape {node.build.shape(weight)}", "onnx.invalid")
    strides, dilations = _steps(node, "strides", spatial), _steps(node, "dilations", spatial)
    pads = _pads(node, spatial, (shape[2], shape[3]), kernel, strides, dilations)
    groups = node.integer("group", 1)
    if groups < 1:
        raise Unsupported(f"group is {groups}", "onnx.invalid")
    inputs = (x, weight) if bias is None else (x, weight, bias)
    _emit_2d(node, Conv, inputs, spatial, output, strides=strides, pads=pads, dilations=dilations, groups=groups)


def pool(kind: str) -> Callable[[OnnxNode], None]:
    """MaxPool, whose indices are not supported, and AveragePool."""

    def translate(node: OnnxNode) -> None:
        node.only_first_result()
        pooling(node, node.operand(0), kind, node.output)

    return translate


def pooling(node: OnnxNode, x: str, kind: str, output: str) -> None:
    """A Pool node from the attributes of `node` (QLinearAveragePool shares this)."""
    spatial = _spatial(node, node.build.shape(x))
    x, shape = _as_2d(node, x)
    stated = node.integers("kernel_shape")
    if stated is None or len(stated) != spatial:
        raise Unsupported(f"kernel_shape {stated} for {spatial} spatial axes", "onnx.invalid")
    kernel = _pair(stated, spatial)
    if min(kernel) < 1:
        raise Unsupported(f"kernel_shape {stated}", "onnx.invalid")
    size: Pair = (shape[2], shape[3])
    strides, dilations = _steps(node, "strides", spatial), _steps(node, "dilations", spatial)
    pads = _pads(node, spatial, size, kernel, strides, dilations)
    include = bool(node.integer("count_include_pad", 0)) and kind == "average"
    if node.integer("ceil_mode", 0):
        extra = _ceil_pads(size, kernel, strides, dilations, pads)
        if any(extra) and include and any(pads):
            top, left, bottom, right = pads
            around = ((0, 0), (0, 0), (top, bottom), (left, right))
            name = node.fresh("padded")
            x = node.emit(Pad, (x,), name, pads=around, value=0.0)
            pads = (0, 0, 0, 0)
        include = include and not any(extra)
        pads = (pads[0], pads[1], pads[2] + extra[0], pads[3] + extra[1])
    steps: dict[str, object] = {"strides": strides, "pads": pads, "dilations": dilations}
    _emit_2d(node, Pool, (x,), spatial, output, kind=kind, kernel=kernel, count_include_pad=include, **steps)


def global_pool(kind: str) -> Callable[[OnnxNode], None]:
    """GlobalAveragePool and GlobalMaxPool: a Pool over the whole map."""
    return lambda node: global_pooling(node, node.operand(0), kind, node.output)


def global_pooling(node: OnnxNode, x: str, kind: str, output: str) -> None:
    """A Pool over the whole map (ReduceMean over the map shares this)."""
    spatial = _spatial(node, node.build.shape(x))
    x, shape = _as_2d(node, x)
    kernel = shape[2], shape[3]
    _emit_2d(node, Pool, (x,), spatial, output, kind=kind, kernel=kernel, strides=(1, 1), pads=(0, 0, 0, 0))


def _spatial(node: OnnxNode, shape: Shape) -> int:
    """The number of spatial axes, 1 or 2."""
    if len(shape) not in (3, 4):
        raise Unsupported(f"{len(shape) - 2} spatial axes (shape {shape}); 1 and 2 are supported")
    return len(shape) - 2


def _as_2d(node: OnnxNode, x: str) -> tuple[str, Shape]:
    shape = node.build.shape(x)
    if len(shape) == 4:
        return x, shape
    return node.build.reshape(x, _shape_2d(shape), node.fresh("input_2d"), node.origin), _shape_2d(shape)


def _shape_2d(shape: Shape) -> Shape:
    return shape if len(shape) == 4 else (shape[0], shape[1], 1, shape[2])


def _emit_2d(
    node: OnnxNode, kind: type[Conv | Pool], inputs: Names, spatial: int, output: str, /, **fields: Any
) -> None:
    """A node over maps; behind it, where these have one spatial axis, a Reshape."""
    name = node.emit(kind, inputs, output if spatial == 2 else node.build.fresh(f"{output}/2d"), **fields)
    if name != output:
        n, channels, _, width = node.build.shape(name)
        node.reshape(name, (n, channels, width), output)


def _pair(values: tuple[int, ...], spatial: int) -> Pair:
    return (values[0], values[1]) if spatial == 2 else (1, values[0])


def _steps(node: OnnxNode, name: str, spatial: int) -> Pair:
    values = node.integers(name)
    if not values:
        return (1, 1)
    if len(values) != spatial or min(values) < 1:
        raise Unsupported(f"{name} {values} for {spatial} spatial axes", "onnx.invalid")
    return _pair(values, spatial)


def _pads(node: OnnxNode, spatial: int, size: Pair, kernel: Pair, strides: Pair, dilations: Pair) -> Pads:
    """(top, left, bottom, right) from pads or auto_pad."""
    auto = node.text("auto_pad", "NOTSET")
    if auto == "VALID":
        return (0, 0, 0, 0)
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        small, large = [], []
        for axis in (0, 1):
            extent = (kernel[axis] - 1) * dilations[axis] + 1
            needed = max(0, (math.ceil(size[axis] / strides[axis]) - 1) * strides[axis] + extent - size[axis])
            small.append(needed // 2)
            large.append(needed - needed // 2)
        before, after = (small, large) if auto == "SAME_UPPER" else (large, small)
        return (before[0], before[1], after[0], after[1])
    if auto != "NOTSET":
        raise Unsupported(f"auto_pad {auto!r}", "onnx.invalid")
    values = node.integers("pads")
    if not values:
        return (0, 0, 0, 0)
    if len(values) != 2 * spatial:
        raise Unsupported(f"pads {values} for {spatial} spatial axes", "onnx.invalid")
    if min(values) < 0:
        raise Unsupported(f"negative pads {values}")
    return (values[0], values[1], values[2], values[3]) if spatial == 2 else (0, values[0], 0, values[1])


def _ceil_pads(size: Pair, kernel: Pair, strides: Pair, dilations: Pair, pads: Pads) -> Pair:
    """The padding at the end that makes the count of windows round up; a window never starts in it."""
    extra = []
    for axis in (0, 1):
        extent = (kernel[axis] - 1) * dilations[axis] + 1
        room = size[axis] + pads[axis] + pads[axis + 2] - extent
        count = math.ceil(room / strides[axis]) + 1
        if (count - 1) * strides[axis] >= size[axis] + pads[axis]:
            count -= 1
        extra.append(max(0, (count - 1) * strides[axis] - room))
    return (extra[0], extra[1])
