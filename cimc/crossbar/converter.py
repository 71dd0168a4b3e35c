"""Converter: from the sum that a column carries to a code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cimc.crossbar.storage import Floats
from cimc.target.model import Crossbar

Steps = Floats | None
"""What a code's step is in units, (columns,); of two ranges the fine and the coarse step, (2, columns), the coarse one
a whole multiple of the other, and codes count fine ones. None: 1."""


def fine(steps: Floats) -> Floats:
    """What a code counts, (columns,)."""
    return steps if steps.ndim == 1 else steps[0]


class Converter(Protocol):
    """A kind of ADC. Codes are whole numbers below 2^32 in magnitude; a code stands for so many steps."""

    def convert(self, sums: Floats, steps: Steps = None) -> Floats:
        """The codes of column sums, in their shape. steps: of each column, see Steps."""
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

    def convert(self, sums: Floats, steps: Steps = None) -> Floats:
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


@dataclass(frozen=True, slots=True)
class TwinRangeConverter:
    """An ADC with two ranges, each of 2^bits codes: sums up to the largest fine code are found in fine steps, those
    above in coarse ones (twin-range quantisation; see docs/targets.md). A code counts fine steps. down: as of
    UniformConverter, in both ranges.

    One comparison finds the range, `bits` more the code in it.
    """

    bits: int
    down: bool = False

    @property
    def one(self) -> UniformConverter:
        """Each of its ranges."""
        return UniformConverter(self.bits, False, self.down)

    def convert(self, sums: Floats, steps: Steps = None) -> Floats:
        """The codes."""
        if steps is None or steps.ndim == 1:
            return self.one.convert(sums, steps)
        rounded = np.floor if self.down else np.rint
        small = rounded(sums / steps[0]) <= self.one.top
        ratio = np.rint(steps[1] / steps[0])
        codes: Floats = np.where(small, self.one.convert(sums, steps[0]), self.one.convert(sums, steps[1]) * ratio)
        return codes

    def holds(self, least: int, largest: int) -> bool:
        """Whether both ends are fine codes."""
        return self.one.holds(least, largest)


def converter_of(crossbar: Crossbar) -> Converter:
    """A target's."""
    down = crossbar.adc_rounds == "down"
    if crossbar.adc_kind == "twin range":
        return TwinRangeConverter(crossbar.adc_bits, down)
    return UniformConverter(crossbar.adc_bits, crossbar.adc_signed, down)
