"""duplicate: copies of layers' weights, so that the slowest layer is as fast as a budget of MVMUs allows.

A copy of a layer makes every n-th row of its map, so a layer's turns are its rows. Needs tasks; promises the same
numbers: copies only share the work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from cimc.ir.layers import MatrixLayer, window_of
from cimc.ir.mapped import MappedGraph, MappedLayer, Task
from cimc.passes.balance import Balance, Load, Objective, balance
from cimc.target.model import Target


@dataclass(frozen=True, slots=True)
class Duplication:
    """How copies are chosen. budget: MVMUs in all. objective: see cimc.passes.balance."""

    budget: int
    objective: Objective = "throughput"


def duplicate(graph: MappedGraph, target: Target, duplication: Duplication) -> tuple[MappedGraph, Balance]:
    """The graph with its layers' copies, and how they were chosen. Times are in products of one MVMU."""
    layers = [m for m in graph.layers if isinstance(m.layer, MatrixLayer)]
    chosen = balance([load_of(graph, target, m) for m in layers], duplication.budget, duplication.objective)
    copies = {m.layer.name: k for m, k in zip(layers, chosen.copies, strict=True)}
    mapped = tuple(replace(m, copies=copies.get(m.layer.name, 1)) for m in graph.layers)
    return replace(graph, layers=mapped), chosen


def load_of(graph: MappedGraph, target: Target, mapped: MappedLayer) -> Load:
    """A layer as the balance sees it: its rows, each a product for every pixel, on all its MVMUs at once.

    Half of a tile's memory holds what copies need beside each other: where their rows come together a row for each
    and one more, and where they read the rows of a window and those that the others are at.
    """
    out = graph.maps[mapped.layer.output]
    mvmus = sum(len(task.blocks) for task in mapped.tasks)
    widest = max(task.high - task.low for task in mapped.tasks)
    memory = target.tile.memory_words // 2
    together = memory // (out.width * widest) - 1
    kernel, strides, _, dilations = window_of(mapped.layer)
    span = (kernel[0] - 1) * dilations[0] + 1
    read = max(_row_words(graph, task) for task in mapped.tasks)
    apart = (memory // read - span) // strides[0]
    most = max(1, min(out.height, together, apart))
    return Load(mapped.layer.name, out.height, Fraction(out.width), mvmus, together=1, max_copies=most)


def _row_words(graph: MappedGraph, task: Task) -> int:
    """Words of one row of all maps' channels that a task reads through its windows."""
    channels = {(run.map, c) for block in task.blocks for run in block.runs
                for c in range(run.channel, run.channel + run.channels)}  # fmt: skip
    return sum(graph.maps[name].width for name, _ in channels)
