"""Storage: how signed integers lie in cells as levels, and what codes of their columns recombine to.

offset: w + 2^(bits-1) >= 0 is stored in slices of cell_bits; 2^(bits-1) * (sum of inputs), read from a unit column,
is taken off again. flipped: a slice's column that would hold more than half of its range is stored as its complement,
and (2^cell_bits - 1) * (sum of inputs) minus the conversion is used, so that a conversion never passes half range.
differential: positive and negative magnitudes on two cells; their conversions are subtracted.
Sources: ISAAC (ISCA 2016) for offset and flipping, the b-RRAM module of Wu et al. for differential pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Storage:
    """How an MVMU stores: see cimc.target.model.Mvmu for encoding and flipped."""

    encoding: str
    flipped: bool
    cell_bits: int

    @property
    def top(self) -> int:
        """The highest level of a cell."""
        return (1 << self.cell_bits) - 1

    def store(self, weights: Ints, bits: int) -> Cells:
        """Signed integers of `bits` bits, (rows, columns), in cells."""
        weights, top = np.asarray(weights, np.int64), self.top
        if self.encoding == "offset":
            slices, offset = math.ceil(bits / self.cell_bits), 1 << (bits - 1)
            stored = (weights + offset)[None]
        else:
            assert self.encoding == "differential", f"encoding {self.encoding!r}"
            slices, offset = max(1, math.ceil((bits - 1) / self.cell_bits)), 0
            stored = np.stack([np.maximum(weights, 0), np.maximum(-weights, 0)])
        held = 1 << (slices * self.cell_bits)
        assert stored.min(initial=0) >= 0 and stored.max(initial=0) < held, "a weight is too wide"
        levels = np.stack([((stored >> (s * self.cell_bits)) & top).astype(np.uint8) for s in range(slices)], axis=1)
        flips = np.zeros((slices, weights.shape[1]), bool)
        if self.flipped and offset:
            flips = 2 * levels[0].sum(axis=1, dtype=np.int32) > top * len(weights)
            levels[0] ^= flips[:, None, :] * np.uint8(top)  # turning all bits of a level leaves top - level
        return Cells(self, levels, flips, offset)


@dataclass(frozen=True, slots=True)
class Cells:
    """A matrix in cells.

    levels: uint8 (signs, slices, rows, columns), 0 .. 2^cell_bits - 1; two signs for a differential pair (positive,
    negative), slice 0 holds the lowest bits. flips: bool (slices, columns). offset: what the unit column, all of its
    cells at level 1, is multiplied with: 2^(bits-1), or 0 where there is none.
    """

    storage: Storage
    levels: npt.NDArray[np.uint8]
    flips: npt.NDArray[np.bool_]
    offset: int

    @property
    def rows(self) -> int:
        """Cells of a column."""
        return int(self.levels.shape[2])

    def largest_columns(self, rows: slice, subtracted: bool) -> tuple[int, int]:
        """(negative, positive): of the columns that are converted over some rows, the largest sums of levels that count
        below and above 0. subtracted: pairs are subtracted first."""
        levels = self.levels[:, :, rows]
        if not subtracted:
            return 0, int(levels.sum(axis=2, dtype=np.int32).max(initial=0))
        pairs = levels[0].astype(np.int16) - levels[1]
        sums = [np.maximum(half, 0).sum(axis=1, dtype=np.int32).max(initial=0) for half in (-pairs, pairs)]
        return int(sums[0]), int(sums[1])


@dataclass(frozen=True, slots=True)
class Recombination:
    """Slices shifted and added, flips undone, the negative half of a pair and the offset taken off.

    counts: what a unit of a code counts, (signs, slices, columns), negative where a column is flipped or the
    negative half of a pair. unit: what one of the unit column's counts, or of the sum of what is fed, (columns,): of
    every flipped column the top level, less the offset. All of it is exact in float64 in any order: slices together
    count less than 2^17, and codes are below 2^32.
    """

    counts: Floats
    unit: Floats

    @classmethod
    def of(cls, cells: Cells, subtracted: bool = False) -> Recombination:
        """For what lies in cells. subtracted: a pair is one conversion."""
        signs, slices = 1 if subtracted else len(cells.levels), cells.levels.shape[1]
        places = 2.0 ** (cells.storage.cell_bits * np.arange(slices)[:, None])
        halves = np.array([1.0, -1.0][:signs])[:, None, None]
        unit = (cells.storage.top * places * cells.flips).sum(axis=0) - cells.offset
        return cls(halves * np.where(cells.flips, -places, places), unit)

    def recombine(self, codes: Floats, unit: Floats | None) -> Ints:
        """What a read of all columns gives, (lanes, columns), of its codes (signs, slices, lanes, columns) and the unit
        column's (lanes, 1), if there is one."""
        total = np.einsum("slnc,slc->nc", codes, self.counts)
        return np.asarray(total if unit is None else total + self.unit * unit, np.int64)
