"""Feed: how the inputs of a product reach the rows, digit by digit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from cimc.crossbar.storage import Ints


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
