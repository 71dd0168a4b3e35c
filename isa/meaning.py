"""Meanings of instructions as pure array functions: what the step engine computes and docs/isa.md shows.

A function takes what its instruction's operands hold, in their order and without d: words, int (words or 1, lanes); an
imm, int; Factors; Entries; and last, where the instruction reads it, s, int64 (lanes,). Where lengths reduce, words are
(terms, words, lanes). It gives whole numbers, which are fitted to d, or float32 that is still to be settled.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cimc.numerics import quant

Words = npt.NDArray[np.integer[Any]]
Reals = npt.NDArray[np.float32]


class Factors(NamedTuple):
    """Entries of a scale. m, n: float32 (entries or 1, lanes or 1), n only with two rows; the other keys of .scale.

    infinite: both products of requant2 may be.
    """

    m: Reals
    n: Reals
    zero: int
    low: int
    high: int
    a0: int
    b0: int
    infinite: bool


class Entries(NamedTuple):
    """A lookup table: its entries, int64 (n,), and the keys of .table."""

    values: npt.NDArray[np.int64]
    first: int
    step: int


def f32(x: Words) -> Reals:
    """x, each rounded to the nearest float32."""
    return x.astype(np.float32)


def less(x: Words, zero: int) -> Words:
    """x - zero."""
    return x - zero if zero else x


def shri(a: Words, value: int) -> Words:
    """floor(a / 2^value); a type shifts by less than its bits."""
    return a >> min(value, 8 * a.itemsize - 1)


def mulshr(a: Words, b: Words, value: int) -> Words:
    """The product, exact, shifted right with half added."""
    return quant.shift_round(np.multiply(a, b, dtype=np.int64), value)


def requant(a: Words, scale: Factors) -> Reals:
    """One factor for each word."""
    return f32(a) * scale.m


def requant2(a: Words, b: Words, scale: Factors) -> Reals:
    """A sum of two operands with factors of their own; inf - inf is 0."""
    total = f32(less(a, scale.a0)) * scale.m + f32(less(b, scale.b0)) * scale.n
    return np.where(np.isnan(total), np.float32(0), total) if scale.infinite else total


def requantm(a: Words, b: Words, scale: Factors) -> Reals:
    """A product of two operands."""
    return exact_product(less(a, scale.a0), less(b, scale.b0)) * scale.m


def rsum(a: Words, scale: Factors) -> Reals:
    """Sums of words."""
    return f32(np.add.reduce(a, axis=0, dtype=np.int64) - scale.a0 * len(a)) * scale.m


def rmax(a: Words) -> Words:
    """The largest of words."""
    return np.asarray(np.maximum.reduce(a, axis=0))


def lut(a: Words, table: Entries) -> Words:
    """A table at a."""
    return quant.look_up(a, table.values, table.first, table.step)


def clrs(s: Words) -> Words:
    """Nothing."""
    return np.zeros_like(s)


def sums(a: Words, s: Words) -> Words:
    """s and the words."""
    return np.asarray(s + np.add.reduce(a, axis=0, dtype=np.int64))


def requants(a: Words, scale: Factors, s: Words) -> Reals:
    """Shares of s; of 0 every share is 0."""
    total = f32(s)
    total[s == 0] = np.inf
    return f32(a) * (scale.m / total)


def exact_product(a: Words, b: Words) -> Reals:
    """f32(a * b), the product of up to 64 bits exact; a and b: of the same type, int32 where they have 31 bits."""
    if a.dtype == np.int32:
        return f32(np.multiply(a, b, dtype=np.int64))
    real = f32(np.abs(a).astype(np.uint64) * np.abs(b).astype(np.uint64))
    np.negative(real, out=real, where=(a < 0) != (b < 0))
    return real
