"""The reference: what a MappedGraph computes, layer by layer, in plain array arithmetic. The compiler's own oracle.

Arrays are (lanes, height, width, channels), int64. Products run in float64, where every sum of integers below 2^53 is
exact; a block whose conversions may clip is multiplied conversion by conversion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from cimc.crossbar.chain import Programmed
from cimc.crossbar.feed import Feed
from cimc.ir.layers import (
    Floats,
    Ints,
    MatrixLayer,
    Operand,
    PoolLayer,
    SoftmaxLayer,
    VectorLayer,
    operands_of,
    window_of,
)
from cimc.ir.mapped import Block, Finish, MappedGraph, MappedLayer, Task
from cimc.numerics.keys import NOTHING_DRAWN
from cimc.numerics.quant import (
    look_up,
    multiply_shift,
    requant,
    requant2,
    requant_by,
    saturate,
    settle,
    shift_round,
)

WINDOW_WORDS = 1 << 24
"""Elements of unfolded windows that are multiplied at once (128 MiB), at least one row of a map."""


def evaluate_mapped(graph: MappedGraph, inputs: Mapping[str, Ints]) -> dict[str, Ints]:
    """Every map's integers, given the input maps' (lanes, height, width, channels)."""
    maps = dict(inputs)
    for mapped in graph.layers:
        maps[mapped.layer.output] = evaluate_layer(graph, mapped, maps)
    return maps


def read_operand(graph: MappedGraph, operand: Operand, maps: Mapping[str, Ints], outside: int | None = None) -> Ints:
    """An operand's integers, (lanes, height, width, channels); outside the maps, and in zero parts, the zero point."""
    lanes = next(iter(maps.values())).shape[0]
    zero = zero_of(graph, operand) if outside is None else outside
    out = np.full((lanes, operand.height, operand.width, operand.channels), zero, np.int64)
    start = 0
    for part in operand.parts:
        if part.map:
            source = maps[part.map]
            rows = np.arange(operand.height) * operand.step[0] + operand.offset[0]
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


def windows_of(graph: MappedGraph, mapped: MappedLayer, maps: Mapping[str, Ints], outside: int | None = None) -> Ints:
    """All windows of a layer's first operand: (lanes, rows, columns, kernel rows, kernel columns, channels)."""
    operand = operands_of(mapped.layer)[0]
    kernel, strides, pads, dilations = window_of(mapped.layer)
    fill = zero_of(graph, operand) if outside is None else outside
    x = read_operand(graph, operand, maps, None if outside is None or not any(pads) else outside)
    x = np.pad(x, ((0, 0), (pads[0], pads[2]), (pads[1], pads[3]), (0, 0)), constant_values=fill)
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(1, 2))
    view = view[:, :: strides[0], :: strides[1], :, :: dilations[0], :: dilations[1]]
    return np.asarray(view.transpose(0, 1, 2, 4, 5, 3))


def block_sums(graph: MappedGraph, mapped: MappedLayer, windows: Ints, task: Task) -> Iterator[tuple[Block, Floats]]:
    """Each block of a task, in order, with its sums (lanes, rows, columns, high - low)."""
    for block, x in block_inputs(windows, task):
        if block.clips:
            programmed, feed = in_cells(graph, mapped, block)
            sums = programmed.multiply(x.astype(np.int64), feed).astype(np.float64)
        else:
            sums = x @ block.weights.astype(np.float64)
        yield block, sums.reshape(*windows.shape[:3], -1)


def block_inputs(windows: Ints, task: Task) -> Iterator[tuple[Block, Floats]]:
    """Each block of a task, in order, with what its rows are fed: integers (lanes * rows * columns, block rows)."""
    _, _, _, kh, kw, _ = windows.shape
    unfolded: dict[tuple[int, int], Floats] = {}
    for block in task.blocks:
        taken = []
        for run in block.runs:
            channels = (run.operand_channel, run.channels)
            if channels not in unfolded:
                whole = windows[..., channels[0] : sum(channels)]
                unfolded[channels] = np.ascontiguousarray(whole, np.float64).reshape(-1, kh * kw * run.channels)
            taken.append(unfolded[channels][:, run.start : run.start + run.length])
        yield block, taken[0] if len(taken) == 1 else np.concatenate(taken, axis=1)


def in_cells(graph: MappedGraph, mapped: MappedLayer, block: Block) -> tuple[Programmed, Feed]:
    """A block in the cells of its MVMU, and how its inputs are fed."""
    fed, chain = graph.quants[mapped.matrix.x.maps[0]], graph.arithmetic.chain
    programmed = chain.program(block.weights.astype(np.int64), mapped.weight_bits, NOTHING_DRAWN)
    return programmed, chain.feed(fed.bits, fed.signed)


def clipped_conversions(graph: MappedGraph, mapped: MappedLayer, windows: Ints) -> tuple[int, int]:
    """(conversions that clip, conversions in all) of a matrix layer's blocks that may clip."""
    clipped, total, convert = 0, 0, graph.arithmetic.chain.converter.convert
    for task in mapped.tasks:
        for block, x in block_inputs(windows, task):
            if block.clips:
                programmed, feed = in_cells(graph, mapped, block)
                for part in programmed.batches(x.astype(np.int64)):
                    for _, *sums in programmed.reads(part, feed):
                        clipped += sum(int((convert(s) != s).sum()) for s in sums if s is not None)
                        total += sum(s.size for s in sums if s is not None)
    return clipped, total


def accumulate(
    graph: MappedGraph, mapped: MappedLayer, windows: Ints, watch: Callable[[Floats, int, int], None] | None = None
) -> Ints:
    """The accumulators of a matrix layer before its bias, added up in the order of its tasks.

    A task's sums that are stored for another one are words on their way. For calibration of shifts: watch is shown
    every sum on the way with its output channels (low, high).
    """
    rows = windows.shape[1]
    most = max(1, WINDOW_WORDS * rows // max(1, windows.size))
    if most < rows:  # a few rows of the map at a time, so that unfolded windows stay small
        bands = (windows[:, top : top + most] for top in range(0, rows, most))
        return np.concatenate([accumulate(graph, mapped, band, watch) for band in bands], axis=1)
    bits, word_bits = graph.arithmetic.accumulator_bits, graph.arithmetic.word_bits

    def own(task: Task) -> Floats:
        total: dict[tuple[int, int], Floats] = {}
        for block, exact in block_sums(graph, mapped, windows, task):
            low, high = block.low, block.high
            one = saturate(shift_round(exact, mapped.shift), bits)
            total[low, high] = saturate(total[low, high] + one, bits) if (low, high) in total else one
            if watch is not None:
                watch(exact, low, high)
                watch(total[low, high], low, high)
        return np.concatenate(list(total.values()), axis=-1)

    def whole(task: Task) -> Floats:
        total = own(task)
        for partner in task.partials:
            total = saturate(total + saturate(whole(mapped.tasks[partner]), word_bits), bits)
            if watch is not None:
                watch(total, task.low, task.high)
        return total

    return np.concatenate([whole(t) for t in mapped.tasks if not t.is_partial], axis=-1).astype(np.int64)


def through_table(finish: Finish, q: Ints) -> Ints:
    """The table's value, where there is one."""
    return q if finish.table is None else look_up(q, finish.table.entries, finish.table.first, finish.table.step)


def finish_pair(finish: Finish, a: Ints, b: Ints) -> Ints:
    """requant2 and table of two operands (zero points still on)."""
    assert finish.n is not None, "two terms need two multipliers"
    q = requant2(a - finish.a0, b - finish.b0, finish.m, finish.n, finish.zero, finish.low, finish.high)
    return through_table(finish, q)


def finish_matrix(graph: MappedGraph, mapped: MappedLayer, accumulators: Ints, maps: Mapping[str, Ints]) -> Ints:
    """Bias, residual, requantisation and table of a matrix layer."""
    layer, finish = mapped.matrix, mapped.finish
    assert mapped.bias is not None, f"{layer.name} has no integer bias"
    bits = graph.arithmetic.accumulator_bits
    if mapped.bias_fits(graph.arithmetic.word_bits):
        total = saturate(accumulators + mapped.bias, bits)
    else:
        one, bias = np.ones(1, np.float32), mapped.bias.astype(np.float32)
        total = requant2(accumulators, np.ones(1, np.int64), one, bias, 0, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    if layer.residual is not None:
        return finish_pair(finish, total, read_operand(graph, layer.residual, maps))
    if finish.n is not None:
        return finish_pair(finish, total, np.ones_like(total))
    return through_table(finish, requant(total, finish.m, finish.zero, finish.low, finish.high))


def evaluate_layer(graph: MappedGraph, mapped: MappedLayer, maps: Mapping[str, Ints]) -> Ints:
    """One layer's integers, (lanes, height, width, channels)."""
    layer = mapped.layer
    if isinstance(layer, MatrixLayer):
        return finish_matrix(graph, mapped, accumulate(graph, mapped, windows_of(graph, mapped, maps)), maps)
    if isinstance(layer, PoolLayer):
        return _pool(graph, mapped, layer, maps)
    if isinstance(layer, SoftmaxLayer):
        return _softmax(graph, mapped, read_operand(graph, layer.x, maps))
    assert isinstance(layer, VectorLayer), f"unknown layer {layer}"
    return _vector(graph, mapped, layer, maps)


def _pool(graph: MappedGraph, mapped: MappedLayer, layer: PoolLayer, maps: Mapping[str, Ints]) -> Ints:
    finish = mapped.finish
    if layer.kind == "max":
        lowest = min(graph.quants[name].low for name in layer.x.maps)
        top = windows_of(graph, mapped, maps, lowest).max(axis=(3, 4))
        return finish_pair(finish, top, np.ones_like(top))
    first = finish if layer.counts_padding else mapped.pre[0]
    total = (windows_of(graph, mapped, maps) - first.a0).sum(axis=(3, 4))
    if layer.counts_padding:
        return through_table(finish, settle(total.astype(np.float32) * finish.m, finish.zero, finish.low, finish.high))
    sums = settle(total.astype(np.float32) * first.m, first.zero, first.low, first.high)
    return requant_by(sums, finish.m, _pixels_inside(layer), finish.zero, finish.low, finish.high)


def _pixels_inside(layer: PoolLayer) -> Ints:
    """How many pixels of each window are inside the map: (rows, columns, 1)."""
    ends = ((layer.x.height, 0), (layer.x.width, 1))
    counts = []
    for size, axis in ends:
        positions = size + layer.pads[axis] + layer.pads[axis + 2] - (layer.kernel[axis] - 1) * layer.dilations[axis]
        starts = np.arange(0, positions, layer.strides[axis]) - layer.pads[axis]
        taps = starts[:, None] + np.arange(layer.kernel[axis]) * layer.dilations[axis]
        counts.append(((taps >= 0) & (taps < size)).sum(axis=1))
    return np.asarray((counts[0][:, None] * counts[1])[..., None], np.int64)


def _vector(graph: MappedGraph, mapped: MappedLayer, layer: VectorLayer, maps: Mapping[str, Ints]) -> Ints:
    operands = [read_operand(graph, operand, maps) for operand in layer.operands]
    finish = mapped.finish
    if layer.kind == "sum":
        b = operands[1] if len(operands) == 2 else np.ones_like(operands[0])
        return finish_pair(finish, operands[0], b)
    if layer.kind == "product":
        product = (operands[0] - finish.a0) * (operands[1] - finish.b0)
        return through_table(finish, requant(product, finish.m, finish.zero, finish.low, finish.high))
    a, b = (finish_pair(p, x, np.ones_like(x)) for p, x in zip(mapped.pre, operands, strict=True))
    return through_table(finish, np.maximum(a, b) if layer.kind == "max" else np.minimum(a, b))


def _softmax(graph: MappedGraph, mapped: MappedLayer, x: Ints) -> Ints:
    tables, finish = mapped.softmax, mapped.finish
    assert tables is not None, "softmax needs its tables"
    below = saturate(x.max(axis=-1, keepdims=True) - x, graph.arithmetic.word_bits)
    if tables.low is None:
        e = look_up(below, tables.high.entries, tables.high.first, tables.high.step)
    else:
        high = look_up(below >> tables.split_bits, tables.high.entries, tables.high.first, tables.high.step)
        low = look_up(below & ((1 << tables.split_bits) - 1), tables.low.entries, tables.low.first, tables.low.step)
        e = multiply_shift(high, low, tables.shift)
    total = e.sum(axis=-1, keepdims=True)
    return requant_by(e, finish.m, total, finish.zero, finish.low, finish.high)
