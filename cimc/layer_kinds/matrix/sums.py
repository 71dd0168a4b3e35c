"""What a matrix layer computes: sums block by block, as the MVMUs convert them, added up in the order of its tasks.

Products run in float64, where every sum of integers below 2^53 is exact; a block whose conversions may lose
something is multiplied conversion by conversion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from cimc.crossbar.chain import Programmed
from cimc.crossbar.converter import fine
from cimc.crossbar.feed import Feed
from cimc.ir.layers import Floats, Ints, Words
from cimc.ir.mapped import Block, MappedGraph, Task, evaluate_layer
from cimc.ir.reference import empty_output, read_operand, windows_of
from cimc.layer_kinds.matrix.mapped import MappedMatrix
from cimc.numerics.keys import NOTHING_DRAWN
from cimc.numerics.quant import requant2, saturate, shift_round

BAND_WORDS = 1 << 19
"""Elements of unfolded windows, or of results, that are worked on at once (4 MiB), at least one row of a map."""


@evaluate_layer.register
def _evaluate(mapped: MappedMatrix, graph: MappedGraph, maps: Mapping[str, Words]) -> Ints:
    result = empty_output(graph, mapped.layer, maps)
    for band, windows in bands_of(graph, mapped, maps):
        sums = accumulate(graph, mapped, windows)
        result[:, band.start : band.stop] = finish_matrix(graph, mapped, sums, maps, band)
    return result


def bands_of(graph: MappedGraph, mapped: MappedMatrix, maps: Mapping[str, Words]) -> Iterator[tuple[range, Ints]]:
    """A layer's windows, a few rows of its result at a time, so that they and the sums stay small unfolded."""
    out, (outputs, inputs, *kernel) = graph.maps[mapped.layer.output], mapped.layer.shape
    row = len(next(iter(maps.values()))) * out.width * max(outputs, inputs * mapped.layer.groups * math.prod(kernel))
    most = max(1, BAND_WORDS // row)
    for top in range(0, out.height, most):
        band = range(top, min(top + most, out.height))
        yield band, windows_of(graph, mapped.layer, maps, band=band)


def block_sums(graph: MappedGraph, mapped: MappedMatrix, windows: Ints, task: Task) -> Iterator[tuple[Block, Floats]]:
    """Each block of a task, in order, with its sums (lanes, rows, columns, high - low)."""
    for block, x in block_inputs(windows, task):
        if block.lossy:
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


def in_cells(graph: MappedGraph, mapped: MappedMatrix, block: Block) -> tuple[Programmed, Feed]:
    """A block in the cells of its MVMU, and how its inputs are fed."""
    fed, chain = mapped.fed(graph), graph.arithmetic.chain
    steps = None if mapped.steps is None else mapped.steps[..., block.low : block.high]
    programmed = chain.program(block.weights.astype(np.int64), mapped.weight_bits, NOTHING_DRAWN, steps)
    return programmed, chain.feed(fed.bits, fed.signed)


def clipped_conversions(graph: MappedGraph, mapped: MappedMatrix, windows: Ints) -> tuple[int, int]:
    """(conversions that are off by a step or more, conversions in all) of a matrix layer's blocks that may lose
    something."""
    clipped, total = 0, 0
    for task in mapped.tasks:
        for block, x in block_inputs(windows, task):
            if block.lossy:
                programmed, feed = in_cells(graph, mapped, block)
                steps = np.ones(len(programmed.column_sums)) if programmed.steps is None else programmed.steps
                worth, step = fine(steps), steps if steps.ndim == 1 else steps[1]
                for part in programmed.batches(x.astype(np.int64)):
                    for _, cells, unit in programmed.reads(part, feed):
                        codes, units = programmed.convert(cells, unit)
                        clipped += int((np.abs(cells - codes * worth) >= step).sum())
                        total += cells.size
                        if unit is not None and units is not None:
                            clipped += int((np.abs(unit - units * worth[:1]) >= step[:1]).sum())
                            total += unit.size
    return clipped, total


def accumulate(
    graph: MappedGraph, mapped: MappedMatrix, windows: Ints, watch: Callable[[Floats, int, int], None] | None = None
) -> Ints:
    """The accumulators of a matrix layer before its bias, added up in the order of its tasks.

    A task's sums that are stored for another one are words on their way. For calibration of shifts: watch is shown
    every sum on the way with its output channels (low, high).
    """
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

    # `whole` is handed on, for by its own name it would hold itself and the windows: no such circle is collected here.
    def whole(task: Task, partial: Callable[..., Floats]) -> Floats:
        total = own(task)
        for partner in task.partials:
            total = saturate(total + saturate(partial(mapped.tasks[partner], partial), word_bits), bits)
            if watch is not None:
                watch(total, task.low, task.high)
        return total

    return np.concatenate([whole(t, whole) for t in mapped.tasks if not t.is_partial], axis=-1).astype(np.int64)


def finish_matrix(
    graph: MappedGraph, mapped: MappedMatrix, accumulators: Ints, maps: Mapping[str, Words], band: range
) -> Ints:
    """Bias, residual, requantisation and table of a matrix layer. accumulators: of the rows `band` of its result."""
    layer, epilogue = mapped.layer, mapped.epilogue
    whole_bias, bits = mapped.known_bias, graph.arithmetic.accumulator_bits
    if mapped.bias_fits(graph.arithmetic.word_bits):
        total = saturate(accumulators + whole_bias, bits)
    else:
        one, bias = np.ones(1, np.float32), whole_bias.astype(np.float32)
        total = requant2(accumulators, np.ones(1, np.int64), one, bias, 0, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    if layer.residual is not None:
        return epilogue.of_pair(total, read_operand(graph, layer.residual, maps, band=band))
    if epilogue.n is not None:
        return epilogue.of_pair(total, np.ones_like(total))
    return epilogue.of_one(total)
