"""Vector arithmetic that stays in integers: set, copy, add .. mulshr, rmax, lut.

Each function takes the registers of an instruction once, as views (words, lanes) of int32, and gives the instruction
as a function without arguments. Operands may overlap the destination: everything is read before it is overwritten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cimc.numerics.quant import saturate
from cimc.runtime.machine import AnyArray, Scratch, Wide, Words

Action = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Register:
    """A run of registers: words, a view (words, lanes); bits of each."""

    words: Words
    bits: int


def bounds(bits: int, dtype: type[np.int32] | type[np.int64]) -> tuple[AnyArray, AnyArray]:
    """Least and largest number of `bits` bits, as arrays that ufuncs take without conversion."""
    return np.array(-(1 << (bits - 1)), dtype), np.array((1 << (bits - 1)) - 1, dtype)


def compile_set(dest: Register, value: int) -> Action:
    """d = value."""
    low, high = -(1 << (dest.bits - 1)), (1 << (dest.bits - 1)) - 1
    limited = min(max(value, low), high)
    words = dest.words
    return lambda: words.fill(limited)


def compile_copy(dest: Register, a: Register) -> Action:
    """d = a."""
    target, source = dest.words, a.words
    if a.bits <= dest.bits:

        def copy() -> None:
            target[...] = source

        return copy
    low, high = bounds(dest.bits, np.int32)

    def copy_limited() -> None:
        np.minimum(source, high, out=target)
        np.maximum(target, low, out=target)

    return copy_limited


def compile_binary(ufunc: np.ufunc, dest: Register, a: Register, b: Register, scratch: Scratch) -> Action:
    """d = a (ufunc) b for add, subtract, maximum, minimum; a or b of length 1 is broadcast."""
    target, left, right = dest.words, a.words, b.words
    widest = max(a.bits, b.bits)
    grows = ufunc in (np.add, np.subtract)
    if grows and widest == 32:
        return _checked_binary(ufunc, dest, left, right, scratch)
    if not grows and widest <= dest.bits:

        def select() -> None:
            ufunc(left, right, out=target)

        return select
    low, high = bounds(dest.bits, np.int32)

    def combine() -> None:
        ufunc(left, right, out=target)
        np.minimum(target, high, out=target)
        np.maximum(target, low, out=target)

    return combine


def _checked_binary(ufunc: np.ufunc, dest: Register, left: Words, right: Words, scratch: Scratch) -> Action:
    """Sum or difference of 32-bit words: in 32 bits and, where that overflowed somewhere, once more in 64."""
    length = dest.words.shape[0]
    target, result, signs, others = dest.words, *(scratch.words(length, slot) for slot in range(3))
    again = _wide_binary(ufunc, dest, left, right, scratch)
    low, high = bounds(dest.bits, np.int32)
    narrower, adds = dest.bits < 32, ufunc is np.add

    def combine() -> None:
        ufunc(left, right, out=result)
        np.bitwise_xor(left, result, out=signs)
        np.bitwise_xor(right, result if adds else left, out=others)
        np.bitwise_and(signs, others, out=signs)
        if np.minimum.reduce(signs, axis=None) < 0:
            again()
            return
        if narrower:
            np.minimum(result, high, out=result)
            np.maximum(result, low, out=result)
        target[...] = result

    return combine


def _wide_binary(ufunc: np.ufunc, dest: Register, left: Words, right: Words | Wide, scratch: Scratch) -> Action:
    target, total = dest.words, scratch.wide(dest.words.shape[0])
    low, high = bounds(dest.bits, np.int64)

    def combine() -> None:
        ufunc(left, right, out=total, dtype=np.int64)
        np.minimum(total, high, out=total)
        np.maximum(total, low, out=total)
        target[...] = total

    return combine


def compile_immediate(mnemonic: str, dest: Register, a: Register, value: int, scratch: Scratch) -> Action:
    """d = a (addi, maxi, mini, shri, andi) value."""
    target, source = dest.words, a.words
    ufunc = _IMMEDIATE[mnemonic]
    if mnemonic == "shri":
        value = min(value, 31)
    fits = -(1 << 31) <= value < 1 << 31
    if mnemonic in ("maxi", "mini") and not fits:
        value, fits = min(max(value, -(1 << 31)), (1 << 31) - 1), True
    if mnemonic == "addi":
        fits = a.bits < 32 and abs(value) < 1 << 30
    if not fits:
        return _wide_binary(ufunc, dest, source, np.array(value, np.int64), scratch)
    number = np.array(value, np.int32)
    low, high = bounds(dest.bits, np.int32)
    keeps = a.bits <= dest.bits and (mnemonic == "shri" or (mnemonic != "addi" and low <= value <= high))
    if keeps:

        def simple() -> None:
            ufunc(source, number, out=target)

        return simple

    def limited() -> None:
        ufunc(source, number, out=target)
        np.minimum(target, high, out=target)
        np.maximum(target, low, out=target)

    return limited


_IMMEDIATE = {
    "addi": np.add,
    "maxi": np.maximum,
    "mini": np.minimum,
    "shri": np.right_shift,
    "andi": np.bitwise_and,
}


def compile_mulshr(dest: Register, a: Register, b: Register, shift: int, scratch: Scratch) -> Action:
    """d = (a * b + 2^(shift - 1)) >> shift, in full width."""
    target, left, right = dest.words, a.words, b.words
    product = scratch.wide(dest.words.shape[0])
    low, high = bounds(dest.bits, np.int64)
    half = np.array(1 << (shift - 1) if shift else 0, np.int64)
    by = np.array(shift, np.int64)

    def multiply() -> None:
        np.multiply(left, right, out=product, dtype=np.int64)
        if shift:
            np.add(product, half, out=product)
            np.right_shift(product, by, out=product)
        np.minimum(product, high, out=product)
        np.maximum(product, low, out=product)
        target[...] = product

    return multiply


def compile_rmax(dest: Register, a: Register, scratch: Scratch) -> Action:
    """d[j] = the largest a[i * len(d) + j]."""
    length, lanes = dest.words.shape
    terms = a.words.reshape(-1, length, lanes)
    target, largest = dest.words, scratch.words(length)
    low, high = bounds(dest.bits, np.int32)
    narrower = dest.bits < a.bits

    def largest_of() -> None:
        np.maximum.reduce(terms, axis=0, out=largest)
        if narrower:
            np.minimum(largest, high, out=largest)
            np.maximum(largest, low, out=largest)
        target[...] = largest

    return largest_of


def compile_lut(dest: Register, a: Register, entries: Wide, first: int, step: int, scratch: Scratch) -> Action:
    """d = entry of a table at a - first; with a step, interpolated (numerics.quant.look_up)."""
    target, source = dest.words, a.words
    at = scratch.wide(target.shape[0])
    origin = np.array(first, np.int64)
    if step == 0:
        table = np.asarray(saturate(entries, dest.bits), np.int32)

        def look_up() -> None:
            np.subtract(source, origin, out=at, dtype=np.int64)
            np.take(table, at, out=target, mode="clip")

        return look_up
    return _interpolated(dest, source, entries, origin, step, scratch)


def _interpolated(
    dest: Register, source: Words, entries: Wide, origin: npt.NDArray[np.int64], step: int, scratch: Scratch
) -> Action:
    target = dest.words
    length = target.shape[0]
    at, index, rise, result = (scratch.wide(length, slot) for slot in range(4))
    table = entries.astype(np.int64)
    rises = np.append(np.diff(table), 0)
    last = np.array((len(entries) - 1) << step, np.int64)
    zero, by = np.array(0, np.int64), np.array(step, np.int64)
    mask, half = np.array((1 << step) - 1, np.int64), np.array(1 << (step - 1), np.int64)
    low, high = bounds(dest.bits, np.int64)

    def look_up() -> None:
        np.subtract(source, origin, out=at, dtype=np.int64)
        np.maximum(at, zero, out=at)
        np.minimum(at, last, out=at)
        np.right_shift(at, by, out=index)
        np.take(table, index, out=result, mode="clip")
        np.take(rises, index, out=rise, mode="clip")
        np.bitwise_and(at, mask, out=at)
        np.multiply(rise, at, out=rise)
        np.add(rise, half, out=rise)
        np.right_shift(rise, by, out=rise)
        np.add(result, rise, out=result)
        np.minimum(result, high, out=result)
        np.maximum(result, low, out=result)
        target[...] = result

    return look_up
