"""A tensor as a layer reads it: an Operand, the strided view of channel runs of maps that has the same elements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product

from cimc.ir.layers import FeatureMap, Operand, Part
from cimc.passes.lower.index_map import IndexMap, Piece, Span

Line = tuple[int, int, int | None]
"""(first line of a tensor, the map's line there, the map's lines for one of the tensor's; None where it has one)."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive channels of a map, `first` .. `first` + `count` of a tensor (H, W, C), in a rectangle of its pixels.
    start: the map's element of its first channel in its first pixel. rows, columns: a single one has stride 0."""

    first: int
    count: int
    map: int
    start: int
    rows: Span
    columns: Span


def operand_of(tensor: IndexMap, maps: Sequence[FeatureMap]) -> Operand | None:
    """The Operand that reads a tensor (height, width, channels), or None where no strided view does."""
    height, width, channels = tensor.shape
    runs = _runs(tensor)
    if runs is None:
        return None
    across = [_abreast(there) for there in _by_channels(runs, channels)]
    if any(len(there) > 1 for there in across):
        return None
    found = [there[0] for there in across if there]
    lines = [_lines(run, maps[run.map]) for run in found]
    down, along = (_one([line[axis] for line in lines if line is not None]) for axis in (0, 1))
    if None in lines or down is None or along is None:
        return None
    for run in found:
        m = maps[run.map]
        if not (_zero_around(run.rows, height, down, m.height) and _zero_around(run.columns, width, along, m.width)):
            return None
    return Operand(tuple(_parts(found, maps, channels)), height, width, (down[0], along[0]), (down[1], along[1]))


def _runs(tensor: IndexMap) -> list[_Run] | None:
    """The tensor's pieces run by run; None where its rows or columns are no digits of their own."""
    tensor, (rows, columns, channels) = tensor.by_axes()
    tensor, channels = tensor.merged(channels)
    tensor, columns = tensor.merged(columns)
    tensor, rows = tensor.merged(rows)
    if len(rows) > 1 or len(columns) > 1:
        return None
    channels = list(range(len(tensor.sizes)))[len(rows) + len(columns) :]
    return [run for piece in tensor.pieces for run in _runs_of(piece, tensor.sizes, len(rows), len(columns), channels)]


def _runs_of(piece: Piece, sizes: Sequence[int], rows: int, columns: int, channels: Sequence[int]) -> Iterator[_Run]:
    """The runs of one piece. rows, columns: 1 where there is a digit for them; channels: the digits behind."""
    spans = piece.spans
    down, along = (spans[0] if rows else (0, 1, 0)), (spans[rows] if columns else (0, 1, 0))
    corner = piece.base + sum(low * stride for low, _, stride in (down, along))
    down, along = ((low, high, stride if high - low > 1 else 0) for low, high, stride in (down, along))
    *outer, inner = channels or [-1]
    low, high, stride = spans[inner] if channels else (0, 1, 1)
    inside = [(low, high - low)] if stride == 1 else [(channel, 1) for channel in range(low, high)]
    for digits in product(*(range(*spans[digit][:2]) for digit in outer)):
        first, start = 0, corner
        for digit, value in zip(outer, digits, strict=True):
            first, start = (first + value) * sizes[digit + 1], start + value * spans[digit][2]
        for channel, count in inside:
            yield _Run(first + channel, count, piece.map, start + channel * stride, down, along)


def _by_channels(runs: Sequence[_Run], channels: int) -> Iterator[list[_Run]]:
    """Runs cut where others begin or end, those of the same channels together, in order."""
    cuts = sorted({0, channels, *(run.first for run in runs), *(run.first + run.count for run in runs)})
    waiting = sorted(runs, key=lambda run: run.first, reverse=True)
    there: list[_Run] = []
    for low, high in pairwise(cuts):
        there = [run for run in there if run.first + run.count > low]
        while waiting and waiting[-1].first == low:
            there.append(waiting.pop())
        yield [replace(run, first=low, count=high - low, start=run.start + low - run.first) for run in there]


def _abreast(runs: list[_Run]) -> list[_Run]:
    """Runs of the same channels with those made one whose rectangles continue each other."""
    for key in (lambda run: (run.rows, run.columns), lambda run: (run.columns, run.rows)):
        found: list[_Run] = []
        for run in sorted(runs, key=key):
            joined = _continued(found[-1], run) if found else None
            found[-1:] = [joined] if joined is not None else [*found[-1:], run]
        runs = found
    return runs


def _continued(run: _Run, other: _Run) -> _Run | None:
    """Two runs as one, where the other's rectangle continues the first one's along rows or columns."""
    if run.map != other.map or (run.rows != other.rows and run.columns != other.columns):
        return None
    along = run.rows == other.rows
    low, high, stride = run.columns if along else run.rows
    first, behind, its_stride = other.columns if along else other.rows
    step, rest = divmod(other.start - run.start, max(1, first - low))
    alike = (high - low == 1 or stride == step) and (behind - first == 1 or its_stride == step)
    if first != high or rest or not alike:
        return None
    return replace(run, columns=(low, behind, step)) if along else replace(run, rows=(low, behind, step))


def _lines(run: _Run, m: FeatureMap) -> tuple[Line, Line] | None:
    """Where a run's rows and columns lie in its map; None where they are no rows and columns of it."""
    row, rest = divmod(run.start, m.width * m.channels)
    column, channel = divmod(rest, m.channels)
    if channel + run.count > m.channels:
        return None
    found: list[Line] = []
    for (low, high, stride), line, unit, size in (
        (run.rows, row, m.width * m.channels, m.height),
        (run.columns, column, m.channels, m.width),
    ):
        step, rest = divmod(stride, unit)
        if rest or step < 0 or line + (high - low - 1) * step >= size:  # loads do not run backwards
            return None
        found.append((low, line, step if high - low > 1 else None))
    return found[0], found[1]


def _one(lines: Sequence[Line]) -> tuple[int, int] | None:
    """(offset, step) that all runs have along an axis; None where they differ."""
    steps = {step for _, _, step in lines if step is not None} or {1}
    step = min(steps)
    offsets = {line - first * step for first, line, _ in lines} or {0}
    return (min(offsets), step) if len(steps) == len(offsets) == 1 else None


def _zero_around(span: Span, size: int, line: tuple[int, int], there: int) -> bool:
    """Whether the lines of a tensor around a span lie outside of a map that has lines 0 .. there - 1."""
    offset, step = line
    return not any(0 <= offset + step * k < there for k in (*range(span[0]), *range(span[1], size)))


def _parts(runs: Sequence[_Run], maps: Sequence[FeatureMap], channels: int) -> list[Part]:
    """The channels of runs, with zeros between them; those that continue each other as one."""
    parts: list[Part] = []
    behind = 0
    for run in runs:
        if run.first > behind:
            parts.append(Part("", 0, run.first - behind))
        m, behind = maps[run.map], run.first + run.count
        part = Part(m.name, run.start % m.channels, run.count)
        last = parts[-1] if parts else Part("", 0, 0)
        if last.map == part.map and last.channel + last.count == part.channel:
            parts[-1] = Part(last.map, last.channel, last.count + part.count)
        else:
            parts.append(part)
    return [*parts, Part("", 0, channels - behind)] if behind < channels else parts
