"""The MappedGraph verifier: formats, and tasks and blocks that cover every layer exactly once.

A breach is a fault of ours, so it is an assertion. Tasks are looked at once layers have them (split_matrices).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from cimc.ir.layers import FeatureMap, LayerGraph, MatrixLayer
from cimc.ir.mapped import Block, MappedGraph, MappedLayer, RowRun, Task
from cimc.ir.verify_layers import verify_layers

Range = tuple[int, int]


def verify_mapped(graph: MappedGraph) -> None:
    """A LayerGraph with a format for every map, numbers for every channel, and work that covers each layer once."""
    layers = tuple(mapped.layer for mapped in graph.layers)
    verify_layers(LayerGraph(graph.name, layers, graph.maps, graph.inputs, graph.outputs))
    missing = sorted(set(graph.maps) - set(graph.quants))
    assert not missing, f"maps without a format: {missing}"
    has_tasks = any(mapped.tasks for mapped in graph.layers)
    for mapped in graph.layers:
        label, out = f'"{mapped.layer.name}"', graph.maps[mapped.layer.output]
        _verify_numbers(label, mapped, out)
        _verify_copies(label, mapped, out)
        if has_tasks:
            _verify_tasks(label, mapped, out)
    _verify_seats(graph)


def _verify_numbers(label: str, mapped: MappedLayer, out: FeatureMap) -> None:
    layer = mapped.layer
    for finish in (mapped.finish, *mapped.pre):
        assert finish.low <= finish.high, f"{label}: clamp {finish.low}, {finish.high}"
        for factors in (finish.m, finish.n):
            shape = (out.channels,) if factors is None else factors.shape
            assert shape in ((out.channels,), (1,)), f"{label}: {shape} multipliers for {out.channels} channels"
    if not isinstance(layer, MatrixLayer):
        assert mapped.weights is None and mapped.bias is None, f"{label} is no matrix and has weights or a bias"
        return
    assert mapped.weights is not None, f"{label} has no weights"
    known = layer.known_weight.shape
    assert mapped.weights.shape == known, f"{label}: weights {mapped.weights.shape}, known {known}"
    for values in (mapped.bias, mapped.weight_scale):
        assert values is None or values.shape == (out.channels,), f"{label}: bias or scales {values}"
    assert mapped.weight_bits > 0 <= mapped.shift, f"{label}: {mapped.weight_bits} bits, shift {mapped.shift}"


def _verify_copies(label: str, mapped: MappedLayer, out: FeatureMap) -> None:
    """Every copy makes some pixels; pixels next to each other come from one block."""
    copies, across, beside = mapped.copies, mapped.across, mapped.beside
    assert min(copies, across, beside) > 0 and copies % across == 0, f"{label}: {copies} copies, {across} across"
    grid = (copies // across, across)
    assert grid[0] <= out.height and across <= out.width, f"{label}: {grid} copies of {out.height} x {out.width} pixels"
    if beside > 1:
        blocks = sum(len(task.blocks) for task in mapped.tasks)
        assert blocks == 1 and out.width % beside == 0, f"{label}: {blocks} blocks, {beside} beside, {out.width} wide"


def _verify_tasks(label: str, mapped: MappedLayer, out: FeatureMap) -> None:
    tasks = mapped.tasks
    whole = [(task.low, task.high) for task in tasks if not task.is_partial]
    assert _is_cut(whole, (0, out.channels)), f"{label}: tasks make {whole} of {out.channels} channels"
    added = sorted(partner for task in tasks for partner in task.partials)
    partial = [index for index, task in enumerate(tasks) if task.is_partial]
    assert added == partial, f"{label}: partial sums of tasks {partial}, and {added} are added"
    if not isinstance(mapped.layer, MatrixLayer):
        assert not any(task.blocks or task.is_partial for task in tasks), f"{label} has blocks or partial sums"
        return
    required = {group: _channels_of(mapped.layer, group) for group in range(mapped.layer.groups)}
    seen: dict[tuple[RowRun, ...], list[Range]] = {}
    trees = [(root, list(_with_partners(tasks, root))) for root in tasks if not root.is_partial]
    lost = len(tasks) - sum(len(tree) for _, tree in trees)
    assert not lost, f"{label}: partial sums of {lost} tasks go round in a circle"
    for root, tree in trees:
        runs = defaultdict[Range, list[RowRun]](list)
        for task in tree:
            _verify_blocks(label, mapped.layer, task, root)
            for block in task.blocks:
                runs[block.low, block.high] += block.runs
        for columns, found in runs.items():
            key = tuple(found)
            if key not in seen:
                seen[key] = list(_covered(label, mapped.layer, found))
            each = mapped.layer.shape[0] // mapped.layer.groups
            wanted = [r for group in range(columns[0] // each, -(-columns[1] // each)) for r in required[group]]
            assert _joined(seen[key]) == _joined(wanted), f"{label}: columns {columns} have channels {seen[key]}"


def _with_partners(tasks: tuple[Task, ...], root: Task) -> Iterator[Task]:
    """A task and all whose sums end up in it."""
    left = [root]
    while left:
        task = left.pop()
        yield task
        left += [tasks[partner] for partner in task.partials]


def _verify_blocks(label: str, layer: MatrixLayer, task: Task, root: Task) -> None:
    columns = list(dict.fromkeys((block.low, block.high) for block in task.blocks))
    assert (task.low, task.high) == (root.low, root.high), f"{label}: sums {columns} are added to {root.low, root.high}"
    assert _is_cut(columns, (task.low, task.high)), f"{label}: blocks of {columns} for {task.low, task.high}"
    for block in task.blocks:
        shape = (0, 0) if layer.weight is None else (block.rows, block.high - block.low)
        assert block.weights.shape == shape, f"{label}: a block's weights are {block.weights.shape}, not {shape}"
    assert len(task.seats) in (0, len(task.blocks)), f"{label}: {len(task.seats)} seats, {len(task.blocks)} blocks"


def _covered(label: str, layer: MatrixLayer, runs: Iterable[RowRun]) -> Iterator[Range]:
    """The operand's channels that runs take, each with its whole window once."""
    window = layer.shape[2] * layer.shape[3]
    spans = defaultdict[tuple[str, int, int, int], list[Range]](list)
    for run in runs:
        spans[run.map, run.channel, run.channels, run.operand_channel].append((run.start, run.start + run.length))
    for (name, channel, channels, start), words in spans.items():
        assert _is_cut(sorted(words), (0, window * channels)), (
            f"{label}: words {sorted(words)} of {window * channels} of channels {start} to {start + channels}"
        )
        at, inside = 0, False
        for part in layer.x.parts:
            first = part.channel + start - at
            inside |= part.map == name and first == channel and at <= start <= start + channels <= at + part.count
            at += part.count
        assert inside, f'{label}: channel {channel} of "{name}" is not channel {start} of its operand'
        yield start, start + channels


def _channels_of(layer: MatrixLayer, group: int) -> list[Range]:
    """The operand's channels that a group multiplies; those of no map are zeros, which nobody stores."""
    low, high = group * layer.shape[1], (group + 1) * layer.shape[1]
    found, at = [], 0
    for part in layer.x.parts:
        first, last = max(low, at), min(high, at + part.count)
        if part.map and first < last:
            found.append((first, last))
        at += part.count
    return found


def _is_cut(ranges: list[Range], whole: Range) -> bool:
    """Whether ranges, in order, are a whole one cut in pieces."""
    edges = [whole[0], *(high for _, high in ranges)]
    return edges[-1] == whole[1] and all(low == edge < high for edge, (low, high) in zip(edges, ranges, strict=False))


def _joined(ranges: list[Range]) -> list[Range]:
    """Ranges in order, joined where they touch; those that overlap stay apart."""
    found: list[Range] = []
    for low, high in sorted(ranges):
        if found and found[-1][1] == low:
            found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    return found


def _verify_seats(graph: MappedGraph) -> None:
    """Blocks on one core lie beside each other, within its MVMUs' rows."""
    most = graph.arithmetic.crossbar.rows
    there = defaultdict[tuple[int, int], list[tuple[int, int, Block]]](list)
    for mapped in graph.layers:
        for task in mapped.tasks:
            assert task.shares >= 0 or not task.seats, f'"{mapped.layer.name}": seats on a core of its own'
            for index, block in enumerate(task.blocks):
                mvmu, row, column = task.seat(index)
                last = row + block.rows * mapped.beside
                assert row >= 0 and last <= most and min(mvmu, column) >= 0, (
                    f'"{mapped.layer.name}": a block at {(mvmu, row, column)} ends at row {last} of {most}'
                )
                if task.shares >= 0:
                    there[task.shares, mvmu].append((row, column, block))
    for (shares, mvmu), seated in there.items():
        rows = sorted((row, row + block.rows) for row, _, block in seated)
        columns = sorted((column, column + block.high - block.low) for _, column, block in seated)
        for name, ends in (("rows", rows), ("columns", columns)):
            apart = all(high <= low for (_, high), (low, _) in pairwise(ends))
            assert apart, f"core {shares} MVMU {mvmu}: blocks overlap in their {name}: {ends}"
