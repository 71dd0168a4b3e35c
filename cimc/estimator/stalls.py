"""How long streams wait for each other where a ring is too shallow for them to work at the same time.

A reader releases a row when it has worked with it, and who fills the ring may then make one more. With little room
this goes round: a row is made, other layers and partners work on the way, the reader works, a row is released. The
time of such a circle over the rows by which it advances is a bound of the interval (the cycle mean of a marked graph).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from cimc.estimator.streams import Streams
from cimc.ir.placed import AccessRegion, Piece, PlacedTask, RingKey

FARTHEST = 8
"""Layers between a fork and a join that are looked through."""


@dataclass(frozen=True, slots=True)
class Stall:
    """A circle through a ring of a map that a layer reads. seconds: of one input, if it sets the pace. row: of the
    reader; binds: whether that is slower than everybody in it alone; makers: who fills the ring."""

    layer: int
    map: str
    seconds: float
    binds: bool
    makers: tuple[PlacedTask, ...]


@dataclass(frozen=True, slots=True)
class Detour:
    """A way from a map through other layers to a reader. Row q of the reader needs the first q * advance + rows rows of
    the map; first, last: from when the last of them is made until the first and the last segment of the reader's row
    find what came this way, s."""

    advance: float
    rows: float
    first: float
    last: float


def find_stalls(streams: Streams) -> list[Stall]:
    """A circle for every ring that somebody reads through a window, or beside a longer way from the same map."""
    finder = _Finder(streams)
    found = (finder.circle(tile, task, region) for tile, task in streams.tasks for region in task.regions)
    return [stall for stall in found if stall is not None]


class _Finder:
    """Looks for circles; remembers the ways between maps."""

    def __init__(self, streams: Streams) -> None:
        self.streams, self.floor = streams, streams.floor
        self._ways: dict[tuple[RingKey, str], Detour | None] = {}

    def circle(self, tile: int, task: PlacedTask, region: AccessRegion) -> Stall | None:
        """The circle from a reader's release of a row back to its work on the row that then had room.

        While the reader works on its rows, `spare` others come in, as far as the ring, and the ring and FIFO on the
        way to it, have room. So the row that had no room is worked on `later` rows of the reader later.
        """
        detour, streaming = self._detour(tile, task, region), self.streams.streaming(tile, task, region)
        if streaming and detour is None:
            return None
        key, rows = region.piece, self.streams.rows(task)
        plan = self.floor.rings[tile][key]
        room = plan.pixels / plan.width
        whole = region.advance == 0 or rows == 1
        taken, held = region.advance, region.span
        if whole:
            taken, held = plan.height, min(region.first + region.span, plan.height)
        held += self._by_copies(tile, task, region)
        make, makers = self._filling(tile, key)
        if makers and self.floor.home[key] != tile:
            ahead = self.floor.rings[self.floor.home[key]][key].pixels
            room += (ahead + self.streams.target.tile.fifo_depth * plan.segment_pixels) / plan.width
        hold, needed = self.streams.row(task), float(held)
        first = last = self._with_sums(task)
        if detour is not None:
            needed = max(needed, detour.rows - region.first)
            first, last = self._worked(task, detour, streaming=self._streams_all(tile, task, region))
        spare = max(0.0, room - needed)
        later = math.floor(spare / taken) + 1
        lacking = later * taken - spare
        row = (last + lacking * make) / later
        if streaming:  # its segments are released one by one
            row = max(first + lacking * make, last + make / plan.segments) / later
        binds = not whole and row > max(hold, taken * make)
        return Stall(task.layer, region.piece.map, row * rows, binds, tuple(makers))

    def _by_copies(self, tile: int, task: PlacedTask, region: AccessRegion) -> int:
        """Rows that copies of a task hold of the ring between them."""
        if self.floor.placed.layer_of(task).copies == 1:
            return 0
        tasks = self.floor.placed.tiles[tile].tasks
        copies = [other for other in tasks if (other.layer, other.task) == (task.layer, task.task)]
        rows = [self.floor.share_of(other).row for other in copies]
        return (max(rows) - min(rows)) * region.advance // self.floor.share_of(task).row_step

    def _filling(self, tile: int, key: RingKey) -> tuple[float, list[PlacedTask]]:
        """Seconds in which a row of a ring is made, and by whom: the host where by nobody."""
        plan = self.floor.rings[tile][key]
        if isinstance(key, Piece) and key.map in self.floor.inputs:
            words, prices = plan.width * plan.channels, self.streams.prices
            return prices.seconds("off_chip_word", words) + prices.memory(words), []
        makers = [maker for _, maker in self.streams.made[key]]
        rows = sum(self.streams.row(maker) * self.floor.share_of(maker).parts for maker in makers)
        return rows / len(makers) ** 2, makers

    # partners

    def _with_sums(self, task: PlacedTask) -> float:
        """Seconds of a task's row when its partners begin with theirs at the same time."""
        first, last = self._sums(task)
        return max(first + self.streams.row(task), last + self.streams.core(task).unit)

    def _sums(self, task: PlacedTask) -> tuple[float, float]:
        """When a row's first and last sums of all partners are there."""
        first = last = 0.0
        for other in self.streams.partners(task):
            before, behind = self._sums(other)
            unit = self.streams.core(other).unit
            first, last = max(first, before + unit), max(last, before + self.streams.row(other), behind + unit)
        return first, last

    # forks and joins

    def _detour(self, tile: int, task: PlacedTask, region: AccessRegion) -> Detour | None:
        """The longest way from a map that a task reads to the same task through other layers."""
        others = {other.piece.map: other for other in task.regions if other.piece.map != region.piece.map}
        return _longest(self._way(tile, other, region.piece.map, FARTHEST) for other in others.values())

    def _way(self, tile: int, region: AccessRegion, source: str, depth: int) -> Detour | None:
        """The way from a map to a region that is read."""
        key = region.piece
        if region.piece.map == source:
            plan = self.floor.rings[tile][key]
            make, _ = self._filling(tile, key)
            return Detour(region.advance, region.first + region.span, make / plan.segments - make, 0.0)
        if region.piece.map in self.floor.inputs or not depth:
            return None
        home, maker = self.streams.made[key][0]
        if (key, source) not in self._ways:
            inner = {one.piece.map: one for one in maker.regions}
            self._ways[key, source] = _longest(self._way(home, one, source, depth - 1) for one in inner.values())
        before = self._ways[key, source]
        if before is None:
            return None
        first, last = self._worked(maker, before, streaming=self._streams_all(home, maker, None))
        way = self.streams.way(tile, key)
        advance = before.advance / self.floor.share_of(maker).row_step
        rows = (region.first + region.span - 1) * advance + before.rows
        return Detour(region.advance * advance, rows, first + way, last + way)

    def _streams_all(self, tile: int, task: PlacedTask, but: AccessRegion | None) -> bool:
        """Whether a task reads all its maps, but one perhaps, segment by segment."""
        others = (one for one in task.regions if but is None or one.piece.map != but.piece.map)
        return all(self.streams.streaming(tile, task, region) for region in others)

    def _worked(self, task: PlacedTask, detour: Detour, streaming: bool) -> tuple[float, float]:
        """When the first and the last segment of a task's row are done, of which the operands come by a detour."""
        unit = self.streams.core(task).unit
        if not streaming:
            return detour.last + self._sums(task)[0] + unit, detour.last + self._with_sums(task)
        first = detour.first + self._sums(task)[0] + unit
        return first, max(detour.last + unit, first + self.streams.row(task) - unit)


def _longest(ways: Iterable[Detour | None]) -> Detour | None:
    """What holds a reader up most, of several ways."""
    found = [way for way in ways if way is not None]
    if not found:
        return None
    return Detour(*(max(getattr(way, part) for way in found) for part in ("advance", "rows", "first", "last")))
