"""Array: what flows out of the columns when rows are driven."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cimc.crossbar.device import Floats


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
