"""The reference: what a MappedGraph computes, layer by layer, in plain array arithmetic. The compiler's own oracle.

Arrays are (lanes, height, width, channels), int64. What a kind of layer computes stands in its definition
(cimc.layer_kinds); here is how they read their operands.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cimc.ir.layers import Ints, Layer, Operand, Words
from cimc.ir.mapped import MappedGraph, evaluate_layer


def evaluate_mapped(graph: MappedGraph, inputs: Mapping[str, Words]) -> dict[str, Words]:
    """Every map's integers, given the input maps' (lanes, height, width, channels)."""
    maps = dict(inputs)
    for mapped in graph.layers:
        late = {name for operand in mapped.layer.reads for name in operand.maps} - maps.keys()
        assert not late, f'"{mapped.layer.name}" reads {late} of an earlier row: recurrence is not built yet'
        maps[mapped.layer.output] = evaluate_layer(mapped, graph, maps)
    return maps


def read_operand(
    graph: MappedGraph,
    operand: Operand,
    maps: Mapping[str, Words],
    outside: int | None = None,
    band: range | None = None,
) -> Ints:
    """An operand's integers, (lanes, height, width, channels); outside the maps, and in zero parts, the zero point.
    band: the rows that are wanted, None for all."""
    lanes = next(iter(maps.values())).shape[0]
    zero = zero_of(graph, operand) if outside is None else outside
    band = range(operand.height) if band is None else band
    out = np.full((lanes, len(band), operand.width, operand.channels), zero, np.int64)
    start = 0
    for part in operand.parts:
        if part.map:
            source = maps[part.map]
            rows = np.arange(band.start, band.stop) * operand.step[0] + operand.offset[0]
            columns = np.arange(operand.width) * operand.step[1] + operand.offset[1]
            inside_rows = np.flatnonzero((rows >= 0) & (rows < source.shape[1]))
            inside_columns = np.flatnonzero((columns >= 0) & (columns < source.shape[2]))
            taken = source[:, rows[inside_rows]][:, :, columns[inside_columns]]
            taken = taken[..., part.channel : part.channel + part.count]
            out[:, inside_rows[:, None], inside_columns, start : start + part.count] = taken
        start += part.count
    return out


def zero_of(graph: MappedGraph, operand: Operand) -> int:
    """The zero point that all maps of an operand share."""
    zeros = {graph.quants[name].zero for name in operand.maps}
    assert len(zeros) <= 1, f"operand {operand} mixes zero points {zeros}"
    return zeros.pop() if zeros else 0


def windows_of(
    graph: MappedGraph, layer: Layer, maps: Mapping[str, Words], outside: int | None = None, band: range | None = None
) -> Ints:
    """The windows of a layer's first operand: (lanes, rows, columns, kernel rows, kernel columns, channels). band: the
    rows of the layer's result that are wanted, None for all."""
    operand = layer.reads[0]
    kernel, strides, pads, dilations = layer.window
    fill = zero_of(graph, operand) if outside is None else outside
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    band = range(graph.maps[layer.output].height) if band is None else band
    first, behind = band[0] * strides[0] - pads[0], band[-1] * strides[0] - pads[0] + reach[0]
    held = range(max(0, first), max(0, min(behind, operand.height)))
    x = read_operand(graph, operand, maps, None if outside is None or not any(pads) else outside, held)
    above = min(held.start - first, behind - first)
    rows = above, behind - first - above - len(held)
    x = np.pad(x, ((0, 0), rows, (pads[1], pads[3]), (0, 0)), constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(1, 2))
    view = view[:, :: strides[0], :: strides[1], :, :: dilations[0], :: dilations[1]]
    return np.asarray(view.transpose(0, 1, 2, 4, 5, 3))


def empty_output(graph: MappedGraph, layer: Layer, maps: Mapping[str, Words]) -> Ints:
    """Room for a layer's integers on the lanes of the maps."""
    out = graph.maps[layer.output]
    return np.empty((len(next(iter(maps.values()))), *out.size), np.int64)
