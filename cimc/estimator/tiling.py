"""Where tasks would lie: tiles filled by the compiler's placement, their rings and transfers, and who fills them.

Depths of rings are those before deadlocks are looked for, deepened into spare memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from cimc.ir.mapped import MappedGraph
from cimc.ir.scheduled import PlacedTask, RingPlan, ScheduledGraph
from cimc.passes.crossbars.segments import choose_segments
from cimc.passes.placement.depths import Depths
from cimc.passes.placement.place import Placer
from cimc.passes.placement.works import Key, TileLoad, Who, Work
from cimc.passes.scheduling.deepen_rings import deepen_rings
from cimc.passes.scheduling.schedule import Scheduler
from cimc.target.model import Target

CHIPS = 1 << 20
"""More than any network takes."""


@dataclass(frozen=True, slots=True)
class Floor:
    """Tasks on tiles. rings: by tile, by key; home: the tile where a piece, a partial sum or a copy's rows are made.
    placed: the scheduled form of a task; inputs: maps that the host writes."""

    graph: MappedGraph
    scheduled: ScheduledGraph
    segments: dict[str, int]
    tiles: tuple[TileLoad, ...]
    rings: dict[int, dict[Key, RingPlan]]
    home: dict[Key, int]
    placed: dict[Who, PlacedTask]
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
    scheduler = Scheduler(graph, placer, list(tiles), segments)
    scheduled = scheduler.run()
    used = {tile.number: sum(placer.constants(work) for work in tile.works) for tile in tiles}
    for (tile, _), plan in scheduled.rings.items():
        used[tile] += plan.words
    scheduled = deepen_rings(scheduled, used, target)
    rings: dict[int, dict[Key, RingPlan]] = {tile.number: {} for tile in tiles}
    for (number, key), name in scheduler.names.items():
        rings[number][key] = scheduled.rings[number, name]
    return Floor(
        graph=graph,
        scheduled=scheduled,
        segments=segments,
        tiles=tiles,
        rings=rings,
        home=scheduler.home,
        placed={(task.layer, task.task, task.copy): task for task in scheduled.tasks},
        pieces=dict(placer.pieces),
        inputs=frozenset(placer.inputs),
    )
