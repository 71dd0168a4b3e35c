"""The chain of stages from a matrix and inputs, integers, to their product as converters read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cimc.crossbar.array import Array, IdealArray
from cimc.crossbar.converter import ClippingConverter, Converter
from cimc.crossbar.device import IDEAL, Conductances, Device, Floats
from cimc.crossbar.feed import Feed
from cimc.crossbar.recombine import Recombination
from cimc.crossbar.storage import Ints, Storage
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

    def multiply(self, x: Ints, feed: Feed) -> Ints:
        """Inputs x, integers (lanes, rows), times the matrix, conversion by conversion: (lanes, columns)."""
        return np.concatenate([self._product(part, feed) for part in self.batches(x)])

    def _product(self, x: Ints, feed: Feed) -> Ints:
        convert, recombine = self.chain.converter.convert, self.recombination.recombine
        total = np.asarray(-feed.bias * self.column_sums)
        for worth, cells, unit in self.reads(x, feed):
            codes = None if unit is None else convert(unit)
            total = total + worth * recombine(convert(cells), codes)
        return total

    def batches(self, x: Ints) -> Iterator[Ints]:
        """Inputs, (lanes, rows), in parts that are read at once."""
        size = max(1, AT_ONCE // max(1, self.conductances.cells[:, :, 0].size))
        for start in range(0, max(1, len(x)), size):
            yield x[start : start + size]

    def reads(self, x: Ints, feed: Feed) -> Iterator[Read]:
        """Everything that is converted in a product with x, step by step."""
        read, conductances = self.chain.array.read, self.conductances
        for worth, digits in feed.digits(x):
            driven = digits.astype(np.float64)
            unit = None if conductances.unit is None else read(driven, conductances.unit)
            yield Read(worth, read(driven, conductances.cells), unit)
