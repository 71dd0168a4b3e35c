"""The MappedGraph of a network whose weights are not known: layers, formats, tasks and segments as the compiler makes
them, by the same passes, on stand-ins.

Scales, multipliers and tables are of the right shape and mean nothing; blocks hold no weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cimc.ir.graph import Graph
from cimc.ir.layers import Layer, LayerGraph, MatrixLayer, PoolLayer, SoftmaxLayer, VectorLayer
from cimc.ir.mapped import Arithmetic, MappedGraph, MappedLayer
from cimc.numerics.quant import Quant
from cimc.passes.crossbars.split import split_matrices
from cimc.passes.lower.layers import lower
from cimc.passes.lower.split_averages import split_averages
from cimc.passes.numbers.choose_shifts import settled_layer
from cimc.passes.numbers.formats import Widths, choose_formats, complete_ranges, needed_ranges
from cimc.passes.numbers.quantise import quantise
from cimc.passes.pipelines import split_options
from cimc.target.model import Target

ANY_RANGE = (-1.0, 1.0)
"""The range of a tensor: it fixes scales only, and no estimate depends on one."""
POSITIVE_RANGE = (0.0, 1.0)
"""The range of a tensor that is never negative: its format is unsigned, and crossbars are fed a bit less of it."""
POSITIVE = frozenset({"relu", "sigmoid", "hard_sigmoid", "exp", "sqrt", "abs", "softplus"})
"""Functions that are never negative."""


def map_weightless(graph: Graph, target: Target, weight_bits: int, rows: str) -> MappedGraph:
    """Layers and tasks of an outlined Graph. rows: "dense" or "channels". Raises CimcError where it is refused."""
    layers = lower_weightless(graph, target)
    widths = Widths(weight_bits, target.numbers.input, {}, {})
    ranges = complete_ranges(layers, dict.fromkeys(needed_ranges(layers), ANY_RANGE) | _positive(layers))
    quants = choose_formats(layers, ranges, target, widths)
    mapped = quantise(layers, quants, ranges, target, widths)
    with np.errstate(all="ignore"):
        settled = tuple(_settled(one, quants, mapped.arithmetic) for one in mapped.layers)
    return split_matrices(replace(mapped, layers=settled), target, split_options(mapped, target, rows))


def lower_weightless(graph: Graph, target: Target) -> LayerGraph:
    """The layers of an outlined Graph."""
    with np.errstate(all="ignore"):  # stand-ins, and constants that the compiler refuses
        layers = lower(split_averages(graph) if target.numbers.accumulator < 32 else graph, weightless=True)
        return replace(layers, layers=tuple(_finite(layer) for layer in layers.layers))


def _finite(layer: Layer) -> Layer:
    """The layer with 1 for gains and 0 for terms that are no finite numbers: stand-ins may divide by 0."""
    if isinstance(layer, MatrixLayer | VectorLayer):
        layer = replace(layer, bias=np.nan_to_num(layer.bias, nan=0.0, posinf=0.0, neginf=0.0))
    if isinstance(layer, VectorLayer):
        gains = tuple(np.nan_to_num(gain, nan=1.0, posinf=1.0, neginf=1.0) for gain in layer.gains)
        layer = replace(layer, gains=gains)
    return layer


def _positive(graph: LayerGraph) -> dict[str, tuple[float, float]]:
    """POSITIVE_RANGE for every map that can't be negative, as far as its own layer and the maps it pools tell."""
    found: dict[str, tuple[float, float]] = {}
    for layer in graph.layers:
        behind_function = layer.functions[-1].name in POSITIVE if layer.functions else layer.low >= 0
        passes_on = isinstance(layer, PoolLayer) and all(name in found for name in layer.x.maps)
        if behind_function or passes_on or isinstance(layer, SoftmaxLayer):
            found[layer.output] = POSITIVE_RANGE
    return found


def _settled(mapped: MappedLayer, quants: Mapping[str, Quant], arithmetic: Arithmetic) -> MappedLayer:
    """The layer with a shift of 1 where its sums could be beyond its accumulators, else 0; and with a bias that words
    hold, where its bias is added and is no term of the requantisation."""
    shift = 0
    if isinstance(mapped.layer, MatrixLayer):
        inputs, weights = quants[mapped.matrix.x.maps[0]], (1 << (mapped.weight_bits - 1)) - 1
        largest = math.prod(mapped.matrix.shape[1:]) * weights * max(-inputs.low, inputs.high)
        shift = int(arithmetic.rounds and largest >> (arithmetic.accumulator_bits - 1) > 0)
    mapped = settled_layer(mapped, quants, shift, arithmetic)
    if mapped.bias is None or (mapped.finish.n is not None and mapped.matrix.residual is None):
        return mapped
    return replace(mapped, bias=np.ones_like(mapped.bias))
