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
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cimc.crossbar.converter import Converter, Steps, UniformConverter
from cimc.crossbar.device import Conductances, Reading
from cimc.crossbar.device.levels import UNIT_COLUMN
from cimc.crossbar.feed import Feed
from cimc.crossbar.storage import Floats, Ints, Recombination
from cimc.numerics.keys import mixed

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


class Held(NamedTuple):
    """A matrix in physical cells. groups: rows that are read together; with_unit: whether a unit column is converted;
    subtracted: pairs are, before they are converted."""

    conductances: Conductances
    groups: tuple[slice, ...]
    recombination: Recombination
    with_unit: bool
    subtracted: bool
    converter: Converter
    steps: Steps


def can_compile(held: Held) -> bool:
    """Whether the kernel is there, and takes such products."""
    uniform = isinstance(held.converter, UniformConverter) and (held.steps is None or held.steps.ndim == 1)
    return uniform and compiled() is not None


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

    held: Held
    main: Block
    unit: Block | None

    @classmethod
    def of(cls, held: Held, feed: Feed) -> Physical:
        """Of what was programmed."""
        kind, c = np.float64 if feed.once else np.float32, held.conductances
        unit = None
        if held.with_unit and c.unit is not None:
            spread = None if c.unit_variances is None else c.unit_variances[None, None]
            unit = Block.of(c.unit[None, None], spread, UNIT_COLUMN, kind)
        return cls(held, Block.of(c.cells, c.variances, 0, kind), unit)

    def multiply(self, x: Ints, feed: Feed, known: Ints, reading: Reading | None) -> Ints:
        """Inputs x times the matrix in converters' steps, (lanes, columns). known: what is added digitally."""
        counts, size = self.held.recombination, max(1, AT_ONCE // (feed.steps * max(1, self.main.cells.shape[1])))
        total = np.empty((len(x), counts.unit.size), np.int64)
        total[...] = known
        main = counts.counts.reshape(-1, counts.unit.size).astype(np.int64)
        for start in range(0, len(x), size):
            part, now = x[start : start + size], None if reading is None else reading.part(start, start + size)
            found = total[start : start + size]
            self._add(self.main, part, feed, now, main, found)
            if self.unit is not None:
                read = np.zeros((len(part), 1), np.int64)
                self._add(self.unit, part, feed, now, np.ones((1, 1), np.int64), read)
                found += read * counts.unit.astype(np.int64)
        return total

    def _add(self, block: Block, x: Ints, feed: Feed, reading: Reading | None, counts: Ints, total: Ints) -> None:
        """Add what codes of a block's columns count."""
        held, kind, converter, is_unit = self.held, block.cells.dtype, self.held.converter, block is self.unit
        assert isinstance(converter, UniformConverter), converter
        fed = list(feed.digits(x))
        worths, digits = np.array([worth for worth, _ in fed]), np.stack([part for _, part in fed], axis=1)
        shape, cells = (len(x), len(fed), *block.shape), counts.shape
        steps = np.zeros(0) if held.steps is None else held.steps[: cells[1]]
        offsets, spread = self._misread(is_unit, steps, cells, reading)
        for number, rows in enumerate(held.groups):
            taken = digits[:, :, rows]
            driven = np.ascontiguousarray(taken, kind).reshape(-1, taken.shape[2])
            sums = (driven @ block.cells[rows]).reshape(shape)
            variances, hashes = np.zeros((0, 0, 0, 0), kind), np.zeros((0, 0), np.uint64)
            converted = hashes
            if reading is not None and (block.variances is not None or spread.size):
                conversions = np.arange(len(fed)) * len(held.groups) + number
                hashes = mixed(reading.hashes, conversions)
                converted = mixed(reading.hashes, UNIT_COLUMN - conversions) if is_unit else hashes
            if reading is not None and block.variances is not None:
                squares = feed.power(taken).astype(kind).reshape(driven.shape)
                variances = (squares @ block.variances[rows]).reshape(shape)
            kernels = compiled()
            kernels.add_codes(
                sums, variances, hashes, block.slices, block.first, held.subtracted and not is_unit, offsets, spread,
                converted, steps, float(converter.least), float(converter.top), converter.down, worths, counts,
                kernels.TABLE, total,
            )  # fmt: skip

    def _misread(
        self, is_unit: bool, steps: Floats, shape: tuple[int, ...], reading: Reading | None
    ) -> tuple[Floats, Floats]:
        """What converters add to sums: their offsets, (cells, columns), and the deviation of their noise, (columns,);
        empty where there is none."""
        seen, size = self.held.conductances, steps if steps.size else np.ones(shape[1])
        offsets, spread = np.zeros((0, 0)), np.zeros(0)
        if seen.adc_offsets is not None and not is_unit:
            offsets = seen.adc_offsets.reshape(-1, shape[1])[: shape[0]] * size
        if seen.adc_noise and reading is not None:
            spread = seen.adc_noise * size
        return offsets, spread
