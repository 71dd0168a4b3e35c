"""Arithmetic on words: saturation, float32, requantisation, tables and the operations of the vector unit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "max": max,
    "min": min,
    "addi": lambda a, b: a + b,
    "maxi": max,
    "mini": min,
    "shri": lambda a, b: a >> b,
    "andi": lambda a, b: a & b,
}


class Limits(Protocol):
    """The zero point, and the least and the largest result."""

    zero: int
    low: int
    high: int


@dataclass(frozen=True)
class Scale:
    """Multipliers of requantisation; `rows` are m and, where there are two, n."""

    rows: list[list[np.float32]]
    zero: int
    low: int
    high: int
    a0: int
    b0: int


@dataclass(frozen=True)
class Table:
    """A lookup table whose entries belong to words 2^step apart, from the word `first` on."""

    entries: list[int]
    first: int
    step: int


def fit(value: int, bits: int) -> int:
    """Saturate a number to that many bits, its sign included."""
    return min(max(value, -(1 << (bits - 1))), (1 << (bits - 1)) - 1)


def wrap(value: int, bits: int) -> int:
    """Keep the lowest bits of a number, in two's complement."""
    return ((value + (1 << (bits - 1))) & ((1 << bits) - 1)) - (1 << (bits - 1))


def rounded_shift(value: int, shift: int) -> int:
    """Divide by 2^shift and round to the nearest whole number, halves up."""
    return value if shift == 0 else (value + (1 << (shift - 1))) >> shift


def f32(value: int) -> np.float32:
    """Round a whole number of any size to the nearest float32 once, ties to even."""
    size = abs(value)
    extra = max(size.bit_length() - 24, 0)
    kept, lost = size >> extra, size & ((1 << extra) - 1)
    half = (1 << extra) >> 1
    if extra and (lost > half or (lost == half and kept & 1)):
        kept += 1
    with np.errstate(over="ignore"):
        return np.float32(float((kept << extra) if value >= 0 else -(kept << extra)))


def settle(x: np.float32, scale: Limits) -> int:
    """Round a float32, add the zero point and keep it between the least and the largest result."""
    if np.isnan(x):
        x = np.float32(0)  # the sum of two infinities of different signs
    if np.isinf(x):
        return scale.high if x > 0 else scale.low
    return min(max(round(float(x)) + scale.zero, scale.low), scale.high)


def requantise(opcode: str, a: int, b: int, scale: Scale, m: np.float32, n: np.float32) -> int:
    """Give one result of requant, requant2, requantm, rsum or requants, before it is fitted to its register.

    For rsum a is the sum, its zero points taken away; for requants b is the word s.
    """
    with np.errstate(all="ignore"):
        if opcode in ("requant", "rsum"):
            return settle(f32(a) * m, scale)
        if opcode == "requant2":
            return settle(f32(a - scale.a0) * m + f32(b - scale.b0) * n, scale)
        if opcode == "requantm":
            return settle(f32((a - scale.a0) * (b - scale.b0)) * m, scale)
        factor = np.float32(0) if b == 0 else m / f32(b)
        return settle(f32(a) * factor, scale)


def look_up(a: int, table: Table) -> int:
    """Give what the table has at a, between two entries on the line that joins them."""
    e, step = table.entries, table.step
    at = min(max(a - table.first, 0), (len(e) - 1) << step)
    k, part = at >> step, at & ((1 << step) - 1)
    following = e[min(k + 1, len(e) - 1)]
    return e[k] + rounded_shift((following - e[k]) * part, step)
