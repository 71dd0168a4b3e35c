"""Where tasks lie: tiles filled and seated by the compiler's passes, their rings, and the transfers that fill them.

Depths of rings are those before deadlocks are looked for, deepened into spare memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cimc.ir.mapped import MappedGraph, Share
from cimc.ir.placed import Piece, PlacedGraph, PlacedTask, RingKey, TaskAt
from cimc.ir.scheduled import RingPlan, ScheduledGraph, ScheduledTask, Transfer
from cimc.passes.crossbars.choose_segments import choose_segments
from cimc.passes.placement.depths import Depths
from cimc.passes.placement.place import place_tasks
from cimc.passes.placement.seat_tiles import places_of
from cimc.passes.scheduling.deepen_rings import deepen_rings
from cimc.passes.scheduling.schedule import schedule
from cimc.target.model import Target

CHIPS = 1 << 20
"""More than any network takes."""


@dataclass(frozen=True, slots=True)
class Floor:
    """Tasks on tiles. rings: by tile, by what they hold; home: the tile where a piece, a partial sum or a copy's rows
    are made. filled_by: the transfer that fills a tile's ring, with what a copy of a layer makes where copies
    lie apart, else 0. scheduled_as: the scheduled form of a task; inputs: maps
    that the host writes. places: of tiles on the mesh, as tiles are numbered in network order."""

    placed: PlacedGraph
    scheduled: ScheduledGraph
    rings: dict[int, dict[RingKey, RingPlan]]
    home: dict[RingKey, int]
    filled_by: dict[tuple[int, RingKey, int], Transfer]
    scheduled_as: dict[TaskAt, ScheduledTask]
    inputs: frozenset[str]
    places: list[int]

    @property
    def graph(self) -> MappedGraph:
        """The network."""
        return self.placed.mapped

    def tasks(self) -> list[tuple[int, PlacedTask]]:
        """(tile, task) in network order, a task behind those whose sums it adds."""
        found = [(tile.number, task) for tile in self.placed.tiles for task in tile.tasks]
        return sorted(found, key=lambda one: (one[1].layer, one[1].copy, -one[1].task))

    def share_of(self, task: PlacedTask) -> Share:
        """What its copy makes of the map."""
        return self.placed.layer_of(task).share(task.copy)

    def piece_of(self, task: PlacedTask) -> Piece:
        """The piece that it works for."""
        return Piece(self.placed.layer_of(task).layer.output, self.placed.task_of(task).low)


def lay_out(graph: MappedGraph, target: Target) -> Floor:
    """Place a network's tasks, on as many chips as it takes. Raises CimcError where a layer fits no tile."""
    placed = deepen_rings(place_tasks(choose_segments(graph, target), target, Depths(), CHIPS))
    chips = math.ceil(len(placed.tiles) / target.chip.tiles)
    scheduled = schedule(placed)
    rings: dict[int, dict[RingKey, RingPlan]] = {tile.number: {} for tile in placed.tiles}
    held: dict[tuple[int, str], RingKey] = {}
    for (tile, key, _), plan in zip(placed.rings(), scheduled.rings.values(), strict=True):
        rings[tile][key] = plan
        held[tile, plan.name] = key
    filled_by = {(one.tile, held[one.tile, one.ring], one.copy): one for one in scheduled.transfers}
    places, _ = places_of(scheduled, target, chips, 0)
    tasks = {(task.layer, task.task, task.copy): task for task in scheduled.tasks}
    return Floor(placed, scheduled, rings, placed.made_on(), filled_by, tasks, placed.inputs, places)
