"""The chain of stages from a matrix and inputs, integers, to their product as converters read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from cimc.crossbar.converter import Converter, Steps, converter_of, fine
from cimc.crossbar.device import IDEAL, Array, Conductances, Device, IdealArray, Reading
from cimc.crossbar.device.levels import UNIT_COLUMN
from cimc.crossbar.feed import Feed
from cimc.crossbar.noisy import Held, Physical, can_compile
from cimc.crossbar.packed import Packed, Stored, can_pack
from cimc.crossbar.storage import Floats, Ints, Recombination, Storage
from cimc.numerics.keys import Key
from cimc.target.model import Crossbar, Mvmu

AT_ONCE = 1 << 16
"""Column sums that are read at once (512 KiB), at least those of one lane."""


class Read(NamedTuple):
    """What columns carry before they are converted: cells (signs, slices, lanes, columns), and unit (lanes, 1), or None
    where no unit column is converted. worth: what a unit of them counts."""

    worth: int
    cells: Floats
    unit: Floats | None


@dataclass(frozen=True, slots=True)
class Chain:
    """The stages of an MVMU, whatever matrix lies on it.

    once, subtracted, digital, rows_at_once, halves: see conversions, pairs, correction, rows_at_once and signed_inputs
    in cimc.target.model.
    """

    storage: Storage
    device: Device
    array: Array
    converter: Converter
    dac_bits: int
    once: bool = False
    subtracted: bool = False
    digital: bool = False
    rows_at_once: int = 0
    halves: bool = False

    @classmethod
    def of(cls, crossbar: Crossbar, mvmu: Mvmu, device: Device = IDEAL) -> Chain:
        """A target's, with ideal cells unless others are given."""
        return cls(
            Storage(mvmu.encoding, mvmu.flipped, crossbar.cell_bits),
            device,
            IdealArray(),
            converter_of(crossbar),
            crossbar.dac_bits,
            crossbar.conversions == "once",
            mvmu.pairs == "subtracted",
            mvmu.correction == "digital",
            crossbar.rows_at_once,
            crossbar.signed_inputs == "halves",
        )

    def feed(self, bits: int, signed: bool) -> Feed:
        """How inputs of `bits` bits are fed."""
        biased = self.once and not self.converter.holds(-1, 1)
        return Feed(bits, signed, self.dac_bits, self.once, biased, self.halves)

    def program(self, weights: Ints, bits: int, key: Key, steps: Steps = None) -> Programmed:
        """Write a matrix, integers of `bits` bits (rows, columns). key: of this MVMU and this write. steps: of the
        converter for each column, see cimc.crossbar.converter; equal ones where a unit column is converted."""
        cells = self.storage.store(weights, bits)
        recombination = Recombination.of(cells, self.subtracted)
        return Programmed(self, self.device.program(cells, key), recombination, weights.sum(axis=0), steps)

    @property
    def isolates(self) -> bool:
        """Whether matrices on one MVMU that share no row and no column give the sums that each gives alone: what is
        stored for no weight is level 0 then, and rows are read together as they are without the others."""
        return self.storage.encoding == "differential" and not self.rows_at_once

    def groups(self, rows: int) -> list[slice]:
        """The rows that are read together."""
        size = self.rows_at_once or max(1, rows)
        return [slice(start, start + size) for start in range(0, max(1, rows), size)]


@dataclass(frozen=True, slots=True)
class Programmed:
    """A matrix in its cells. column_sums: of the weights, (columns,), as whoever wrote them knows them. Products count
    in the converter's steps."""

    chain: Chain
    conductances: Conductances
    recombination: Recombination
    column_sums: Ints
    steps: Steps = None
    packs: dict[Feed, Packed] = field(default_factory=dict, init=False, compare=False, repr=False)
    physical: dict[Feed, Physical] = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def rows(self) -> int:
        """Cells of a column."""
        return int(self.conductances.cells.shape[2])

    @property
    def stored(self) -> Stored:
        """What a compiled product needs, where cells are ideal."""
        chain, cells = self.chain, self.conductances
        with_unit = cells.unit is not None and not chain.digital
        groups, bits = tuple(chain.groups(self.rows)), chain.storage.cell_bits
        return Stored(
            cells.cells, bits, groups, self.recombination, with_unit, chain.subtracted, chain.converter, self.steps
        )

    @property
    def held(self) -> Held:
        """The same, where they are not."""
        chain, cells = self.chain, self.conductances
        with_unit = cells.unit is not None and not chain.digital
        groups = tuple(chain.groups(self.rows))
        return Held(cells, groups, self.recombination, with_unit, chain.subtracted, chain.converter, self.steps)

    def multiply(self, x: Ints, feed: Feed, reading: Reading | None = None) -> Ints:
        """Inputs x, integers (lanes, rows), times the matrix, conversion by conversion: (lanes, columns). reading:
        which reads these are, where they have noise."""
        if self.chain.device.exact and self.chain.array.exact and can_pack(self.stored, feed):
            if feed not in self.packs:
                self.packs[feed] = Packed.of(self.stored, feed)
            return self.packs[feed].multiply(x, feed, self.known(x, feed))
        if not self.chain.device.exact and self.chain.array.exact and can_compile(self.held):
            if feed not in self.physical:
                self.physical[feed] = Physical.of(self.held, feed)
            return self.physical[feed].multiply(x, feed, self.known(x, feed), reading)
        found, start = [], 0
        for part in self.batches(x):
            now = None if reading is None else reading.part(start, start + len(part))
            found.append(self._product(part, feed, now))
            start += len(part)
        return np.concatenate(found)

    def _product(self, x: Ints, feed: Feed, reading: Reading | None) -> Ints:
        total = self.known(x, feed)
        for worth, cells, unit in self.reads(x, feed, reading):
            total = total + worth * self.recombination.recombine(*self.convert(cells, unit))
        return total

    def _misread(
        self, cells: Floats, unit: Floats | None, reading: Reading | None, number: int
    ) -> tuple[Floats, Floats | None]:
        """What the ADCs take column sums for: offsets and noise of their own added. number: of the conversion."""
        seen, steps = self.conductances, np.ones(1) if self.steps is None else fine(self.steps)
        if seen.adc_offsets is not None:
            cells = cells + seen.adc_offsets[: len(cells)] * steps
        if seen.adc_noise and reading is not None:
            cells = cells + seen.adc_noise * steps * reading.conversions(cells.shape, number)
            if unit is not None:
                drawn = reading.conversions((1, 1, len(unit), 1), UNIT_COLUMN - number)[0, 0]
                unit = unit + seen.adc_noise * steps[:1] * drawn
        return cells, unit

    def convert(self, cells: Floats, unit: Floats | None) -> tuple[Floats, Floats | None]:
        """The codes of what columns and the unit column carry."""
        convert, steps = self.chain.converter.convert, self.steps
        return convert(cells, steps), None if unit is None else convert(unit, None if steps is None else steps[..., :1])

    def known(self, x: Ints, feed: Feed) -> Ints:
        """What is added digitally, (lanes, columns) or (columns,), in the converter's steps, rounded to a whole one
        (halves to the even one).

        That is a bias of what is fed, offsets that no unit column corrects, and what cells at level 0 are meant to add:
        off x (sum of what is fed) x (what a unit of all of a column's codes together counts), which is 0 for a pair.
        """
        chain, off, counts = self.chain, self.conductances.off, self.recombination
        known: Ints | Floats = np.asarray(-feed.bias * self.column_sums)
        if chain.digital or off:
            fed = feed.codes(x).sum(axis=1, keepdims=True)
            if chain.digital:
                known = known + counts.unit.astype(np.int64) * fed
            if off and not chain.subtracted:
                leaks = counts.counts.sum(axis=(0, 1)) + (0 if chain.digital else counts.unit)
                known = known - off * leaks * fed
        return np.rint(known if self.steps is None else known / fine(self.steps)).astype(np.int64)

    def batches(self, x: Ints) -> Iterator[Ints]:
        """Inputs, (lanes, rows), in parts that are read at once."""
        size = max(1, AT_ONCE // max(1, self.conductances.cells[:, :, 0].size))
        for start in range(0, max(1, len(x)), size):
            yield x[start : start + size]

    def reads(self, x: Ints, feed: Feed, reading: Reading | None = None) -> Iterator[Read]:
        """Everything that is converted in a product with x: step by step, and rows that are read together after each
        other. reading: which reads these are, where they have noise."""
        read, conductances = self.chain.array.read, self.conductances
        unit_cells, number = None if self.chain.digital else conductances.unit, 0
        for worth, digits in feed.digits(x):
            driven = digits.astype(np.float64)
            for rows in self.chain.groups(x.shape[1]):
                cells = read(driven[:, rows], conductances.cells[:, :, rows])
                unit = None if unit_cells is None else read(driven[:, rows], unit_cells[rows])
                if reading is not None:
                    cells, unit = reading.noisy(cells, unit, feed.power(digits[:, rows]), conductances, rows, number)
                if self.chain.subtracted:
                    cells = cells[:1] - cells[1:]
                cells, unit = self._misread(cells, unit, reading, number)
                yield Read(worth, cells, unit)
                number += 1
