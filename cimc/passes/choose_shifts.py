"""choose_shifts: how far XbarOut is rounded, and with it biases and multipliers in units of the shifted sum.

On targets that round ("shift") a layer has one shift, and every sum seen in calibration, with one bit of headroom,
fits an accumulator. A column whose sums are large would force a large shift on all; its weights can be stored in a
coarser scale instead, so that the others keep their precision. The shift is the one that makes the least noise of the
two. On other targets the shift is 0 and nothing is rounded before requantisation. Needs tasks; layers are calibrated
in order, each on what the layers before it really compute.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cimc.ir.layers import Floats, Ints, MatrixLayer, operands_of
from cimc.ir.mapped import Float32s, MappedGraph, MappedLayer
from cimc.ir.reference import accumulate, evaluate_layer, finish_matrix, windows_of
from cimc.numerics.quant import Quant
from cimc.passes.quantise import round_weights
from cimc.passes.split import block_weights
from cimc.target.model import Target

HEADROOM_BITS = 1
WEIGHT_NOISE = 4  # how much more a weight's error counts: it is the same in every window and does not average out
WORK = 1.2e10  # products that calibration may take
WINDOW_WORDS = 1 << 26  # of windows held at once


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
        return replace(graph, layers=tuple(settled_layer(m, graph.quants, 0, rounds=False) for m in graph.layers))
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
    """The layer with its shift and scales, and its result on the calibration lanes.

    The result is that of unrounded sums in float32: near enough to calibrate the layers behind it.
    """
    peaks = np.ones(mapped.matrix.weight.shape[0])
    power, largest, parts = 0.0, 1.0, []
    wide = replace(graph, accumulator_bits=62)
    unshifted = settled_layer(mapped, graph.quants, 0, rounds=True)
    assert unshifted.bias is not None, f"{mapped.layer.name} has no bias"

    def watch(sums: Floats, low: int, high: int) -> None:
        np.maximum(peaks[low:high], np.abs(sums).max(axis=(0, 1, 2)), out=peaks[low:high])

    for part in _chunks(graph, mapped, maps):
        windows = windows_of(graph, mapped, part)
        largest = max(largest, float(windows.max()), -float(windows.min()))
        power += float(np.square(windows, dtype=np.float32).sum(axis=(3, 4, 5)).mean()) * len(windows)
        sums = accumulate(wide, unshifted, windows, watch, np.float32)
        watch((sums + unshifted.bias).astype(np.float64), 0, len(peaks))
        parts.append(finish_matrix(wide, unshifted, sums, part))
    result = np.concatenate(parts)
    parts.clear()
    power /= len(result)
    limit = ((1 << (graph.accumulator_bits - 1)) - 1) / (1 << HEADROOM_BITS)
    needed = np.log2(np.maximum(peaks, _reach(unshifted, largest)) / limit)
    lowest = highest = max(0, math.ceil(float(needed.max())))
    if mapped.matrix.given is None:
        lowest = max(0, highest - mapped.weight_bits // 2)
    blocks = sum(len(task.blocks) for task in mapped.tasks if task.low == mapped.tasks[0].low)
    shift = min(range(highest, lowest - 1, -1), key=lambda s: _noise(mapped.finish.m, needed, s, power, blocks))
    coarser = np.exp2(np.maximum(needed - shift, 0.0))
    settled = settled_layer(_rescaled(mapped, coarser) if shift < highest else mapped, graph.quants, shift, rounds=True)
    return _corrected(graph, settled, windows, np.asarray(sums, np.float64) * unshifted.finish.m), result


def _corrected(graph: MappedGraph, settled: MappedLayer, windows: Ints, wanted: Floats) -> MappedLayer:
    """The layer with its offsets moved by what rounding of weights and sums is off on average, channel by channel.

    windows: of some calibration lanes; wanted: what their sums would give unrounded, in units of the result. The error
    of a rounded weight is the same for every window, and inputs behind a Relu have a mean, so it does not average out
    by itself (bias correction: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
    ICCV 2019).
    """
    finish = settled.finish
    if finish.n is None or settled.matrix.residual is not None or settled.matrix.given is not None:
        return settled
    got = accumulate(graph, settled, windows, None, np.float32) * finish.m.astype(np.float64)
    error = (wanted - got).mean(axis=(0, 1, 2))
    return replace(settled, finish=replace(finish, n=np.asarray(finish.n + error, np.float32)))


def _reach(unshifted: MappedLayer, largest: float) -> Floats:
    """Sums that every column must be able to hold, (O,): as much as makes half of the layer's largest result, as far
    as inputs up to `largest` can.

    A class's column is loud only on inputs of that class, and calibration may have none of them.
    """
    finish, weights = unshifted.finish, unshifted.weights
    assert weights is not None, f"{unshifted.layer.name} has no weights"
    result = max(finish.high - finish.zero, finish.zero - finish.low) / (1 << HEADROOM_BITS) / 2
    possible = np.abs(weights).sum(axis=(1, 2, 3)) * largest
    return np.asarray(np.minimum(result / np.maximum(finish.m, 1e-30), possible), np.float64)


def _chunks(graph: MappedGraph, mapped: MappedLayer, maps: Mapping[str, Ints]) -> Iterator[dict[str, Ints]]:
    """The maps that a layer reads, a few lanes at a time, so that its windows stay in memory."""
    names = {name for operand in operands_of(mapped.layer) for name in operand.maps}
    out = graph.maps[mapped.layer.output]
    size = max(1, WINDOW_WORDS // (out.height * out.width * mapped.matrix.weight[0].size * mapped.matrix.groups))
    lanes = len(maps[next(iter(names))])
    for start in range(0, lanes, size):
        yield {name: maps[name][start : start + size] for name in names}


def _noise(m: Float32s, needed: Floats, shift: int, power: float, blocks: int) -> float:
    """Expected squared error of a layer's results, in squared steps of its output, for a shift.

    A column whose sums need `needed` bits of shift has its weights' steps grow by 2^(needed - shift). Rounding of
    weights: a twelfth of a step each, times the power of a window (the sum of its squared inputs); rounding of each
    block's sum: a twelfth of 2^shift squared.
    """
    steps = np.square(m * np.exp2(np.maximum(needed - shift, 0.0)))
    return float(steps.sum() * (WEIGHT_NOISE * power + blocks * 4.0**shift) / 12)


def _rescaled(mapped: MappedLayer, coarser: Floats) -> MappedLayer:
    """The layer with weights rounded to scales `coarser` times as large, (O,); blocks and multipliers follow."""
    layer = mapped.matrix
    assert mapped.weight_scale is not None, f"{layer.name} has no weight scale"
    scale = np.asarray(mapped.weight_scale * coarser, np.float32)
    weights = round_weights(layer.weight, scale, mapped.weight_bits)
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


def settled_layer(mapped: MappedLayer, quants: Mapping[str, Quant], shift: int, rounds: bool) -> MappedLayer:
    """A layer with this shift. Its input's zero point is taken off through the bias.

    The bias is an integer in units of the shifted sum; where sums are rounded (`rounds`) and nothing else is added
    later, it is the second term of the requantisation instead, which rounds once only.
    """
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
    if rounds and layer.residual is None:
        offset = np.asarray(bias * mapped.finish.m, np.float32)
        return replace(mapped, shift=shift, bias=np.zeros(len(bias), np.int64), finish=replace(finish, n=offset))
    return replace(mapped, shift=shift, bias=np.rint(bias / (1 << shift)).astype(np.int64), finish=finish)
