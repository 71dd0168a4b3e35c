"""Pools and averages."""

from __future__ import annotations

from onnx import ModelProto

from tests.passes.cases.net import Net, case


@case
def max_pool_overlapping() -> ModelProto:
    n = Net(1, 3, 9, 9)
    return n.model(n.node("MaxPool", n.same("x", 3, 4), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]))


@case
def max_pool_ceil() -> ModelProto:
    n = Net(1, 3, 8, 9)
    a = n.node("MaxPool", n.node("Relu", n.same("x", 3, 4)), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    return n.model(n.conv(a, 4, 3, (2, 2)))


@case
def max_pool_of_the_input() -> ModelProto:
    n = Net(1, 3, 8, 8)
    return n.model(n.same(n.node("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2]), 3, 4))


@case
def max_pool_dilated() -> ModelProto:
    n = Net(1, 3, 9, 9)
    return n.model(n.node("MaxPool", n.same("x", 3, 4), kernel_shape=[2, 2], dilations=[2, 2]))


@case
def average_pool_overlapping() -> ModelProto:
    n = Net(1, 3, 9, 9)
    return n.model(n.node("AveragePool", n.same("x", 3, 4), kernel_shape=[3, 3], strides=[2, 1]))


@case
def average_pool_counting_its_padding() -> ModelProto:
    n = Net(1, 3, 8, 8)
    pool = n.node("AveragePool", n.same("x", 3, 4), kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    return n.model(n.same(pool, 4, 3))


@case
def average_pool_not_counting_its_padding() -> ModelProto:
    n = Net(1, 3, 8, 8)
    return n.model(n.node("AveragePool", n.same("x", 3, 4), kernel_shape=[3, 3], pads=[1, 1, 1, 1]))


@case
def average_of_a_large_window_without_its_padding() -> ModelProto:
    """More pixels than a signed word of 8 bits counts."""
    n = Net(1, 2, 14, 13)
    return n.model(n.node("AveragePool", n.same("x", 2, 3), kernel_shape=[12, 12], pads=[3, 4, 2, 5]))


@case
def average_pool_wide() -> ModelProto:
    """A window that narrow words take in two steps, rows first."""
    n = Net(1, 3, 12, 11)
    return n.model(n.node("AveragePool", n.same("x", 3, 4), kernel_shape=[6, 5], strides=[3, 2]))


@case
def average_pool_wide_and_padded() -> ModelProto:
    n = Net(1, 3, 12, 11)
    return n.model(
        n.node("AveragePool", n.same("x", 3, 4), kernel_shape=[6, 5], pads=[1, 2, 3, 0], count_include_pad=1)
    )


@case
def global_pools() -> ModelProto:
    n = Net(1, 3, 7, 7)
    a = n.same("x", 3, 4)
    pools = [n.node("Flatten", n.node(op, a)) for op in ("GlobalAveragePool", "GlobalMaxPool")]
    return n.model(n.gemm(n.node("Concat", *pools, axis=1), 8, 5))


@case
def global_pool_is_the_output() -> ModelProto:
    n = Net(1, 3, 14, 14)
    return n.model(n.node("GlobalAveragePool", n.node("Relu", n.same("x", 3, 4))))


@case
def pool_of_a_concat() -> ModelProto:
    n = Net(1, 3, 8, 8)
    a = n.node("Relu", n.same("x", 3, 4))
    c = n.node("Concat", n.node("Relu", n.conv(a, 4, 3, (1, 1))), n.node("Relu", n.same(a, 4, 5)), axis=1)
    return n.model(n.same(n.node("MaxPool", c, kernel_shape=[3, 3], strides=[2, 2]), 8, 4))


@case
def reduce_mean() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.gemm(n.node("ReduceMean", n.node("Relu", n.same("x", 3, 4)), axes=[2, 3], keepdims=0), 4, 3))
