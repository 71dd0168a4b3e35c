"""mark_clipping: which blocks are multiplied conversion by conversion, because some input could make an ADC clip.

Needs chosen shifts. What an MVMU's conversions meet depends on everything that lies on it, so matrices share one only
where nothing clips (see pack and replicate): a clipped sum must not depend on a neighbour's inputs.
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


def mark_clipping(graph: MappedGraph) -> MappedGraph:
    """The graph with `clips` of every block."""
    return with_matrices(graph, lambda one: _marked(graph, one))


def may_clip(graph: MappedGraph, mapped: MappedMatrix, matrices: Sequence[Laid]) -> bool:
    """Whether matrices on one MVMU, zeros elsewhere, have a conversion that some input could make clip. They are sliced
    and fed as those of the layer."""
    fed, chain = mapped.fed(graph), graph.arithmetic.chain
    return may_lose(chain, chain.feed(fed.bits, fed.signed), _joined(matrices), mapped.weight_bits)


def _joined(matrices: Sequence[Laid]) -> Ints:
    rows = max(row + weights.shape[0] for row, _, weights in matrices)
    columns = max(column + weights.shape[1] for _, column, weights in matrices)
    whole = np.zeros((rows, columns), np.int64)
    for row, column, weights in matrices:
        whole[row : row + weights.shape[0], column : column + weights.shape[1]] = weights
    return whole


def _marked(graph: MappedGraph, mapped: MappedMatrix) -> MappedMatrix:
    def marked(task: Task) -> Task:
        blocks = (replace(b, clips=may_clip(graph, mapped, [(0, 0, b.weights)])) for b in task.blocks)
        return replace(task, blocks=tuple(blocks))

    return replace(mapped, tasks=tuple(marked(task) for task in mapped.tasks))
