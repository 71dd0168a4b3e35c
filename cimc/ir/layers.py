"""The LayerGraph: a network as layers on feature maps, still in real numbers.

A feature map is (height, width, channels), channels innermost. Pure layout operations are gone: every layer names
what it reads as an Operand, a strided view of channel runs of earlier maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.numerics.quant import Quant

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.floating[Any]]
Weights = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """A map: the Graph tensor whose values it holds, its size, and its number format where the network fixes one."""

    name: str
    height: int
    width: int
    channels: int
    quant: Quant | None = None

    @property
    def words(self) -> int:
        """Elements of one input."""
        return self.height * self.width * self.channels


@dataclass(frozen=True, slots=True)
class Part:
    """Channels `channel` .. `channel + count` of a map; of no map ("") they are zeros."""

    map: str
    channel: int
    count: int


@dataclass(frozen=True, slots=True)
class Operand:
    """A (height, width, channels) tensor as a layer sees it: the parts' channels side by side; pixel (y, x) is pixel
    (y * step[0] + offset[0], x * step[1] + offset[1]) of the maps, zero outside them. A step of 0 broadcasts."""

    parts: tuple[Part, ...]
    height: int
    width: int
    offset: tuple[int, int] = (0, 0)
    step: tuple[int, int] = (1, 1)

    @property
    def channels(self) -> int:
        """Channels of the operand."""
        return sum(part.count for part in self.parts)

    @property
    def maps(self) -> tuple[str, ...]:
        """Names of the maps that it reads, each once."""
        return tuple(dict.fromkeys(part.map for part in self.parts if part.map))


@dataclass(frozen=True, slots=True)
class Function:
    """An elementwise function after a layer, as `cimc.ir.graph.Unary` names it; "affine" is a * x + b."""

    name: str
    a: float = 0.0
    b: float = 0.0


@dataclass(frozen=True, slots=True)
class GivenWeights:
    """Integers that the network itself carries: weights (O, C/groups, KH, KW), scale (O,), bias or None (O,)."""

    weights: Ints
    scale: npt.NDArray[np.float32]
    bias: Ints | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What all layers have. name: unique; output: the map it makes; origin: its ONNX nodes.

    before: the Graph tensor that stands before `functions` (its range fixes the table's input format), or "".
    low, high: clamp, in real numbers, applied before `functions`. grid: the result is a multiple of this real number
    (a Round in the network), or 0.
    """

    name: str
    output: str
    origin: str
    before: str = ""
    low: float = -np.inf
    high: float = np.inf
    functions: tuple[Function, ...] = ()
    grid: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixLayer(Layer):
    """Convolution or matrix product: y = clamp(conv(x, weight) + bias + gain * residual).

    shape: of the weights, (O, C/groups, KH, KW); weight: None where they are not known (an estimate's). pads: (top,
    left, bottom, right). Fully connected layers have a kernel of the size of their map. A residual operand has the
    output's size.
    """

    x: Operand
    shape: tuple[int, int, int, int]
    weight: Reals | None
    bias: Floats
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    groups: int
    residual: Operand | None = None
    residual_gain: float = 1.0
    given: GivenWeights | None = None

    @property
    def known_weight(self) -> Reals:
        """The weights; (O, 1, 1, 1) ones where they are not known, so that every output has a scale."""
        return np.ones((self.shape[0], 1, 1, 1)) if self.weight is None else self.weight


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLayer(Layer):
    """Max or average pooling, channel by channel. kind: "max" or "average".

    counts_padding (average): divide by the whole window, else by the part of it inside the map.
    """

    x: Operand
    kind: str
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int] = (1, 1)
    counts_padding: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorLayer(Layer):
    """Elementwise work on one or two operands. kind: "sum" (gains[0] * a [+ gains[1] * b] + bias), "product", "max",
    "min". gains, bias: per channel."""

    kind: str
    operands: tuple[Operand, ...]
    gains: tuple[Floats, ...]
    bias: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftmaxLayer(Layer):
    """Softmax over the channels of every pixel."""

    x: Operand


@dataclass(frozen=True, slots=True)
class Binding:
    """How a network tensor lies on maps: flat element i of the tensor is element `index[i]` of `maps` laid end to end
    (an input: of its one map); None in an estimate. quant: the format at the border where the network fixes one;
    float32 outside."""

    tensor: str
    shape: tuple[int, ...]
    dtype: str
    maps: tuple[str, ...]
    index: Ints | None


@dataclass(frozen=True, slots=True)
class LayerGraph:
    """Layers in topological order, maps by name, and where the network's inputs and outputs lie."""

    name: str
    layers: tuple[Layer, ...]
    maps: Mapping[str, FeatureMap]
    inputs: tuple[Binding, ...]
    outputs: tuple[Binding, ...]


def operands_of(layer: Layer) -> tuple[Operand, ...]:
    """Everything that a layer reads, in a fixed order (a residual last)."""
    if isinstance(layer, MatrixLayer):
        return (layer.x,) if layer.residual is None else (layer.x, layer.residual)
    if isinstance(layer, VectorLayer):
        return layer.operands
    assert isinstance(layer, PoolLayer | SoftmaxLayer), f"unknown layer {layer}"
    return (layer.x,)


def window_of(layer: Layer) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int], tuple[int, int]]:
    """(kernel, strides, pads, dilations) of the window that a layer slides over its first operand."""
    if isinstance(layer, MatrixLayer):
        return layer.shape[2:], layer.strides, layer.pads, layer.dilations
    if isinstance(layer, PoolLayer):
        return layer.kernel, layer.strides, layer.pads, layer.dilations
    return (1, 1), (1, 1), (0, 0, 0, 0), (1, 1)
