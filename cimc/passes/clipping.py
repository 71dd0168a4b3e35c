"""mark_clipping: which blocks are multiplied conversion by conversion, because some input could make an ADC clip.

Needs settled weights. What an MVMU's conversions meet depends on everything that lies on it, so matrices share one only
where nothing clips (see pack and lie_beside): a clipped sum must not depend on a neighbour's inputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from cimc.ir.layers import Ints, Weights
from cimc.ir.mapped import Arithmetic, MappedGraph, MappedLayer
from cimc.numerics.encoding import encode, loses_nothing

Seated = tuple[int, int, Weights]
"""(row, column, weights) of a matrix on an MVMU."""


def mark_clipping(graph: MappedGraph) -> MappedGraph:
    """The graph with `clips` of every block."""
    return replace(graph, layers=tuple(_marked(graph.arithmetic, mapped) for mapped in graph.layers))


def may_clip(arithmetic: Arithmetic, weight_bits: int, matrices: Iterable[Seated]) -> bool:
    """Whether matrices on one MVMU, zeros elsewhere, have a conversion that some input could make clip."""
    weights = _joined(list(matrices))
    crossbar = arithmetic.crossbar
    most = weights.shape[0] * ((1 << crossbar.cell_bits) - 1) * ((1 << crossbar.dac_bits) - 1)
    if most < 1 << crossbar.adc_bits:
        return False  # whatever the cells hold
    cells = encode(weights, weight_bits, crossbar.cell_bits, arithmetic.encoding, arithmetic.flipped)
    return not loses_nothing(cells, crossbar.dac_bits, crossbar.adc_bits)


def _joined(matrices: list[Seated]) -> Ints:
    rows = max(row + weights.shape[0] for row, _, weights in matrices)
    columns = max(column + weights.shape[1] for _, column, weights in matrices)
    whole = np.zeros((rows, columns), np.int64)
    for row, column, weights in matrices:
        whole[row : row + weights.shape[0], column : column + weights.shape[1]] = weights
    return whole


def _marked(arithmetic: Arithmetic, mapped: MappedLayer) -> MappedLayer:
    tasks = tuple(
        replace(
            task,
            blocks=tuple(
                replace(block, clips=may_clip(arithmetic, mapped.weight_bits, [(0, 0, block.weights)]))
                for block in task.blocks
            ),
        )
        for task in mapped.tasks
    )
    return replace(mapped, tasks=tasks)
