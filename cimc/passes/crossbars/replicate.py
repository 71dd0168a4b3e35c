"""replicate: copies of a small matrix on one MVMU, block-diagonally, so that one product takes several pixels.

Each copy has rows and columns of its own and the window of a pixel of its own. Needs chosen shifts. Promises the same
numbers: zeros lie between the copies, and none are made where sums could depend on them.
"""

from __future__ import annotations

from dataclasses import replace

from cimc.ir.mapped import Block, MappedGraph
from cimc.layer_kinds.matrix.mapped import MappedMatrix, with_matrices
from cimc.passes.crossbars.balance import copies_in_one
from cimc.passes.crossbars.choose_segments import most_of_row
from cimc.passes.crossbars.mark_lossy import may_disturb
from cimc.target.model import Target


def replicate(graph: MappedGraph, target: Target) -> MappedGraph:
    """The graph with as many copies of each layer on its MVMU as fit."""
    return with_matrices(graph, lambda one: replace(one, replicas=_replicas(graph, one, target)))


def _replicas(graph: MappedGraph, mapped: MappedMatrix, target: Target) -> int:
    """Copies of a layer of one block that lie on one MVMU, so many that a row divides into steps of as many pixels."""
    blocks = [block for task in mapped.tasks for block in task.blocks]
    out = graph.maps[mapped.layer.output]
    if len(blocks) > 1:
        return 1
    width = blocks[0].high - blocks[0].low
    most = copies_in_one(blocks[0].rows, width, target.mvmu_rows, target.mvmu_columns(mapped.weight_bits))
    most = min(most, most_of_row(mapped, out.channels, target) // width)
    possible = (n for n in range(most, 1, -1) if out.width % n == 0)
    return next((n for n in possible if not _disturb(graph, mapped, blocks[0], n)), 1)


def _disturb(graph: MappedGraph, mapped: MappedMatrix, block: Block, copies: int) -> bool:
    """Whether so many copies of a block on one MVMU could change their sums."""
    if block.weights.size == 0:
        return False  # an estimate, which knows no weights
    width = block.high - block.low
    matrices = [(n * block.rows, n * width, block.weights) for n in range(copies)]
    return may_disturb(graph, mapped, matrices)
