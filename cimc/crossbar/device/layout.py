"""Which cells share a crossbar: slices on crossbars of their own, or side by side with both halves of a pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cimc.crossbar.storage import Floats
from cimc.numerics.keys import Ints
from cimc.target.model import Target


class Columns(NamedTuple):
    """The columns of one crossbar from left to right: the half, the slice and the column of the matrix of each."""

    signs: Ints
    slices: Ints
    columns: Ints

    def of(self, cells: Floats) -> Floats:
        """Their cells, (rows, columns), of all: (signs, slices, rows, columns)."""
        return np.ascontiguousarray(cells[self.signs, self.slices, :, self.columns].T)


@dataclass(frozen=True, slots=True)
class Layout:
    """Crossbars of an MVMU: their size, and whether the slices of a weight lie side by side in one."""

    rows: int
    columns: int
    side_by_side: bool

    @classmethod
    def of(cls, target: Target) -> Layout:
        """A target's."""
        return cls(target.crossbar.rows, target.crossbar.columns, target.mvmu.slices == "columns")

    def crossbars(self, shape: tuple[int, ...]) -> list[Columns]:
        """The crossbars that hold cells (signs, slices, rows, columns), without unit columns."""
        signs, slices, _, columns = shape
        if not self.side_by_side:
            all_columns = np.arange(columns)
            return [
                Columns(np.full(columns, sign), np.full(columns, number), all_columns)
                for sign in range(signs)
                for number in range(slices)
            ]
        abreast = np.arange(columns * slices * signs)
        column, rest = np.divmod(abreast, slices * signs)
        number, sign = np.divmod(rest, signs)
        each = self.columns // (slices * signs) * slices * signs
        starts = range(0, len(abreast), each)
        return [Columns(*(part[start : start + each] for part in (sign, number, column))) for start in starts]
