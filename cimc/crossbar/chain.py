"""The chain of stages from a matrix and inputs, integers, to their product as converters read it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cimc.crossbar.converter import ClippingConverter, Converter
from cimc.crossbar.device import IDEAL, Array, Conductances, Device, IdealArray, Reading
from cimc.crossbar.storage import Floats, Ints, Recombination, Storage
from cimc.numerics.keys import Key
from cimc.target.model import Crossbar

AT_ONCE = 1 << 16
"""Column sums that are read at once (512 KiB), at least those of one lane."""


class Read(NamedTuple):
    """What columns carry before they are converted: cells (signs, slices, lanes, columns), and unit (lanes, 1), or None
    where there is no unit column. worth: what a unit of them counts."""

    worth: int
    cells: Floats
    unit: Floats | None


@dataclass(frozen=True, slots=True)
class Feed:
    """Inputs of `bits` bits, signed or not, fed dac_bits at a time, lowest first; the last digit may have fewer.

    In two's complement the sign bit weighs -2^(bits-1): with one-bit digits the last step is subtracted. With wider
    ones a signed input is fed as the digits of x + bias, and bias times the columns' known sums is taken off digitally.
    """

    bits: int
    signed: bool
    dac_bits: int

    @property
    def steps(self) -> int:
        """How many digits an input has."""
        return math.ceil(self.bits / self.dac_bits)

    @property
    def bias(self) -> int:
        """What is added to an input before it is fed."""
        return 1 << (self.bits - 1) if self.signed and self.dac_bits > 1 else 0

    @property
    def largest_digit(self) -> int:
        """The largest number that a row is driven with."""
        return (1 << min(self.dac_bits, self.bits)) - 1

    def digits(self, x: Ints) -> Iterator[tuple[int, Ints]]:
        """Step by step what a digit counts, and the digits of integers x, in their shape."""
        code = (x + self.bias) & ((1 << self.bits) - 1)
        for step in range(self.steps):
            negative = self.signed and self.dac_bits == 1 and step == self.bits - 1
            worth = 1 << (step * self.dac_bits)
            yield -worth if negative else worth, (code >> (step * self.dac_bits)) & ((1 << self.dac_bits) - 1)


@dataclass(frozen=True, slots=True)
class Chain:
    """The stages of an MVMU, whatever matrix lies on it."""

    storage: Storage
    device: Device
    array: Array
    converter: Converter
    dac_bits: int

    @classmethod
    def of(cls, crossbar: Crossbar, encoding: str, flipped: bool, device: Device = IDEAL) -> Chain:
        """A target's (which cimc.target.emulated does not refuse), with ideal cells unless others are given."""
        storage = Storage(encoding, flipped, crossbar.cell_bits)
        return cls(storage, device, IdealArray(), ClippingConverter(crossbar.adc_bits), crossbar.dac_bits)

    def feed(self, bits: int, signed: bool) -> Feed:
        """How inputs of `bits` bits are fed."""
        return Feed(bits, signed, self.dac_bits)

    def program(self, weights: Ints, bits: int, key: Key) -> Programmed:
        """Write a matrix, integers of `bits` bits (rows, columns). key: of this MVMU and this write."""
        cells = self.storage.store(weights, bits)
        return Programmed(self, self.device.program(cells, key), Recombination.of(cells), weights.sum(axis=0))


@dataclass(frozen=True, slots=True)
class Programmed:
    """A matrix in its cells. column_sums: of the weights, (columns,), as whoever wrote them knows them."""

    chain: Chain
    conductances: Conductances
    recombination: Recombination
    column_sums: Ints

    def multiply(self, x: Ints, feed: Feed, reading: Reading | None = None) -> Ints:
        """Inputs x, integers (lanes, rows), times the matrix, conversion by conversion: (lanes, columns). reading:
        which reads these are, where they have noise."""
        found, start = [], 0
        for part in self.batches(x):
            now = None if reading is None else reading.part(start, start + len(part))
            found.append(self._product(part, feed, now))
            start += len(part)
        return np.concatenate(found)

    def _product(self, x: Ints, feed: Feed, reading: Reading | None) -> Ints:
        convert, recombine = self.chain.converter.convert, self.recombination.recombine
        total = np.asarray(-feed.bias * self.column_sums)
        total = total - self._leaked(x, feed)
        for worth, cells, unit in self.reads(x, feed, reading):
            codes = None if unit is None else convert(unit)
            total = total + worth * recombine(convert(cells), codes)
        return total

    def _leaked(self, x: Ints, feed: Feed) -> Ints:
        """What cells at level 0 are meant to add to a product, (lanes, columns): off x (sum of what is fed) x (what a
        unit of all of a column's codes together counts), which is 0 for a pair."""
        off = self.conductances.off
        if not off:
            return np.zeros((), np.int64)
        fed = sum(worth * digits.sum(axis=1) for worth, digits in feed.digits(x))
        counts = self.recombination.counts.sum(axis=(0, 1)) + self.recombination.unit
        return np.asarray(np.rint(off * counts * np.asarray(fed)[:, None]), np.int64)

    def batches(self, x: Ints) -> Iterator[Ints]:
        """Inputs, (lanes, rows), in parts that are read at once."""
        size = max(1, AT_ONCE // max(1, self.conductances.cells[:, :, 0].size))
        for start in range(0, max(1, len(x)), size):
            yield x[start : start + size]

    def reads(self, x: Ints, feed: Feed, reading: Reading | None = None) -> Iterator[Read]:
        """Everything that is converted in a product with x, step by step."""
        read, conductances = self.chain.array.read, self.conductances
        for step, (worth, digits) in enumerate(feed.digits(x)):
            driven = digits.astype(np.float64)
            unit = None if conductances.unit is None else read(driven, conductances.unit)
            cells = read(driven, conductances.cells)
            if reading is not None:
                cells, unit = reading.noisy(cells, unit, driven, conductances, step)
            yield Read(worth, cells, unit)
