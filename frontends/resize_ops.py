"""Resize and Upsample by whole factors: every row and column repeated, as copies side by side."""

from __future__ import annotations

import numpy as np

from cimc.frontends.graph_builder import Unsupported
from cimc.frontends.onnx_node import OnnxNode
from cimc.ir.graph import Concat
from cimc.ir.infer_shapes import Shape


def resize(node: OnnxNode) -> None:
    """Resize (and the old Upsample) in mode "nearest" by whole factors: rules that repeat each row equally often."""
    mode = node.text("mode", "nearest")
    if mode != "nearest":
        raise Unsupported(f'mode "{mode}"; only "nearest" by whole factors is supported')
    shape = node.shape(0)
    factors = _factors(node, shape)
    old = node.opset < 11
    rule = "asymmetric" if old else node.text("coordinate_transformation_mode", "half_pixel")
    if rule not in ("half_pixel", "half_pixel_symmetric", "asymmetric"):
        raise Unsupported(f'coordinate_transformation_mode "{rule}"')
    nearest = "floor" if old else node.text("nearest_mode", "round_prefer_floor")
    if nearest != "floor" if rule == "asymmetric" else not nearest.startswith("round"):
        raise Unsupported(f'nearest_mode "{nearest}" with coordinate_transformation_mode "{rule}"')
    _repeat(node, shape, factors)


def _factors(node: OnnxNode, shape: Shape) -> tuple[int, ...]:
    """How often each axis is repeated."""
    if node.integers("axes"):
        raise Unsupported("axes; scales or sizes of every axis are supported")
    index = 1 if node.opset < 11 else 2
    if "scales" in node.attributes:
        scales = tuple(float(scale) for scale in node.attributes["scales"].floats)
    elif node.has(index) and node.known(index, "scales").size:
        scales = tuple(float(scale) for scale in np.asarray(node.known(index, "scales"), np.float64).reshape(-1))
    else:
        sizes = node.integers("sizes", 3) or ()
        scales = tuple(float(size / dim) for size, dim in zip(sizes, shape, strict=False))
    if len(scales) != len(shape) or not all(scale >= 1 and scale.is_integer() for scale in scales):
        raise Unsupported(f"scales {scales} of shape {shape}; whole factors of at least 1 are supported")
    return tuple(int(scale) for scale in scales)


def _repeat(node: OnnxNode, shape: Shape, factors: tuple[int, ...]) -> None:
    """Each axis that grows: an axis of 1 behind it, copies along that, and both made one."""
    x, current = node.operand(0), list(shape)
    growing = [axis for axis, factor in enumerate(factors) if factor > 1]
    for axis in growing:
        column = (*current[: axis + 1], 1, *current[axis + 1 :])
        parted = node.reshape(x, column, node.fresh("parted"))
        copies = node.emit(Concat, (parted,) * factors[axis], node.fresh("copies"), axis=axis + 1)
        current[axis] *= factors[axis]
        output = node.output if axis == growing[-1] else node.fresh("repeated")
        x = node.reshape(copies, tuple(current), output)
    node.result(x)
