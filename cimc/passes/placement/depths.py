"""What a first schedule taught about rings: how deep they must be for the streams to run, beside whom.

Placement can't know how deep a residual's ring must be before the streams have been played. Where a tile turns out
too small for its rings, the depths that they grew to are kept here, and the next placement counts on them: tasks move
apart, and what no tile can hold beside its task is kept by others on the way there (relays).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from cimc.ir.placed import Piece, PlacedGraph, PlacedRing, PlacedTile, RingKey, TaskAt
from cimc.passes.placement.tile_load import TileLoad


@dataclass(slots=True)
class Depths:
    """Pixels of rings, counted as if they had whole rows. grown: that a task needs of a ring that it reads or makes;
    relayed: that other tiles hold for it of a ring that it reads."""

    grown: dict[tuple[TaskAt, RingKey], int] = field(default_factory=dict)
    relayed: dict[tuple[TaskAt, Piece], int] = field(default_factory=dict)

    def of(self, who: TaskAt, key: RingKey) -> int:
        """Pixels that a task is known to need of a ring on its own tile."""
        return self.grown.get((who, key), 0) if self.grown else 0  # keys take long to hash, and few networks have any

    def learn(self, first: PlacedGraph, settled: PlacedGraph) -> None:
        """Keep what the rings of tiles grew to that are too small for them now. first: what was placed; settled: the
        same with rings deep enough.

        A ring grew for those on the tile who read it last, or else for who makes it.
        """
        relays = settled.relays()
        for old, tile in zip(first.tiles, settled.tiles, strict=True):
            if tile.words <= settled.room.memory_words:
                continue
            for key, ring in tile.rings.items():
                if ring.pixels > old.rings[key].pixels and (tile.number, key) not in relays:
                    pixels = _of_whole_rows(settled, key, ring)
                    for who in _reading_last(settled, tile, key) or [_maker(settled, key)]:
                        self.grown[who, key] = max(self.of(who, key), pixels)

    def comes_late(self, tile: TileLoad) -> str:
        """A piece of which some tasks of a tile read what comes through relays, and others read or make it without, or
        "". One ring can't serve both: those who come first would wait for what the others still hold."""
        if not self.relayed:
            return ""
        late: dict[RingKey, bool] = dict.fromkeys([*tile.gathers, *(work.out(tile) for work in tile.works)], False)
        for work in tile.works:
            for region in work.regions:
                relayed = (work.at, region.piece) in self.relayed
                if late.setdefault(region.piece, relayed) != relayed:
                    return region.piece.map
        return ""

    def relay(self, who: TaskAt, key: Piece, pixels: int, width: int) -> None:
        """Let other tiles hold all but `pixels` of what a task needs of a ring, in whole rows of `width`."""
        more = self.grown.pop((who, key)) - pixels
        self.relayed[who, key] = self.relayed.get((who, key), 0) + math.ceil(more / width) * width


def _of_whole_rows(graph: PlacedGraph, key: RingKey, ring: PlacedRing) -> int:
    """The pixels of a ring, as if it had whole rows."""
    if ring.part is None:
        return ring.pixels
    left, right = ring.part
    return ring.pixels * graph.segments[graph.map_of(key)] // (right - left)


def _reading_last(graph: PlacedGraph, tile: PlacedTile, key: RingKey) -> list[TaskAt]:
    """The tasks of a tile that read a ring, of the last layer that does."""
    found = [
        task.at
        for task in tile.tasks
        if any(region.piece == key for region in task.regions) or key in graph.sums_of(task)
    ]
    last = max((layer for layer, _, _ in found), default=0)
    return [at for at in found if at[0] == last]


def _maker(graph: PlacedGraph, key: RingKey) -> TaskAt:
    """The task that makes what a ring holds; where copies do it together, that of copy 0."""
    if not isinstance(key, Piece):
        return key.layer, key.task, key.copy
    layers = enumerate(graph.mapped.layers)
    layer, tasks = next((number, one.tasks) for number, one in layers if one.layer.output == key.map)
    return layer, next(n for n, task in enumerate(tasks) if task.low == key.channel and not task.is_partial), 0
