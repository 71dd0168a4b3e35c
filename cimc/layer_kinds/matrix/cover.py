"""Whether the blocks of a matrix layer's tasks cover its weights: each once, where its operand has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from cimc.ir.mapped import RowRun, Task, is_cut
from cimc.layer_kinds.matrix.layer import MatrixLayer

Range = tuple[int, int]


def check_cover(label: str, layer: MatrixLayer, tasks: tuple[Task, ...]) -> None:
    """Assert that they do, and that partial sums end up where they are finished."""
    required = {group: _channels_of(layer, group) for group in range(layer.groups)}
    seen: dict[tuple[RowRun, ...], list[Range]] = {}
    trees = [(root, list(_with_partners(tasks, root))) for root in tasks if not root.is_partial]
    lost = len(tasks) - sum(len(tree) for _, tree in trees)
    assert not lost, f"{label}: partial sums of {lost} tasks go round in a circle"
    for root, tree in trees:
        runs = defaultdict[Range, list[RowRun]](list)
        for task in tree:
            _verify_blocks(label, layer, task, root)
            for block in task.blocks:
                runs[block.low, block.high] += block.runs
        for columns, found in runs.items():
            key = tuple(found)
            if key not in seen:
                seen[key] = list(_covered(label, layer, found))
            each = layer.shape[0] // layer.groups
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
    assert is_cut(columns, (task.low, task.high)), f"{label}: blocks of {columns} for {task.low, task.high}"
    for block in task.blocks:
        shape = (0, 0) if layer.weight is None else (block.rows, block.high - block.low)
        assert block.weights.shape == shape, f"{label}: a block's weights are {block.weights.shape}, not {shape}"
    assert len(task.corners) in (0, len(task.blocks)), (
        f"{label}: {len(task.corners)} corners, {len(task.blocks)} blocks"
    )


def _covered(label: str, layer: MatrixLayer, runs: Iterable[RowRun]) -> Iterator[Range]:
    """The operand's channels that runs take, each with its whole window once."""
    window = layer.shape[2] * layer.shape[3]
    spans = defaultdict[tuple[str, int, int, int], list[Range]](list)
    for run in runs:
        spans[run.map, run.channel, run.channels, run.operand_channel].append((run.start, run.start + run.length))
    for (name, channel, channels, start), words in spans.items():
        assert is_cut(sorted(words), (0, window * channels)), (
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


def _joined(ranges: list[Range]) -> list[Range]:
    """Ranges in order, joined where they touch; those that overlap stay apart."""
    found: list[Range] = []
    for low, high in sorted(ranges):
        if found and found[-1][1] == low:
            found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    return found
