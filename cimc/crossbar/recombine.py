"""Recombination: from the codes of conversions to sums of products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cimc.crossbar.device import Floats
from cimc.crossbar.storage import Cells, Ints


@dataclass(frozen=True, slots=True)
class Recombination:
    """Slices shifted and added, flips undone, the negative half of a pair and the offset taken off.

    counts: what a unit of a code counts, (signs, slices, columns), negative where a column is flipped or the
    negative half of a pair. unit: what one of the unit column's counts, (columns,): of every flipped column the top
    level, less the offset. All of it is exact in float64 in any order: slices together count less than 2^17, and codes
    are below 2^32.
    """

    counts: Floats
    unit: Floats

    @classmethod
    def of(cls, cells: Cells) -> Recombination:
        """For what lies in cells."""
        signs, slices = cells.levels.shape[:2]
        places = 2.0 ** (cells.storage.cell_bits * np.arange(slices)[:, None])
        halves = np.array([1.0, -1.0][:signs])[:, None, None]
        unit = (cells.storage.top * places * cells.flips).sum(axis=0) - cells.offset
        return cls(halves * np.where(cells.flips, -places, places), unit)

    def recombine(self, codes: Floats, unit: Floats | None) -> Ints:
        """What a read of all columns gives, (lanes, columns), of its codes (signs, slices, lanes, columns) and the unit
        column's (lanes, 1)."""
        total = np.einsum("slnc,slc->nc", codes, self.counts)
        return np.asarray(total if unit is None else total + self.unit * unit, np.int64)
