"""Arithmetic of maps with each other and with constants."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto

from tests.passes.cases.net import Net, case


@case
def spatial_attention() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Relu", n.same("x", 3, 4))
    return n.model(n.node("Mul", a, n.node("Sigmoid", n.same(a, 4, 1))))


@case
def outer_product_of_maps() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Relu", n.same("x", 3, 4))
    return n.model(n.node("Mul", n.node("GlobalMaxPool", a), n.same(a, 4, 1)))


@case
def quotient_of_maps() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.node("Div", n.same("x", 3, 4), n.node("Exp", n.same("x", 3, 4))))


@case
def power_of_two() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.node("Pow", n.same("x", 3, 4), n.constant(2.0)))


@case
def maximum_with_a_constant() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.same(n.node("Min", n.node("Max", n.same("x", 3, 4), n.constant(-0.5)), n.constant(0.75)), 4, 3))


@case
def maximum_with_a_constant_per_channel() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.node("Max", n.same("x", 3, 4), n.constant(n.random(4, 1, 1))))


@case
def normalised_layer() -> ModelProto:
    n = Net(1, 5, 12)
    return n.model(n.node("LayerNormalization", "x", n.constant(n.random(12)), n.constant(n.random(12))))


@case
def attention_scores() -> ModelProto:
    n = Net(1, 5, 12)
    q, k = (n.node("MatMul", "x", n.constant(n.random(12, 8, scale=0.3))) for _ in range(2))
    return n.model(n.node("MatMul", q, n.node("Transpose", k, perm=[0, 2, 1])))


@case
def tokens_with_a_bias() -> ModelProto:
    n = Net(1, 7, 12)
    a = n.node("Add", n.node("MatMul", "x", n.constant(n.random(12, 20, scale=0.3))), n.constant(n.random(20)))
    return n.model(n.node("Add", n.node("MatMul", n.node("Relu", a), n.constant(n.random(20, 12, scale=0.3))), "x"))


@case
def tokens_of_a_map() -> ModelProto:
    """A map seen as pixels by channels, as in a vision transformer."""
    n = Net(1, 3, 8, 8)
    a = n.node("Reshape", n.conv("x", 3, 6, (2, 2), strides=[2, 2]), n.constant((1, 6, 16), np.int64))
    t = n.node("Transpose", a, perm=[0, 2, 1])
    return n.model(n.node("MatMul", t, n.constant(n.random(6, 5, scale=0.4))))


@case
def mean_over_tokens() -> ModelProto:
    n = Net(1, 7, 12)
    a = n.node("MatMul", "x", n.constant(n.random(12, 20, scale=0.3)))
    return n.model(n.gemm(n.node("ReduceMean", a, axes=[1], keepdims=0), 20, 4))


@case
def batch_norm_of_a_vector() -> ModelProto:
    n = Net(1, 12)
    a = n.node("Relu", n.gemm("x", 12, 5))
    constants = [n.constant(v) for v in (n.random(5), n.random(5), n.random(5, scale=0.3), np.abs(n.random(5)) + 0.5)]
    return n.model(n.node("BatchNormalization", a, *constants))


@case
def softmax_of_logits() -> ModelProto:
    n = Net(1, 12)
    return n.model(n.node("Softmax", n.gemm("x", 12, 9)))


@case
def softmax_over_channels() -> ModelProto:
    n = Net(1, 3, 5, 5)
    return n.model(n.node("Softmax", n.same("x", 3, 6), axis=1))


@case
def product_of_two_maps() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.same(n.node("Mul", n.same("x", 3, 4), n.node("Relu", n.conv("x", 3, 4, (1, 1)))), 4, 3))


@case
def square() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.same("x", 3, 4)
    return n.model(n.node("Mul", a, a))


@case
def maximum_of_two_maps() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.same(n.node("Max", n.same("x", 3, 4), n.conv("x", 3, 4, (1, 1))), 4, 3))


@case
def minimum_of_two_maps() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.node("Min", n.same("x", 3, 4), n.node("Relu", n.conv("x", 3, 4, (1, 1)))))


@case
def sum_of_two_pools() -> ModelProto:
    n = Net(1, 3, 8, 8)
    a = n.node("Relu", n.same("x", 3, 4))
    both = [n.node(op, a, kernel_shape=[2, 2], strides=[2, 2]) for op in ("MaxPool", "AveragePool")]
    return n.model(n.node("Add", *both))


@case
def squeeze_and_excite() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Relu", n.same("x", 3, 8))
    s = n.node("Relu", n.conv(n.node("GlobalAveragePool", a), 8, 2, (1, 1)))
    return n.model(n.same(n.node("Mul", a, n.node("Sigmoid", n.conv(s, 2, 8, (1, 1)))), 8, 3))


@case
def broadcast_sum() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Relu", n.same("x", 3, 8))
    return n.model(n.node("Add", a, n.conv(n.node("GlobalAveragePool", a), 8, 8, (1, 1))))


@case
def broadcast_over_columns() -> ModelProto:
    n = Net(1, 3, 6, 5)
    a = n.node("Relu", n.same("x", 3, 4))
    return n.model(n.node("Mul", a, n.conv(a, 4, 4, (1, 5))))


@case
def constant_pixel_by_pixel() -> ModelProto:
    n = Net(1, 3, 4, 4)
    return n.model(n.node("Add", n.same("x", 3, 4), n.constant(n.random(1, 4, 4, 4))))


@case
def constant_per_channel_arithmetic() -> ModelProto:
    n = Net(1, 3, 4, 4)
    a = n.node("Relu", n.same("x", 3, 4))
    b = n.node("Sub", n.constant(n.random(4, 1, 1)), a)
    return n.model(n.node("Div", b, n.constant(np.abs(n.random(4, 1, 1)) + 0.5)))
