"""Small hand-made ONNX networks, one construct each, for the tests of lowering and of the whole path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

Floats = npt.NDArray[np.float32]


class Net:
    """A network in the making: constants are seeded, names count up, `x` is the input unless told."""

    def __init__(self, *shape: int, seed: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, npt.NDArray[Any]] = {}
        self.inputs: dict[str, tuple[int, ...]] = {"x": shape} if shape else {}

    def input(self, name: str, *shape: int) -> str:
        """A further input."""
        self.inputs[name] = shape
        return name

    def constant(self, value: Any, dtype: type = np.float32) -> str:
        """An initialiser."""
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype)
        return name

    def random(self, *shape: int, scale: float = 1.0) -> Floats:
        """Seeded normal values."""
        return (self.rng.standard_normal(shape) * scale).astype(np.float32)

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """A node with one result; its name is the result's."""
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def conv(self, x: str, channels: int, outputs: int, kernel: Sequence[int] = (3, 3), **attributes: Any) -> str:
        """A convolution with weights that keep the size of the values, and a bias."""
        group = attributes.get("group", 1)
        fan = channels // group * int(np.prod(kernel))
        weight = self.constant(self.random(outputs, channels // group, *kernel, scale=fan**-0.5))
        return self.node("Conv", x, weight, self.constant(self.random(outputs, scale=0.3)), **attributes)

    def same(self, x: str, channels: int, outputs: int, **attributes: Any) -> str:
        """A 3x3 convolution that keeps the map's size."""
        return self.conv(x, channels, outputs, pads=[1, 1, 1, 1], **attributes)

    def gemm(self, x: str, inputs: int, outputs: int) -> str:
        """A fully connected layer."""
        weight = self.constant(self.random(outputs, inputs, scale=inputs**-0.5))
        return self.node("Gemm", x, weight, self.constant(self.random(outputs, scale=0.3)), transB=1)

    def model(self, *outputs: str) -> ModelProto:
        """The finished model."""
        graph = helper.make_graph(
            self.nodes,
            "case",
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(s)) for n, s in self.inputs.items()],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


CASES: dict[str, Callable[[], ModelProto]] = {}
"""Every network by name."""


def case(make: Callable[[], ModelProto]) -> Callable[[], ModelProto]:
    """Registers a network under its function's name."""
    CASES[make.__name__] = make
    return make


def ints(*values: int) -> npt.NDArray[np.int64]:
    """An int64 vector."""
    return np.asarray(values, np.int64)


# residuals and joins


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


# layout


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


# convolutions


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


# matrices


@case
def perceptron() -> ModelProto:
    n = Net(1, 300)
    return n.model(n.gemm(n.node("Relu", n.gemm("x", 300, 40)), 40, 6))


@case
def tokens() -> ModelProto:
    n = Net(1, 7, 12)
    a = n.node("Relu", n.node("MatMul", "x", n.constant(n.random(12, 20, scale=0.3))))
    return n.model(n.node("MatMul", a, n.constant(n.random(20, 5, scale=0.3))))


# elementwise


@case
def batch_norm_alone() -> ModelProto:
    n = Net(1, 4, 6, 6)
    a = n.node("Relu", n.same("x", 4, 4))
    constants = [n.constant(v) for v in (n.random(4), n.random(4), n.random(4, scale=0.3), np.abs(n.random(4)) + 0.5)]
    return n.model(n.node("BatchNormalization", a, *constants))


@case
def batch_norm_in_front() -> ModelProto:
    n = Net(1, 4, 6, 6)
    constants = [n.constant(v) for v in (n.random(4), n.random(4), n.random(4, scale=0.3), np.abs(n.random(4)) + 0.5)]
    return n.model(n.same(n.node("BatchNormalization", "x", *constants), 4, 3))


@case
def batch_norm_twice_behind() -> ModelProto:
    n = Net(1, 4, 6, 6)
    a = n.same("x", 4, 5)
    for _ in range(2):
        constants = [
            n.constant(v) for v in (n.random(5), n.random(5), n.random(5, scale=0.3), np.abs(n.random(5)) + 0.5)
        ]
        a = n.node("BatchNormalization", a, *constants)
    return n.model(n.node("Relu", a))


@case
def relu6() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Mul", n.same("x", 3, 4), n.constant(5.0))
    return n.model(n.same(n.node("Clip", a, n.constant(0.0), n.constant(6.0)), 4, 3))


@case
def clip_above_zero() -> ModelProto:
    """The lower end of the clamp is above zero."""
    n = Net(1, 3, 6, 6)
    return n.model(n.same(n.node("Clip", n.same("x", 3, 4), n.constant(0.25), n.constant(0.75)), 4, 3))


@case
def clip_below_zero() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.same(n.node("Clip", n.same("x", 3, 4), n.constant(-0.75), n.constant(-0.25)), 4, 3))


def _function(op: str, **attributes: Any) -> Callable[[], ModelProto]:
    def make() -> ModelProto:
        n = Net(1, 3, 6, 6)
        return n.model(n.same(n.node(op, n.same("x", 3, 4), **attributes), 4, 3))

    return make


FUNCTIONS = {
    "LeakyRelu": {"alpha": 0.1},
    "Sigmoid": {},
    "Tanh": {},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "HardSwish": {},
    "Softplus": {},
    "Erf": {},
    "Exp": {},
    "Abs": {},
    "Neg": {},
    "Elu": {"alpha": 1.0},
    "Softsign": {},
}
CASES |= {f"function_{op}": _function(op, **attributes) for op, attributes in FUNCTIONS.items()}


@case
def reciprocal_of_a_bounded_map() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Add", n.node("Sigmoid", n.same("x", 3, 4)), n.constant(0.5))
    return n.model(n.same(n.node("Reciprocal", a), 4, 3))


@case
def square_root() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Add", n.node("Relu", n.same("x", 3, 4)), n.constant(0.5))
    return n.model(n.same(n.node("Sqrt", a), 4, 3))


@case
def function_of_the_input() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.same(n.node("Tanh", "x"), 3, 3))


@case
def two_functions_and_a_gain() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.node("Tanh", n.node("Relu", n.same("x", 3, 4)))
    return n.model(n.node("Add", n.node("Mul", a, n.constant(-2.5)), n.constant(0.5)))


@case
def silu() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.same("x", 3, 4)
    return n.model(n.same(n.node("Mul", a, n.node("Sigmoid", a)), 4, 3))


@case
def gelu_by_erf() -> ModelProto:
    n = Net(1, 3, 6, 6)
    a = n.same("x", 3, 4)
    e = n.node("Erf", n.node("Div", a, n.constant(np.sqrt(2.0))))
    half = n.node("Mul", n.node("Mul", a, n.node("Add", e, n.constant(1.0))), n.constant(0.5))
    return n.model(n.same(half, 4, 3))


@case
def prelu() -> ModelProto:
    n = Net(1, 3, 6, 6)
    slope = n.constant(np.asarray([0.25, -0.5, 0.0, 1.0]).reshape(4, 1, 1))
    return n.model(n.same(n.node("PRelu", n.same("x", 3, 4), slope), 4, 3))


@case
def prelu_steep() -> ModelProto:
    n = Net(1, 3, 6, 6)
    return n.model(n.same(n.node("PRelu", n.same("x", 3, 4), n.constant([[[2.0]]])), 4, 3))


@case
def softmax_over_tokens() -> ModelProto:
    n = Net(1, 5, 12)
    return n.model(n.node("Softmax", n.node("MatMul", "x", n.constant(n.random(12, 9, scale=0.3))), axis=-1))


@case
def softmax_of_a_concat() -> ModelProto:
    n = Net(1, 12)
    return n.model(n.node("Softmax", n.node("Concat", n.gemm("x", 12, 4), n.gemm("x", 12, 5), axis=1)))


@case
def softmax_over_rows() -> ModelProto:
    n = Net(1, 3, 5, 5)
    return n.model(n.node("Softmax", n.same("x", 3, 6), axis=2))


@case
def softmax_in_the_middle() -> ModelProto:
    n = Net(1, 12)
    return n.model(n.gemm(n.node("Softmax", n.gemm("x", 12, 9)), 9, 4))


@case
def softmax_of_a_map() -> ModelProto:
    n = Net(1, 3, 4, 4)
    return n.model(n.node("Softmax", n.node("Flatten", n.same("x", 3, 2))))


@case
def log_softmax() -> ModelProto:
    n = Net(1, 12)
    return n.model(n.node("LogSoftmax", n.gemm("x", 12, 9)))


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


# pools


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


# borders


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
