"""Which reads of an MVMU a product makes: counted for each input, so that noise is the same however inputs are run."""

from __future__ import annotations

import numpy as np

from cimc.crossbar.device import Reading
from cimc.numerics.keys import Key
from cimc.runtime.machine import IMAGE, Counters, Machine


class Reads:
    """Counts the products of an MVMU. key: the MVMU's; counters: of its core's stream."""

    def __init__(self, key: Key, machine: Machine, counters: Counters) -> None:
        self._key, self._machine, self._counters = key, machine, counters
        self._image, self._made = -1, 0
        self._lanes = np.arange(machine.first, machine.first + machine.lanes)

    def next(self) -> Reading:
        """Those of the next product. An input's number in the data: of its lane times inputs a lane, plus its own."""
        image = self._counters[IMAGE]
        self._made = 0 if image != self._image else self._made + 1
        self._image = image
        number = self._lanes * self._machine.images + self._machine.first_image + image
        return Reading.of(self._key, number, self._made)


def reads_of(machine: Machine, key: Key, counters: Counters) -> Reads:
    """The one counter of an MVMU in a running machine."""
    found: Reads = machine.reads.setdefault(key, Reads(key, machine, counters))
    return found
