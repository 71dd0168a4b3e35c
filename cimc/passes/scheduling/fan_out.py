"""Who fills whose ring when many tiles read the same piece of a map: a tree, so that no tile sends to all of them.

A tile that has a piece hands it on to a few others. Its instruction memory holds the code of so many channels only,
and what goes to another chip goes there once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

FAN_OUT = 8
"""Tiles that one tile hands a ring on to, while another one can."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A tile that needs channels low .. high of a piece and segments left .. right of its rows; relays: tiles that
    hold it on the way, first to last."""

    tile: int
    low: int
    high: int
    relays: tuple[int, ...] = ()
    left: int = 0
    right: int = 1

    def covers(self, other: Reader) -> bool:
        """Whether this tile has all that another one needs."""
        channels = self.low <= other.low and other.high <= self.high
        return channels and self.left <= other.left and other.right <= self.right


def feeders(home: int, readers: Iterable[Reader], tiles_a_chip: int) -> dict[int, int]:
    """For every reader and relay the tile that fills its ring. home: the tile where the piece is made; it has all of
    it. Tiles are by number in network order, which stands for where they will lie."""
    chip = home // tiles_a_chip
    found: dict[int, int] = {}
    fed, depth = {home: 0}, {home: 0}
    having = {home: Reader(home, 0, 1 << 62, (), 0, 1 << 62)}

    def turn(reader: Reader) -> tuple[int, bool, int, int]:
        size = (reader.high - reader.low) * (reader.right - reader.left)
        return -size, reader.tile // tiles_a_chip != chip, abs(reader.tile - home), reader.tile

    for reader in sorted(readers, key=turn):
        first = reader.relays[0] if reader.relays else reader.tile
        able = [tile for tile, there in having.items() if there.covers(reader)]

        def preference(tile: int, to: int = first) -> tuple[bool, bool, int, int, int]:
            away = tile // tiles_a_chip != to // tiles_a_chip
            return fed[tile] >= FAN_OUT, away, depth[tile], abs(tile - to), tile

        source = min(able, key=preference)
        fed[source] += 1
        for tile in (*reader.relays, reader.tile):
            found[tile] = source
            source = tile
        if not reader.relays:  # what comes through relays comes late
            fed[reader.tile], depth[reader.tile] = 0, depth[found[reader.tile]] + 1
            having[reader.tile] = reader
    return found
