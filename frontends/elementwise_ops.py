"""Elementwise operators: activation functions and arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cimc.frontends.graph_builder import Unsupported
from cimc.frontends.onnx_node import OnnxNode
from cimc.ir.graph import Dequantize
from cimc.numerics.integers import NARROW, storage_of

Translation = Callable[[OnnxNode], None]


def simple(function: str) -> Translation:
    """An operator that is a Unary function without parameters."""

    def translate(node: OnnxNode) -> None:
        node.unary(function, node.operand(0), node.output)

    return translate


def parametric(function: str, **defaults: float) -> Translation:
    """An operator that is a Unary function of one or two float attributes, with their default values."""

    def translate(node: OnnxNode) -> None:
        values = [node.real(name, default) for name, default in defaults.items()]
        node.unary(function, node.operand(0), node.output, *values)

    return translate


def chain(function: str) -> Translation:
    """An operator of any number of operands that is a chain of one Binary function."""

    def translate(node: OnnxNode) -> None:
        count = len(node.proto.input)
        x = node.operand(0)
        if count == 1:
            node.result(x)
        for index in range(1, count):
            output = node.output if index == count - 1 else node.fresh(f"part{index}")
            x = node.binary(function, x, node.operand(index), output)

    return translate


def mean(node: OnnxNode) -> None:
    """Mean of any number of operands: their sum, scaled."""
    count, x = len(node.proto.input), node.operand(0)
    for index in range(1, count):
        x = node.binary("add", x, node.operand(index), node.fresh(f"part{index}"))
    node.binary("mul", x, node.scalar(1 / count, "factor"), node.output)


def clip(node: OnnxNode) -> None:
    """Clip with attributes (before opset 11) or constant operands."""
    low = node.real_operand("min", 1, -math.inf)
    high = node.real_operand("max", 2, math.inf)
    node.unary("clip", node.operand(0), node.output, low, high)


def prelu(node: OnnxNode) -> None:
    """PRelu with a constant slope."""
    node.known(1, "slope")
    node.binary("prelu", node.operand(0), node.operand(1), node.output)


def pow_(node: OnnxNode) -> None:
    """Pow; the exponents 1, 2, 0.5 and -1 become simpler functions."""
    x, exponent = node.operand(0), node.operand(1)
    array = node.build.array(exponent)
    if array is not None:
        exponent = node.build.constant(node.fresh("exponent"), array.astype(np.float32))
        if array.size == 1 and array.ndim <= len(node.build.shape(x)):
            value = float(array.reshape(()))
            if value == 1.0:
                return node.result(x)
            if value == 2.0:
                node.binary("mul", x, x, node.output)
                return None
            if value in (0.5, -1.0):
                node.unary("sqrt" if value == 0.5 else "reciprocal", x, node.output)
                return None
    node.binary("pow", x, exponent, node.output)
    return None


def gelu(node: OnnxNode) -> None:
    """Gelu, exact or by tanh."""
    x = node.operand(0)
    approximate = node.text("approximate", "none")
    if approximate == "none":
        node.unary("gelu", x, node.output)
        return
    if approximate != "tanh":
        raise Unsupported(f"approximate {approximate!r}", "onnx.invalid")
    tanh_gelu(node, x)


def tanh_gelu(node: OnnxNode, x: str) -> None:
    """0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))."""
    square = node.binary("mul", x, x, node.fresh("square"))
    bent = node.binary("mul", square, node.scalar(0.044715, "cubic"), node.fresh("bent"))
    inner = node.binary("add", bent, node.scalar(1.0, "one"), node.fresh("inner"))
    scaled = node.binary("mul", inner, x, node.fresh("scaled"))
    angle = node.binary("mul", scaled, node.scalar(math.sqrt(2 / math.pi), "root"), node.fresh("angle"))
    curve = node.unary("tanh", angle, node.fresh("tanh"))
    gate = node.binary("add", curve, node.scalar(1.0, "one"), node.fresh("gate"))
    half = node.binary("mul", x, node.scalar(0.5, "half"), node.fresh("half_x"))
    node.binary("mul", half, gate, node.output)


def fast_gelu(node: OnnxNode) -> None:
    """com.microsoft FastGelu: Gelu by tanh, of x plus an optional bias."""
    x = node.operand(0)
    tanh_gelu(node, node.binary("add", x, node.operand(1), node.fresh("biased")) if node.has(1) else x)


def swish(node: OnnxNode) -> None:
    """Swish: x * sigmoid(alpha x)."""
    x, alpha = node.operand(0), node.real("alpha", 1.0)
    inner = x if alpha == 1.0 else node.binary("mul", x, node.scalar(alpha, "alpha"), node.fresh("scaled"))
    node.binary("mul", x, node.unary("sigmoid", inner, node.fresh("sigmoid")), node.output)


def mish(node: OnnxNode) -> None:
    """Mish: x * tanh(softplus(x))."""
    x = node.operand(0)
    soft = node.unary("softplus", x, node.fresh("softplus"))
    node.binary("mul", x, node.unary("tanh", soft, node.fresh("tanh")), node.output)


def elu(node: OnnxNode) -> None:
    """Elu: relu(x) + alpha * (exp(min(x, 0)) - 1)."""
    exponential(node, node.real("alpha", 1.0), 1.0)


def selu(node: OnnxNode) -> None:
    """Selu: a scaled Elu."""
    exponential(node, node.real("alpha", 1.6732632423543772), node.real("gamma", 1.0507009873554805))


def exponential(node: OnnxNode, alpha: float, gamma: float) -> None:
    """gamma * relu(x) + gamma * alpha * (exp(min(x, 0)) - 1)."""
    x = node.operand(0)
    below = node.unary("clip", x, node.fresh("below"), -math.inf, 0.0)
    power = node.unary("exp", below, node.fresh("exp"))
    lowered = node.binary("sub", power, node.scalar(1.0, "one"), node.fresh("lowered"))
    curve = node.binary("mul", lowered, node.scalar(alpha * gamma, "alpha"), node.fresh("curve"))
    above = node.unary("relu", x, node.fresh("relu"))
    if gamma != 1.0:
        above = node.binary("mul", above, node.scalar(gamma, "gamma"), node.fresh("above"))
    node.binary("add", above, curve, node.output)


def softsign(node: OnnxNode) -> None:
    """Softsign: x / (1 + |x|)."""
    x = node.operand(0)
    size = node.unary("abs", x, node.fresh("abs"))
    node.binary("div", x, node.binary("add", size, node.scalar(1.0, "one"), node.fresh("denominator")), node.output)


def identity(node: OnnxNode) -> None:
    """Identity: no node at all."""
    node.result(node.operand(0))


def dropout(node: OnnxNode) -> None:
    """Dropout of a trained network: no node at all."""
    node.only_first_result()
    if node.has(2) and bool(node.known(2, "training_mode").any()):
        raise Unsupported("training_mode is on; export the network for inference")
    node.result(node.operand(0))


def cast(node: OnnxNode) -> None:
    """Cast between floating types (no node) or from a small integer type to float (a Dequantize with scale 1)."""
    _cast_to(node, node.type_attribute("to", 1))


def cast_like(node: OnnxNode) -> None:
    """CastLike: a Cast to the type of the second operand."""
    _cast_to(node, node.build.tensors[node.operand(1)].dtype)


def _cast_to(node: OnnxNode, wanted: str) -> None:
    x = node.operand(0)
    dtype = node.build.tensors[x].dtype
    floats = ("float", "float32", "float16", "double", "bfloat16")
    if wanted == dtype or (dtype == "float32" and wanted in floats):
        node.result(x)
    elif wanted in floats and dtype in (*NARROW, "int8", "uint8", "int16", "uint16", "int32"):
        scale = node.scalar(1.0, "scale")
        zero = node.vector(np.zeros((), storage_of(dtype)), "zero_point", dtype)
        node.emit(Dequantize, (x, scale, zero), node.output, axis=-1)
    else:
        raise Unsupported(f"a cast from {dtype} to {wanted} at run time")
