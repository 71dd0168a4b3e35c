"""Levels and conductances, and places of cells for what is drawn.

A cell at level l of 0 .. top is meant to conduct, with G0 = off_conductance and G1 = on_conductance,

    even                G0 + (G1 - G0) l / top
    even in resistance  1 / (1/G0 + (1/G1 - 1/G0) l / top)
    logarithmic         G0 (G1 / G0)^(l / top)
    listed              level_list[l]

One level's step is (highest - lowest) / top, whatever lies between: the converters' unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cimc.crossbar.storage import Floats
from cimc.numerics.keys import Ints, Key
from cimc.target.device import DeviceKeys


def conductances_of(device: DeviceKeys, top: int) -> Floats:
    """What levels 0 .. top are meant to conduct, in S: (top + 1,)."""
    low, high, share = device.off_conductance, device.on_conductance, np.arange(top + 1) / top
    match device.levels:
        case "even":
            return np.asarray(low + (high - low) * share)
        case "even in resistance":
            return np.asarray(1 / (1 / low + (1 / high - 1 / low) * share))
        case "logarithmic":
            return np.asarray(low * (high / low) ** share)
        case "listed":
            return np.array(device.level_list)
    raise AssertionError(f"levels {device.levels!r}")


@dataclass(frozen=True, slots=True)
class Places:
    """Where cells are, for what is drawn for them: the same draw for the same cell, however large its matrix.

    life: the key of their MVMU; write: of this write. coordinates: sign, slice, row and column of each, which broadcast
    against each other.
    """

    life: Key
    write: Key
    coordinates: tuple[Ints, ...]

    @classmethod
    def of(cls, write: Key, shape: tuple[int, ...]) -> Places:
        """Of cells (signs, slices, rows, columns)."""
        return cls(write.around, write, tuple(np.ogrid[tuple(slice(n) for n in shape)]))

    @classmethod
    def of_unit(cls, write: Key, rows: int) -> Places:
        """Of a unit column, (rows, 1)."""
        zero = np.zeros((1, 1), np.int64)
        return cls(write.around, write, (zero, zero, np.arange(rows)[:, None], zero + UNIT_COLUMN))

    def for_life(self, effect: int) -> Floats:
        """Standard normal numbers that stay as long as the cells."""
        return self.life.at(LIFE, effect).normal(*self.coordinates)

    def lot(self, effect: int) -> Floats:
        """Numbers between 0 and 1 that stay as long as the cells."""
        return self.life.at(LIFE, effect).uniform(*self.coordinates)

    def for_write(self, effect: int, number: int = 0) -> Floats:
        """Standard normal numbers of this write. number: of a try."""
        return self.write.at(effect, number).normal(*self.coordinates)


LIFE, READ = -1, -2
"""In the place of the number of a write: what is drawn once for a cell, and for every read."""

ADC = -3
"""What is drawn for a converter, and not for a cell: see its uses."""

UNIT_COLUMN = -1
"""The number of its column."""

VARIATION, CYCLE, PROGRAM, DRIFT, STUCK, ENDURANCE = range(6)
"""What is drawn for a cell."""
