"""choose_segments: how many segments a row of each map is handed over in, the pieces in which producers and consumers
keep step. Needs tasks and copies; promises segments of whole pixels for every map."""

from __future__ import annotations

from dataclasses import replace

from cimc.ir.layers import FeatureMap
from cimc.ir.mapped import MappedGraph, MappedLayer
from cimc.target.model import Target

UNEVEN = 1.1
"""How much longer than with the finest segments the copy may take that makes most of a row, for fewer segments."""
MOST_TICKETS = 8192
"""Segments of a whole map that are enough, where memory does not ask for more: every one is a message and waits."""


def choose_segments(graph: MappedGraph, target: Target) -> MappedGraph:
    """The graph with segments of a row of every map."""
    layers = {m.layer.output: m for m in graph.layers}
    segments = {name: segments_of(m, layers.get(name), target) for name, m in graph.maps.items()}
    return replace(graph, segments=segments)


def segments_of(made: FeatureMap, mapped: MappedLayer | None, target: Target) -> int:
    """The fewest equal segments of a row that are no larger than most_of_row says; so many that copies which make a row
    together have about as much of it each; of whole steps, where a product takes several pixels. mapped: the layer
    that makes the map; None for an input."""
    pieces = (() if mapped is None else mapped.pieces) or ((0, made.channels),)
    most = most_of_row(mapped, made.channels, target)
    widest = max(high - low for low, high in pieces)
    across, replicas = (1, 1) if mapped is None else (mapped.across, mapped.replicas)
    divisors = [s for s in range(1, made.width + 1) if made.width % (s * replicas) == 0]
    fitting = [s for s in divisors if made.width // s * widest <= most and s >= across] or divisors[-1:]
    fitting = [s for s in fitting if s * made.height <= MOST_TICKETS] or fitting[:1]
    least = largest_part(made.width, fitting[-1], across)
    return next(s for s in fitting if largest_part(made.width, s, across) <= UNEVEN * least)


def most_of_row(mapped: MappedLayer | None, channels: int, target: Target) -> int:
    """Words that a segment of a map may have: a sixteenth of a tile's memory, and as many that two of each partial sum
    that comes together in one task take a quarter of it."""
    partners = 0 if mapped is None else max((len(task.partials) for task in mapped.tasks), default=0)
    return max(channels, target.tile.memory_words // (8 * max(2, partners)))


def largest_part(width: int, segments: int, across: int) -> int:
    """Pixels of a row that the copy makes that has most of it."""
    return -(-segments // across) * (width // segments)
