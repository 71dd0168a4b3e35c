"""The epilogue of a layer: from its sums to the integers of its result - requantise, clamp, look up a function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from cimc.ir.layers import Floats, Ints, Layer
from cimc.numerics.functions import apply_function
from cimc.numerics.quant import (
    SMALLEST_RANGE,
    Quant,
    dequantise,
    finite32,
    fits,
    look_up,
    quantise,
    requant,
    requant2,
)

Float32s = npt.NDArray[np.float32]

TABLE_BITS = 10  # entries of a table of a wide format: 2^10 + 1, values between are interpolated


@dataclass(frozen=True, slots=True)
class TableValues:
    """A lookup table: entries for first, first + 2^step, ...; see cimc.numerics.quant.look_up."""

    entries: Ints
    first: int
    step: int

    def at(self, x: Ints) -> Ints:
        """Its values."""
        return look_up(x, self.entries, self.first, self.step)


@dataclass(frozen=True, slots=True)
class Epilogue:
    """From an accumulator (or two operands) to the result's integers: requantise by m (and n), clamp, look up.

    m, n: float32, one a channel; n is None where there is one term only; where there is no second operand n times 1 is
    an offset. a0, b0: zero points of the operands. zero, low, high: of the requantised number, which is the result
    itself or the table's input.
    """

    m: Float32s
    n: Float32s | None
    a0: int
    b0: int
    zero: int
    low: int
    high: int
    table: TableValues | None = None

    @classmethod
    def of(cls, layer: Layer, m: Floats, n: Floats | None, zeros: tuple[int, int], middle: Quant, out: Quant) -> Self:
        """That of a layer. zeros: points of the operands; middle: the format before its functions, out: behind them."""
        limits = clamp(layer, middle)
        second = None if n is None else np.asarray(n, np.float32)
        table = _table(layer, middle, out) if layer.functions else None
        return cls(np.asarray(m, np.float32), second, *zeros, middle.zero, limits.low, limits.high, table)

    def fits(self, bits: int) -> bool:
        """Whether registers of `bits` bits hold the requantised number and what the table makes of it."""
        return fits(np.asarray([self.low, self.high]), bits) and (self.table is None or fits(self.table.entries, bits))

    @property
    def is_identity(self) -> bool:
        """Whether one operand passes unchanged (its format is the result's)."""
        same = self.zero == self.a0 and self.table is None and bool((self.m == 1).all())
        return same and (self.n is None or not self.n.any())

    def words(self, channels: int, word_bits: int) -> int:
        """Words of tile memory of its constants for so many channels."""
        rows = 1 if self.n is None else 2
        return channels * rows * -(-32 // word_bits) + (0 if self.table is None else len(self.table.entries))

    def looked_up(self, q: Ints) -> Ints:
        """The table's value, where there is one."""
        return q if self.table is None else self.table.at(q)

    def of_one(self, a: Ints) -> Ints:
        """What becomes of one term whose zero point is off."""
        return self.looked_up(requant(a, self.m, self.zero, self.low, self.high))

    def of_pair(self, a: Ints, b: Ints) -> Ints:
        """What becomes of two operands, zero points still on."""
        assert self.n is not None, "two terms need two multipliers"
        return self.looked_up(requant2(a - self.a0, b - self.b0, self.m, self.n, self.zero, self.low, self.high))


def clamp(layer: Layer, quant: Quant) -> Quant:
    """The format with the layer's clamp in integers."""
    low, high = quant.low, quant.high
    if np.isfinite(layer.low):
        low = int(np.clip(np.rint(layer.low / quant.scale) + quant.zero, quant.low, quant.high))
    if np.isfinite(layer.high):
        high = int(np.clip(np.rint(layer.high / quant.scale) + quant.zero, quant.low, quant.high))
    return replace(quant, low=low, high=high)


def ratio(scale: Floats | float, out: Quant) -> Floats:
    """float32(float32(scale) / float32(out.scale)), as onnxruntime's kernels take it; of a scale too small for float32
    to hold in full, float32(scale / out.scale); of one too large, the largest number of float32."""
    with np.errstate(under="ignore", over="ignore"):
        usual = np.float32(scale) / np.float32(out.scale)
        exact = np.float64(scale) / out.scale
        return finite32(np.where(np.abs(scale) < SMALLEST_RANGE, exact, usual)).astype(np.float64)


def _table(layer: Layer, middle: Quant, out: Quant) -> TableValues:
    """Entries of all of a layer's functions in one, for every input, or every 2^step-th of a wide format."""
    step = max(0, middle.bits - TABLE_BITS) if middle.bits > 8 else 0
    count = ((middle.high - middle.low) >> step) + (2 if step else 1)
    at = middle.low + (np.arange(count, dtype=np.int64) << step)
    real = dequantise(at, middle)
    for function in layer.functions:
        real = apply_function(function.name, function.a, function.b, real)
    return TableValues(quantise(np.nan_to_num(real), out), middle.low, step)
