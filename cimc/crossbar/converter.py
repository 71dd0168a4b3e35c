"""Converter: from the sum that a column carries to a code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cimc.crossbar.storage import Floats


class Converter(Protocol):
    """A kind of ADC. Codes are whole numbers, in the units of the sums, below 2^32."""

    def convert(self, sums: Floats) -> Floats:
        """The codes of column sums, in their shape."""
        ...

    def holds(self, largest: int) -> bool:
        """Whether each of the whole sums 0 .. largest is its own code."""
        ...


@dataclass(frozen=True, slots=True)
class ClippingConverter:
    """An ADC that keeps the low bits: steps of one unit from 0 on; what is above 2^bits - 1 clips, and below 0 too."""

    bits: int

    @property
    def top(self) -> int:
        """The largest code."""
        return (1 << self.bits) - 1

    def convert(self, sums: Floats) -> Floats:
        """The nearest code; halves go to the even one."""
        codes: Floats = np.rint(sums)
        np.maximum(codes, 0, out=codes)
        return np.minimum(codes, self.top, out=codes)

    def holds(self, largest: int) -> bool:
        """Whether the largest is a code."""
        return largest <= self.top
