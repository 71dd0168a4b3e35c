"""Convolutions and products with a constant matrix become matrix layers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from cimc.ir import graph as g
from cimc.ir.layers import Ints, Operand, Reals
from cimc.layer_kinds.matrix.layer import GivenWeights, MatrixLayer
from cimc.numerics.integers import integer_range
from cimc.passes.lower.index_map import Elements, IndexMap, joined
from cimc.passes.lower.layout import Layout, spatial
from cimc.passes.lower.state import Lowering, Refusal

BIAS_LIMIT = (1 << 31) - 1
"""A quantised bias is an int32."""

Number = TypeVar("Number", bound=np.floating[Any] | np.int64)


def stored_weights(low: Lowering, node: g.Conv | g.MatMul, outputs: int) -> tuple[GivenWeights | None, Reals | None]:
    """Integers that the network carries for this node's weight, and the real ones, as the node has them.

    Weightless: no real ones, and for integers the largest of their type, (O, 1, 1, 1).
    """
    source, constants = low.dequantised.get(node.inputs[1]), low.graph.constants
    if low.weightless:
        if source is None:
            return None, None
        top = integer_range(low.graph.tensors[source.inputs[0]].dtype)[1]
        return GivenWeights(np.full((outputs, 1, 1, 1), top, np.int64), np.ones(outputs, np.float32), None), None
    weight = low.weight(node.inputs[1])
    if source is None:
        return None, weight
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
    formats = low.formats_of(low.tensors[node.inputs[0]])
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


def lower_conv(low: Lowering, node: g.Conv) -> None:
    """A convolution becomes a matrix layer."""
    outputs, per_group, height, width = low.graph.tensors[node.inputs[1]].shape
    given, weight = stored_weights(low, node, outputs)
    operand = low.windowed(node.inputs[0], node.pads)
    if not real_channels(operand).reshape(node.groups, -1).any(axis=1).all():
        low.materialise(node.inputs[0])  # a group of nothing but padding has no rows to feed
        operand = low.windowed(node.inputs[0], node.pads)
    window = {"strides": node.strides, "pads": node.pads, "dilations": node.dilations, "groups": node.groups}
    _add_matrix(low, node, operand, (outputs, per_group, height, width), given, weight,
                spatial(low.graph.tensors[node.output].shape), **window)  # fmt: skip


def lower_matmul(low: Lowering, node: g.MatMul) -> None:
    """A product over the last axis becomes a convolution whose kernel is the map (or 1 x 1, token by token)."""
    tensor = low.tensors[node.inputs[0]]
    inputs, outputs = low.graph.tensors[node.inputs[1]].shape
    given, weight = stored_weights(low, node, outputs)
    tokens = tensor.count // inputs
    if tokens == 1:
        operand = _whole_maps(low, tensor)
        shape = (outputs, operand.channels, operand.height, operand.width)
        rows = None if low.weightless else _rows(low, tensor)

        def arranged(values: npt.NDArray[Number]) -> npt.NDArray[Number]:
            assert rows is not None, "weights have values"
            return _spread(values.T, rows, shape)

        layout = Layout((outputs,), (0,), (1, 1, outputs))
    else:
        m = low.maps[tensor.maps[0]]
        height, width = (m.height, m.width) if m.height * m.width == tokens else (tokens, 1)
        operand = low.operand(tensor.reshape((height, width, inputs)))
        shape = (outputs, inputs, 1, 1)

        def arranged(values: npt.NDArray[Number]) -> npt.NDArray[Number]:
            return values.T[:, :, None, None]

        layout = Layout((tokens, outputs), (0, 1), (height, width, outputs))
    if not low.weightless:
        weight = None if weight is None else arranged(weight)
        given = None if given is None else replace(given, weights=arranged(given.weights))
    window: dict[str, Any] = {"strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1), "groups": 1}
    _add_matrix(low, node, operand, shape, given, weight, layout, **window)


def _add_matrix(low: Lowering, node: g.Conv | g.MatMul, x: Operand, shape: tuple[int, int, int, int],
                given: GivenWeights | None, weight: Reals | None, layout: Layout, **window: Any) -> None:  # fmt: skip
    """Add a matrix layer with weights of this shape (O, C/groups, KH, KW)."""
    bias = low.real(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(())
    if not low.weightless:
        given, weight = _without_padding(x, window["groups"], given, weight)
    layer = MatrixLayer(
        name="", output="", origin="", x=x, shape=shape, weight=weight,
        bias=np.broadcast_to(bias, shape[:1]).astype(np.float64), given=given, **window,
    )  # fmt: skip
    low.add_layer(layer, node, layout, linear=True)


def _without_padding(
    operand: Operand, groups: int, given: GivenWeights | None, weight: Reals | None
) -> tuple[GivenWeights | None, Reals | None]:
    """Weights (O, C/groups, KH, KW) with zeros for channels that are padding: no row of a crossbar is fed with them, so
    they must not count where an input's zero point is taken off either."""
    real = real_channels(operand)
    if real.all() or weight is None:
        return given, weight
    kept = np.repeat(real.reshape(groups, 1, -1), len(weight) // groups, axis=1).reshape(*weight.shape[:2], 1, 1)
    if given is not None:
        given = replace(given, weights=given.weights * kept)
    return given, np.where(kept, weight, weight.dtype.type(0))


def _whole_maps(low: Lowering, tensor: IndexMap) -> Operand:
    """The maps that hold a vector, whole, side by side."""
    if len({(low.maps[number].height, low.maps[number].width) for number in tensor.maps}) != 1:
        raise Refusal("its input joins maps of different sizes, which is not built yet")
    return low.operand(joined([_map(low, number) for number in tensor.maps], 2))


def _map(low: Lowering, number: int) -> IndexMap:
    m = low.maps[number]
    return IndexMap.whole(number, (m.height, m.width, m.channels))


def _rows(low: Lowering, tensor: IndexMap) -> Elements:
    """Where in (C, H, W) of the maps that hold a vector, side by side, each of its elements is (-1: nowhere)."""
    starts = [0] * len(low.maps)
    words = 0
    for number in tensor.maps:
        starts[number], words = words, words + low.maps[number].words
    wanted = joined([_map(low, number) for number in tensor.maps], 2).elements(starts).transpose(2, 0, 1)
    position = np.empty(words, np.int64)
    position[wanted.ravel()] = np.arange(words)
    elements = tensor.elements(starts).ravel()
    return np.where(elements < 0, -1, position[elements])


def _spread(weight: npt.NDArray[Number], rows: Elements, shape: tuple[int, int, int, int]) -> npt.NDArray[Number]:
    """Weights (O, K) at the map positions of their inputs: (O, C, H, W)."""
    known = np.flatnonzero(rows >= 0)
    out = np.zeros((shape[0], math.prod(shape[1:])), weight.dtype)
    once = np.unique(rows[known]).size == known.size
    for to, values in zip(out, weight, strict=True):  # row by row, so that a large matrix stays in the cache
        if once:
            to[rows[known]] = values[known]
        else:
            np.add.at(to, rows[known], values[known])
    return out.reshape(shape)
