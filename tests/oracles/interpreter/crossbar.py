"""The product of an MVMU: cells, digits of the inputs, and converters that clip and round."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .numbers import rounded_shift

Step = float | tuple[float, float]
"""What a code of a column's converter is worth; of two ranges the fine and the coarse step."""


@dataclass(frozen=True)
class Converters:
    """What the target says of cells and converters."""

    cell_bits: int
    dac_bits: int
    adc_bits: int
    differential: bool
    flipped: bool
    adc_signed: bool = False
    rounds_down: bool = False
    once: bool = False
    halves: bool = False
    subtracted: bool = False
    digital: bool = False
    rows_at_once: int = 0
    two_ranges: bool = False

    @property
    def codes(self) -> range:
        """Give the codes of a conversion."""
        half = 1 << (self.adc_bits - 1)
        return range(1 - half, half + 1) if self.adc_signed else range(2 * half)

    def convert(self, current: int, step: Step) -> int:
        """Give the code of a sum, of two ranges in fine steps."""
        if isinstance(step, tuple):
            if self._whole(current / step[0]) < self.codes.stop:
                return self.convert(current, step[0])
            return self.convert(current, step[1]) * round(step[1] / step[0])
        code = self._whole(current / step)
        return min(max(code, self.codes.start), self.codes.stop - 1)

    def _whole(self, quotient: float) -> int:
        return math.floor(quotient) if self.rounds_down else round(quotient)


@dataclass(frozen=True)
class Feed:
    """How the inputs of a matrix are fed, how many bits its weights have, and how its sums are rounded."""

    weight_bits: int
    input_bits: int
    signed: bool
    shift: int


class CellColumn:
    """One column of cells of one slice, or the two of a pair; `place` is what a level of it counts in the sum."""

    def __init__(self, halves: list[list[int]], place: int, cell_bits: int, may_flip: bool) -> None:
        """Store the levels, or their complements where flipping lowers their sum."""
        top = (1 << cell_bits) - 1
        self.flipped = may_flip and 2 * sum(halves[0]) > top * len(halves[0])
        self.halves = [[top - level for level in half] for half in halves] if self.flipped else halves
        self.place = -place if self.flipped else place
        self.full = top * place if self.flipped else 0


@dataclass(frozen=True)
class Conversion:
    """Rows that are driven together: what it counts, and (row, digit) of each that is not 0."""

    counts: int
    driven: list[tuple[int, int]]


class Crossbar:
    """The matrix of an MVMU in its cells."""

    def __init__(
        self, weights: list[list[int]], feed: Feed, converters: Converters, steps: list[Step] | None = None
    ) -> None:
        """Lay the weights into cells, and find out whether a conversion can lose anything."""
        self.weights, self.feed, self.converters = weights, feed, converters
        self.rows, self.columns = len(weights), len(weights[0])
        self.steps: list[Step] = [1.0] * self.columns if steps is None else steps
        self.offset = 0 if converters.differential else 1 << (feed.weight_bits - 1)
        self.unit_column = self.offset > 0 and not converters.digital
        if self.unit_column and len(set(self.steps)) > 1:
            raise ValueError("the columns share a unit column, and their steps differ")
        reads_negative = converters.codes.start < 0
        self.in_halves = feed.signed and converters.halves
        moves = feed.signed and not self.in_halves
        moves = moves and (converters.dac_bits > 1 or (converters.once and not reads_negative))
        self.bias = 1 << (feed.input_bits - 1) if moves else 0
        size = converters.rows_at_once or self.rows
        self.groups = [range(first, min(first + size, self.rows)) for first in range(0, self.rows, size)]
        self.cells = [self._cells([row[column] for row in weights]) for column in range(self.columns)]
        self.is_exact = set(self.steps) == {1.0} and self._holds_all()

    def _cells(self, weights: list[int]) -> list[CellColumn]:
        """Lay one column of weights into the columns of cells of its slices."""
        bits = self.feed.weight_bits
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        if any(weight < low or weight > high for weight in weights):
            raise ValueError(f"a weight has more than {bits} bits")
        cell = self.converters.cell_bits
        if self.converters.differential:
            slices = max(1, -(-(bits - 1) // cell))
            parts = [[max(weight, 0) for weight in weights], [max(-weight, 0) for weight in weights]]
        else:
            slices = max(1, -(-bits // cell))
            parts = [[weight + self.offset for weight in weights]]
        if max(map(max, parts)) >= 1 << (slices * cell):
            raise ValueError("the cells do not hold the magnitude of a weight")
        columns = []
        for number in range(slices):
            halves = [[(value >> (number * cell)) & ((1 << cell) - 1) for value in part] for part in parts]
            columns.append(CellColumn(halves, 1 << (number * cell), cell, self.converters.flipped))
        return columns

    def _holds_all(self) -> bool:
        """Tell whether every sum that some input can make is a code."""
        bits, dac = self.feed.input_bits, self.converters.dac_bits
        if not self.converters.once:
            least, most = 0, (1 << min(dac, bits)) - 1
        elif self.in_halves:
            least, most = 0, 1 << (bits - 1)
        elif self.feed.signed and not self.bias:
            least, most = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        else:
            least, most = 0, (1 << bits) - 1
        converted = [[1] * self.rows] if self.unit_column else []
        for columns in self.cells:
            for column in columns:
                converted += self._together(column.halves)
        codes = self.converters.codes
        for levels in converted:
            for group in self.groups:
                up = sum(max(levels[row], 0) for row in group)
                down = sum(min(levels[row], 0) for row in group)
                if up * least + down * most < codes.start or up * most + down * least >= codes.stop:
                    return False
        return True

    def _together(self, halves: list[list[int]]) -> list[list[int]]:
        """Give the levels of the columns that are converted: both halves of a pair, or their difference."""
        if self.converters.subtracted:
            return [[up - down for up, down in zip(*halves, strict=True)]]
        return halves

    def product(self, words: Sequence[int]) -> list[int]:
        """Give the results of an mvm for the words of xin, rounded by the shift, before they are fitted."""
        bits = self.feed.input_bits
        inputs = [word & ((1 << bits) - 1) for word in words[: self.rows]]
        if self.feed.signed:
            inputs = [x - (1 << bits) if x >> (bits - 1) else x for x in inputs]
        sums = self.exact_sums(inputs) if self.is_exact else self.converted_sums(inputs)
        return [rounded_shift(value, self.feed.shift) for value in sums]

    def exact_sums(self, inputs: Sequence[int]) -> list[int]:
        """Multiply without any converter."""
        fed = [(x, row) for x, row in zip(inputs, self.weights, strict=True) if x]
        return [sum(x * row[column] for x, row in fed) for column in range(self.columns)]

    def conversions(self, inputs: Sequence[int]) -> Iterator[Conversion]:
        """Give what is driven, one after the other."""
        bits, dac, once = self.feed.input_bits, self.converters.dac_bits, self.converters.once
        parts = [(1, [x + self.bias for x in inputs])]
        if self.in_halves:
            parts = [(1, [max(x, 0) for x in inputs]), (-1, [max(-x, 0) for x in inputs])]
        for sign, part in parts:
            steps = 1 if once else -(-bits // dac)
            for step in range(steps):
                digits = part if once else [(x >> (step * dac)) & ((1 << dac) - 1) for x in part]
                counts = sign << (step * dac)
                if self.feed.signed and not (once or self.bias or self.in_halves) and step == steps - 1:
                    digits, counts = [digit & 1 for digit in digits], -counts  # the sign bit
                for group in self.groups:
                    yield Conversion(counts, [(row, digits[row]) for row in group if digits[row]])

    def converted_sums(self, inputs: Sequence[int]) -> list[int]:
        """Multiply step by step, slice by slice, one conversion after the other."""
        units = [sum(column.full for column in columns) - self.offset for columns in self.cells]
        known = [-self.bias * sum(row[column] for row in self.weights) for column in range(self.columns)]
        if not self.unit_column and self.offset:
            fed = sum(inputs) + self.bias * len(inputs)
            known = [one + unit * fed for one, unit in zip(known, units, strict=True)]
        counted = [step[0] if isinstance(step, tuple) else step for step in self.steps]
        sums = [round(one / step) for one, step in zip(known, counted, strict=True)]
        for one in self.conversions(inputs):
            unit = self._read([1] * self.rows, one, self.steps[0]) if self.unit_column else 0
            for number, columns in enumerate(self.cells):
                total = units[number] * unit
                for column in columns:
                    read = [self._read(levels, one, self.steps[number]) for levels in self._together(column.halves)]
                    total += column.place * (read[0] - sum(read[1:]))
                sums[number] += one.counts * total
        return sums

    def _read(self, levels: list[int], one: Conversion, step: Step) -> int:
        """Convert the current of a column."""
        return self.converters.convert(sum(digit * levels[row] for row, digit in one.driven), step)
