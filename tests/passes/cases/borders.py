"""Inputs and outputs, and what is odd about them."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto

from tests.passes.cases.net import Net, case


@case
def two_inputs() -> ModelProto:
    n = Net(1, 3, 6, 6)
    other = n.input("z", 1, 2, 6, 6)
    return n.model(n.node("Add", n.same("x", 3, 4), n.same(other, 2, 4)))


@case
def two_inputs_of_two_sizes() -> ModelProto:
    n = Net(1, 3, 6, 6)
    other = n.input("z", 1, 5)
    a = n.node("Flatten", n.node("Relu", n.same("x", 3, 4, strides=[2, 2])))
    return n.model(n.node("Add", n.gemm(a, 36, 8), n.gemm(other, 5, 8)))


@case
def an_input_read_twice() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.node("Add", n.node("Flatten", n.conv("x", 3, 4)), n.gemm(n.node("Flatten", "x"), 108, 64)))


@case
def two_outputs() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Relu", n.same("x", 3, 4))
    return n.model(n.same(a, 4, 2), n.node("GlobalAveragePool", n.conv(a, 4, 3)))


@case
def an_output_used_inside() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.same("x", 3, 4)
    return n.model(a, n.same(n.node("Relu", a), 4, 2))


@case
def one_map_as_two_outputs() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.same("x", 3, 4)
    return n.model(a, n.node("Flatten", a), n.node("Transpose", a, perm=[0, 2, 3, 1]))


@case
def input_is_the_output() -> ModelProto:
    n = Net(1, 3, 4, 4)
    return n.model(n.node("Flatten", "x"), n.same("x", 3, 2))


@case
def output_before_its_relu() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.same("x", 3, 4)
    return n.model(n.node("Relu", a), n.node("Sigmoid", a))


@case
def dead_branch() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Relu", n.same("x", 3, 4))
    n.same(a, 4, 2)
    return n.model(n.conv(a, 4, 3))


@case
def unused_input() -> ModelProto:
    n = Net(1, 3, 6, 6)
    n.input("z", 1, 2)
    return n.model(n.same("x", 3, 4))


@case
def no_batch_axis() -> ModelProto:
    n = Net(8)
    return n.model(n.node("Relu", n.node("MatMul", "x", n.constant(n.random(8, 5, scale=0.4)))))


@case
def batch_of_two() -> ModelProto:
    n = Net(2, 3, 6, 6)
    return n.model(n.same("x", 3, 4))


@case
def identity_at_the_end() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.same("x", 3, 4)
    return n.model(n.node("Identity", a), n.node("Dropout", n.node("Relu", a)))


@case
def input_goes_straight_through() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.node("Identity", "x"))


@case
def relu_of_the_input() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.node("Relu", "x"))


@case
def transposed_input_is_the_output() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.node("Transpose", "x", perm=[0, 2, 3, 1]), n.node("Neg", "x"))


@case
def input_read_in_two_layouts() -> ModelProto:
    n = Net(1, 4, 6, 6)
    t = n.node("Transpose", "x", perm=[0, 2, 1, 3])
    return n.model(n.same("x", 4, 3), n.conv(t, 6, 3, (1, 1)))


@case
def rounded_activations() -> ModelProto:
    """Round and Clip as quantised training leaves them: integers 0 .. 15 times a step."""
    n = Net(1, 3, 6, 6)
    step = n.constant(0.125)
    a = n.node("Clip", n.node("Round", n.node("Div", n.same("x", 3, 4), step)), n.constant(0.0), n.constant(15.0))
    return n.model(n.same(n.node("Mul", a, step), 4, 3))


@case
def rounded_to_a_byte() -> ModelProto:
    """Integers 0 .. 255: more than seven bits."""
    n = Net(1, 3, 6, 6)
    a = n.node("Round", n.node("Mul", n.node("Relu", n.same("x", 3, 4)), n.constant(70.0)))
    return n.model(n.same(n.node("Clip", a, n.constant(0.0), n.constant(255.0)), 4, 3))


@case
def softmax_over_padding() -> ModelProto:
    n = Net(1, 3, 5, 5)
    p = n.node("Pad", n.same("x", 3, 4), n.constant((0, 2, 0, 0, 0, 3, 0, 0), np.int64))
    return n.model(n.node("Softmax", p, axis=1))


@case
def maximum_with_padding() -> ModelProto:
    n = Net(1, 3, 6, 6)
    p = n.node("Pad", n.conv("x", 3, 2, (1, 1)), n.constant((0, 1, 0, 0, 0, 1, 0, 0), np.int64))
    return n.model(n.node("Max", n.same("x", 3, 4), p), n.node("Mul", n.same("x", 3, 4), p))


@case
def average_pool_of_padded_channels() -> ModelProto:
    n = Net(1, 3, 6, 6)
    p = n.node("Pad", n.node("Relu", n.same("x", 3, 4)), n.constant((0, 2, 0, 0, 0, 3, 0, 0), np.int64))
    return n.model(n.node("AveragePool", p, kernel_shape=[5, 5]))


@case
def division_by_zero() -> ModelProto:
    n = Net(1, 3, 5, 5)
    return n.model(n.node("Div", n.same("x", 3, 4), n.constant(0.0)))


@case
def infinite_function() -> ModelProto:
    n = Net(1, 3, 5, 5)
    return n.model(n.node("Reciprocal", n.node("Relu", n.same("x", 3, 4))))


@case
def function_without_a_value() -> ModelProto:
    """The logarithm of negative numbers: NaN in the float network."""
    n = Net(1, 3, 5, 5)
    return n.model(n.node("Log", n.same("x", 3, 4)))
