"""Where tasks would lie: tiles filled by the compiler's placement, their rings and transfers, and who fills them.

Depths of rings are those before deadlocks are looked for, deepened into spare memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from cimc.ir.mapped import MappedGraph, Share
from cimc.ir.placed import Piece, PlacedGraph, PlacedTask, RingKey, TaskAt
from cimc.ir.scheduled import RingPlan, ScheduledGraph, ScheduledTask
from cimc.passes.crossbars.choose_segments import choose_segments
from cimc.passes.placement.depths import Depths
from cimc.passes.placement.place import place_tasks
from cimc.passes.scheduling.deepen_rings import deepen_rings
from cimc.passes.scheduling.schedule import schedule
from cimc.target.model import Target

CHIPS = 1 << 20
"""More than any network takes."""


@dataclass(frozen=True, slots=True)
class Floor:
    """Tasks on tiles. rings: by tile, by what they hold; home: the tile where a piece, a partial sum or a copy's rows
    are made. scheduled_as: the scheduled form of a task; inputs: maps that the host writes."""

    placed: PlacedGraph
    scheduled: ScheduledGraph
    rings: dict[int, dict[RingKey, RingPlan]]
    home: dict[RingKey, int]
    scheduled_as: dict[TaskAt, ScheduledTask]
    inputs: frozenset[str]

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
    scheduled = schedule(placed)
    rings: dict[int, dict[RingKey, RingPlan]] = {tile.number: {} for tile in placed.tiles}
    for (tile, key, _), plan in zip(placed.rings(), scheduled.rings.values(), strict=True):
        rings[tile][key] = plan
    tasks = {(task.layer, task.task, task.copy): task for task in scheduled.tasks}
    return Floor(placed, scheduled, rings, placed.made_on(), tasks, placed.inputs)
