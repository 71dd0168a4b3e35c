"""How a tensor is laid out on a feature map, (height, width, channels): its digits in another order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cimc.ir.layers import FeatureMap, Floats
from cimc.passes.lower.index_map import IndexMap, Shape


@dataclass(frozen=True, slots=True)
class Layout:
    """A tensor's flat index taken apart into digits of these sizes; the map has them in this order."""

    sizes: Shape
    order: Shape
    shape: tuple[int, int, int]

    def of(self, tensor: IndexMap) -> IndexMap:
        """A tensor of as many elements, as (height, width, channels)."""
        return tensor.reshape(self.sizes).transpose(self.order).reshape(self.shape)

    def tensor_of(self, number: int, shape: Sequence[int]) -> IndexMap:
        """The tensor of a shape that map `number` holds."""
        inside = IndexMap.whole(number, tuple(self.sizes[digit] for digit in self.order))
        back = tuple(int(digit) for digit in np.argsort(self.order))
        return inside.transpose(back).reshape(shape)

    def per_channel(self, constant: npt.NDArray[np.float64], shape: Sequence[int]) -> Floats | None:
        """A constant that broadcasts to the tensor's shape as one number a channel, (C,); None where it is not."""
        seen = self.of(IndexMap.whole(0, constant.shape).broadcast(shape))
        corner = seen.slice(0, 0, 1, 1).slice(1, 0, 1, 1)
        found: Floats = constant.ravel()[corner.elements((0,)).ravel()]
        tensor, (rows, columns, _) = seen.by_axes()
        moves = any(piece.spans[digit][2] for piece in tensor.pieces for digit in (*rows, *columns))
        return None if moves and (constant.ravel()[seen.elements((0,))] != found).any() else found


def spatial(shape: Sequence[int]) -> Layout:
    """The usual reading of a shape: (1, C, H, W), or tokens by their last axis."""
    if len(shape) == 4 and shape[0] == 1:
        return Layout(tuple(shape), (0, 2, 3, 1), (shape[2], shape[3], shape[1]))
    last = shape[-1] if shape else 1
    tokens = math.prod(shape) // last
    return Layout((tokens, last), (0, 1), (tokens, 1, last))


def tokens(tensor: IndexMap, grid: tuple[int, int], channels: int) -> IndexMap:
    """A tensor whose last axis is channels, its other axes as rows and columns of a grid."""
    return tensor.reshape((*grid, channels))


def layout_on(tensor: IndexMap, maps: Sequence[FeatureMap]) -> Layout:
    """The layout of a tensor as that of its map, where it is one whole map; else the usual reading of its shape."""
    order = _order(tensor)
    if order is None or tensor.count != maps[tensor.maps[0]].words:
        return spatial(tensor.shape)
    m = maps[tensor.maps[0]]
    return Layout(tensor.sizes, order, (m.height, m.width, m.channels))


def layout_as(wanted: IndexMap) -> Layout | None:
    """The layout of a tensor that is to be read as `wanted`, (H, W, C) with the tensor itself as its only map; None
    where that does not hold every element once."""
    order = _order(wanted)
    if order is None:
        return None
    sizes = tuple(wanted.sizes[digit] for digit in order)
    back = tuple(int(digit) for digit in np.argsort(order))
    height, width, channels = wanted.shape
    return Layout(sizes, back, (height, width, channels))


def _order(tensor: IndexMap) -> Shape | None:
    """A tensor's digits from the largest stride to the least, where they count through one whole map; else None."""
    if len(tensor.pieces) != 1:
        return None
    (piece,) = tensor.pieces
    order = sorted(range(len(tensor.sizes)), key=lambda digit: -piece.spans[digit][2])
    step = 1
    for digit in reversed(order):
        if piece.spans[digit] != (0, tensor.sizes[digit], step):
            return None
        step *= tensor.sizes[digit]
    return tuple(order) if piece.base == 0 else None
