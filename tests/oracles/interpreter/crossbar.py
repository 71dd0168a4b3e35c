"""The product of an MVMU: cells, digits of the inputs, and converters that clip."""

from collections.abc import Sequence
from dataclasses import dataclass

from .numbers import rounded_shift


@dataclass(frozen=True)
class Converters:
    """What the target says of cells and converters."""

    cell_bits: int
    dac_bits: int
    adc_bits: int
    differential: bool
    flipped: bool


@dataclass(frozen=True)
class Feed:
    """How the inputs of a matrix are fed, how many bits its weights have, and how its sums are rounded."""

    weight_bits: int
    input_bits: int
    signed: bool
    shift: int


class CellColumn:
    """One column of cells of one slice; `place` is what a level of it counts in the sum, sign included."""

    def __init__(self, levels: list[int], place: int, cell_bits: int, may_flip: bool) -> None:
        """Store the levels, or their complements where flipping lowers their sum."""
        self.top = (1 << cell_bits) - 1
        self.flipped = may_flip and 2 * sum(levels) > self.top * len(levels)
        self.levels = [self.top - level for level in levels] if self.flipped else levels
        self.place = place

    def convert(self, fed: Sequence[tuple[int, int]], unit: int, ceiling: int) -> int:
        """Convert the current of the column for (row, digit) pairs, and undo the flipping."""
        current = 0
        for row, digit in fed:
            current += digit * self.levels[row]
        read = min(current, ceiling)
        return self.top * unit - read if self.flipped else read


class Crossbar:
    """The matrix of an MVMU in its cells."""

    def __init__(self, weights: list[list[int]], feed: Feed, converters: Converters) -> None:
        """Lay the weights into cells, and find out whether a conversion can clip."""
        self.weights, self.feed, self.converters = weights, feed, converters
        self.rows, self.columns = len(weights), len(weights[0])
        self.offset = 0 if converters.differential else 1 << (feed.weight_bits - 1)
        self.ceiling = (1 << converters.adc_bits) - 1
        self.cells = [self._cells([row[column] for row in weights]) for column in range(self.columns)]
        self.cannot_clip = self._cannot_clip()

    def _cells(self, weights: list[int]) -> list[CellColumn]:
        """Lay one column of weights into the columns of cells of its slices."""
        bits = self.feed.weight_bits
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        if any(weight < low or weight > high for weight in weights):
            raise ValueError(f"a weight has more than {bits} bits")
        cell = self.converters.cell_bits
        if self.converters.differential:
            slices = max(1, -(-(bits - 1) // cell))
            parts = [(1, [max(weight, 0) for weight in weights]), (-1, [max(-weight, 0) for weight in weights])]
        else:
            slices = max(1, -(-bits // cell))
            parts = [(1, [weight + self.offset for weight in weights])]
        columns = []
        for sign, stored in parts:
            if max(stored) >= 1 << (slices * cell):
                raise ValueError("the cells do not hold the magnitude of a weight")
            for number in range(slices):
                levels = [(value >> (number * cell)) & ((1 << cell) - 1) for value in stored]
                columns.append(CellColumn(levels, sign << (number * cell), cell, self.converters.flipped))
        return columns

    def _cannot_clip(self) -> bool:
        """Tell whether no conversion can clip, whatever is fed; with an offset the unit column included."""
        largest = [sum(column.levels) for columns in self.cells for column in columns]
        if self.offset:
            largest.append(self.rows)
        return max(largest) * ((1 << self.converters.dac_bits) - 1) <= self.ceiling

    def product(self, words: Sequence[int]) -> list[int]:
        """Give the results of an mvm for the words of xin, rounded by the shift, before they are fitted."""
        bits = self.feed.input_bits
        inputs = [word & ((1 << bits) - 1) for word in words[: self.rows]]
        if self.feed.signed:
            inputs = [x - (1 << bits) if x >> (bits - 1) else x for x in inputs]
        sums = self.exact_sums(inputs) if self.cannot_clip else self.converted_sums(inputs)
        return [rounded_shift(value, self.feed.shift) for value in sums]

    def exact_sums(self, inputs: Sequence[int]) -> list[int]:
        """Multiply without any converter."""
        fed = [(x, row) for x, row in zip(inputs, self.weights, strict=True) if x]
        return [sum(x * row[column] for x, row in fed) for column in range(self.columns)]

    def converted_sums(self, inputs: Sequence[int]) -> list[int]:
        """Multiply step by step, slice by slice, one conversion after the other."""
        bits, dac, signed = self.feed.input_bits, self.converters.dac_bits, self.feed.signed
        bias = 1 << (bits - 1) if signed and dac > 1 else 0
        codes = [(x + bias) & ((1 << bits) - 1) for x in inputs]
        sums = [-bias * sum(row[column] for row in self.weights) for column in range(self.columns)]
        steps = -(-bits // dac)
        for step in range(steps):
            digits = [(code >> (step * dac)) & ((1 << dac) - 1) for code in codes]
            counts = 1 << (step * dac)
            if signed and dac == 1 and step == steps - 1:
                counts = -counts  # the sign bit
            unit = min(sum(digits), self.ceiling)
            fed = [(row, digit) for row, digit in enumerate(digits) if digit]
            for number, columns in enumerate(self.cells):
                total = -self.offset * unit
                for column in columns:
                    total += column.place * column.convert(fed, unit, self.ceiling)
                sums[number] += counts * total
        return sums
