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
from cimc.passes.placement.needs import Need
from cimc.passes.placement.works import Key, Work

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
    makers: tuple[Work, ...]


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
    found = (finder.circle(tile, work, need) for tile, work in streams.tasks for need in work.needs)
    return [stall for stall in found if stall is not None]


class _Finder:
    """Looks for circles; remembers the ways between maps."""

    def __init__(self, streams: Streams) -> None:
        self.streams, self.floor = streams, streams.floor
        self._ways: dict[tuple[Key, str], Detour | None] = {}

    def circle(self, tile: int, work: Work, need: Need) -> Stall | None:
        """The circle from a reader's release of a row back to its work on the row that then had room.

        While the reader works on its rows, `spare` others come in, as far as the ring, and the ring and FIFO on the
        way to it, have room. So the row that had no room is worked on `later` rows of the reader later.
        """
        detour, streaming = self._detour(tile, work, need), self.streams.streaming(work, need)
        if streaming and detour is None:
            return None
        key, rows = Key(need.map, need.piece), self.streams.rows(work)
        plan = self.floor.rings[tile][key]
        room = plan.pixels / plan.width
        whole = need.advance == 0 or rows == 1
        taken, held = need.advance, need.span
        if whole:
            taken, held = plan.height, min(need.first + need.span, plan.height)
        held += self._by_copies(tile, work, need)
        make, makers = self._filling(tile, key)
        if makers and self.floor.home[key] != tile:
            ahead = self.floor.rings[self.floor.home[key]][key].pixels
            room += (ahead + self.streams.target.tile.fifo_depth * plan.segment_pixels) / plan.width
        hold, needed = self.streams.row(work), float(held)
        first = last = self._with_sums(work)
        if detour is not None:
            needed = max(needed, detour.rows - need.first)
            first, last = self._worked(work, detour, streaming=self._streams_all(work, need))
        spare = max(0.0, room - needed)
        later = math.floor(spare / taken) + 1
        lacking = later * taken - spare
        row = (last + lacking * make) / later
        if streaming:  # its segments are released one by one
            row = max(first + lacking * make, last + make / plan.segments) / later
        binds = not whole and row > max(hold, taken * make)
        return Stall(work.layer, need.map, row * rows, binds, tuple(makers))

    def _by_copies(self, tile: int, work: Work, need: Need) -> int:
        """Rows that copies of a task hold of the ring between them."""
        works = self.floor.tiles[tile].works
        rows = [other.share.row for other in works if (other.layer, other.task) == (work.layer, work.task)]
        return (max(rows) - min(rows)) * need.advance // work.share.row_step

    def _filling(self, tile: int, key: Key) -> tuple[float, list[Work]]:
        """Seconds in which a row of a ring is made, and by whom: the host where by nobody."""
        plan = self.floor.rings[tile][key]
        if key.map in self.floor.inputs:
            words, prices = plan.width * plan.channels, self.streams.prices
            return prices.seconds("off_chip_word", words) + prices.memory(words), []
        makers = [maker for _, maker in self.streams.made[key]]
        return sum(self.streams.row(maker) * maker.share.parts for maker in makers) / len(makers) ** 2, makers

    # partners

    def _with_sums(self, work: Work) -> float:
        """Seconds of a task's row when its partners begin with theirs at the same time."""
        first, last = self._sums(work)
        return max(first + self.streams.row(work), last + self.streams.core(work).unit)

    def _sums(self, work: Work) -> tuple[float, float]:
        """When a row's first and last sums of all partners are there."""
        first = last = 0.0
        for other in self.streams.partners(work):
            before, behind = self._sums(other)
            unit = self.streams.core(other).unit
            first, last = max(first, before + unit), max(last, before + self.streams.row(other), behind + unit)
        return first, last

    # forks and joins

    def _detour(self, tile: int, work: Work, need: Need) -> Detour | None:
        """The longest way from a map that a task reads to the same task through other layers."""
        others = {other.map: other for other in work.needs if other.map != need.map}
        return _longest(self._way(tile, other, need.map, FARTHEST) for other in others.values())

    def _way(self, tile: int, need: Need, source: str, depth: int) -> Detour | None:
        """The way from a map to a need."""
        key = Key(need.map, need.piece)
        if need.map == source:
            plan = self.floor.rings[tile][key]
            make, _ = self._filling(tile, key)
            return Detour(need.advance, need.first + need.span, make / plan.segments - make, 0.0)
        if need.map in self.floor.inputs or not depth:
            return None
        home, maker = self.streams.made[key][0]
        if (key, source) not in self._ways:
            inner = {one.map: one for one in maker.needs}
            self._ways[key, source] = _longest(self._way(home, one, source, depth - 1) for one in inner.values())
        before = self._ways[key, source]
        if before is None:
            return None
        first, last = self._worked(maker, before, streaming=self._streams_all(maker, None))
        way = 0.0 if home == tile else self.streams.message(home, tile, key).behind
        advance = before.advance / maker.share.row_step
        rows = (need.first + need.span - 1) * advance + before.rows
        return Detour(need.advance * advance, rows, first + way, last + way)

    def _streams_all(self, work: Work, but: Need | None) -> bool:
        """Whether a task reads all its maps, but one perhaps, segment by segment."""
        return all(self.streams.streaming(work, need) for need in work.needs if but is None or need.map != but.map)

    def _worked(self, work: Work, detour: Detour, streaming: bool) -> tuple[float, float]:
        """When the first and the last segment of a task's row are done, of which the operands come by a detour."""
        unit = self.streams.core(work).unit
        if not streaming:
            return detour.last + self._sums(work)[0] + unit, detour.last + self._with_sums(work)
        first = detour.first + self._sums(work)[0] + unit
        return first, max(detour.last + unit, first + self.streams.row(work) - unit)


def _longest(ways: Iterable[Detour | None]) -> Detour | None:
    """What holds a reader up most, of several ways."""
    found = [way for way in ways if way is not None]
    if not found:
        return None
    return Detour(*(max(getattr(way, part) for way in found) for part in ("advance", "rows", "first", "last")))
