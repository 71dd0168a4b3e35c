"""Products with ideal cells, conversion by conversion, in a compiled kernel: bits of digits and of levels lie packed in
words of 64 rows, so that a column's sum is a few ANDs and population counts.

It gives the bits of Programmed.multiply in plain NumPy, which stands in where numba is not installed (the extra
"fast").
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cimc.crossbar.converter import Converter, Steps, UniformConverter
from cimc.crossbar.feed import Feed
from cimc.crossbar.storage import Floats, Ints, Recombination

Bits = npt.NDArray[np.uint8]
Packs = npt.NDArray[np.uint64]
WORD = 64
MOST_PLANES = 8
"""Pairs of a digit's bit and a level's bit up to which counting is quicker than multiplying."""
LARGEST_TABLE = 1 << 22
"""Entries of the tables of codes."""


@cache
def compiled() -> Any:
    """The kernels' module, or None without numba."""
    if importlib.util.find_spec("numba") is None:
        return None
    from cimc.crossbar import kernels

    return kernels


class Stored(NamedTuple):
    """A matrix in ideal cells. cells: levels (signs, slices, rows, columns) of `bits` bits; groups: rows that are read
    together; with_unit: whether a unit column is converted; subtracted: pairs are, before they are converted."""

    cells: Floats
    bits: int
    groups: tuple[slice, ...]
    recombination: Recombination
    with_unit: bool
    subtracted: bool
    converter: Converter
    steps: Steps

    @property
    def size(self) -> int:
        """Rows that are read together."""
        return max(1, min(int(self.groups[0].stop), int(self.cells.shape[2])))

    def largest_sum(self, feed: Feed) -> int:
        """That a column can carry."""
        largest: int = self.size * ((1 << self.bits) - 1) * feed.digit_range[1]
        return largest


def can_pack(stored: Stored, feed: Feed) -> bool:
    """Whether the kernel is there, and takes such products."""
    if feed.once or min(feed.dac_bits, feed.bits) * stored.bits > MOST_PLANES or compiled() is None:
        return False
    tables = 1 if stored.steps is None else stored.steps.shape[-1]
    return (2 * stored.largest_sum(feed) + 1) * tables <= LARGEST_TABLE


@dataclass(frozen=True, slots=True)
class Codes:
    """What sums are converted to. clip: the least and the largest code where a code is its sum, otherwise empty; then
    tables hold the codes by sum - least, (1 or columns, sums)."""

    clip: Ints
    tables: Ints
    least: int

    @classmethod
    def of(cls, stored: Stored, feed: Feed) -> Codes:
        """Of all sums that columns may carry."""
        converter, steps, most = stored.converter, stored.steps, stored.largest_sum(feed)
        least = -most if stored.subtracted else 0
        if steps is None and isinstance(converter, UniformConverter):
            return cls(np.array([converter.least, converter.top]), np.zeros((1, 0), np.int64), least)
        sums = np.arange(least, most + 1, dtype=np.float64)
        same = steps is None or bool((steps == steps[..., :1]).all())
        tables = converter.convert(sums[:, None], steps[..., :1] if steps is not None and same else steps).T
        return cls(np.zeros(0, np.int64), np.ascontiguousarray(tables, np.int64), least)


@dataclass(frozen=True, slots=True)
class Packed:
    """The cells of a matrix, packed for inputs that are fed in one way.

    levels: uint64 (groups, signs * slices, planes, columns), a plane for each bit of a digit, bit of a level and word
    of rows, padded to full passes; places: log2 of what a plane counts. counts: what a code counts, (slices, or signs *
    slices, columns). unit: the unit column in the place of levels and counts, or None. worths: what steps count.
    """

    stored: Stored
    words: int
    places: Ints
    levels: Packs
    counts: Ints
    unit: tuple[Packs, Ints] | None
    worths: Ints
    codes: Codes

    @classmethod
    def of(cls, stored: Stored, feed: Feed) -> Packed:
        """Of ideal cells."""
        cells, recombination, groups = stored.cells, stored.recombination, stored.groups
        words = math.ceil(stored.size / WORD)
        digit_bits, level_bits = min(feed.dac_bits, feed.bits), stored.bits
        places = np.repeat([i + k for i in range(digit_bits) for k in range(level_bits)], words)

        def planes(levels: Bits) -> Packs:
            """(groups, cells, planes, columns) of levels (cells, rows, columns)."""
            bits = np.stack([(levels >> k) & 1 for k in range(level_bits)], axis=1)
            parts = np.stack([_packed(np.moveaxis(bits[:, :, group], 2, -1), words) for group in groups])
            parts = np.concatenate([parts] * digit_bits, axis=2)  # groups, cells, bits, columns, words
            whole = np.moveaxis(parts, -1, 3).reshape(len(groups), len(levels), -1, levels.shape[-1])
            return np.ascontiguousarray(_filled(whole, 2, compiled().TOGETHER))

        whole = cells.astype(np.uint8).reshape(-1, *cells.shape[2:])
        counts = recombination.counts.reshape(-1, cells.shape[3]).astype(np.int64)
        unit = None
        if stored.with_unit:
            unit = planes(np.ones((1, cells.shape[2], 1), np.uint8)), recombination.unit.astype(np.int64)
        worths = _filled(np.array([worth for worth, _ in feed.digits(np.zeros(1, np.int64))]), 0, 2)
        places, codes = _filled(places, 0, compiled().TOGETHER), Codes.of(stored, feed)
        return cls(stored, words, places, planes(whole), counts, unit, worths, codes)

    def multiply(self, x: Ints, feed: Feed, known: Ints) -> Ints:
        """Inputs x times the matrix in converters' steps, (lanes, columns). known: what is added digitally."""
        kernels, stored, codes = compiled(), self.stored, self.codes
        digit_bits, planes = min(feed.dac_bits, feed.bits), self.levels.shape[2]
        parts = np.stack([part for _, part in feed.parts(x)])
        digits = kernels.pack_digits(
            parts, stored.size, self.words, feed.steps, len(self.worths), feed.dac_bits, digit_bits,
            stored.bits, planes,
        )  # fmt: skip
        total = np.empty((len(x), self.counts.shape[1]), np.int64)
        total[...] = known
        how = self.worths, self.places
        rest = codes.clip, codes.tables, codes.least
        kernels.count_product(digits, *how, self.levels, self.counts, stored.subtracted, *rest, total)
        if self.unit is not None:
            levels, counts = self.unit
            read = np.zeros((len(x), 1), np.int64)
            kernels.count_product(digits, *how, levels, np.ones((1, 1), np.int64), False, *rest, read)
            kernels.add_outer(total, read, counts)
        return total


def _packed(bits: Bits, words: int) -> Packs:
    """Bits of rows, (..., rows), as words of 64 rows, (..., words)."""
    filled = np.zeros((*bits.shape[:-1], words * WORD), np.uint8)
    filled[..., : bits.shape[-1]] = bits
    return np.packbits(filled, axis=-1, bitorder="little").view("<u8").astype(np.uint64)


def _filled(values: npt.NDArray[Any], axis: int, together: int) -> npt.NDArray[Any]:
    """Values with zeros behind them, so that their number is a multiple of `together`."""
    lacking = -values.shape[axis] % together
    return np.pad(values, [(0, lacking if one == axis else 0) for one in range(values.ndim)])
