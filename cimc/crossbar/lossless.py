"""May a chain lose anything? If not, all of its stages together are one exact product, and may be computed as such.

The proof. With exact cells and an exact array a column carries, at every conversion, the sum over the rows read of
digit times level, a whole number of at most (largest digit) * (sum of its levels); of a pair that is subtracted first
the levels may be negative, and of whole signed inputs the digits. If the converter, in steps of one unit, holds both
ends for every column, and for the unit column where one is converted, each code is the sum itself, and so is each
multiple of it. Recombination then adds up, for every weight, levels times digits times what each counts: levels make
the weight (plus the offset, taken off by way of the unit column, or of the sum of what is fed; or top - level, taken
off likewise), digits the input (plus the bias, taken off by the known column sums). All of it is integer arithmetic, so
the result is the product.

The bound is tight: where it fails, the input that drives every row with the digit that makes an end makes a conversion
clip. In a differential pair the product is then wrong for some input; with an offset a slice's error and the unit
column's may cancel (a column of zeros in one-bit cells is always right).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cimc.crossbar.chain import Chain
from cimc.crossbar.converter import Steps
from cimc.crossbar.feed import Feed
from cimc.crossbar.storage import Ints


def may_lose(chain: Chain, feed: Feed, weights: Ints, bits: int, steps: Steps = None) -> bool:
    """Whether a product of inputs that are so fed with weights of `bits` bits, (rows, columns), may not be exact.
    steps: of the converter, see Chain.program."""
    if steps is not None or not (chain.device.exact and chain.array.exact):
        return True
    groups, (least, largest) = chain.groups(len(weights)), feed.digit_range

    def holds(negative: int, positive: int) -> bool:
        """Whether a column is held whose levels count so much below and above 0."""
        return chain.converter.holds(positive * least - negative * largest, positive * largest - negative * least)

    rows = min(len(weights), groups[0].stop)
    most = chain.storage.top * rows
    if holds(most if chain.subtracted else 0, most):
        return False  # whatever the cells hold
    cells = chain.storage.store(weights, bits)
    if cells.offset and not chain.digital and not holds(0, rows):
        return True
    return not all(holds(*cells.largest_columns(group, chain.subtracted)) for group in groups)


@dataclass(frozen=True, slots=True)
class ExactProduct:
    """The product of a chain that loses nothing. weights: (columns, rows), in the type of the product, float32 or
    float64; largest: a bound of every sum's magnitude."""

    weights: npt.NDArray[np.float32] | npt.NDArray[np.float64]
    largest: int

    @classmethod
    def of(cls, weights: Ints, feed: Feed, shift: int) -> ExactProduct:
        """Of weights (rows, columns). Sums are rounded by `shift` bits with half added, in the type of the product:
        float32 while every sum stays below 2^24, float64 below 2^53."""
        most = 1 << (feed.bits - 1) if feed.signed else (1 << feed.bits) - 1
        largest = int(np.abs(weights).sum(axis=0).max(initial=0)) * most
        rounded = largest + (1 << shift >> 1 if shift < 53 else 0)
        assert rounded < 1 << 53, f"a sum of {largest} with a shift of {shift} is not exact in float64"
        if rounded < 1 << 24 and shift < 24:
            return cls(np.ascontiguousarray(weights.T, np.float32), largest)
        return cls(np.ascontiguousarray(weights.T, np.float64), largest)
