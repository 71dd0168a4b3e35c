"""The Graph: a network without ONNX in it. Static shapes, one operation class per meaning, constants by name.

Shapes are the ONNX shapes of ONE lane (the batch axis, where there is one, is bound to 1 and kept). The float
evaluator in cimc.ir.evaluate gives every operation its meaning; all later stages are checked against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value of the Graph: name, static shape of one lane, type ("float32", "uint8", "int4", ...).

    Arrays of a type narrower than a byte are bytes, see cimc.numerics.integers.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operation: operand names, result names, and the ONNX node(s) it comes from."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    origin: str = ""

    @property
    def output(self) -> str:
        """The result of an operation that has one."""
        (only,) = self.outputs
        return only


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv(Node):
    """2-D convolution. inputs: x (N, C, H, W), weight constant (O, C/groups, KH, KW)[, bias constant (O,)].

    pads: (top, left, bottom, right). 1-D convolutions arrive as 2-D ones of height 1 between two reshapes.
    """

    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MatMul(Node):
    """y = x @ weight + bias over the last axis. inputs: x (..., K), weight (K, N)[, bias constant (N,)].

    Gemm arrives as this (alpha, beta and transB folded into the constants). The weight is a constant, or the result
    of a DequantizeLinear of one; a MatMul of two activations is `MatMulDynamic`.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class MatMulDynamic(Node):
    """y = a @ b with numpy's broadcasting, both activations (attention)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool(Node):
    """2-D pooling of (N, C, H, W). kind: "max" or "average"; ceil_mode is already resolved into pads.

    count_include_pad (average only): divide by the whole window, else by the part inside the map.
    """

    kind: str
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int] = (1, 1)
    count_include_pad: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unary(Node):
    """An elementwise function of one tensor, one of cimc.numerics.functions.UNARY_FUNCTIONS.

    leaky_relu has a (alpha), hard_sigmoid a and b (alpha, beta), clip a and b (low, high; infinities allowed).
    """

    function: str
    a: float = 0.0
    b: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary(Node):
    """An elementwise function of two tensors, one of cimc.numerics.functions.BINARY_FUNCTIONS, with numpy's
    broadcasting; either may be a constant. prelu's second operand is the slope."""

    function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNorm(Node):
    """y = (x - mean) / sqrt(variance + epsilon) * scale + shift over axis 1.

    inputs: x, scale, shift, mean, variance.
    """

    epsilon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Softmax(Node):
    """Softmax along one axis (>= 0)."""

    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduce(Node):
    """Reduction over axes (>= 0). kind: "mean", "sum" or "max"."""

    kind: str
    axes: tuple[int, ...]
    keepdims: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat(Node):
    """Concatenation of the inputs along one axis (>= 0)."""

    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Node):
    """x[start:stop:step] on every axis, numpy's meaning, one (start, stop, step) an axis. stop -1 - n never occurs:
    negative steps keep a stop of None as `-(dim + 1)`."""

    ranges: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad(Node):
    """Constant padding: pads is one (before, after) an axis, neither negative."""

    pads: tuple[tuple[int, int], ...]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape(Node):
    """Row-major reshape to the result's shape (also Flatten, Squeeze, Unsqueeze)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transpose(Node):
    """Axis permutation, numpy's meaning."""

    perm: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantize(Node):
    """QuantizeLinear. inputs: x, scale constant, zero point constant. axis is -1 for per-tensor."""

    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dequantize(Node):
    """DequantizeLinear. inputs: x (activation or constant), scale constant, zero point constant; axis as above."""

    axis: int


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in topological order; every tensor's shape; constants by name; the network's inputs and outputs.

    DepthToSpace arrives as Reshape, Transpose, Reshape; Split as Slices; a global pool as a Pool over the whole map.
    """

    name: str
    nodes: tuple[Node, ...]
    tensors: Mapping[str, Tensor]
    constants: Mapping[str, Array]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", MappingProxyType(dict(self.tensors)))
        object.__setattr__(self, "constants", MappingProxyType(dict(self.constants)))

    def producer_of(self) -> dict[str, Node]:
        """The node that makes each computed tensor."""
        return {name: node for node in self.nodes for name in node.outputs}

    def uses_of(self) -> dict[str, list[Node]]:
        """The nodes that read each tensor, in order."""
        uses: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                uses.setdefault(name, []).append(node)
        return uses
