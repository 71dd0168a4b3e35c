"""How long a copy of each layer takes for a pixel of its map, without a program: what copies are balanced by."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from cimc.estimator.streams import Streams
from cimc.estimator.tiling import lay_out
from cimc.ir.mapped import MappedGraph
from cimc.isa.cost.prices import PriceList
from cimc.layer_kinds.matrix.mapped import matrices_of
from cimc.target.model import Target

TICK = 10**10
"""Ticks a second that times are rounded to, so that sums of fractions stay small."""


def pace_of(graph: MappedGraph, target: Target) -> Mapping[str, Fraction]:
    """Seconds that the busiest core of a layer's one copy takes for a pixel, by the layer's name.

    Empty where the target has no prices, or not all that it takes: a product is the unit of time then.
    """
    if not target.prices:
        return {}
    prices = PriceList(target)
    streams = Streams(lay_out(graph, target), target, prices, {})
    if prices.missing:
        return {}
    found: dict[str, Fraction] = {}
    matrices = {one.layer.name for one in matrices_of(graph)}
    for _, task in streams.tasks:
        layer = graph.layers[task.layer].layer
        if layer.name in matrices:
            out = graph.maps[layer.output]
            seconds = Fraction(max(1, round(streams.core(task).spent.seconds / (out.height * out.width) * TICK)), TICK)
            found[layer.name] = max(found.get(layer.name, seconds), seconds)
    return found
