"""Convolutions and products with a constant matrix become matrix layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from cimc.ir import graph as g
from cimc.ir.layers import GivenWeights, Ints, MatrixLayer, Operand, Reals
from cimc.passes.lowering import Lowering, Refusal
from cimc.passes.places import Places

BIAS_LIMIT = (1 << 31) - 1
"""A quantised bias is an int32."""

Number = TypeVar("Number", bound=np.floating[Any] | np.int64)


def given_weights(low: Lowering, node: g.Conv | g.MatMul) -> tuple[GivenWeights | None, Reals]:
    """Integers that the network carries for this node's weight, (O, ...) first axis outputs, and the real ones."""
    weight = low.weight(node.inputs[1])
    source = low.dequantised.get(node.inputs[1])
    if source is None:
        return None, weight
    constants = low.graph.constants
    outputs = weight.shape[0] if isinstance(node, g.Conv) else weight.shape[1]
    integers = np.asarray(constants[source.inputs[0]], np.int64)
    zero = np.asarray(constants[source.inputs[2]], np.int64)
    scale = np.asarray(constants[source.inputs[1]], np.float32)
    if zero.size > 1:
        shape = [1] * integers.ndim
        shape[source.axis] = -1
        zero = zero.reshape(shape)
    output_axis = 0 if isinstance(node, g.Conv) else 1
    if scale.size > 1 and source.axis % integers.ndim != output_axis:
        raise Refusal("its quantised weights have scales along an axis that is not the outputs'")
    scale = np.broadcast_to(scale, (outputs,))
    return GivenWeights(integers - zero, scale, _given_bias(low, node, scale)), weight


def _given_bias(low: Lowering, node: g.Conv | g.MatMul, scale: npt.NDArray[np.float32]) -> Ints | None:
    """A quantised bias as integers in units of the sums, the input's scale times the weights', (O,): the network's own
    integers where they count in these units. None where the input has no format yet."""
    if len(node.inputs) < 3 or node.inputs[2] not in low.dequantised:
        return None
    integers, own_scale, zero = (low.graph.constants[name] for name in low.dequantised[node.inputs[2]].inputs)
    formats = {low.book.maps[i].quant for i in low.book.maps_in(low.places[node.inputs[0]])}
    quant = formats.pop() if len(formats) == 1 else None
    if quant is None:
        return None
    unit = np.float32(quant.scale) * scale
    own = np.asarray(integers, np.int64) - zero.astype(np.int64)
    if np.allclose(own_scale, unit, rtol=1e-6, atol=0):
        return own
    real = own * own_scale.astype(np.float64)
    counted = np.divide(real, unit, out=np.zeros(len(scale)), where=unit > 0)
    return np.asarray(np.clip(np.rint(counted), -BIAS_LIMIT, BIAS_LIMIT), np.int64)


def real_channels(operand: Operand) -> npt.NDArray[np.bool_]:
    """Which channels of an operand are not padding, (channels,)."""
    return np.concatenate([np.full(part.count, bool(part.map)) for part in operand.parts])


def without_padding(
    operand: Operand, groups: int, given: GivenWeights | None, weight: Reals
) -> tuple[GivenWeights | None, Reals]:
    """Weights (O, C/groups, KH, KW) with zeros for channels that are padding: no row of a crossbar is fed with them, so
    they must not count where an input's zero point is taken off either."""
    real = real_channels(operand)
    if real.all():
        return given, weight
    kept = np.repeat(real.reshape(groups, 1, -1), len(weight) // groups, axis=1).reshape(*weight.shape[:2], 1, 1)
    if given is not None:
        given = replace(given, weights=given.weights * kept)
    return given, np.where(kept, weight, weight.dtype.type(0))


def lower_conv(low: Lowering, node: g.Conv) -> None:
    """A convolution becomes a matrix layer."""
    given, weight = given_weights(low, node)
    bias = low.real(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(weight.shape[0])
    operand = low.windowed(node.inputs[0], node.pads)
    if not real_channels(operand).reshape(node.groups, -1).any(axis=1).all():
        low.materialise(node.inputs[0], node.inputs[0])  # a group of nothing but padding has no rows to feed
        operand = low.windowed(node.inputs[0], node.pads)
    given, weight = without_padding(operand, node.groups, given, weight)
    layer = MatrixLayer(
        name="", output="", origin="", x=operand, weight=weight, bias=bias, strides=node.strides, pads=node.pads,
        dilations=node.dilations, groups=node.groups, given=given,
    )  # fmt: skip
    indices = np.arange(int(np.prod(low.graph.tensors[node.output].shape)))
    layout = indices.reshape(low.graph.tensors[node.output].shape)[0].transpose(1, 2, 0)
    low.add_layer(layer, node, layout, linear=True)


def lower_matmul(low: Lowering, node: g.MatMul) -> None:
    """A product over the last axis becomes a convolution whose kernel is the map (or 1 x 1, token by token)."""
    given, weight = given_weights(low, node)
    outputs = weight.shape[1]
    bias = low.real(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(outputs)
    bias = np.broadcast_to(bias, (outputs,)).astype(np.float64)
    places = low.places[node.inputs[0]]
    inputs = places.shape[-1]
    tokens = places.reshape(-1, inputs)
    low.close(places)
    if len(tokens) == 1:
        operand, rows = whole_maps(low, tokens[0])
        rearranged = spread(weight.T, rows)
        if given is not None:
            given = replace(given, weights=spread(given.weights.T, rows))
    else:
        maps = low.book.maps_in(places)
        m = low.book.maps[maps[0]]
        grid = (m.height, m.width) if m.height * m.width == len(tokens) else (len(tokens), 1)
        operand = low.operand(tokens.reshape(*grid, inputs))
        rearranged = weight.T[:, :, None, None]
        if given is not None:
            given = replace(given, weights=given.weights.T[:, :, None, None])
        given, rearranged = without_padding(operand, 1, given, rearranged)
    height, width = (1, 1) if len(tokens) == 1 else (operand.height, operand.width)
    layer = MatrixLayer(
        name="", output="", origin="", x=operand, weight=rearranged, bias=bias, strides=(1, 1), pads=(0, 0, 0, 0),
        dilations=(1, 1), groups=1, given=given,
    )  # fmt: skip
    layout = np.arange(len(tokens) * outputs).reshape(height, width, outputs)
    low.add_layer(layer, node, layout, linear=True)


def whole_maps(low: Lowering, places: Places) -> tuple[Operand, Places]:
    """The maps that hold a vector, whole, and where in (C, H, W) of them each of its elements is (-1: nowhere)."""
    indices = low.book.maps_in(places)
    maps = [low.book.maps[i] for i in indices]
    sizes = {(m.height, m.width) for m in maps}
    if len(sizes) != 1:
        raise Refusal("its input joins maps of different sizes, which is not built yet")
    numbers = [
        np.arange(low.book.starts[i], low.book.starts[i] + m.words).reshape(m.height, m.width, m.channels)
        for i, m in zip(indices, maps, strict=True)
    ]
    operand = low.operand(np.concatenate(numbers, axis=2))
    wanted = low.book.places_of(operand).transpose(2, 0, 1)
    position = {}
    for flat, number in enumerate(wanted.ravel().tolist()):
        position[number] = flat
    rows = np.asarray([position.get(int(p), -1) for p in places], np.int64)
    shape = np.asarray(wanted.shape)
    return operand, np.concatenate([rows, shape])


def spread(weight: npt.NDArray[Number], rows: Places) -> npt.NDArray[Number]:
    """Weights (O, K) at the map positions of their inputs: (O, C, H, W)."""
    shape = tuple(int(n) for n in rows[-3:])
    at = rows[:-3]
    known = np.flatnonzero(at >= 0)
    out = np.zeros((weight.shape[0], int(np.prod(shape))), weight.dtype)
    once = np.unique(at[known]).size == known.size
    for to, values in zip(out, weight, strict=True):  # row by row, so that a large matrix stays in the cache
        if once:
            to[at[known]] = values[known]
        else:
            np.add.at(to, at[known], values[known])
    return out.reshape(weight.shape[0], *shape)
