"""Products with physical cells, conversion by conversion: column sums as products of matrices, and a compiled loop that
adds their noise, converts them and adds up what codes count.

It gives the bits of Programmed.multiply in plain NumPy, which stands in where numba is not installed (the extra
"fast"): conductances and variances lie on grids on which no sum rounds, in float32 too where rows are driven with one
digit at a time; noise is drawn by the same steps (cimc.numerics.normal).
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cimc.crossbar.converter import UniformConverter
from cimc.crossbar.device import Reading
from cimc.crossbar.device.levels import UNIT_COLUMN
from cimc.crossbar.storage import Floats, Ints
from cimc.numerics.keys import mixed

if TYPE_CHECKING:
    from cimc.crossbar.chain import Feed, Programmed

AT_ONCE = 1 << 20
"""Column sums that are read at once (4 MiB in float32), at least those of one input."""

Sums = npt.NDArray[Any]
"""In float32 or float64."""


@cache
def compiled() -> Any:
    """The kernels' module, or None without numba."""
    if importlib.util.find_spec("numba") is None:
        return None
    from cimc.crossbar import noisy_kernels

    return noisy_kernels


def can_compile(programmed: Programmed) -> bool:
    """Whether the kernel is there, and takes such products."""
    chain, steps = programmed.chain, programmed.steps
    uniform = isinstance(chain.converter, UniformConverter) and (steps is None or steps.ndim == 1)
    return uniform and not chain.device.exact and chain.array.exact and compiled() is not None


@dataclass(frozen=True, slots=True)
class Block:
    """Cells whose columns are read side by side. cells, variances: (rows, cells * columns), variances None without
    noise; shape: (cells, columns); slices: cells of one sign; first: the number of the first column."""

    cells: Sums
    variances: Sums | None
    shape: tuple[int, int]
    slices: int
    first: int

    @classmethod
    def of(cls, cells: Floats, variances: Floats | None, first: int, kind: Any) -> Block:
        """Of cells (signs, slices, rows, columns), in a type."""
        signs, slices, rows, columns = cells.shape

        def flat(values: Floats) -> Sums:
            return np.ascontiguousarray(np.moveaxis(values, 2, 0).reshape(rows, -1), kind)

        spread = None if variances is None else flat(variances)
        return cls(flat(cells), spread, (signs * slices, columns), slices, first)


@dataclass(frozen=True, slots=True)
class Physical:
    """The cells of a matrix for inputs that are fed in one way. unit: of the unit column, or None."""

    main: Block
    unit: Block | None

    @classmethod
    def of(cls, programmed: Programmed, feed: Feed) -> Physical:
        """Of what was programmed."""
        kind, c = np.float64 if feed.once else np.float32, programmed.conductances
        unit = None
        if c.unit is not None and not programmed.chain.digital:
            spread = None if c.unit_variances is None else c.unit_variances[None, None]
            unit = Block.of(c.unit[None, None], spread, UNIT_COLUMN, kind)
        return cls(Block.of(c.cells, c.variances, 0, kind), unit)

    def multiply(self, programmed: Programmed, x: Ints, feed: Feed, reading: Reading | None) -> Ints:
        """Inputs x times the matrix in converters' steps, (lanes, columns)."""
        counts, size = programmed.recombination, max(1, AT_ONCE // (feed.steps * max(1, self.main.cells.shape[1])))
        total = np.empty((len(x), counts.unit.size), np.int64)
        for start in range(0, len(x), size):
            part, now = x[start : start + size], None if reading is None else reading.part(start, start + size)
            found = total[start : start + size]
            found[...] = programmed.known(part, feed)
            main = counts.counts.reshape(-1, found.shape[1]).astype(np.int64)
            self._add(programmed, self.main, part, feed, now, programmed.chain.subtracted, main, found)
            if self.unit is not None:
                read = np.zeros((len(part), 1), np.int64)
                self._add(programmed, self.unit, part, feed, now, False, np.ones((1, 1), np.int64), read)
                found += read * counts.unit.astype(np.int64)
        return total

    def _add(
        self, programmed: Programmed, block: Block, x: Ints, feed: Feed, reading: Reading | None, subtracted: bool,
        counts: Ints, total: Ints,
    ) -> None:  # fmt: skip
        """Add what codes of a block's columns count."""
        chain, kind, steps = programmed.chain, block.cells.dtype, programmed.steps
        converter = chain.converter
        assert isinstance(converter, UniformConverter), converter
        fed = list(feed.digits(x))
        worths, digits = np.array([worth for worth, _ in fed]), np.stack([part for _, part in fed], axis=1)
        shape, groups = (len(x), len(fed), *block.shape), chain.groups(x.shape[1])
        noisy = reading is not None and block.variances is not None
        own = np.zeros(0) if steps is None else steps[: block.shape[1]]
        for number, rows in enumerate(groups):
            driven = np.ascontiguousarray(digits[:, :, rows], kind).reshape(-1, digits[:, :, rows].shape[2])
            sums = (driven @ block.cells[rows]).reshape(shape)
            variances, hashes = np.zeros((0, 0, 0, 0), kind), np.zeros((0, 0), np.uint64)
            if noisy:
                assert reading is not None and block.variances is not None
                squares = feed.power(digits[:, :, rows]).astype(kind).reshape(driven.shape)
                variances = (squares @ block.variances[rows]).reshape(shape)
                hashes = mixed(reading.hashes, np.arange(len(fed)) * len(groups) + number)
            kernels = compiled()
            kernels.add_codes(
                sums, variances, hashes, block.slices, block.first, subtracted, own, float(converter.least),
                float(converter.top), converter.down, worths, counts, kernels.TABLE, total,
            )  # fmt: skip
