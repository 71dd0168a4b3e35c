"""The meaning of a Graph: a float32 reference evaluator, vectorised over lanes.

Every array carries a lane axis in front of the Graph tensor's shape: (lanes, *shape). Constants have one lane and
broadcast. onnxruntime is compared with this evaluator, and every later stage too.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from functools import singledispatch

import numpy as np
import numpy.typing as npt

from cimc.ir import graph as g
from cimc.ir.graph import Array, Graph, Node, Tensor
from cimc.ir.lanes import lanes_of
from cimc.ir.windows import convolve, multiply, pool
from cimc.numerics.functions import BINARY_FUNCTIONS, UNARY_FUNCTIONS
from cimc.numerics.integers import integer_range, storage_of
from cimc.numerics.quant import round_clamped

__all__ = ["apply", "evaluate", "lanes_of", "results_of"]

Floats = npt.NDArray[np.float32]


def evaluate(graph: Graph, inputs: Mapping[str, Array], keep: Container[str] | None = None) -> dict[str, Array]:
    """The tensors named in `keep` (None: the graph's outputs), each (lanes, *shape).

    inputs: one array for each graph input, (lanes, *shape), as `lanes_of` makes them.
    """
    kept: Container[str] = graph.outputs if keep is None else keep
    values: dict[str, Array] = {name: inputs[name] for name in graph.inputs}
    lanes = max((len(value) for value in values.values()), default=1)
    last_use = {name: index for index, node in enumerate(graph.nodes) for name in node.inputs}
    result = {name: value for name, value in values.items() if name in kept}
    for index, node in enumerate(graph.nodes):
        operands = [graph.constants[name][None] if name in graph.constants else values[name] for name in node.inputs]
        with np.errstate(all="ignore"):
            made = results_of(node, operands, [graph.tensors[name] for name in node.outputs])
        for name, value in zip(node.outputs, made, strict=True):
            values[name] = value
            if name in kept:
                result[name] = value if len(value) == lanes else np.repeat(value, lanes, axis=0)
        for name in (*node.inputs, *node.outputs):
            if last_use.get(name, index) <= index:
                values.pop(name, None)
    return result


def results_of(node: Node, operands: Sequence[Array], tensors: Sequence[Tensor]) -> tuple[Array, ...]:
    """All results of one operation on (lanes, *shape) arrays. tensors: what they are declared as."""
    made = apply(node, operands, *tensors)
    return made if isinstance(made, tuple) else (made,)


@singledispatch
def apply(node: Node, operands: Sequence[Array], *results: Tensor) -> Array | tuple[Array, ...]:
    """The result of one operation, or all where it has several; one registered handler for each Node class."""
    raise AssertionError(f"no evaluator for {type(node).__name__}")


@apply.register
def _conv(node: g.Conv, operands: Sequence[Array], result: Tensor) -> Array:
    x, weight, *bias = (_floats(operand) for operand in operands)
    return convolve(node, x, weight[0], bias[0][0] if bias else None, (result.shape[2], result.shape[3]))


@apply.register
def _pool(node: g.Pool, operands: Sequence[Array], result: Tensor) -> Array:
    return pool(node, operands[0], (result.shape[2], result.shape[3]))


@apply.register
def _matmul(node: g.MatMul, operands: Sequence[Array], result: Tensor) -> Array:
    x, weight, *bias = (_floats(operand) for operand in operands)
    flat: Floats = multiply(x.reshape(-1, x.shape[-1]), weight[0]).astype(np.float32)
    if bias:
        flat += bias[0][0]
    return flat.reshape(*x.shape[:-1], weight.shape[-1])


@apply.register
def _matmul_dynamic(node: g.MatMulDynamic, operands: Sequence[Array], result: Tensor) -> Array:
    a, b = _aligned(_floats(operands[0]), _floats(operands[1]))
    return multiply(a, b).astype(np.float32)


@apply.register
def _unary(node: g.Unary, operands: Sequence[Array], result: Tensor) -> Array:
    if node.function == "identity":
        return operands[0]
    return np.asarray(UNARY_FUNCTIONS[node.function](_floats(operands[0]), node.a, node.b), np.float32)


@apply.register
def _binary(node: g.Binary, operands: Sequence[Array], result: Tensor) -> Array:
    a, b = _aligned(_floats(operands[0]), _floats(operands[1]))
    return np.asarray(BINARY_FUNCTIONS[node.function](a, b), np.float32)


@apply.register
def _batch_norm(node: g.BatchNorm, operands: Sequence[Array], result: Tensor) -> Array:
    x, scale, shift, mean, variance = (_floats(operand) for operand in operands)
    factor = scale[0] / np.sqrt(variance[0] + np.float32(node.epsilon))
    column = (-1, *(1 for _ in x.shape[3:]))
    normalised: Floats = (x - mean[0].reshape(column)) * factor.reshape(column) + shift[0].reshape(column)
    return normalised


@apply.register
def _softmax(node: g.Softmax, operands: Sequence[Array], result: Tensor) -> Array:
    x = _floats(operands[0])
    powers = UNARY_FUNCTIONS["exp"](x - x.max(axis=node.axis + 1, keepdims=True), 0.0, 0.0)
    powers /= powers.sum(axis=node.axis + 1, keepdims=True, dtype=np.float32)
    return powers


@apply.register
def _reduce(node: g.Reduce, operands: Sequence[Array], result: Tensor) -> Array:
    x, axes = _floats(operands[0]), tuple(axis + 1 for axis in node.axes)
    if node.kind == "max":
        return np.asarray(np.max(x, axis=axes, keepdims=node.keepdims))
    if node.kind == "sum":
        return np.asarray(np.sum(x, axis=axes, keepdims=node.keepdims, dtype=np.float32))
    return np.asarray(np.mean(x, axis=axes, keepdims=node.keepdims, dtype=np.float32))


@apply.register
def _concat(node: g.Concat, operands: Sequence[Array], result: Tensor) -> Array:
    lanes = max(len(operand) for operand in operands)
    parts = [np.broadcast_to(operand, (lanes, *operand.shape[1:])) for operand in operands]
    return np.concatenate(parts, axis=node.axis + 1)


@apply.register
def _slice(node: g.Slice, operands: Sequence[Array], result: Tensor) -> Array:
    return operands[0][(slice(None), *(slice(*bounds) for bounds in node.ranges))]


@apply.register
def _pad(node: g.Pad, operands: Sequence[Array], result: Tensor) -> Array:
    return np.pad(operands[0], ((0, 0), *node.pads), constant_values=node.value)


@apply.register
def _reshape(node: g.Reshape, operands: Sequence[Array], result: Tensor) -> Array:
    return operands[0].reshape(len(operands[0]), *result.shape)


@apply.register
def _transpose(node: g.Transpose, operands: Sequence[Array], result: Tensor) -> Array:
    return operands[0].transpose(0, *(axis + 1 for axis in node.perm))


@apply.register
def _quantize(node: g.Quantize, operands: Sequence[Array], result: Tensor) -> Array:
    x, scale, zero_point = _floats(operands[0]), _floats(operands[1])[0], operands[2][0]
    (least, most), stored = integer_range(result.dtype), storage_of(result.dtype)
    if node.axis == -1:
        return round_clamped(x / scale, int(zero_point), least, most).astype(stored)
    parts = [
        round_clamped(part / one_scale, int(zero), least, most).astype(stored)
        for part, one_scale, zero in zip(np.moveaxis(x, node.axis + 1, 0), scale, zero_point, strict=True)
    ]
    return np.stack(parts, axis=node.axis + 1)


@apply.register
def _dequantize(node: g.Dequantize, operands: Sequence[Array], result: Tensor) -> Array:
    x, scale, zero_point = operands
    column = () if node.axis == -1 else tuple(-1 if at == node.axis + 1 else 1 for at in range(x.ndim))
    steps = x.astype(np.int64) - zero_point[0].astype(np.int64).reshape(column)
    return np.asarray(steps.astype(np.float32) * _floats(scale)[0].reshape(column), np.float32)


def _aligned(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Both with as many axes: ones are inserted after the lane axis, as numpy inserts them in front."""
    rank = max(a.ndim, b.ndim)
    return (
        a.reshape(len(a), *(1,) * (rank - a.ndim), *a.shape[1:]),
        b.reshape(len(b), *(1,) * (rank - b.ndim), *b.shape[1:]),
    )


def _floats(array: Array) -> Floats:
    assert array.dtype == np.float32, array.dtype
    return array.view(np.float32)
