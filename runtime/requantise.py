"""Requantisation: requant, requant2, requantm, rsum, sums, requants, each a function without arguments.

The arithmetic is that of cimc.numerics.quant, in float32 and in place. Where a scale's range is too wide for float32
to hold exactly, or leaves the destination, the functions of numerics themselves are called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cimc.isa.program import Scale
from cimc.numerics import quant
from cimc.runtime.arithmetic import Action, Register
from cimc.runtime.machine import Reals, Scratch, Wide, Words

_EXACT = 1 << 24
_FEW_LANES = 16


@dataclass(frozen=True, slots=True)
class Factors:
    """Entries of a scale: multipliers float32, (rows, entries or 1, 1), and the scale they come from."""

    multipliers: Reals
    scale: Scale

    def row(self, number: int, lanes: int) -> Reals:
        """One row of multipliers, (entries, 1), or (entries, lanes) where few lanes make that the faster form."""
        row = self.multipliers[number]
        return np.repeat(row, lanes, axis=1) if lanes <= _FEW_LANES else row


class _Settling:
    """The last step: round, limit, add the zero point, store. real is overwritten."""

    def __init__(self, dest: Register, scale: Scale) -> None:
        low, high = -(1 << (dest.bits - 1)), (1 << (dest.bits - 1)) - 1
        least, most = scale.low - scale.zero, scale.high - scale.zero
        self.plain = not (
            low <= scale.low <= scale.high <= high and max(abs(least), abs(most), abs(scale.zero)) < _EXACT
        )
        self.dest, self.scale = dest, scale
        self.least, self.most = np.array(least, np.float32), np.array(most, np.float32)
        self.zero = np.array(scale.zero, np.float32)

    def function(self) -> Callable[[Reals], None]:
        """The step as a function of real."""
        words, bits, scale = self.dest.words, self.dest.bits, self.scale
        least, most, zero = self.least, self.most, self.zero
        if self.plain:

            def settle_plainly(real: Reals) -> None:
                words[...] = quant.saturate(quant.settle(real, scale.zero, scale.low, scale.high), bits)

            return settle_plainly
        if scale.zero == 0:

            def settle_around_zero(real: Reals) -> None:
                np.rint(real, out=real)
                np.maximum(real, least, out=real)
                np.minimum(real, most, out=real)
                words[...] = real

            return settle_around_zero

        def settle(real: Reals) -> None:
            np.rint(real, out=real)
            np.maximum(real, least, out=real)
            np.minimum(real, most, out=real)
            np.add(real, zero, out=real)
            words[...] = real

        return settle


def compile_requant(dest: Register, a: Register, factors: Factors, scratch: Scratch) -> Action:
    """d = sat(round(f32(a) * m) + zero)."""
    source, real = a.words, scratch.real(dest.words.shape[0])
    m = factors.row(0, scratch.lanes)
    settle = _Settling(dest, factors.scale).function()

    def requant() -> None:
        real[...] = source
        np.multiply(real, m, out=real)
        settle(real)

    return requant


def compile_requant2(dest: Register, a: Register, b: Register, factors: Factors, scratch: Scratch) -> Action:
    """d = sat(round(f32(a - a0) * m + f32(b - b0) * n) + zero), where inf - inf is 0."""
    length = dest.words.shape[0]
    real, other = scratch.real(length), scratch.real(length, 1)
    m, n = factors.row(0, scratch.lanes), factors.row(1, scratch.lanes)
    left = _compile_difference(a, factors.scale.a0, real, scratch)
    right = _compile_difference(b, factors.scale.b0, other, scratch)
    settle = _Settling(dest, factors.scale).function()
    large = quant.may_be_infinite(m, n)

    def requant2() -> None:
        left()
        np.multiply(real, m, out=real)
        right()
        np.multiply(other, n, out=other)
        np.add(real, other, out=real)
        if large:
            real[np.isnan(real)] = 0
        settle(real)

    return requant2


def compile_requantm(dest: Register, a: Register, b: Register, factors: Factors, scratch: Scratch) -> Action:
    """d = sat(round(f32((a - a0) * (b - b0)) * m) + zero), the product in full width."""
    length = dest.words.shape[0]
    left, right, product = scratch.wide(a.words.shape[0]), scratch.wide(b.words.shape[0], 1), scratch.wide(length, 2)
    real, m = scratch.real(length), factors.row(0, scratch.lanes)
    first, second = a.words, b.words
    a0, b0 = np.array(factors.scale.a0, np.int64), np.array(factors.scale.b0, np.int64)
    wide = _largest_difference(a, factors.scale.a0) * _largest_difference(b, factors.scale.b0) >= 1 << 63
    settle = _Settling(dest, factors.scale).function()

    def requantm() -> None:
        np.subtract(first, a0, out=left, dtype=np.int64)
        np.subtract(second, b0, out=right, dtype=np.int64)
        if wide:
            real[...] = np.abs(left).astype(np.uint64) * np.abs(right).astype(np.uint64)
            np.negative(real, out=real, where=(left < 0) != (right < 0))
        else:
            np.multiply(left, right, out=product)
            real[...] = product
        np.multiply(real, m, out=real)
        settle(real)

    return requantm


def _largest_difference(a: Register, zero: int) -> int:
    """A bound of |a - zero|."""
    return (1 << (a.bits - 1)) + abs(zero)


def compile_rsum(dest: Register, a: Register, factors: Factors, scratch: Scratch) -> Action:
    """d[j] = sat(round(f32(sum over i of (a[i * len(d) + j] - a0)) * m) + zero), the sum in full width."""
    length, lanes = dest.words.shape
    terms = a.words.reshape(-1, length, lanes)
    total, real = scratch.wide(length), scratch.real(length)
    m = factors.row(0, lanes)
    zeros = np.array(factors.scale.a0 * terms.shape[0], np.int64)
    settle = _Settling(dest, factors.scale).function()

    def rsum() -> None:
        np.add.reduce(terms, axis=0, dtype=np.int64, out=total)
        if zeros:
            np.subtract(total, zeros, out=total)
        real[...] = total
        np.multiply(real, m, out=real)
        settle(real)

    return rsum


def compile_sums(s: Wide, a: Register, scratch: Scratch) -> Action:
    """s = s + the sum of a."""
    source, total = a.words, scratch.wide(1)[0]

    def sums() -> None:
        np.add.reduce(source, axis=0, dtype=np.int64, out=total)
        np.add(s, total, out=s)

    return sums


def compile_requants(dest: Register, a: Register, s: Wide, factors: Factors, scratch: Scratch) -> Action:
    """d = sat(round(f32(a) * (m / f32(s))) + zero). Where s is 0 the plain function says what that means."""
    source, m = a.words, factors.multipliers[0]
    length = dest.words.shape[0]
    real, total, share = scratch.real(length), scratch.real(1, 1), scratch.real(m.shape[0], 2)
    settle = _Settling(dest, factors.scale).function()
    scale, target, bits = factors.scale, dest.words, dest.bits

    def requants() -> None:
        if not s.all():
            plain = quant.requant_by(source, m, s[None], scale.zero, scale.low, scale.high)
            target[...] = quant.saturate(plain, bits)
            return
        total[...] = s
        np.divide(m, total, out=share)
        real[...] = source
        np.multiply(real, share, out=real)
        settle(real)

    return requants


def _compile_difference(a: Register, zero: int, real: Reals, scratch: Scratch) -> Action:
    """real = f32(a - zero); a of length 1 is broadcast."""
    source: Words = a.words
    if zero == 0:

        def convert() -> None:
            real[...] = source

        return convert
    if a.bits < 32 and abs(zero) < 1 << 30:
        narrow, small = scratch.words(source.shape[0]), np.array(zero, np.int32)

        def subtract_narrow() -> None:
            np.subtract(source, small, out=narrow)
            real[...] = narrow

        return subtract_narrow
    wide, number = scratch.wide(source.shape[0]), np.array(zero, np.int64)

    def subtract() -> None:
        np.subtract(source, number, out=wide, dtype=np.int64)
        real[...] = wide

    return subtract
