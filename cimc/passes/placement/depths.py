"""What a first schedule taught about rings: how deep they must be for the streams to run, beside whom.

Placement can't know how deep a residual's ring must be before the streams have been played. Where a tile turns out
too small for its rings, the depths that they grew to are kept here, and the next placement counts on them: tasks move
apart, and what no tile can hold beside its task is kept by others on the way there (relays).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from cimc.passes.placement.works import Key, RingSize, TileLoad, Who


@dataclass(slots=True)
class Depths:
    """Pixels of rings, counted as if they had whole rows. grown: that a task needs of a ring that it reads or makes;
    relayed: that other tiles hold for it of a ring that it reads."""

    grown: dict[tuple[Who, Key], int] = field(default_factory=dict)
    relayed: dict[tuple[Who, Key], int] = field(default_factory=dict)

    def of(self, who: Who, key: Key) -> int:
        """Pixels that a task is known to need of a ring on its own tile."""
        return self.grown.get((who, key), 0)

    def learn(self, tile: TileLoad, sizes: Mapping[Key, RingSize], pixels: Mapping[Key, int]) -> None:
        """Keep what the rings of a tile grew to. sizes: at first; pixels: in the end.

        A ring grew for those on the tile who read it last, or else for who makes it.
        """
        for key, size in sizes.items():
            if pixels[key] <= size.pixels or key in tile.relays:
                continue
            reading = [w for w in tile.works if key in w.reads()]
            readers = [w.who for w in reading if w.layer == max(one.layer for one in reading)]
            makers = [w.who for w in tile.works if w.makes(tile) == key]
            if key in tile.homes:
                makers = [tile.homes[key].who]
            for who in readers or makers:
                self.grown[who, key] = max(self.of(who, key), pixels[key] * size.whole // (size.right - size.left))

    def comes_late(self, tile: TileLoad) -> str:
        """A piece of which some tasks of a tile read what comes through relays, and others read or make it without, or
        "". One ring can't serve both: those who come first would wait for what the others still hold."""
        late = dict.fromkeys([*tile.homes, *(work.makes(tile) for work in tile.works)], False)
        for work in tile.works:
            for key in work.reads():
                relayed = (work.who, key) in self.relayed
                if late.setdefault(key, relayed) != relayed:
                    return key.map
        return ""

    def relay(self, who: Who, key: Key, pixels: int, width: int) -> None:
        """Let other tiles hold all but `pixels` of what a task needs of a ring, in whole rows of `width`."""
        more = self.grown.pop((who, key)) - pixels
        self.relayed[who, key] = self.relayed.get((who, key), 0) + math.ceil(more / width) * width
