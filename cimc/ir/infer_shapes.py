"""The shape and type of every operation's result, from those of its operands. One rule for each Node class.

The frontend builds a Graph with these rules and the verifier recomputes it with them. A breach raises ShapeError; the
frontend turns that into a diagnostic about the file, the verifier into an assertion about ourselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import singledispatch

import numpy as np

from cimc.ir import graph as g
from cimc.ir.graph import Node, Tensor
from cimc.numerics.functions import BINARY_FUNCTIONS, UNARY_FUNCTIONS

Shape = tuple[int, ...]
Kind = tuple[Shape, str]
"""Shape and dtype."""


class ShapeError(ValueError):
    """The operands of an operation do not fit together."""


def result_of(node: Node, operands: Sequence[Tensor], declared: Shape | None = None) -> Tensor:
    """The Tensor that a node of one result makes of its operands; `declared` is the wanted shape of a Reshape."""
    (only,) = results_of(node, operands, declared)
    return only


def results_of(node: Node, operands: Sequence[Tensor], declared: Shape | None = None) -> tuple[Tensor, ...]:
    """All Tensors that `node` makes of its operands; `declared` is the wanted shape of a Reshape."""
    if isinstance(node, g.Reshape):
        _need(declared is not None, "a Reshape needs its result's shape")
        assert declared is not None
        source = operands[0]
        same = math.prod(source.shape) == math.prod(declared)
        _need(same, f"a tensor of shape {source.shape} cannot be reshaped to {declared}")
        return (Tensor(node.output, declared, source.dtype),)
    found = infer(node, operands)
    made = found if isinstance(found, list) else [found]
    return tuple(Tensor(name, shape, dtype) for name, (shape, dtype) in zip(node.outputs, made, strict=True))


@singledispatch
def infer(node: Node, operands: Sequence[Tensor]) -> Kind | list[Kind]:
    """Shape and dtype of the node's result, of each where it has several; one registered rule for each Node class."""
    raise AssertionError(f"no shape rule for {type(node).__name__}")


@infer.register
def _conv(node: g.Conv, operands: Sequence[Tensor]) -> Kind:
    x, weight = operands[0], operands[1]
    _floats(operands)
    _need(
        len(x.shape) == 4 and len(weight.shape) == 4, f"Conv of shapes {x.shape} and {weight.shape}: both need 4 axes"
    )
    outputs, inputs_per_group = weight.shape[:2]
    _need(
        x.shape[1] == inputs_per_group * node.groups,
        f"Conv of {x.shape[1]} input channels by a weight of shape {weight.shape} in {node.groups} group(s)",
    )
    _need(outputs % node.groups == 0, f"{outputs} output channels do not divide into {node.groups} groups")
    if len(operands) > 2:
        _need(operands[2].shape == (outputs,), f"bias of shape {operands[2].shape} for {outputs} output channels")
    return (x.shape[0], outputs, *window_counts(node, x.shape[2:], weight.shape[2:])), "float32"


@infer.register
def _pool(node: g.Pool, operands: Sequence[Tensor]) -> Kind:
    (x,) = operands
    _need(len(x.shape) == 4, f"pooling of shape {x.shape}: it needs 4 axes")
    _need(node.kind in ("max", "average"), f"unknown kind of pooling {node.kind!r}")
    if node.kind == "average":
        _floats(operands)
    return (*x.shape[:2], *window_counts(node, x.shape[2:], node.kernel)), x.dtype


def window_counts(node: g.Conv | g.Pool, size: Shape, kernel: Shape) -> Shape:
    """How many windows fit along each of the two axes of a map of `size` (height, width)."""
    counts = []
    for axis in (0, 1):
        extent = (kernel[axis] - 1) * node.dilations[axis] + 1
        room = size[axis] + node.pads[axis] + node.pads[axis + 2] - extent
        _need(room >= 0, f"a window of {extent} does not fit into {size[axis]} padded by {node.pads}")
        counts.append(room // node.strides[axis] + 1)
    return tuple(counts)


@infer.register
def _matmul(node: g.MatMul, operands: Sequence[Tensor]) -> Kind:
    x, weight = operands[0], operands[1]
    _floats(operands)
    _need(
        len(x.shape) >= 2 and len(weight.shape) == 2 and x.shape[-1] == weight.shape[0],
        f"a matrix product of shapes {x.shape} and {weight.shape}",
    )
    if len(operands) > 2:
        _need(operands[2].shape == weight.shape[1:], f"bias of shape {operands[2].shape} for {weight.shape[1]} columns")
    return (*x.shape[:-1], weight.shape[1]), "float32"


@infer.register
def _matmul_dynamic(node: g.MatMulDynamic, operands: Sequence[Tensor]) -> Kind:
    a, b = (operand.shape for operand in operands)
    _floats(operands)
    _need(len(a) >= 2 and len(b) >= 2 and a[-1] == b[-2], f"a matrix product of shapes {a} and {b}")
    return (*_broadcast(a[:-2], b[:-2]), a[-2], b[-1]), "float32"


@infer.register
def _unary(node: g.Unary, operands: Sequence[Tensor]) -> Kind:
    _need(node.function in UNARY_FUNCTIONS, f"unknown function {node.function!r}")
    if node.function != "identity":
        _floats(operands)
    return operands[0].shape, operands[0].dtype


@infer.register
def _binary(node: g.Binary, operands: Sequence[Tensor]) -> Kind:
    _need(node.function in BINARY_FUNCTIONS, f"unknown function {node.function!r}")
    _floats(operands)
    return _broadcast(operands[0].shape, operands[1].shape), "float32"


@infer.register
def _batch_norm(node: g.BatchNorm, operands: Sequence[Tensor]) -> Kind:
    _floats(operands)
    x = operands[0].shape
    _need(len(x) >= 2, f"batch normalisation of shape {x}: it needs a channel axis")
    for parameter in operands[1:]:
        _need(parameter.shape == x[1:2], f'"{parameter.name}" has shape {parameter.shape} for {x[1]} channels')
    return x, "float32"


@infer.register
def _softmax(node: g.Softmax, operands: Sequence[Tensor]) -> Kind:
    _floats(operands)
    _need(0 <= node.axis < len(operands[0].shape), f"axis {node.axis} of shape {operands[0].shape}")
    return operands[0].shape, "float32"


@infer.register
def _reduce(node: g.Reduce, operands: Sequence[Tensor]) -> Kind:
    _floats(operands)
    x = operands[0].shape
    _need(node.kind in ("mean", "sum", "max"), f"unknown kind of reduction {node.kind!r}")
    _need(all(0 <= axis < len(x) for axis in node.axes), f"axes {node.axes} of shape {x}")
    if node.keepdims:
        return tuple(1 if axis in node.axes else dim for axis, dim in enumerate(x)), "float32"
    return tuple(dim for axis, dim in enumerate(x) if axis not in node.axes), "float32"


@infer.register
def _concat(node: g.Concat, operands: Sequence[Tensor]) -> Kind:
    first, at = operands[0], node.axis
    _need(0 <= at < len(first.shape), f"axis {at} of shape {first.shape}")
    for other in operands[1:]:
        _need(
            len(other.shape) == len(first.shape)
            and other.shape[:at] + other.shape[at + 1 :] == first.shape[:at] + first.shape[at + 1 :],
            f"concatenation of shapes {first.shape} and {other.shape} along axis {at}",
        )
        _need(other.dtype == first.dtype, f"concatenation of {first.dtype} and {other.dtype}")
    return (*first.shape[:at], sum(operand.shape[at] for operand in operands), *first.shape[at + 1 :]), first.dtype


@infer.register
def _slice(node: g.Slice, operands: Sequence[Tensor]) -> Kind:
    x = operands[0]
    _need(len(node.ranges) == len(x.shape), f"{len(node.ranges)} ranges for shape {x.shape}")
    shape = tuple(
        len(range(*slice(start, stop, step).indices(dim)))
        for (start, stop, step), dim in zip(node.ranges, x.shape, strict=True)
    )
    _need(all(shape), f"an empty slice of shape {x.shape}")
    return shape, x.dtype


@infer.register
def _pad(node: g.Pad, operands: Sequence[Tensor]) -> Kind:
    x = operands[0]
    _need(len(node.pads) == len(x.shape), f"{len(node.pads)} pads for shape {x.shape}")
    _need(all(before >= 0 and after >= 0 for before, after in node.pads), f"negative pads {node.pads}")
    return tuple(before + dim + after for dim, (before, after) in zip(x.shape, node.pads, strict=True)), x.dtype


@infer.register
def _transpose(node: g.Transpose, operands: Sequence[Tensor]) -> Kind:
    x = operands[0]
    _need(sorted(node.perm) == list(range(len(x.shape))), f"permutation {node.perm} of shape {x.shape}")
    return tuple(x.shape[axis] for axis in node.perm), x.dtype


@infer.register
def _quantize(node: g.Quantize, operands: Sequence[Tensor]) -> Kind:
    x, scale, zero_point = operands
    _floats([x, scale])
    _quantisation_parameters(x.shape, node.axis, scale, zero_point)
    return x.shape, zero_point.dtype


@infer.register
def _dequantize(node: g.Dequantize, operands: Sequence[Tensor]) -> Kind:
    x, scale, zero_point = operands
    _floats([scale])
    _need(x.dtype == zero_point.dtype, f"a value of type {x.dtype} with a zero point of type {zero_point.dtype}")
    _need(x.dtype not in ("float32", "bool"), f"dequantisation of {x.dtype}")
    _quantisation_parameters(x.shape, node.axis, scale, zero_point)
    return x.shape, "float32"


def _quantisation_parameters(shape: Shape, axis: int, scale: Tensor, zero_point: Tensor) -> None:
    _need(-1 <= axis < len(shape), f"axis {axis} of shape {shape}")
    wanted: Shape = () if axis == -1 else (shape[axis],)
    _need(scale.shape == wanted, f"a scale of shape {scale.shape} where {wanted} is needed")
    _need(zero_point.shape == wanted, f"a zero point of shape {zero_point.shape} where {wanted} is needed")


def _broadcast(a: Shape, b: Shape) -> Shape:
    try:
        return np.broadcast_shapes(a, b)
    except ValueError as error:
        raise ShapeError(f"shapes {a} and {b} cannot be broadcast together") from error


def _floats(operands: Sequence[Tensor]) -> None:
    for operand in operands:
        _need(operand.dtype == "float32", f'arithmetic on "{operand.name}" of type {operand.dtype}')


def _need(condition: bool, message: str) -> None:
    if not condition:
        raise ShapeError(message)
