"""choose_shifts: how far XbarOut is rounded, and with it biases and multipliers in units of the shifted sum.

On targets that round ("shift") a layer has one shift, and every sum seen in calibration, with one bit of headroom,
fits an accumulator. A column whose sums are large would force a large shift on all; its weights are stored in a
coarser scale instead, by at most 2^SPARE_BITS, so that small columns keep their precision. On other targets the shift
is 0 and nothing is rounded before requantisation. Needs tasks; layers are calibrated in order, each on what the layers
before it really compute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cimc.ir.layers import Floats, Ints, MatrixLayer, operands_of
from cimc.ir.mapped import MappedGraph, MappedLayer
from cimc.ir.reference import accumulate, evaluate_layer, finish_matrix, windows_of
from cimc.numerics.quant import Quant
from cimc.passes.split import block_weights
from cimc.target.model import Target

HEADROOM_BITS = 1
SPARE_BITS = 4  # of 16 weight bits: 12 are left, whose rounding stays below that of a 16-bit sum
WORK = 4e9  # products that calibration may take


def calibration_lanes(graph: MappedGraph) -> int:
    """How many lanes choose_shifts should be given: fewer for large networks."""
    products = sum(
        m.matrix.weight.size * graph.maps[m.layer.output].height * graph.maps[m.layer.output].width
        for m in graph.layers
        if isinstance(m.layer, MatrixLayer)
    )
    return int(np.clip(WORK / max(products, 1), 1, 128))


def choose_shifts(graph: MappedGraph, target: Target, inputs: Mapping[str, Ints]) -> MappedGraph:
    """Settle shifts, integer biases and multipliers. inputs: calibration lanes of the input maps, as integers."""
    if target.mvmu.round == "none":
        return replace(graph, layers=tuple(_settled(m, graph.quants, 0) for m in graph.layers))
    maps = dict(inputs)
    layers = []
    last_use = {name: i for i, m in enumerate(graph.layers) for o in operands_of(m.layer) for name in o.maps}
    for i, mapped in enumerate(graph.layers):
        if mapped.weights is None:
            maps[mapped.layer.output] = evaluate_layer(graph, mapped, maps)
        else:
            mapped, maps[mapped.layer.output] = _calibrated(graph, mapped, maps)
        layers.append(mapped)
        for name in [name for name in maps if last_use.get(name, -1) <= i and name != mapped.layer.output]:
            del maps[name]
    return replace(graph, layers=tuple(layers))


def _calibrated(graph: MappedGraph, mapped: MappedLayer, maps: Mapping[str, Ints]) -> tuple[MappedLayer, Ints]:
    """The layer with its shift and scales, and its result on the calibration lanes."""
    windows = windows_of(graph, mapped, maps)
    peaks = np.ones(mapped.matrix.weight.shape[0])

    def watch(sums: Floats, low: int, high: int) -> None:
        np.maximum(peaks[low:high], np.abs(sums).max(axis=(0, 1, 2)), out=peaks[low:high])

    wide = replace(graph, accumulator_bits=62)
    exact = accumulate(wide, mapped, windows, watch)
    unshifted = _settled(mapped, graph.quants, 0)
    assert unshifted.bias is not None, f"{mapped.layer.name} has no bias"
    watch((exact + unshifted.bias).astype(np.float64), 0, len(peaks))
    limit = ((1 << (graph.accumulator_bits - 1)) - 1) / (1 << HEADROOM_BITS)
    needed = np.log2(peaks / limit)
    spare = 0 if mapped.matrix.given is not None else max(0, min(SPARE_BITS, mapped.weight_bits - 12))
    shift = max(0, math.ceil(float(needed.max()) - spare))
    coarser = np.exp2(np.maximum(needed - shift, 0.0))
    settled = _settled(_rescaled(mapped, coarser) if spare else mapped, graph.quants, shift)
    return settled, finish_matrix(graph, settled, accumulate(graph, settled, windows), maps)


def _rescaled(mapped: MappedLayer, coarser: Floats) -> MappedLayer:
    """The layer with weights rounded to scales `coarser` times as large, (O,); blocks and multipliers follow."""
    layer = mapped.matrix
    assert mapped.weight_scale is not None, f"{layer.name} has no weight scale"
    scale = np.asarray(mapped.weight_scale * coarser, np.float32)
    top = (1 << (mapped.weight_bits - 1)) - 1
    weights = np.clip(np.rint(layer.weight / scale[:, None, None, None].astype(np.float64)), -top, top).astype(np.int64)
    tasks = tuple(
        replace(
            task,
            blocks=tuple(
                replace(b, weights=block_weights(weights, layer.groups, b.runs, b.low, b.high)) for b in task.blocks
            ),
        )
        for task in mapped.tasks
    )
    growth: npt.NDArray[np.float32] = np.asarray(scale / mapped.weight_scale, np.float32)
    finish = replace(mapped.finish, m=mapped.finish.m * growth)
    return replace(mapped, weights=weights, weight_scale=scale, tasks=tasks, finish=finish)


def _settled(mapped: MappedLayer, quants: Mapping[str, Quant], shift: int) -> MappedLayer:
    """A layer with this shift: bias in units of the shifted sum, the input's zero point taken off through it."""
    if mapped.weights is None or mapped.weight_scale is None:
        return mapped
    layer = mapped.matrix
    source = quants[layer.x.maps[0]]
    unit = np.asarray(np.float32(source.scale) * mapped.weight_scale, np.float64)
    if layer.given is not None and layer.given.bias is not None:
        bias = layer.given.bias.astype(np.float64)
    else:
        bias = layer.bias / unit
    bias = bias - source.zero * mapped.weights.sum(axis=(1, 2, 3))
    finish = replace(mapped.finish, m=mapped.finish.m * np.float32(1 << shift))
    return replace(mapped, shift=shift, bias=np.rint(bias / (1 << shift)).astype(np.int64), finish=finish)
