"""Quantisation: QuantizeLinear and DequantizeLinear as they are, QOperator nodes as Dequantize, operation, Quantize."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cimc.frontends.graph_builder import Unsupported
from cimc.frontends.matrix_ops import general_product
from cimc.frontends.onnx_node import OnnxNode, positive_axis
from cimc.frontends.windows_ops import convolution
from cimc.ir.graph import Array, Concat, Dequantize, Quantize, Softmax
from cimc.numerics.integers import NARROW, storage_of

QUANTISED = (*NARROW, "int8", "uint8", "int16", "uint16")

SCALES = (2.0**-60, 2.0**60)
"""Of activations: products and quotients of two scales, and of a scale and a weight's, stay normal float32 numbers."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Graph constants that say how a tensor is quantised. axis: -1 for one scale."""

    scale: str
    zero_point: str
    axis: int


def quantize_linear(node: OnnxNode) -> None:
    """QuantizeLinear with constant scale and zero point."""
    dtype = "uint8"
    if node.integer("output_dtype", 0):
        dtype = node.type_attribute("output_dtype", 0)
    if node.has(2):
        dtype = node.build.tensors[node.operand(2)].dtype
    quantise(node, node.operand(0), node.output, parameters(node, 0, 1, 2, dtype, node.integer("axis", 1)))


def dequantize_linear(node: OnnxNode) -> None:
    """DequantizeLinear with constant scale and zero point, of an activation or a constant."""
    x = node.operand(0)
    chosen = parameters(node, 0, 1, 2, node.build.tensors[x].dtype, node.integer("axis", 1))
    dequantise(node, x, node.output, chosen)


def parameters(node: OnnxNode, x: int, scale: int, zero_point: int, dtype: str, axis: int) -> Parameters:
    """The quantisation of operand `x` by operands `scale` and `zero_point`; `dtype` where there is no zero point."""
    if node.integer("block_size", 0):
        what = "one scale, or one for each index of an axis, is supported"
        raise Unsupported(f"blocked quantisation (block_size); {what}")
    if node.has(zero_point):
        dtype = node.build.tensors[node.operand(zero_point)].dtype
    if dtype not in (*QUANTISED, "int32"):
        raise Unsupported(f"quantisation to {dtype}; supported: {', '.join(QUANTISED)}")
    if node.known(scale, "scale").dtype.kind != "f":
        raise Unsupported(f'the scale "{node.proto.input[scale]}" is no floating number', "onnx.invalid")
    scales = np.asarray(node.known(scale, "scale"), np.float32)
    if not (np.isfinite(scales).all() and (scales > 0).all()):
        raise Unsupported(f'the scale "{node.proto.input[scale]}" is not positive everywhere', "onnx.nan")
    if not node.build.is_known(node.operand(x)) and not (SCALES[0] <= scales.min() <= scales.max() <= SCALES[1]):
        what = f'the scale "{node.proto.input[scale]}" is {scales.min():.3g}: products with it leave float32\'s range'
        raise Unsupported(what, "onnx.range", "quantise the network again: no calibrated range is as small or large")
    shape = node.shape(x)
    if scales.ndim > 1 and scales.size > 1:
        raise Unsupported(f"a scale of shape {scales.shape}; one axis is supported")
    at = positive_axis(axis, len(shape)) if scales.size > 1 else -1
    wanted = (scales.size,) if at >= 0 else ()
    zeros = np.zeros(wanted, storage_of(dtype))
    if node.has(zero_point):
        given = node.known(zero_point, "zero point")
        if given.size not in (1, scales.size):
            raise Unsupported(f"{given.size} zero points for {scales.size} scales", "onnx.shape")
        zeros = np.broadcast_to(given.reshape(wanted if given.size == scales.size else ()), wanted)
    held = _constant(node, scale, scales.reshape(wanted), "scale")
    return Parameters(held, _constant(node, zero_point, zeros, "zero_point", dtype), at)


def _constant(node: OnnxNode, index: int, array: Array, suffix: str, dtype: str = "") -> str:
    """Operand `index` where it holds exactly `array`, else a new constant."""
    if node.has(index):
        name = node.operand(index)
        held = node.build.constants.get(name)
        if held is not None and held.shape == array.shape and held.dtype == array.dtype:
            return name
    return node.vector(array, suffix, dtype)


def quantise(node: OnnxNode, x: str, output: str, by: Parameters) -> str:
    """Emits a Quantize."""
    if node.build.tensors[by.zero_point].dtype not in QUANTISED:
        raise Unsupported(f"quantisation to {node.build.tensors[by.zero_point].dtype}")
    return node.emit(Quantize, (x, by.scale, by.zero_point), output, axis=by.axis)


def dequantise(node: OnnxNode, x: str, output: str, by: Parameters) -> str:
    """Emits a Dequantize."""
    return node.emit(Dequantize, (x, by.scale, by.zero_point), output, axis=by.axis)


def _read(node: OnnxNode, x: int, axis: int = -1) -> str:
    """Operand x with its scale and zero point behind it, dequantised."""
    by = parameters(node, x, x + 1, x + 2, node.build.tensors[node.operand(x)].dtype, axis)
    return dequantise(node, node.operand(x), node.fresh(f"operand{x}"), by)


def _written(node: OnnxNode, make: Callable[[str], object], scale: int, x: int = 0) -> None:
    """What `make` makes under a name, quantised by operands `scale` and `scale` + 1 into the node's result. x: an
    operand of as many axes."""
    real = node.fresh("real")
    make(real)
    by = parameters(node, x, scale, scale + 1, "uint8", 0)
    if by.axis != -1:
        raise Unsupported("a result with a scale for each channel")
    quantise(node, real, node.output, by)


def _bias(node: OnnxNode, index: int, scale: Array) -> str | None:
    """The int32 bias at operand `index`, dequantised by x_scale * w_scale."""
    if not node.has(index):
        return None
    array = np.asarray(node.known(index, "bias"))
    if array.dtype != np.int32:
        raise Unsupported(f"a bias of type {array.dtype}, not int32", "onnx.invalid")
    flat = array.reshape(-1)
    integers = node.operand(index) if array.shape == flat.shape else node.vector(flat, "bias_integers")
    axis = 0 if scale.size > 1 else -1
    wanted = (scale.size,) if axis == 0 else ()
    if axis == 0 and flat.shape != wanted:
        raise Unsupported(f"a bias of shape {array.shape} for {scale.size} scales", "onnx.shape")
    name, zero = node.vector(scale.reshape(wanted), "bias_scale"), node.vector(np.zeros(wanted, np.int32), "bias_zero")
    return dequantise(node, integers, node.fresh("bias"), Parameters(name, zero, axis))


def _product_scale(node: OnnxNode, x: int, w: int) -> npt.NDArray[np.float32]:
    a, b = (np.asarray(node.known(index, "scale"), np.float32) for index in (x, w))
    return a.reshape(-1)[:1] * b.reshape(-1)


def qlinear_conv(node: OnnxNode) -> None:
    """QLinearConv: x, w (one scale, or one for each output channel), int32 bias."""
    x, weight = _read(node, 0), _read(node, 3, 0)
    bias = _bias(node, 8, _product_scale(node, 1, 4))
    _written(node, lambda real: convolution(node, x, weight, bias, real), 6)


def qlinear(make: Callable[..., object], count: int) -> Callable[[OnnxNode], None]:
    """An operator of so many operands, each with scale and zero point behind it, and those of the result last. make:
    the operation, from the node, the operands as real numbers, and the result's name."""

    def translate(node: OnnxNode) -> None:
        operands = [_read(node, 3 * index) for index in range(count)]
        _written(node, lambda real: make(node, *operands, real), 3 * count)

    return translate


def qgemm(node: OnnxNode) -> None:
    """com.microsoft QGemm; without an output scale its result is float."""
    a, b = _read(node, 0), _read(node, 3, 0 if node.integer("transB", 0) else 1)
    bias = _bias(node, 6, _product_scale(node, 1, 4) * np.float32(node.real("alpha", 1.0)))
    if node.has(7):
        _written(node, lambda real: general_product(node, a, b, bias, real), 7)
    else:
        general_product(node, a, b, bias, node.output)


def qlinear_binary(function: str) -> Callable[[OnnxNode], None]:
    """com.microsoft QLinearAdd and QLinearMul."""
    return qlinear(lambda node, a, b, real: node.binary(function, a, b, real), 2)


def qlinear_unary(function: str, **defaults: float) -> Callable[[OnnxNode], None]:
    """com.microsoft QLinearSigmoid and QLinearLeakyRelu."""
    return qlinear(lambda node, x, real: node.unary(function, x, real, *node.reals(defaults)), 1)


def qlinear_pool(pool: Callable[[OnnxNode, str, str, str], None]) -> Callable[[OnnxNode], None]:
    """com.microsoft QLinearAveragePool and QLinearGlobalAveragePool, channels first."""

    def make(node: OnnxNode, x: str, real: str) -> None:
        if node.integer("channels_last", 0):
            raise Unsupported("channels_last is on")
        pool(node, x, "average", real)

    return qlinear(make, 1)


def softmax(node: OnnxNode, x: str, real: str) -> None:
    """com.microsoft QLinearSoftmax along its axis."""
    shape = node.build.shape(x)
    axis = node.axis(-1, len(shape))
    if node.integer("opset", 13) < 13 and any(dim > 1 for dim in shape[axis + 1 :]):
        raise Unsupported("the flattening softmax of opset 12 and before")
    node.emit(Softmax, (x,), real, axis=axis)


def qlinear_concat(node: OnnxNode) -> None:
    """com.microsoft QLinearConcat: y scale and zero point first, then x, scale, zero point for each operand."""
    parts = tuple(_read(node, index) for index in range(2, len(node.proto.input), 3))
    axis = node.axis(1, len(node.shape(2)))
    _written(node, lambda real: node.emit(Concat, parts, real, axis=axis), 0, x=2)
