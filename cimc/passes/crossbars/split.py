"""split_matrices: cut every matrix into blocks that fit an MVMU and give the blocks to tasks, one a core.

Rows are cut densely (a block ends where its rows are full) or by whole input channels, so that a sliding window stays
in one crossbar. Groups of a grouped convolution share a block, block-diagonally. Needs integer weights; promises
that the blocks cover every weight once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from cimc.ir.layers import Weights
from cimc.ir.mapped import Block, MappedGraph, MappedLayer, RowRun, Task
from cimc.layer_kinds.matrix.layer import MatrixLayer
from cimc.layer_kinds.matrix.mapped import MappedMatrix, as_matrix
from cimc.target.model import Target

FAN_IN = 4
"""Groups of tasks whose sums come together in one group. Each takes a receive FIFO of its tile."""


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """How to cut. rows: "dense" or "channels". channels_of: layers (by name) cut by channels whatever `rows` says.

    vector_channels: most channels of one task of a weightless layer.
    """

    rows: str = "dense"
    by_channels: frozenset[str] = frozenset()
    vector_channels: Mapping[str, int] | None = None


def split_matrices(graph: MappedGraph, target: Target, options: SplitOptions) -> MappedGraph:
    """Give every layer its tasks."""
    pieces: dict[str, tuple[tuple[int, int], ...]] = {b.maps[0]: () for b in graph.inputs}
    for name in pieces:
        pieces[name] = ((0, graph.maps[name].channels),)
    layers = []
    for mapped in graph.layers:
        matrix = as_matrix(mapped)
        if matrix is not None:
            tasks = _matrix_tasks(matrix, pieces, target, options)
        else:
            tasks = _vector_tasks(graph, mapped, pieces, target, options)
        pieces[mapped.layer.output] = tuple((task.low, task.high) for task in tasks if not task.is_partial)
        layers.append(replace(mapped, tasks=tasks))
    return replace(graph, layers=tuple(layers))


# matrices


@dataclass(frozen=True, slots=True)
class _Span:
    """Channels channel .. channel + count of a map, from operand_channel on in the operand; of one piece."""

    map: str
    channel: int
    count: int
    operand_channel: int


def _spans(layer: MatrixLayer, pieces: Mapping[str, tuple[tuple[int, int], ...]], low: int, high: int) -> list[_Span]:
    """The operand's channels low .. high, cut where a part or a piece ends."""
    spans = []
    start = 0
    for part in layer.x.parts:
        for piece_low, piece_high in pieces.get(part.map, ()):
            first = max(piece_low, part.channel, part.channel + low - start)
            last = min(piece_high, part.channel + part.count, part.channel + high - start)
            if first < last:
                spans.append(_Span(part.map, first, last - first, start + first - part.channel))
        start += part.count
    return spans


def _cut_dense(spans: list[_Span], window: int, rows: int) -> list[tuple[RowRun, ...]]:
    """Fill blocks of `rows` rows one after the other."""
    blocks: list[list[RowRun]] = [[]]
    room = rows
    for span in spans:
        start, total = 0, window * span.count
        while start < total:
            if room == 0:
                blocks.append([])
                room = rows
            length = min(room, total - start)
            blocks[-1].append(RowRun(span.map, span.channel, span.count, start, length, span.operand_channel))
            start += length
            room -= length
    return [tuple(block) for block in blocks]


def _cut_channels(spans: list[_Span], window: int, rows: int) -> list[tuple[RowRun, ...]]:
    """Whole channels only: floor(rows / window) of them a block, blocks as equal as possible."""
    total = sum(span.count for span in spans)
    count = math.ceil(total / (rows // window))
    each = math.ceil(total / count)
    blocks: list[list[RowRun]] = [[]]
    room = each
    for span in spans:
        taken = 0
        while taken < span.count:
            if room == 0:
                blocks.append([])
                room = each
            channels = min(room, span.count - taken)
            run = RowRun(span.map, span.channel + taken, channels, 0, window * channels, span.operand_channel + taken)
            blocks[-1].append(run)
            taken += channels
            room -= channels
    return [tuple(block) for block in blocks]


def block_weights(weights: Weights, groups: int, runs: tuple[RowRun, ...], low: int, high: int) -> Weights:
    """Integers (rows, high - low) of a block; weights (O, C/groups, KH, KW); zero across groups."""
    outputs, per_group, kh, kw = weights.shape
    out = np.zeros((sum(run.length for run in runs), high - low), np.int32)
    of_output = weights.reshape(outputs, -1)
    row = 0
    for run in runs:
        flat = np.arange(run.start, run.start + run.length)
        ky, rest = np.divmod(flat, kw * run.channels)
        kx, c = np.divmod(rest, run.channels)
        channel = c + run.operand_channel
        if groups == 1:
            out[row : row + run.length] = of_output[low:high].take((channel * kh + ky) * kw + kx, axis=1).T
            row += run.length
            continue
        for group in range(groups):
            first, last = group * (outputs // groups), (group + 1) * (outputs // groups)
            first, last = max(first, low), min(last, high)
            inside = np.flatnonzero((channel >= group * per_group) & (channel < (group + 1) * per_group))
            if first < last and inside.size:
                taken = weights[first:last][:, channel[inside] - group * per_group, ky[inside], kx[inside]]
                out[row + inside[:, None], np.arange(first - low, last - low)] = taken.T
        row += run.length
    return out


def _even(total: int, most: int) -> list[tuple[int, int]]:
    """0 .. total in ranges of at most `most`, as equal as possible."""
    count = math.ceil(total / most)
    each = math.ceil(total / count)
    return [(low, min(low + each, total)) for low in range(0, total, each)]


def reaches_far(reach: int, maps: Iterable[tuple[int, int]], channels: int, memory: int) -> bool:
    """Whether a matrix is cut by channels whatever is asked for, so that its tasks can be spread over tiles that hold a
    part of the channels each: its windows, and those under them, take more of its input than half a tile's memory
    holds, or four fifths, where a window is the whole map. reach: rows taken of maps of these heights and widths."""
    sizes = list(maps)
    held = channels * max((min(reach, height) * width for height, width in sizes), default=1)
    return held > (memory * 4 // 5 if all(reach > height for height, _ in sizes) else memory // 2)


def count_blocks(
    shape: tuple[int, int, int, int], groups: int, channels: bool, target: Target, bits: int
) -> tuple[int, int]:
    """(blocks of rows, blocks of columns) of weights (O, C/groups, KH, KW) of so many bits, cut densely or by
    channels."""
    rows, window = target.mvmu_rows, shape[2] * shape[3]
    columns = _column_groups(shape, groups, rows, target.mvmu_columns(bits))
    span = [_Span("", 0, columns[0][3] - columns[0][2], 0)]
    by_channel = channels and window <= rows
    return len((_cut_channels if by_channel else _cut_dense)(span, window, rows)), len(columns)


def _column_groups(
    shape: tuple[int, int, int, int], groups: int, rows: int, columns: int
) -> list[tuple[int, int, int, int]]:
    """(output low, high, input channel low, high) of every set of columns that is computed together."""
    outputs, per_group, kh, kw = shape
    if groups == 1:
        return [(low, high, 0, per_group) for low, high in _even(outputs, columns)]
    out = outputs // groups
    together = min(rows // (kh * kw * per_group), columns // out)
    if together >= 1:
        return [(a * out, b * out, a * per_group, b * per_group) for a, b in _even(groups, together)]
    return [
        (group * out + low, group * out + high, group * per_group, (group + 1) * per_group)
        for group in range(groups)
        for low, high in _even(out, columns)
    ]


def _weights(mapped: MappedMatrix, runs: tuple[RowRun, ...], low: int, high: int) -> Weights:
    """The weights of a block; none where the layer's are not known."""
    if mapped.layer.weight is None:
        return np.zeros((0, 0), np.int32)
    return block_weights(mapped.weights, mapped.layer.groups, runs, low, high)


def _matrix_tasks(
    mapped: MappedMatrix, pieces: Mapping[str, tuple[tuple[int, int], ...]], target: Target, options: SplitOptions
) -> tuple[Task, ...]:
    layer = mapped.layer
    rows, columns, most = target.mvmu_rows, target.mvmu_columns(mapped.weight_bits), target.core.mvmus
    kh, kw = layer.window.kernel
    by_channel = (options.rows == "channels" or layer.name in options.by_channels) and kh * kw <= rows
    tasks: list[Task] = []
    open_task: list[Block] = []

    def flush() -> None:
        if open_task:
            tasks.append(Task(open_task[0].low, open_task[-1].high, tuple(open_task)))
            open_task.clear()

    cut: dict[tuple[int, int], list[tuple[RowRun, ...]]] = {}
    for low, high, first, last in _column_groups(layer.shape, layer.groups, rows, columns):
        if (first, last) not in cut:  # the same for all columns of a group
            spans = _spans(layer, pieces, first, last)
            cut[first, last] = _cut_channels(spans, kh * kw, rows) if by_channel else _cut_dense(spans, kh * kw, rows)
        runs = cut[first, last]
        blocks = [Block(r, low, high, _weights(mapped, r, low, high)) for r in runs]
        if len(blocks) <= most:
            if len(open_task) + len(blocks) > most:
                flush()
            open_task.extend(blocks)
            continue
        flush()
        shares = [tuple(blocks[i : i + most]) for i in range(0, len(blocks), most)]
        index = len(tasks)
        for k, (share, partners) in enumerate(zip(shares, partners_of(len(shares), target.tile.cores), strict=True)):
            tasks.append(Task(low, high, share, tuple(index + p for p in partners), is_partial=k > 0))
    flush()
    return tuple(tasks)


def partners_of(count: int, group: int) -> list[tuple[int, ...]]:
    """Whose sums each of `count` tasks adds to its own, so that the first ends up with all of them.

    Tasks are taken in groups, as many as a tile has cores: the first of a group adds the others, and then the firsts
    of the FAN_IN groups below it, in a tree. So sums travel between tiles once a group, and few meet at one.
    """
    found: list[tuple[int, ...]] = []
    for k in range(count):
        number, place = divmod(k, group)
        partners: list[int] = []
        if place == 0:
            partners += range(k + 1, min(k + group, count))
            partners += range((FAN_IN * number + 1) * group, min((FAN_IN * number + FAN_IN) * group + 1, count), group)
        found.append(tuple(partners))
    return found


# weightless layers


def _vector_tasks(
    graph: MappedGraph,
    mapped: MappedLayer,
    pieces: Mapping[str, tuple[tuple[int, int], ...]],
    target: Target,
    options: SplitOptions,
) -> tuple[Task, ...]:
    """Channel ranges: those in which the first operand is made, cut further where asked."""
    operand = mapped.layer.reads[0]
    total = graph.maps[mapped.layer.output].channels
    if mapped.layer.needs_all_channels:
        return (Task(0, total),)
    most = (options.vector_channels or {}).get(mapped.layer.name, total)
    edges = {0, total}
    start = 0
    for part in operand.parts:
        for low, high in pieces.get(part.map, ()):
            for edge in (low, high):
                if part.channel <= edge <= part.channel + part.count:
                    edges.add(start + edge - part.channel)
        start += part.count
        edges.add(start)
    ordered = sorted(edges)
    ranges = []
    for low, high in pairwise(ordered):
        ranges += [(low + a, low + b) for a, b in _even(high - low, min(most, high - low))]
    return tuple(Task(low, high) for low, high in ranges)
