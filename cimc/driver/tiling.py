"""Where tasks would lie: tiles filled by the compiler's placement, their rings, and who fills them.

Depths of rings are those before deadlocks are looked for, deepened into spare memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cimc.ir.mapped import MappedGraph
from cimc.ir.scheduled import RingPlan, ScheduledGraph
from cimc.passes.deepen_rings import deepen_rings
from cimc.passes.depths import Depths
from cimc.passes.place import Placer
from cimc.passes.segments import choose_segments
from cimc.passes.works import Key, RingSize, TileLoad, Work
from cimc.target.model import Target

CHIPS = 1 << 20
"""More than any network takes."""


@dataclass(frozen=True, slots=True)
class Floor:
    """Tasks on tiles. rings: by tile, by key; remote: rings that another tile fills; home: the tile where a piece, a
    partial sum or a copy's rows are made. inputs: maps that the host writes."""

    graph: MappedGraph
    segments: dict[str, int]
    tiles: tuple[TileLoad, ...]
    rings: dict[int, dict[Key, RingPlan]]
    remote: frozenset[tuple[int, Key]]
    home: dict[Key, int]
    pieces: dict[str, tuple[tuple[int, int], ...]]
    inputs: frozenset[str]

    def works(self) -> list[tuple[int, Work]]:
        """(tile, task) in network order, a task behind those whose sums it adds."""
        found = [(tile.number, work) for tile in self.tiles for work in tile.works]
        return sorted(found, key=lambda one: (one[1].layer, one[1].copy, -one[1].task))


def lay_out(graph: MappedGraph, target: Target) -> Floor:
    """Place a network's tasks, on as many chips as it takes. Raises CimcError where a layer fits no tile."""
    segments = choose_segments(graph, target)
    placer = Placer(graph, target, segments, Depths(), CHIPS)
    tiles = tuple(placer.run())
    rings: dict[int, dict[Key, RingPlan]] = {}
    remote: set[tuple[int, Key]] = set()
    for tile in tiles:
        sizes = placer.rings_of(tile)
        remote.update((tile.number, key) for key, size in sizes.items() if size.remote)
        plans = _plans(graph, tile.number, sizes, segments)
        constants = sum(placer.constants(work) for work in tile.works)
        rings[tile.number] = _deepened(graph, target, tile.number, plans, constants)
    home = {work.makes(tile): tile.number for tile in tiles for work in tile.works}
    for tile in tiles:
        home.update(dict.fromkeys(tile.homes, tile.number))
    return Floor(
        graph=graph,
        segments=segments,
        tiles=tiles,
        rings=rings,
        remote=frozenset(remote),
        home=home,
        pieces=dict(placer.pieces),
        inputs=frozenset(placer.inputs),
    )


def _plans(
    graph: MappedGraph, tile: int, sizes: Mapping[Key, RingSize], segments: Mapping[str, int]
) -> dict[Key, RingPlan]:
    """The rings of a tile at their first depths."""
    plans = {}
    for key, size in sizes.items():
        m, channels = graph.maps[key.map], size.high - size.low
        plans[key] = RingPlan("", tile, m.height, m.width, channels, segments[m.name], size.pixels, 1, m.name, size.low)
    return plans


def _deepened(
    graph: MappedGraph, target: Target, tile: int, plans: Mapping[Key, RingPlan], constants: int
) -> dict[Key, RingPlan]:
    """The rings of a tile with its spare memory."""
    named = {(tile, str(number)): plan for number, plan in enumerate(plans.values())}
    used = {tile: constants + sum(plan.words for plan in plans.values())}
    deeper = deepen_rings(ScheduledGraph(graph, named, (), (), (), ()), used, target).rings
    return dict(zip(plans, deeper.values(), strict=True))
