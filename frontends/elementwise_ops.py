"""Elementwise operators: activation functions and arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cimc.frontends.graph_builder import Unsupported
from cimc.frontends.onnx_node import OnnxNode
from cimc.ir.graph import Dequantize
from cimc.numerics.integers import NARROW, storage_of

Translation = Callable[[OnnxNode], object]


def unary(function: str, **defaults: float) -> Translation:
    """An operator that is a Unary function, of up to two float attributes with these default values."""
    return lambda node: node.unary(function, node.operand(0), node.output, *node.reals(defaults))


def chain(function: str) -> Translation:
    """An operator of any number of operands that is a chain of one Binary function."""
    return lambda node: node.result(_chained(node, function, node.output))


def mean(node: OnnxNode) -> None:
    """Mean of any number of operands: their sum, scaled."""
    count = len(node.proto.input)
    total = _chained(node, "add", node.fresh(f"part{count - 1}"))
    node.binary("mul", total, node.scalar(1 / count, "factor"), node.output)


def _chained(node: OnnxNode, function: str, output: str) -> str:
    """x0 f x1 f x2 ..., from the left."""
    x, last = node.operand(0), len(node.proto.input) - 1
    for index in range(1, last + 1):
        x = node.binary(function, x, node.operand(index), output if index == last else node.fresh(f"part{index}"))
    return x


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


def exponential(alpha: float, gamma: float = 1.0) -> Translation:
    """Elu and Selu: gamma * relu(x) + gamma * alpha * (exp(min(x, 0)) - 1), with the attributes' default values."""

    def translate(node: OnnxNode) -> None:
        x, (a, g) = node.operand(0), node.reals({"alpha": alpha, "gamma": gamma})
        below = node.unary("clip", x, node.fresh("below"), -math.inf, 0.0)
        power = node.unary("exp", below, node.fresh("exp"))
        lowered = node.binary("sub", power, node.scalar(1.0, "one"), node.fresh("lowered"))
        curve = node.binary("mul", lowered, node.scalar(a * g, "alpha"), node.fresh("curve"))
        above = node.unary("relu", x, node.fresh("relu"))
        if g != 1.0:
            above = node.binary("mul", above, node.scalar(g, "gamma"), node.fresh("above"))
        node.binary("add", above, curve, node.output)

    return translate


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
