"""Converter: from the sum that a column carries to a code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cimc.crossbar.storage import Floats


class Converter(Protocol):
    """A kind of ADC. Codes are whole numbers below 2^32 in magnitude; a code stands for so many steps."""

    def convert(self, sums: Floats, steps: Floats | None = None) -> Floats:
        """The codes of column sums, in their shape. steps: what a code's step is in units, (columns,); None: 1."""
        ...

    def holds(self, least: int, largest: int) -> bool:
        """Whether in steps of 1 each of the whole sums least .. largest is its own code."""
        ...


@dataclass(frozen=True, slots=True)
class UniformConverter:
    """An ADC with equal steps, from code `least` to code `top`; what is beyond them clips.

    signed: codes -(2^(bits-1) - 1) .. 2^(bits-1), otherwise 0 .. 2^bits - 1. down: a sum between two codes becomes the
    lower one; otherwise the nearest, and halves go to the even one. The quotient of sum and step is rounded to float64
    before.
    """

    bits: int
    signed: bool = False
    down: bool = False

    @property
    def least(self) -> int:
        """The least code."""
        return 1 - (1 << (self.bits - 1)) if self.signed else 0

    @property
    def top(self) -> int:
        """The largest code."""
        return 1 << (self.bits - 1) if self.signed else (1 << self.bits) - 1

    def convert(self, sums: Floats, steps: Floats | None = None) -> Floats:
        """The codes."""
        rounded = np.floor if self.down else np.rint
        codes: Floats = rounded(sums if steps is None else sums / steps)
        np.maximum(codes, self.least, out=codes)
        return np.minimum(codes, self.top, out=codes)

    def holds(self, least: int, largest: int) -> bool:
        """Whether both ends are codes."""
        return self.least <= least and largest <= self.top

    def full_step(self, least: float, largest: float) -> float:
        """The least step at which both ends of a range, least <= 0 <= largest, are no further than the end codes."""
        return max(largest / self.top, least / self.least if self.signed and self.least else 0.0)
