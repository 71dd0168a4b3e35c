"""Convolutions and products with matrices."""

from __future__ import annotations

from onnx import ModelProto

from tests.passes.cases.net import Net, case


@case
def depthwise() -> ModelProto:
    n = Net(1, 6, 8, 8)
    a = n.node("Relu", n.same("x", 6, 6, group=6))
    return n.model(n.conv(a, 6, 12, group=6, strides=[2, 2]))


@case
def grouped() -> ModelProto:
    n = Net(1, 6, 8, 8)
    return n.model(n.conv(n.node("Relu", n.same("x", 6, 8, group=2)), 8, 12, group=4))


@case
def dilated() -> ModelProto:
    n = Net(1, 3, 9, 10)
    a = n.node("Relu", n.conv("x", 3, 4, dilations=[2, 3], pads=[2, 3, 2, 3]))
    return n.model(n.conv(a, 4, 4, (2, 3), dilations=[3, 1], strides=[1, 2]))


@case
def same_upper() -> ModelProto:
    n = Net(1, 3, 7, 6)
    a = n.node("Relu", n.conv("x", 3, 4, (3, 4), auto_pad="SAME_UPPER", strides=[2, 1]))
    return n.model(n.conv(a, 4, 4, (2, 2), auto_pad="SAME_LOWER"))


@case
def kernel_as_large_as_the_map() -> ModelProto:
    n = Net(1, 3, 5, 6)
    return n.model(n.conv(n.node("Relu", n.same("x", 3, 4)), 4, 9, (5, 6)))


@case
def kernel_larger_than_the_map() -> ModelProto:
    n = Net(1, 3, 3, 3)
    return n.model(n.conv(n.node("Relu", n.same("x", 3, 4)), 4, 5, (7, 7), pads=[3, 3, 3, 3]))


@case
def stride_beyond_the_kernel() -> ModelProto:
    n = Net(1, 3, 10, 11)
    return n.model(n.conv(n.node("Relu", n.same("x", 3, 4)), 4, 5, (2, 1), strides=[3, 4]))


@case
def one_dimensional() -> ModelProto:
    n = Net(1, 3, 20)
    a = n.node("Relu", n.conv("x", 3, 6, (5,), pads=[2, 2], strides=[2]))
    return n.model(n.gemm(n.node("Flatten", n.conv(a, 6, 4, (3,))), 32, 5))


@case
def wide_and_deep_enough_to_split() -> ModelProto:
    """720 rows and 150 columns: several blocks, partners and column groups on puma."""
    n = Net(1, 80, 5, 5)
    return n.model(n.conv(n.node("Relu", n.same("x", 80, 150)), 150, 20, (1, 1)))


@case
def zero_column() -> ModelProto:
    """An output whose weights are all zero still has its bias."""
    n = Net(1, 3, 5, 5)
    weight = n.random(4, 3, 3, 3, scale=0.2)
    weight[2] = 0
    return n.model(n.node("Conv", "x", n.constant(weight), n.constant(n.random(4))))


@case
def nearly_dead_column() -> ModelProto:
    """A channel that training has let die: weights of 1e-12 beside a bias of 0.5."""
    n = Net(1, 3, 5, 5)
    weight = n.random(4, 3, 3, 3, scale=0.2)
    weight[2] *= 1e-12
    return n.model(n.node("Conv", "x", n.constant(weight), n.constant([0.1, -0.2, 0.5, 0.3])))


@case
def small_column() -> ModelProto:
    """Weights a thousand times smaller than their neighbours' beside a bias of usual size."""
    n = Net(1, 3, 5, 5)
    weight = n.random(4, 3, 3, 3, scale=0.2)
    weight[2] *= 1e-3
    return n.model(n.node("Relu", n.node("Conv", "x", n.constant(weight), n.constant([0.1, -0.2, 0.5, 0.3]))))


@case
def large_bias() -> ModelProto:
    n = Net(1, 3, 5, 5)
    weight = n.random(4, 3, 3, 3, scale=0.2)
    return n.model(n.node("Conv", "x", n.constant(weight), n.constant([40.0, -20.0, 0.5, 3.0])))


@case
def perceptron() -> ModelProto:
    n = Net(1, 300)
    return n.model(n.gemm(n.node("Relu", n.gemm("x", 300, 40)), 40, 6))


@case
def tokens() -> ModelProto:
    n = Net(1, 7, 12)
    a = n.node("Relu", n.node("MatMul", "x", n.constant(n.random(12, 20, scale=0.3))))
    return n.model(n.node("MatMul", a, n.constant(n.random(20, 5, scale=0.3))))
