"""The MappedGraph of a network whose weights are not known: layers, formats, tasks and segments as the compiler makes
them, by the same passes, on stand-ins.

Scales, multipliers and tables are of the right shape and mean nothing; blocks hold no weights.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from cimc.ir.formats import Formats
from cimc.ir.graph import Graph
from cimc.ir.layers import LayerGraph
from cimc.ir.mapped import MappedGraph
from cimc.ir.widths import Widths
from cimc.layer_kinds.matrix.mapped import MappedMatrix, with_matrices
from cimc.passes.crossbars.split import split_matrices
from cimc.passes.lower.layers import lower
from cimc.passes.lower.split_averages import split_averages
from cimc.passes.numbers.choose_shifts import with_shift
from cimc.passes.numbers.choose_steps import choose_steps, from_data
from cimc.passes.numbers.formats import choose_formats, complete_ranges, needed_ranges
from cimc.passes.numbers.quantise import quantise
from cimc.passes.pipelines import split_options
from cimc.target.model import Target

ANY_RANGE = (-1.0, 1.0)
"""The range of a tensor: it fixes scales only, and no estimate depends on one."""
POSITIVE_RANGE = (0.0, 1.0)
"""The range of a tensor that is never negative: its format is unsigned, and crossbars are fed a bit less of it."""


def map_weightless(graph: Graph, target: Target, weight_bits: int, rows: str) -> MappedGraph:
    """Layers and tasks of an outlined Graph. rows: "dense" or "channels". Raises CimcError where it is refused."""
    layers = lower_weightless(graph, target)
    widths = Widths(weight_bits, target.numbers.input, {}, {})
    ranges = complete_ranges(layers, dict.fromkeys(needed_ranges(layers), ANY_RANGE) | _positive(layers))
    quants = choose_formats(layers, ranges, target, widths)
    mapped = quantise(layers, Formats(quants, ranges, widths, target))
    with np.errstate(all="ignore"):
        shifted = with_matrices(mapped, lambda one: _with_shift(mapped, one))
    return split_matrices(shifted, target, split_options(mapped, target, rows))


def lower_weightless(graph: Graph, target: Target) -> LayerGraph:
    """The layers of an outlined Graph."""
    with np.errstate(all="ignore"):  # stand-ins, and constants that the compiler refuses
        layers = lower(split_averages(graph) if target.numbers.accumulator < 32 else graph, weightless=True)
        return replace(layers, layers=tuple(layer.finite() for layer in layers.layers))


def _positive(graph: LayerGraph) -> dict[str, tuple[float, float]]:
    """POSITIVE_RANGE for every map that can't be negative, as far as its own layer and the maps it pools tell."""
    found: dict[str, tuple[float, float]] = {}
    for layer in graph.layers:
        if layer.never_negative(found):
            found[layer.output] = POSITIVE_RANGE
    return found


def _with_shift(graph: MappedGraph, mapped: MappedMatrix) -> MappedMatrix:
    """The layer with a shift of 1 where its sums could be beyond its accumulators, else 0; with converters' steps other
    than 1 where it may have such; and with a bias that words hold, where its bias is added and is no term of the
    requantisation."""
    quants, arithmetic = graph.quants, graph.arithmetic
    measured = from_data(arithmetic.crossbar)
    steps = np.full(mapped.layer.shape[0], 2.0) if measured else choose_steps(graph, mapped, {})
    mapped = replace(mapped, steps=steps)
    inputs, weights = quants[mapped.layer.x.maps[0]], (1 << (mapped.weight_bits - 1)) - 1
    largest = math.prod(mapped.layer.shape[1:]) * weights * max(-inputs.low, inputs.high)
    shift = int(arithmetic.rounds and largest >> (arithmetic.accumulator_bits - 1) > 0)
    mapped = with_shift(mapped, quants, shift, arithmetic)
    if mapped.epilogue.n is not None and mapped.layer.residual is None:
        return mapped
    return replace(mapped, bias=np.ones_like(mapped.known_bias))
