"""Rearrangements: slices, paddings, transpositions, blocks of space and depth."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto

from tests.passes.cases.net import Net, case


@case
def strided_slice_then_convolution() -> ModelProto:
    n = Net(1, 3, 9, 9)
    a = n.node("Relu", n.same("x", 3, 4))
    args = [n.constant(v, np.int64) for v in ((1, 0), (8, 9), (2, 3), (2, 2))]
    return n.model(n.conv(n.node("Slice", a, *args), 4, 5, (2, 2)))


@case
def strided_slice_then_padded_convolution() -> ModelProto:
    """Padding meets the inside of a view: it has to be copied first."""
    n = Net(1, 3, 9, 9)
    a = n.node("Relu", n.same("x", 3, 4))
    args = [n.constant(v, np.int64) for v in ((1, 0), (8, 9), (2, 3), (2, 2))]
    return n.model(n.same(n.node("Slice", a, *args), 4, 5))


@case
def reversed_rows() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Relu", n.same("x", 3, 4))
    args = [n.constant(v, np.int64) for v in ((-1,), (-1000,), (2,), (-1,))]
    return n.model(n.conv(n.node("Slice", a, *args), 4, 4))


@case
def pad_then_convolution() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Pad", n.node("Relu", n.same("x", 3, 4)), n.constant((0, 0, 2, 1, 0, 0, 0, 3), np.int64))
    return n.model(n.conv(a, 4, 5))


@case
def pad_is_the_output() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Sigmoid", n.same("x", 3, 4))
    return n.model(n.node("Pad", a, n.constant((0, 1, 2, 1, 0, 2, 0, 3), np.int64)))


@case
def channels_last_input() -> ModelProto:
    n = Net(1, 7, 9, 3)
    a = n.node("Relu", n.same(n.node("Transpose", "x", perm=[0, 3, 1, 2]), 3, 4))
    return n.model(n.node("Transpose", a, perm=[0, 2, 3, 1]))


@case
def flatten_channels_first() -> ModelProto:
    n = Net(1, 3, 5, 4)
    a = n.node("Relu", n.same("x", 3, 6))
    return n.model(n.gemm(n.node("Flatten", a), 120, 7))


@case
def flatten_channels_last() -> ModelProto:
    n = Net(1, 3, 5, 4)
    a = n.node("Transpose", n.node("Relu", n.same("x", 3, 6)), perm=[0, 2, 3, 1])
    return n.model(n.gemm(n.node("Reshape", a, n.constant((1, -1), np.int64)), 120, 7))


@case
def flatten_of_a_concat() -> ModelProto:
    n = Net(1, 3, 5, 4)
    a = n.node("Relu", n.same("x", 3, 2))
    c = n.node("Concat", a, n.node("Relu", n.conv(a, 2, 3, (1, 1))), axis=1)
    return n.model(n.gemm(n.node("Flatten", c), 100, 7))


@case
def flatten_of_two_sizes() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Relu", n.same("x", 3, 2))
    b = n.node("Relu", n.same(a, 2, 3, strides=[2, 2]))
    c = n.node("Concat", n.node("Flatten", a), n.node("Flatten", b), axis=1)
    return n.model(n.gemm(c, 72 + 27, 7))


@case
def part_of_a_vector() -> ModelProto:
    n = Net(1, 20)
    a = n.node("Relu", n.gemm("x", 20, 30))
    args = [n.constant(v, np.int64) for v in ((3,), (29,), (1,), (2,))]
    return n.model(n.gemm(n.node("Slice", a, *args), 13, 5))


@case
def depth_to_space_at_the_end() -> ModelProto:
    n = Net(1, 2, 5, 6)
    return n.model(n.node("DepthToSpace", n.same("x", 2, 12), blocksize=2, mode="DCR"))


@case
def depth_to_space_column_row() -> ModelProto:
    n = Net(1, 2, 5, 6)
    return n.model(n.node("DepthToSpace", n.same("x", 2, 12), blocksize=2, mode="CRD"))


@case
def depth_to_space_in_the_middle() -> ModelProto:
    n = Net(1, 2, 5, 6)
    return n.model(n.same(n.node("DepthToSpace", n.node("Relu", n.same("x", 2, 8)), blocksize=2), 2, 3))


@case
def space_to_depth_in_front() -> ModelProto:
    n = Net(1, 2, 6, 6)
    return n.model(n.same(n.node("SpaceToDepth", "x", blocksize=2), 8, 3))


@case
def resize_nearest() -> ModelProto:
    n = Net(1, 2, 4, 5)
    a = n.node("Relu", n.same("x", 2, 3))
    up = n.node("Resize", a, "", n.constant((1, 1, 2, 2)), mode="nearest",
                coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
    return n.model(n.same(up, 3, 2))
