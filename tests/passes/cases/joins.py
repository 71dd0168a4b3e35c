"""Residuals, sums and concatenations."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, helper

from tests.passes.cases.net import Net, case


@case
def residual() -> ModelProto:
    n = Net(1, 3, 8, 8)
    a = n.node("Relu", n.same("x", 3, 6))
    b = n.same(n.node("Relu", n.same(a, 6, 6)), 6, 6)
    return n.model(n.node("Relu", n.node("Add", b, a)))


@case
def residual_of_two_convolutions() -> ModelProto:
    n = Net(1, 3, 8, 8)
    a = n.node("Relu", n.same("x", 3, 6))
    return n.model(n.node("Relu", n.node("Add", n.same(a, 6, 6), n.conv(a, 6, 6, (1, 1)))))


@case
def residual_subtracted() -> ModelProto:
    n = Net(1, 3, 8, 8)
    a = n.node("Relu", n.same("x", 3, 6))
    b = n.same(a, 6, 6)
    return n.model(n.node("Sub", a, b), n.node("Sub", n.same(a, 6, 6), a))


@case
def residual_of_the_input() -> ModelProto:
    n = Net(1, 4, 8, 8)
    return n.model(n.node("Add", n.same("x", 4, 4), "x"))


@case
def residual_with_option_a_shortcut() -> ModelProto:
    """A strided slice and channel padding, as in the CIFAR ResNets."""
    n = Net(1, 3, 8, 8)
    a = n.node("Relu", n.same("x", 3, 4))
    b = n.same(n.node("Relu", n.same(a, 4, 8, strides=[2, 2])), 8, 8)
    args = [n.constant(v, np.int64) for v in ((0, 0), (2**31, 2**31), (2, 3), (2, 2))]
    s = n.node("Slice", a, *args)
    p = n.node("Pad", s, n.constant((0, 2, 0, 0, 0, 2, 0, 0), np.int64))
    return n.model(n.node("Relu", n.node("Add", b, p)))


@case
def sum_of_three() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Relu", n.same("x", 3, 4))
    return n.model(n.node("Sum", n.same(a, 4, 4), n.conv(a, 4, 4, (1, 1)), a))


@case
def sum_with_itself() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.same("x", 3, 4)
    return n.model(n.node("Relu", n.node("Add", a, a)))


@case
def concat_of_three() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Relu", n.same("x", 3, 5))
    parts = [n.node("Relu", n.conv(a, 5, k, (1, 1))) for k in (2, 3)] + [n.same(a, 5, 4)]
    return n.model(n.same(n.node("Concat", *parts, axis=1), 9, 6))


@case
def concat_is_the_output() -> ModelProto:
    """Maps of very different ranges side by side at the border."""
    n = Net(1, 3, 6, 6)
    a = n.node("Relu", n.same("x", 3, 5))
    wide = n.node("Mul", n.same(a, 5, 2), n.constant(30.0))
    return n.model(n.node("Concat", wide, n.same(a, 5, 3), axis=1))


@case
def concat_with_the_input() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Relu", n.same("x", 3, 5))
    return n.model(n.same(n.node("Concat", "x", a, axis=1), 8, 4))


@case
def concat_along_rows() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Concat", n.same("x", 3, 4), n.conv("x", 3, 4, (1, 1)), axis=2)
    return n.model(n.same(a, 4, 4))


@case
def function_of_a_concat() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Relu", n.same("x", 3, 5))
    c = n.node("Concat", n.same(a, 5, 3), n.conv(a, 5, 2, (1, 1)), axis=1)
    return n.model(n.same(n.node("Tanh", c), 5, 4))


@case
def residual_of_a_concat() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Relu", n.same("x", 3, 5))
    c = n.node("Concat", n.node("Relu", n.same(a, 5, 3)), n.node("Relu", n.conv(a, 5, 2, (1, 1))), axis=1)
    return n.model(n.node("Add", n.same(c, 5, 5), c))


@case
def residual_of_a_slice_of_channels() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Relu", n.same("x", 3, 9))
    s = n.node("Slice", a, *[n.constant(v, np.int64) for v in ((2,), (8,), (1,))])
    return n.model(n.node("Add", n.same(s, 6, 6), s))


@case
def reversed_channels() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Relu", n.same("x", 3, 5))
    s = n.node("Slice", a, *[n.constant(v, np.int64) for v in ((-1,), (-1000,), (1,), (-2,))])
    return n.model(n.same(s, 3, 6))


@case
def padded_channels_in_a_function() -> ModelProto:
    n = Net(1, 3, 6, 6)
    p = n.node("Pad", n.same("x", 3, 4), n.constant((0, 2, 0, 0, 0, 3, 0, 0), np.int64))
    return n.model(n.node("Sigmoid", p))


@case
def padded_channels_in_a_convolution() -> ModelProto:
    """Where inputs have a zero point, channels of zeros must not count in what it is taken off by."""
    n = Net(1, 2, 6, 6)
    padded = n.node("Pad", n.conv("x", 2, 2, (1, 1)), n.constant((0, 1, 0, 0, 0, 1, 0, 0), np.int64))
    return n.model(n.conv(padded, 4, 5), n.conv(padded, 4, 8, group=4), n.conv(padded, 4, 4, group=2))


@case
def padded_tokens_in_a_product() -> ModelProto:
    n = Net(1, 6, 3)
    padded = n.node("Pad", n.node("Tanh", "x"), n.constant((0, 0, 1, 0, 0, 1), np.int64))
    return n.model(n.node("MatMul", padded, n.constant(n.random(5, 4))))


@case
def padded_channels_in_a_pool() -> ModelProto:
    n = Net(1, 3, 6, 6)
    p = n.node("Pad", n.node("Sigmoid", n.same("x", 3, 4)), n.constant((0, 2, 0, 0, 0, 3, 0, 0), np.int64))
    return n.model(n.node("MaxPool", p, kernel_shape=[2, 2], strides=[2, 2]))


@case
def padded_rows_in_a_pool() -> ModelProto:
    """Zeros of a Pad take part in the maximum, the pool's own padding does not."""
    n = Net(1, 3, 6, 6)
    a = n.node("Sub", n.node("Relu", n.same("x", 3, 4)), n.constant(9.0))
    p = n.node("Pad", a, n.constant((0, 0, 1, 0, 0, 0, 1, 0), np.int64))
    return n.model(n.node("MaxPool", p, kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 0, 1]))


@case
def padded_rows_in_a_pool_without_pads() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Sub", n.node("Relu", n.same("x", 3, 4)), n.constant(9.0))
    p = n.node("Pad", a, n.constant((0, 0, 1, 0, 0, 0, 1, 0), np.int64))
    return n.model(n.node("MaxPool", p, kernel_shape=[3, 3], strides=[2, 2]))


@case
def padded_twice() -> ModelProto:
    n = Net(1, 3, 6, 6)
    p = n.node("Pad", n.node("Tanh", n.same("x", 3, 4)), n.constant((0, 0, 1, 0, 0, 0, 1, 2), np.int64))
    return n.model(n.same(p, 4, 5))


@case
def padded_with_a_value() -> ModelProto:
    n = Net(1, 3, 6, 6)
    p = n.node(
        "Pad", n.node("Tanh", n.same("x", 3, 4)), n.constant((0, 0, 1, 0, 0, 0, 1, 2), np.int64), n.constant(0.5)
    )
    return n.model(n.conv(p, 4, 5))


@case
def channel_shuffle() -> ModelProto:
    n = Net(1, 4, 6, 6)
    a = n.node("Relu", n.conv("x", 4, 8, group=2, pads=[1, 1, 1, 1]))
    r = n.node("Reshape", a, n.constant((1, 2, 4, 6, 6), np.int64))
    t = n.node("Transpose", r, perm=[0, 2, 1, 3, 4])
    b = n.node("Reshape", t, n.constant((1, 8, 6, 6), np.int64))
    return n.model(n.conv(b, 8, 8, (1, 1), group=2))


@case
def split_and_join() -> ModelProto:
    n = Net(1, 4, 6, 6)
    a = n.node("Relu", n.same("x", 4, 8))
    n.nodes.append(helper.make_node("Split", [a], ["s0", "s1"], name="split", axis=1))
    return n.model(n.node("Concat", n.same("s1", 4, 3), n.same("s0", 4, 3), axis=1))
