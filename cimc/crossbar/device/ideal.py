"""What every kind of cell and array gives, and the kind that has no physics: cells that conduct their level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cimc.crossbar.storage import Cells, Floats
from cimc.numerics.keys import Key


@dataclass(frozen=True, slots=True)
class Conductances:
    """What cells conduct, in units of one level's step. cells: (signs, slices, rows, columns); unit: the unit column's,
    (rows, 1), or None where there is none.

    off: what a cell at level 0 is meant to conduct, which is known and taken off digitally. variances: of one read of a
    cell, in units of a step squared, of cells and of the unit column; None where reads have no noise. adc_noise: of a
    conversion, and adc_offsets: of each column's converter, (signs, slices, 1, columns), both in its own steps.
    """

    cells: Floats
    unit: Floats | None
    off: float = 0.0
    variances: Floats | None = None
    unit_variances: Floats | None = None
    adc_noise: float = 0.0
    adc_offsets: Floats | None = None


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
    """Wires without resistance. Wires that have some are part of the conductances: see wires.py."""

    @property
    def exact(self) -> bool:
        """It does."""
        return True

    def read(self, digits: Floats, conductances: Floats) -> Floats:
        """The matrix product, exact for whole numbers while sums stay below 2^53."""
        return digits @ conductances
