"""mark_lossy: which blocks are multiplied conversion by conversion, because an ADC may clip or round some sum.

Needs chosen steps and shifts. What an MVMU's conversions meet may depend on everything that lies on it; then matrices
share one only where nothing is lost (see pack and replicate): a sum must not depend on a neighbour's inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cimc.crossbar.lossless import may_lose
from cimc.ir.layers import Ints, Weights
from cimc.ir.mapped import MappedGraph, Task
from cimc.layer_kinds.matrix.mapped import MappedMatrix, with_matrices

Laid = tuple[int, int, Weights]
"""(row, column, weights) of a matrix on an MVMU."""


def mark_lossy(graph: MappedGraph) -> MappedGraph:
    """The graph with `lossy` of every block."""
    return with_matrices(graph, lambda one: mark_matrix(graph, one))


def mark_matrix(graph: MappedGraph, mapped: MappedMatrix) -> MappedMatrix:
    """A layer with `lossy` of every block."""

    def marked(task: Task) -> Task:
        blocks = (replace(b, lossy=_may_lose(graph, mapped, b.weights)) for b in task.blocks)
        return replace(task, blocks=tuple(blocks))

    return replace(mapped, tasks=tuple(marked(task) for task in mapped.tasks))


def may_disturb(graph: MappedGraph, mapped: MappedMatrix, matrices: Sequence[Laid]) -> bool:
    """Whether matrices on one MVMU, zeros elsewhere, could give other sums than each of them alone. They are sliced and
    fed as those of the layer."""
    return not graph.arithmetic.chain.isolates and _may_lose(graph, mapped, _joined(matrices))


def _may_lose(graph: MappedGraph, mapped: MappedMatrix, weights: Ints | Weights) -> bool:
    fed, chain = mapped.fed(graph), graph.arithmetic.chain
    feed = chain.feed(fed.bits, fed.signed)
    return may_lose(chain, feed, weights.astype(np.int64), mapped.weight_bits, mapped.steps)


def _joined(matrices: Sequence[Laid]) -> Ints:
    rows = max(row + weights.shape[0] for row, _, weights in matrices)
    columns = max(column + weights.shape[1] for _, column, weights in matrices)
    whole = np.zeros((rows, columns), np.int64)
    for row, column, weights in matrices:
        whole[row : row + weights.shape[0], column : column + weights.shape[1]] = weights
    return whole
