"""Normalisations, softmax and reductions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cimc.frontends.graph_builder import Unsupported
from cimc.frontends.onnx_node import OnnxNode, positive_axis
from cimc.frontends.windows_ops import global_pooling
from cimc.ir.graph import BatchNorm, Pool, Reduce, Softmax


def batch_normalization(node: OnnxNode) -> None:
    """BatchNormalization in inference, with constant parameters."""
    node.only_first_result()
    if node.integer("training_mode", 0):
        raise Unsupported("training_mode is on; export the network for inference")
    if not node.integer("spatial", 1):
        raise Unsupported("spatial is 0 (statistics for every element); only per channel is supported")
    names = []
    for index, what in enumerate(("scale", "B", "mean", "var"), 1):
        array = node.known(index, what)
        name = node.operand(index)
        names.append(name if name in node.build.constants else node.vector(array, what))
    epsilon = node.real("epsilon", 1e-5)
    if not (np.asarray(node.build.constants[names[3]], np.float32) + np.float32(epsilon) > 0).all():
        raise Unsupported("variance + epsilon is not positive everywhere", "onnx.nan")
    inputs = (node.operand(0), *names)
    node.emit(BatchNorm, inputs, node.output, epsilon=epsilon)


def layer_normalization(node: OnnxNode) -> None:
    """LayerNormalization, written out: (x - mean) / sqrt(mean of squares + epsilon) * scale + bias."""
    node.only_first_result()
    x, rank = node.operand(0), len(node.shape(0))
    axes = tuple(range(node.axis(-1, rank), rank))
    y = _by_deviation(node, _centred(node, x, axes), axes)
    last = not node.has(2)
    y = node.binary("mul", y, node.operand(1), node.output if last else node.fresh("scaled"))
    if not last:
        node.binary("add", y, node.operand(2), node.output)


def rms_normalization(node: OnnxNode) -> None:
    """RMSNormalization, written out."""
    x, rank = node.operand(0), len(node.shape(0))
    y = _by_deviation(node, x, tuple(range(node.axis(-1, rank), rank)))
    node.binary("mul", y, node.operand(1), node.output)


def instance_normalization(node: OnnxNode) -> None:
    """InstanceNormalization, written out: statistics of each channel of each image."""
    x = node.operand(0)
    shape = node.build.shape(x)
    if len(shape) < 3:
        raise Unsupported(f"shape {shape} has no spatial axes", "onnx.shape")
    axes = tuple(range(2, len(shape)))
    y = _by_deviation(node, _centred(node, x, axes), axes)
    column = (shape[1], *(1 for _ in axes))
    node.known(1, "scale")
    node.known(2, "B")
    scale, shift = (node.build.reshape_known(node.operand(index), column, node.origin) for index in (1, 2))
    y = node.binary("mul", y, scale, node.fresh("scaled"))
    node.binary("add", y, shift, node.output)


def lrn(node: OnnxNode) -> None:
    """LRN: x / (bias + alpha * mean of squares over neighbouring channels) ^ beta; the mean is an average pool."""
    x = node.operand(0)
    shape = node.build.shape(x)
    size = node.integer("size", 0)
    if len(shape) < 2 or size < 1:
        raise Unsupported(f"size {size} for shape {shape}", "onnx.invalid")
    square = node.binary("mul", x, x, node.fresh("square"))
    rows = node.reshape(square, (shape[0], 1, shape[1], math.prod(shape[2:])), node.fresh("rows"))
    pads = ((size - 1) // 2, 0, size - 1 - (size - 1) // 2, 0)
    pooled = node.emit(
        Pool,
        (rows,),
        node.fresh("pooled"),
        kind="average",
        kernel=(size, 1),
        strides=(1, 1),
        pads=pads,
        count_include_pad=True,
    )
    means = node.reshape(pooled, shape, node.fresh("means"))
    scaled = node.binary("mul", means, node.scalar(node.real("alpha", 1e-4), "alpha"), node.fresh("scaled"))
    raised = node.binary("add", scaled, node.scalar(node.real("bias", 1.0), "bias"), node.fresh("raised"))
    divisor = node.binary("pow", raised, node.scalar(node.real("beta", 0.75), "beta"), node.fresh("divisor"))
    node.binary("div", x, divisor, node.output)


def log_softmax(node: OnnxNode) -> None:
    """LogSoftmax, written out so that nothing underflows: z - log(sum(exp(z))), z = x - max(x)."""
    x = node.operand(0)
    shape = node.build.shape(x)
    rank = len(shape)
    axes = (node.axis(-1, rank),) if node.opset >= 13 else tuple(range(node.axis(1, rank), rank))
    z = node.binary("sub", x, _reduced(node, "max", x, axes, node.fresh("max")), node.fresh("shifted"))
    total = _reduced(node, "sum", node.unary("exp", z, node.fresh("exp")), axes, node.fresh("total"))
    node.binary("sub", z, node.unary("log", total, node.fresh("log")), node.output)


def softmax(node: OnnxNode) -> None:
    """Softmax; before opset 13 over all axes from `axis` on, flattened."""
    x, shape = node.operand(0), node.shape(0)
    if node.opset >= 13:
        axis = node.axis(-1, len(shape))
    else:
        first = node.axis(1, len(shape))
        wide = [at for at in range(first, len(shape)) if shape[at] > 1]
        if len(wide) > 1:
            flat = node.reshape(x, (math.prod(shape[:first]), math.prod(shape[first:])), node.fresh("flat"))
            node.reshape(node.emit(Softmax, (flat,), node.fresh("softmax"), axis=1), shape, node.output)
            return
        axis = wide[0] if wide else first
    node.emit(Softmax, (x,), node.output, axis=axis)


def reduce_(kind: str) -> Callable[[OnnxNode], None]:
    """ReduceMean, ReduceSum, ReduceMax; a mean or maximum over a whole map becomes a global Pool."""

    def translate(node: OnnxNode) -> None:
        x, keepdims = node.operand(0), bool(node.integer("keepdims", 1))
        axes = _axes(node, x)
        shape = node.build.shape(x)
        if not axes:
            node.result(x)
        elif kind != "sum" and len(shape) == 4 and axes == (2, 3):
            pooled = node.output if keepdims else node.fresh("pooled")
            global_pooling(node, x, "average" if kind == "mean" else "max", pooled)
            if not keepdims:
                node.reshape(pooled, shape[:2], node.output)
        else:
            _reduced(node, kind, x, axes, node.output, keepdims)

    return translate


def reduce_min(node: OnnxNode) -> None:
    """ReduceMin: minus the maximum of minus x."""
    x = node.unary("neg", node.operand(0), node.fresh("negated"))
    y = _reduced(node, "max", x, _axes(node, x), node.fresh("max"), bool(node.integer("keepdims", 1)))
    node.unary("neg", y, node.output)


def reduce_of(before: str, after: str) -> Callable[[OnnxNode], None]:
    """A sum of a function of x ("abs" or "square"), then a Unary function ("identity" for none)."""

    def translate(node: OnnxNode) -> None:
        x, keepdims, last = node.operand(0), bool(node.integer("keepdims", 1)), after == "identity"
        axes, made = _axes(node, x), node.fresh(before)
        y = node.unary("abs", x, made) if before == "abs" else node.binary("mul", x, x, made)
        y = _reduced(node, "sum", y, axes, node.output if last else node.fresh("sum"), keepdims)
        if not last:
            node.unary(after, y, node.output)

    return translate


def _axes(node: OnnxNode, x: str) -> tuple[int, ...]:
    """The axes to reduce over, sorted; none where the operator says that empty axes mean no reduction."""
    rank = len(node.build.shape(x))
    stated = node.integers("axes", 1)
    if stated:
        return tuple(sorted({positive_axis(axis, rank) for axis in stated}))
    return () if node.integer("noop_with_empty_axes", 0) else tuple(range(rank))


def _reduced(node: OnnxNode, kind: str, x: str, axes: tuple[int, ...], output: str, keepdims: bool = True) -> str:
    return node.emit(Reduce, (x,), output, kind=kind, axes=axes, keepdims=keepdims)


def _centred(node: OnnxNode, x: str, axes: tuple[int, ...]) -> str:
    """x - mean(x)."""
    return node.binary("sub", x, _reduced(node, "mean", x, axes, node.fresh("mean")), node.fresh("centred"))


def _by_deviation(node: OnnxNode, x: str, axes: tuple[int, ...]) -> str:
    """x / sqrt(mean(x^2) + epsilon)."""
    square = node.binary("mul", x, x, node.fresh("square"))
    variance = _reduced(node, "mean", square, axes, node.fresh("variance"))
    epsilon = node.scalar(node.real("epsilon", 1e-5), "epsilon")
    raised = node.binary("add", variance, epsilon, node.fresh("raised"))
    deviation = node.unary("sqrt", raised, node.fresh("deviation"))
    return node.binary("div", x, deviation, node.fresh("normalised"))
