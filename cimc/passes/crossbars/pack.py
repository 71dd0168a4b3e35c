"""pack: small matrices of different layers share crossbars, block-diagonally, and with them a core.

The core does its layers' work one after the other for every input, so packing saves crossbars and costs speed. Needs
chosen shifts: matrices that share an MVMU are sliced, fed and rounded alike. Promises the same numbers: where a
conversion could lose something that depends on neighbours nothing is shared.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from cimc.ir.mapped import MappedGraph, Task
from cimc.layer_kinds.matrix.mapped import MappedMatrix, matrices_of, with_matrices
from cimc.passes.crossbars.mark_lossy import Laid, may_disturb
from cimc.target.model import Target

Corner = tuple[int, int, int]


@dataclass(slots=True)
class _Bin:
    """A core that takes matrices of one kind: rows and columns used of each MVMU, the matrices there, and whose."""

    kind: tuple[int, int, bool, int]
    used: list[tuple[int, int]]
    there: list[list[Laid]]
    members: dict[tuple[str, int], tuple[Corner, ...]] = field(default_factory=dict)


def pack(graph: MappedGraph, target: Target) -> MappedGraph:
    """First fit, in network order: a task joins the first core where all its blocks find rows and columns."""
    bins: list[_Bin] = []
    for mapped in matrices_of(graph):
        for index, task in enumerate(mapped.tasks):
            if not task.blocks or task.partials or task.is_partial:
                continue
            kind = _kind(graph, mapped)
            for one in (b for b in bins if b.kind == kind):
                corners = _corners(one.used, task, target, mapped.weight_bits)
                if corners is not None and not _disturbs(graph, mapped, one, task, corners):
                    break
            else:
                one = _Bin(kind, [(0, 0)] * target.core.mvmus, [[] for _ in range(target.core.mvmus)])
                bins.append(one)
                corners = tuple((k, 0, 0) for k in range(len(task.blocks)))
            one.members[mapped.layer.name, index] = corners
            for block, (mvmu, row, column) in zip(task.blocks, corners, strict=True):
                one.used[mvmu] = (row + block.rows, column + block.high - block.low)
                one.there[mvmu].append((row, column, block.weights))
    shared = [b for b in bins if len(b.members) > 1]
    laid = {at: (number, corners) for number, b in enumerate(shared) for at, corners in b.members.items()}
    return with_matrices(graph, lambda one: _packed(one, laid))


def _kind(graph: MappedGraph, mapped: MappedMatrix) -> tuple[int, int, bool, int]:
    """What matrices in one MVMU must have in common: weight bits, input bits, input signs, shift."""
    fed = mapped.fed(graph)
    return mapped.weight_bits, fed.bits, fed.signed, mapped.shift


def _corners(used: list[tuple[int, int]], task: Task, target: Target, weight_bits: int) -> tuple[Corner, ...] | None:
    """Where a task's blocks fit beside what is there; None where one does not."""
    free = list(used)
    corners = []
    for block in task.blocks:
        width = block.high - block.low
        for mvmu, (row, column) in enumerate(free):
            if row + block.rows <= target.mvmu_rows and column + width <= target.mvmu_columns(weight_bits):
                corners.append((mvmu, row, column))
                free[mvmu] = (row + block.rows, column + width)
                break
        else:
            return None
    return tuple(corners)


def _disturbs(graph: MappedGraph, mapped: MappedMatrix, one: _Bin, task: Task, corners: tuple[Corner, ...]) -> bool:
    """Whether sums could change on an MVMU that a task's blocks would share with what is there."""
    there: dict[int, list[Laid]] = {}
    for block, (mvmu, row, column) in zip(task.blocks, corners, strict=True):
        there.setdefault(mvmu, list(one.there[mvmu])).append((row, column, block.weights))
    shared = (matrices for matrices in there.values() if len(matrices) > 1)
    return any(may_disturb(graph, mapped, matrices) for matrices in shared)


def _packed(mapped: MappedMatrix, laid: dict[tuple[str, int], tuple[int, tuple[Corner, ...]]]) -> MappedMatrix:
    tasks = []
    for index, task in enumerate(mapped.tasks):
        number, corners = laid.get((mapped.layer.name, index), (-1, ()))
        tasks.append(replace(task, shares=number, corners=corners))
    return replace(mapped, tasks=tuple(tasks))
