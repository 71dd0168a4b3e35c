"""Feed: what rows are driven with, step by step, for integers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cimc.crossbar.storage import Floats, Ints


@dataclass(frozen=True, slots=True)
class Feed:
    """Inputs of `bits` bits, signed or not, fed dac_bits at a time, lowest first; the last digit may have fewer. once:
    the steps are weighted before they are converted, so that a conversion meets whole inputs.

    In two's complement the sign bit weighs -2^(bits-1): with one-bit digits the last step is subtracted. Otherwise, and
    where a converter reads no negative sum (biased), a signed input is fed as the digits of x + bias, and bias times
    the columns' known sums is taken off digitally. halves: instead a signed input is fed as the digits of its positive
    part and then those of its negative part, which are subtracted.
    """

    bits: int
    signed: bool
    dac_bits: int
    once: bool = False
    biased: bool = False
    halves: bool = False

    @property
    def steps(self) -> int:
        """How many digits an input has."""
        return math.ceil(self.bits / self.dac_bits)

    @property
    def bias(self) -> int:
        """What is added to an input before it is fed."""
        biased = self.signed and not self.halves and (self.biased or self.dac_bits > 1)
        return 1 << (self.bits - 1) if biased else 0

    @property
    def digit_range(self) -> tuple[int, int]:
        """The least and the largest number that a row adds to a conversion at level 1."""
        if self.signed and self.halves:
            half = 1 << (self.bits - 1)
            return 0, half if self.once else min(half, (1 << self.dac_bits) - 1)
        if not self.once:
            return 0, (1 << min(self.dac_bits, self.bits)) - 1
        if self.signed and not self.bias:
            return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        return 0, (1 << self.bits) - 1

    def codes(self, x: Ints) -> Ints:
        """The numbers that integers x are fed as."""
        code = (x + self.bias) & ((1 << self.bits) - 1)
        return code - ((code >> (self.bits - 1)) << self.bits) if self.signed and not self.bias else code

    def parts(self, x: Ints) -> list[tuple[int, Ints]]:
        """What integers x are fed as, one after the other, and what it counts."""
        code = self.codes(x)
        return [(1, np.maximum(code, 0)), (-1, np.maximum(-code, 0))] if self.signed and self.halves else [(1, code)]

    def power(self, digits: Ints) -> Floats:
        """The squares of what rows are driven with, summed up over the steps that one conversion weights."""
        if not self.once:
            return np.square(digits.astype(np.float64))
        size, found = np.abs(digits), np.zeros(digits.shape)
        if self.signed and not self.halves and not self.bias:
            size = digits & ((1 << self.bits) - 1)
        for step in range(self.steps):
            place = step * self.dac_bits
            found += np.square(((size >> place) & ((1 << self.dac_bits) - 1)) * 2.0**place)
        return found

    def digits(self, x: Ints) -> Iterator[tuple[int, Ints]]:
        """Conversion by conversion what a digit counts, and the digits of integers x, in their shape."""
        halves = self.signed and self.halves
        for sign, part in self.parts(x):
            if self.once:
                yield sign, part
                continue
            for step in range(self.steps):
                negative = self.signed and not halves and not self.bias and step == self.bits - 1
                worth = sign << (step * self.dac_bits)
                yield -worth if negative else worth, (part >> (step * self.dac_bits)) & ((1 << self.dac_bits) - 1)
