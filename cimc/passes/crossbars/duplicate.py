"""duplicate: copies of layers' weights, so that the slowest layer is as fast as a budget of MVMUs allows.

Copies of a layer share the pixels of its map in a grid: `across` of them make a row together, each a part of it, and
the others make further rows meanwhile. Parts of a row need little memory; rows are assembled side by side. Needs
tasks; promises the same numbers: copies only share the work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from cimc.ir.mapped import MappedGraph, MappedLayer, Task
from cimc.layer_kinds.matrix.mapped import MappedMatrix, matrices_of, with_matrices
from cimc.passes.crossbars.balance import Balance, Load, Objective, balance
from cimc.passes.crossbars.choose_segments import largest_part, segments_of
from cimc.target.model import Target


@dataclass(frozen=True, slots=True)
class Duplication:
    """How copies are chosen. budget: MVMUs in all, None for as many as it takes. objective: see
    cimc.passes.crossbars.balance; rate: inputs a second, of "area". pace: seconds of a pixel by the layer's name; a
    layer without takes one unit."""

    budget: int | None
    objective: Objective = "throughput"
    rate: float | None = None
    pace: Mapping[str, Fraction] = field(default_factory=dict)


def duplicate(graph: MappedGraph, target: Target, duplication: Duplication) -> tuple[MappedGraph, Balance]:
    """The graph with its layers' copies, and how they were chosen."""
    layers = matrices_of(graph)
    loads = [load_of(graph, target, m, duplication.pace.get(m.layer.name)) for m in layers]
    seconds = None if duplication.rate is None else 1 / Fraction(repr(float(duplication.rate)))
    chosen = balance(loads, duplication.budget, duplication.objective, seconds)
    copies = {m.layer.name: k for m, k in zip(layers, chosen.copies, strict=True)}
    return with_copies(graph, target, copies), chosen


def with_copies(graph: MappedGraph, target: Target, wanted: Mapping[str, int]) -> MappedGraph:
    """The graph with copies of layers, by name: of the numbers that can be had, that or the next smaller one."""

    def copied(one: MappedMatrix) -> MappedMatrix:
        most = wanted.get(one.layer.name)
        if most is None:
            return one
        copies, grid = [offer for offer in _grids(graph, target, one) if offer[0] <= most][-1]
        return replace(one, copies=copies, across=grid.across)

    return with_matrices(graph, copied)


@dataclass(frozen=True, slots=True)
class _Grid:
    """Copies of a layer: `across` of them share a row; turns: pixels of the one that has most."""

    across: int
    turns: int


def load_of(graph: MappedGraph, target: Target, mapped: MappedLayer, seconds: Fraction | None = None) -> Load:
    """A layer as the balance sees it: pixels, on all its MVMUs at once. seconds: of a pixel; None: of its share of a
    product, which takes one unit of time."""
    seconds = Fraction(1, mapped.replicas) if seconds is None else seconds
    out = graph.maps[mapped.layer.output]
    mvmus = sum(len(task.blocks) for task in mapped.tasks)
    offers = tuple((copies, grid.turns) for copies, grid in _grids(graph, target, mapped))
    return Load(mapped.layer.name, out.height * out.width, seconds, mvmus, 1, offers[-1][0], offers=offers)


def _grids(graph: MappedGraph, target: Target, mapped: MappedLayer) -> list[tuple[int, _Grid]]:
    """The numbers of copies that are worth having, rising, with the best grid of each: of equal ones that which shares
    most rows, as it takes least memory.

    Half of a tile's memory holds what rows made at the same time need: where they come together one for each and one
    more, and where they are read the rows of a window and those that the others are at. Copies on other tiles send
    their part through a receive FIFO each; a quarter of a tile's FIFOs is left to what it reads.
    """
    out = graph.maps[mapped.layer.output]
    widest = max(task.high - task.low for task in mapped.tasks)
    memory = target.tile.memory_words // 2
    kernel, strides, _, dilations = mapped.layer.window
    span = (kernel[0] - 1) * dilations[0] + 1
    read = max(_row_words(graph, task) for task in mapped.tasks)
    rows = max(1, min(out.height, memory // (out.width * widest) - 1, (memory // read - span) // strides[0]))
    fits = out.width * widest <= memory
    most = max(1, target.tile.fifos * 3 // 4)
    parts = range(1, min(out.width // mapped.replicas, most) + 1) if fits else (1,)
    best: dict[int, _Grid] = {}
    for across in parts:
        segments = segments_of(out, replace(mapped, across=across), target)
        of_row = largest_part(out.width, segments, across)
        for row_step in range(1, rows + 1):
            if across * row_step > most:
                break
            grid = _Grid(across, -(-out.height // row_step) * of_row)
            old = best.get(across * row_step, grid)
            best[across * row_step] = min(old, grid, key=lambda g: (g.turns, -g.across))
    worth: list[tuple[int, _Grid]] = []
    for copies, grid in sorted(best.items()):
        if not worth or grid.turns < worth[-1][1].turns:
            worth.append((copies, grid))
    return worth


def _row_words(graph: MappedGraph, task: Task) -> int:
    """Words of one row of all maps' channels that a task reads through its windows."""
    channels = {(run.map, c) for block in task.blocks for run in block.runs
                for c in range(run.channel, run.channel + run.channels)}  # fmt: skip
    return sum(graph.maps[name].width for name, _ in channels)
