"""choose_shifts: how far XbarOut is rounded, and with it biases and multipliers in units of the shifted sum.

Every sum seen in calibration, with one bit of headroom, fits an accumulator, and a word where it is stored on its way.
On targets that round ("shift") a layer has one shift for that. A column whose sums are large would force a large shift
on all; its weights can be stored in a coarser scale instead, so that the others keep their precision. The shift is the
one that makes the least noise of the two. On other targets the shift is 0, and only such columns as could overflow are
stored more coarsely. Needs tasks; layers are calibrated in order, each on what the layers before it really compute.

Everything here is sums of integers, exact in float64, and elementwise arithmetic: the result depends on no order of
summation, and so on no BLAS, processor or number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.crossbar.converter import fine
from cimc.ir.borders import onto_map
from cimc.ir.epilogue import Float32s
from cimc.ir.layers import Floats, Ints, Words
from cimc.ir.mapped import Arithmetic, MappedGraph, evaluate_layer
from cimc.ir.reference import empty_output
from cimc.layer_kinds.matrix.mapped import MappedMatrix, as_matrix, matrices_of, round_weights, unit_of, with_matrices
from cimc.layer_kinds.matrix.sums import accumulate, bands_of, finish_matrix
from cimc.numerics.quant import Quant, finite32
from cimc.passes.crossbars.mark_lossy import mark_matrix
from cimc.passes.crossbars.split import block_weights
from cimc.passes.numbers.choose_steps import choose_steps

HEADROOM_BITS = 1
WEIGHT_NOISE = 4  # how much more a weight's error counts: it is the same in every window and does not average out
WORK = 1.2e10  # products that calibration may take
CHUNK_WORDS = 1 << 25  # of the windows of the lanes that offsets are corrected by, at least one lane's
CALIBRATION_VALUES = 1 << 24  # of one map: pictures of millions of pixels get fewer lanes
UNLIMITED = 62  # bits that no sum here reaches
SAME_BIAS = 1e-4  # relative distance within which an integer bias is in units of the sums


def _inputs(graph: MappedGraph, calibration: Mapping[str, npt.NDArray[Any]]) -> dict[str, Words]:
    """The input maps' integers on as many lanes as there is time and room for."""
    products = sum(
        math.prod(m.layer.shape) * graph.maps[m.layer.output].height * graph.maps[m.layer.output].width
        for m in matrices_of(graph)
    )
    lanes = int(np.clip(WORK / max(products, 1), 1, 128))
    lanes = min(lanes, max(1, CALIBRATION_VALUES // max(m.words for m in graph.maps.values())))
    return {
        b.maps[0]: onto_map(b, graph.maps[b.maps[0]], graph.quants[b.maps[0]], calibration[b.tensor][:lanes])
        for b in graph.inputs
    }


def choose_shifts(graph: MappedGraph, calibration: Mapping[str, npt.NDArray[Any]]) -> MappedGraph:
    """Settle shifts, integer biases and multipliers. calibration: lanes of every network input, (lanes, *shape)."""
    if not graph.arithmetic.rounds and graph.arithmetic.crossbar.adc_keeps == "low bits":
        shifted = with_matrices(graph, lambda one: with_shift(one, graph.quants, 0, graph.arithmetic))
        if all(_cannot_overflow(graph, one) for one in matrices_of(shifted)):
            return shifted
    maps = _inputs(graph, calibration)
    layers = []
    last_use = {name: i for i, m in enumerate(graph.layers) for o in m.layer.reads for name in o.maps}
    for i, mapped in enumerate(graph.layers):
        matrix, result, wanted = as_matrix(mapped), None, mapped.layer.output in last_use
        if matrix is not None:
            mapped, result = _calibrated(graph, matrix, maps, wanted)
        elif wanted:
            result = evaluate_layer(mapped, graph, maps)
        layers.append(mapped)
        if result is not None:
            maps[mapped.layer.output] = result
        for name in [name for name in maps if last_use.get(name, -1) <= i]:
            del maps[name]
    return replace(graph, layers=tuple(layers))


def _calibrated(
    graph: MappedGraph, mapped: MappedMatrix, maps: Mapping[str, Words], wanted: bool
) -> tuple[MappedMatrix, Ints | None]:
    """The layer with its shift and scales, and its result on the calibration lanes where that is wanted.

    The result is that of sums that are neither rounded nor cut off: near enough to calibrate the layers behind it.
    """
    peaks = np.ones(mapped.layer.shape[0])
    power, largest, rounds = 0.0, 1.0, graph.arithmetic.rounds
    wide = replace(graph, arithmetic=replace(graph.arithmetic, word_bits=UNLIMITED, accumulator_bits=UNLIMITED))
    unshifted = with_shift(mapped, graph.quants, 0, wide.arithmetic)
    maps = {name: maps[name] for operand in mapped.layer.reads for name in operand.maps}
    result = empty_output(graph, mapped.layer, maps) if wanted else None
    out, count = graph.maps[mapped.layer.output], len(next(iter(maps.values())))

    def watch(sums: Floats, low: int, high: int) -> None:
        np.maximum(peaks[low:high], np.abs(sums).max(axis=(0, 1, 2)), out=peaks[low:high])

    for lanes in _chunks(graph, mapped, maps):
        part = {name: values[lanes] for name, values in maps.items()}
        squares, total = 0, np.zeros(len(peaks))
        for band, windows in bands_of(graph, mapped, part):
            largest = max(largest, float(windows.max()), -float(windows.min()))
            squares += int(np.einsum("abcdef,abcdef->", windows, windows, dtype=np.int64))
            sums = accumulate(wide, unshifted, windows, watch)
            watch((sums + unshifted.known_bias).astype(np.float64), 0, len(peaks))
            total += sums.sum(axis=(0, 1, 2))
            if result is not None:
                result[lanes, band.start : band.stop] = finish_matrix(wide, unshifted, sums, part, band)
        power += squares / (out.height * out.width)
    power /= count
    limit = ((1 << (_sum_bits(graph, mapped) - 1)) - 1) / (1 << HEADROOM_BITS)
    steps = choose_steps(graph, mapped, maps)
    mapped, units = replace(mapped, steps=steps), np.ones(len(peaks)) if steps is None else fine(steps)
    needed = np.maximum(peaks, _reach(unshifted, largest)) / units / limit
    highest = max(0, math.ceil(float(needed.max())) - 1).bit_length()
    lowest = highest if mapped.layer.given is not None else max(0, highest - mapped.weight_bits // 2)
    blocks = sum(len(task.blocks) for task in mapped.tasks if task.low == mapped.tasks[0].low)
    shifts = range(highest, lowest - 1, -1) if rounds else (0,)
    shift = min(shifts, key=lambda s: _noise(mapped.epilogue.m, needed, units, s, power, blocks))
    coarser = np.maximum(needed / (1 << shift), 1.0)
    rescaled = shift < highest and mapped.layer.given is None
    rescaled_layer = _rescaled(mapped, coarser) if rescaled else mapped
    shifted = with_shift(rescaled_layer, graph.quants, shift, graph.arithmetic)
    return _corrected(graph, shifted, part, total * unshifted.epilogue.m), result


def _sum_bits(graph: MappedGraph, mapped: MappedMatrix) -> int:
    """Bits that a layer's sums may have: an accumulator's, and a word's where some are stored on their way."""
    arithmetic = graph.arithmetic
    stored = any(task.is_partial for task in mapped.tasks)
    return min(arithmetic.accumulator_bits, arithmetic.word_bits) if stored else arithmetic.accumulator_bits


def _cannot_overflow(graph: MappedGraph, mapped: MappedMatrix) -> bool:
    """Whether no inputs can make a sum of an unshifted layer too large, its bias included."""
    fed = mapped.fed(graph)
    largest = max(-fed.low, fed.high) * np.abs(mapped.weights).sum(axis=(1, 2, 3), dtype=np.int64)
    return int((largest + np.abs(mapped.known_bias)).max()) < 1 << (_sum_bits(graph, mapped) - 1)


def _corrected(graph: MappedGraph, shifted: MappedMatrix, maps: Mapping[str, Words], wanted: Floats) -> MappedMatrix:
    """The layer with its offsets moved by what rounding of weights and sums is off on average, channel by channel.

    maps: of some calibration lanes; wanted: what all their sums together would give unrounded, in units of the result,
    (O,). The error of a rounded weight is the same for every window, and inputs behind a Relu have a mean, so it does
    not average out by itself (bias correction: Nagel et al., "Data-Free Quantization Through Weight Equalization and
    Bias Correction", ICCV 2019).
    """
    epilogue = shifted.epilogue
    kept = shifted.layer.given is not None and shifted.steps is None
    if epilogue.n is None or shifted.layer.residual is not None or kept:
        return shifted
    shifted, total, count = mark_matrix(graph, shifted), np.zeros(len(wanted)), 0
    for _, windows in bands_of(graph, shifted, maps):
        sums = accumulate(graph, shifted, windows)
        total += sums.sum(axis=(0, 1, 2))
        count += sums[..., 0].size
    error = (wanted - total * epilogue.m) / count
    return replace(shifted, epilogue=replace(epilogue, n=finite32(epilogue.n + error)))


def _reach(unshifted: MappedMatrix, largest: float) -> Floats:
    """Sums that every column must be able to hold, (O,): as much as makes half of the layer's largest result, as far
    as inputs up to `largest` can.

    A class's column has large sums only on inputs of that class, and calibration may have none of them.
    """
    epilogue, weights = unshifted.epilogue, unshifted.weights
    result = max(epilogue.high - epilogue.zero, epilogue.zero - epilogue.low) / (1 << HEADROOM_BITS) / 2
    possible = np.abs(weights).sum(axis=(1, 2, 3)) * largest
    return np.asarray(np.minimum(result / np.maximum(epilogue.m, 1e-30), possible), np.float64)


def _chunks(graph: MappedGraph, mapped: MappedMatrix, maps: Mapping[str, Words]) -> Iterator[slice]:
    """A few lanes at a time; offsets are corrected by the last ones."""
    out = graph.maps[mapped.layer.output]
    size = max(1, CHUNK_WORDS // (out.height * out.width * math.prod(mapped.layer.shape[1:]) * mapped.layer.groups))
    return (slice(start, start + size) for start in range(0, len(next(iter(maps.values()))), size))


def _noise(m: Float32s, needed: Floats, units: Floats, shift: int, power: float, blocks: int) -> float:
    """Expected squared error of a layer's results, in squared steps of its output, for a shift.

    A column whose sums are `needed` times as large as they may be has its weights' steps grow by needed / 2^shift.
    Rounding of weights: a twelfth of a step each, times the power of a window (the sum of its squared inputs); rounding
    of each block's sum: a twelfth of 2^shift converters' steps squared (units, in units of a product).
    """
    steps = np.square(m * np.maximum(needed / (1 << shift), 1.0))
    return float((steps * (WEIGHT_NOISE * power + blocks * np.square(units) * 4.0**shift)).sum() / 12)


def _rescaled(mapped: MappedMatrix, coarser: Floats) -> MappedMatrix:
    """The layer with weights rounded to scales `coarser` times as large, (O,); blocks and multipliers follow."""
    layer = mapped.layer
    scale = np.asarray(mapped.weight_scale * coarser, np.float32)
    weights = round_weights(layer.known_weight, scale, mapped.weight_bits)
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
    epilogue = replace(mapped.epilogue, m=finite32(mapped.epilogue.m.astype(np.float64) * growth))
    return replace(mapped, weights=weights, weight_scale=scale, tasks=tasks, epilogue=epilogue)


def with_shift(mapped: MappedMatrix, quants: Mapping[str, Quant], shift: int, arithmetic: Arithmetic) -> MappedMatrix:
    """A layer with this shift. Its input's zero point is taken off through the bias.

    The bias is an integer in units of the shifted sum of codes; where sums are rounded, converters have steps other
    than 1 or accumulators do not hold it, and nothing else is added later, it is the second term of the requantisation
    instead, which rounds once only. A network that carries its own integers keeps its bias wherever that can be exact.
    """
    layer = mapped.layer
    source = quants[layer.x.maps[0]]
    unit = unit_of(source, mapped.weight_scale)
    bias = layer.bias / unit
    if layer.given is not None and layer.given.bias is not None:
        # In these units already, as a rule: then no rounding of scales moves it.
        usual = np.abs(layer.given.bias - bias) <= SAME_BIAS * np.maximum(1, np.abs(bias))
        bias = np.where(usual, layer.given.bias, bias)
    bias = bias - source.zero * mapped.weights.sum(axis=(1, 2, 3))
    size = np.full(len(bias), float(1 << shift)) * (1.0 if mapped.steps is None else fine(mapped.steps))
    epilogue = replace(mapped.epilogue, m=finite32(mapped.epilogue.m.astype(np.float64) * size))
    held = np.abs(bias).max(initial=0.0) < 2.0 ** (arithmetic.accumulator_bits - 1)
    rounds = arithmetic.rounds or mapped.steps is not None
    exact = layer.given is not None and (size == 1).all()  # as integer kernels add it, where sums are not rounded
    if layer.residual is None and (not held or (rounds and not exact)):
        offset = finite32(bias * mapped.epilogue.m)
        return replace(mapped, shift=shift, bias=np.zeros(len(bias), np.int64), epilogue=replace(epilogue, n=offset))
    return replace(mapped, shift=shift, bias=np.rint(bias / size).astype(np.int64), epilogue=epilogue)
