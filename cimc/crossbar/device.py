"""Device and array: what cells conduct once levels are written into them, and what flows out of their columns.

A model of real cells is one more class here, chosen by device_of. What it draws at random it draws from the key that
it is given, which names the MVMU and the write: nothing else may decide it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cimc.crossbar.storage import Cells, Floats
from cimc.numerics.keys import Key
from cimc.target.model import Target


@dataclass(frozen=True, slots=True)
class Conductances:
    """What cells conduct, in units of one level's step. cells: (signs, slices, rows, columns); unit: the unit column's,
    (rows, 1), or None where there is none."""

    cells: Floats
    unit: Floats | None


class Device(Protocol):
    """A kind of cell."""

    @property
    def exact(self) -> bool:
        """Whether every cell conducts its level."""
        ...

    def program(self, cells: Cells, key: Key) -> Conductances:
        """Write levels into cells. key: of this MVMU and this write."""
        ...


@dataclass(frozen=True, slots=True)
class IdealDevice:
    """Cells that conduct their level."""

    @property
    def exact(self) -> bool:
        """They do."""
        return True

    def program(self, cells: Cells, key: Key) -> Conductances:
        """The levels themselves."""
        return Conductances(cells.levels.astype(np.float64), np.ones((cells.rows, 1)) if cells.offset else None)


IDEAL = IdealDevice()


def device_of(target: Target) -> Device:
    """The cells of a target: ideal ones, since no key says more of them."""
    return IDEAL


class Array(Protocol):
    """Cells and the wires between them."""

    @property
    def exact(self) -> bool:
        """Whether a column carries the sum of digits times conductances."""
        ...

    def read(self, digits: Floats, conductances: Floats) -> Floats:
        """Column sums (..., lanes, columns), in units of one level at digit 1, of digits (lanes, rows) and conductances
        (..., rows, columns)."""
        ...


@dataclass(frozen=True, slots=True)
class IdealArray:
    """Wires without resistance."""

    @property
    def exact(self) -> bool:
        """It does."""
        return True

    def read(self, digits: Floats, conductances: Floats) -> Floats:
        """The matrix product, exact for whole numbers while sums stay below 2^53."""
        return digits @ conductances
