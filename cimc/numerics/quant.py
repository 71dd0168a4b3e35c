"""Quantised numbers: real = scale * (q - zero). Rounding and saturation of the whole project live here.

All arithmetic on scales is float32, as onnxruntime's integer kernels do it: multiply, round half to even, saturate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.floating[Any]]
SMALLEST_RANGE = 2.0**-100  # of a number format: its scale and the reciprocal of it stay normal float32 numbers
_OVERFLOWS = np.errstate(over="ignore")  # what is beyond float32 is infinite there, and saturates
Exact = TypeVar("Exact", np.int64, np.float64)  # integers, or float64 that holds integers


@dataclass(frozen=True, slots=True)
class Quant:
    """A number format: real = scale * (q - zero), low <= q <= high. scale is a float32 value."""

    scale: float
    zero: int
    low: int
    high: int

    @property
    def signed(self) -> bool:
        """Whether negative integers occur."""
        return self.low < 0

    @property
    def bits(self) -> int:
        """Bits that hold every integer of the range (two's complement where signed)."""
        if self.signed:
            return max((-self.low - 1).bit_length(), self.high.bit_length()) + 1
        return max(1, self.high.bit_length())


def quantise(x: FloatArray, quant: Quant) -> npt.NDArray[np.int64]:
    """sat(round(x / scale) + zero), the quotient in float32. Infinities saturate, and what overflows to one."""
    with np.errstate(over="ignore"):
        scaled = np.asarray(x, np.float32) / np.float32(quant.scale)
    return round_clamped(scaled, quant.zero, quant.low, quant.high)


def dequantise(q: IntArray, quant: Quant) -> npt.NDArray[np.float32]:
    """(q - zero) * scale, in float32; infinite beyond it."""
    with np.errstate(over="ignore"):
        return (np.asarray(q, np.int64) - quant.zero).astype(np.float32) * np.float32(quant.scale)


def finite32(x: FloatArray) -> npt.NDArray[np.float32]:
    """x as float32, and the largest such number where x is beyond: as a multiplier of integers that saturates alike,
    and 0 stays 0."""
    largest = np.finfo(np.float32).max
    return np.asarray(np.clip(x, -largest, largest), np.float32)


def fits(x: IntArray, bits: int) -> bool:
    """Whether a signed number of `bits` bits holds every element."""
    return x.size == 0 or -(1 << (bits - 1)) <= int(x.min()) <= int(x.max()) < 1 << (bits - 1)


def saturate(x: npt.NDArray[Exact], bits: int) -> npt.NDArray[Exact]:
    """Clamp to the range of a signed number of `bits` bits."""
    return np.clip(x, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def shift_round(x: npt.NDArray[Exact], shift: int) -> npt.NDArray[Exact]:
    """x / 2^shift, rounded half up: what a converter's adder tree does by adding half and dropping bits.

    x: integers, as such or in float64 below 2^52, where the same result is exact too.
    """
    if shift == 0:
        return x
    if x.dtype.kind == "f":
        return np.asarray(np.floor(x * 0.5**shift + 0.5), x.dtype)
    return np.asarray(np.right_shift(x + (1 << (shift - 1)), shift), x.dtype)


def round_clamped(real: npt.NDArray[np.float32], zero: int, low: int, high: int) -> npt.NDArray[np.int64]:
    """The last step of every requantisation: sat(round(real) + zero). real is float32 in units of the result."""
    rounded = np.asarray(np.rint(real))
    least, most = low - zero, high - zero
    if max(abs(least), abs(most)) <= 1 << 24:
        np.clip(rounded, least, most, out=rounded)
        return rounded.astype(np.int64) + zero
    # Limits beyond 2^24 may be no float32 numbers: they are applied to integers.
    np.clip(rounded, -(2.0**62), 2.0**62, out=rounded)
    return np.asarray(np.clip(rounded.astype(np.int64), least, most) + zero, np.int64)


@_OVERFLOWS
def requant(acc: IntArray, m: npt.NDArray[np.float32], zero: int, low: int, high: int) -> npt.NDArray[np.int64]:
    """sat(round(float32(acc) * m) + zero). m broadcasts against acc."""
    return round_clamped(np.asarray(acc, np.float32) * m, zero, low, high)


@_OVERFLOWS
def requant2(
    a: IntArray, b: IntArray, m: npt.NDArray[np.float32], n: npt.NDArray[np.float32], zero: int, low: int, high: int
) -> npt.NDArray[np.int64]:
    """sat(round(float32(a) * m + float32(b) * n) + zero); the operands' zero points are already taken off. The sum of
    infinities of different signs is 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        first: npt.NDArray[np.float32] = np.asarray(a, np.float32) * m
        second: npt.NDArray[np.float32] = np.asarray(b, np.float32) * n
        total: npt.NDArray[np.float32] = first + second
    if may_be_infinite(m, n):
        total = np.where(np.isnan(total), np.float32(0), total)
    return round_clamped(total, zero, low, high)


def may_be_infinite(m: npt.NDArray[np.float32], n: npt.NDArray[np.float32]) -> bool:
    """Whether both products of requant2 may be infinite: differences of words have at most 33 bits, and float32 ends
    at 2^128."""
    return min(float(np.abs(m).max(initial=0)), float(np.abs(n).max(initial=0))) >= 2.0**94


@_OVERFLOWS
def requant_by(
    a: IntArray, m: npt.NDArray[np.float32], total: IntArray, zero: int, low: int, high: int
) -> npt.NDArray[np.int64]:
    """sat(round(float32(a) * (m / float32(total))) + zero): a share of a total that is known at run time only. Of a
    total of 0 every share is 0."""
    whole = np.asarray(total, np.float32)
    share = np.divide(m, whole, out=np.zeros(np.broadcast_shapes(m.shape, whole.shape), np.float32), where=whole != 0)
    return round_clamped(np.asarray(a, np.float32) * share, zero, low, high)


def multiply_shift(a: IntArray, b: IntArray, shift: int) -> npt.NDArray[np.int64]:
    """(a * b + half) >> shift in full width."""
    return np.asarray(shift_round(a.astype(np.int64) * b.astype(np.int64), shift), np.int64)


def look_up(x: IntArray, entries: IntArray, first: int, step: int) -> npt.NDArray[np.int64]:
    """Entry of a table at x - first; with step > 0 entries are 2^step apart and values between are interpolated.

    entries: (n,). Inputs beyond either end take the end's entry.
    """
    at = np.clip(np.asarray(x, np.int64) - first, 0, (len(entries) - 1) << step)
    table = np.asarray(entries, np.int64)
    if step == 0:
        return np.asarray(table[at])
    index = at >> step
    above = table[np.minimum(index + 1, len(entries) - 1)]
    below = table[index]
    return np.asarray(below + ((above - below) * (at & ((1 << step) - 1)) + (1 << (step - 1)) >> step))


def range_quant(low: float, high: float, bits: int, symmetric: bool, word_bits: int, headroom_bits: int = 0) -> Quant:
    """The format of `bits` bits for reals from low to high (0 is always inside and exact).

    Where nothing is negative it is unsigned, with a bit less where a signed word of word_bits bits asks for it.
    Otherwise symmetric has zero point 0; without it the format uses all of its numbers, with a zero point - from 0 on,
    or half of them negative where words hold no more. headroom_bits: bits kept free above the range. A range of
    nothing gets a scale of 1.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if high - low < SMALLEST_RANGE:
        low, high = 0.0, 0.0
    if low == 0.0:
        top = (1 << min(bits, word_bits - 1)) - 1
        return Quant(_step(high * (1 << headroom_bits), top), 0, 0, top)
    if symmetric:
        top = (1 << (bits - 1)) - 1
        return Quant(_step(max(-low, high) * (1 << headroom_bits), top), 0, -top - 1, top)
    top = (1 << bits) - 1
    scale = _step((high - low) * (1 << headroom_bits), top)
    bottom = 0 if bits < word_bits else -(1 << (bits - 1))
    return Quant(scale, int(np.clip(round(-low / scale), 0, top)) + bottom, bottom, top + bottom)


def _step(span: float, steps: int) -> float:
    """The scale, a float32 number, of which `steps` make the span; 1 for a span of nothing."""
    return float(np.float32(span / steps)) if span > 0 else 1.0
