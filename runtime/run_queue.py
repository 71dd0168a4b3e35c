"""Who runs next: streams as coroutines that give the site they stop at, and a queue of those that may go on.

The network of streams is deterministic, so any order gives the same bits; a seed makes a random one to test that.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Generator, Sequence

from cimc.runtime.machine import Thing
from cimc.runtime.sites import Site

Running = Generator[Site | None, None, None]
"""A stream under way. It gives the site where it has to wait, or None where it merely could be interrupted."""

_LONGEST_TURN = 8


class RunQueue:
    """Runs streams until each has come to its end or none can go on."""

    def __init__(self) -> None:
        self._ready: deque[int] = deque()

    def wake(self, thing: Thing) -> None:
        """A ring or FIFO has changed: whoever waits for it looks again."""
        self._ready.extend(thing.sleepers)
        thing.sleepers.clear()

    def run(self, streams: Sequence[Running], seed: int | None = None) -> list[Site]:
        """Run all; gives the sites where streams stand for ever, none if all ended. seed: a random order, for which
        the streams must have been made interruptible."""
        stopped: dict[int, Site] = {}
        self._ready.extend(range(len(streams)))
        dice = None if seed is None else random.Random(seed)
        while self._ready:
            if dice is not None:
                self._ready.rotate(dice.randrange(len(self._ready)))
            number = self._ready.popleft()
            stopped.pop(number, None)
            turns = dice.randint(1, _LONGEST_TURN) if dice is not None else 0
            for site in streams[number]:
                if site is not None:
                    stopped[number] = site
                    site.thing.sleepers.append(number)
                    break
                turns -= 1
                if turns == 0:
                    self._ready.append(number)
                    break
        return [stopped[number] for number in sorted(stopped)]
