"""Kinds of values that a key of a target may have: type, unit and sensible range, and the units they are given in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = int | float | str | bool
"""A value after its unit is resolved: SI for seconds, joules and watts, a plain count otherwise."""


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number from low to high with a unit such as "rows"."""

    unit: str
    low: int
    high: int
    meaning: str


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number from low to high (in SI units) of a physical unit that takes prefixes: "s", "J" or "W"."""

    unit: str
    low: float
    high: float
    meaning: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]
    meaning: str


@dataclass(frozen=True, slots=True)
class Switch:
    """true or false."""

    meaning: str


Field: TypeAlias = Count | Quantity | Choice | Switch

PREFIXES: Mapping[str, float] = {"": 1.0, "m": 1e3, "u": 1e6, "n": 1e9, "p": 1e12, "f": 1e15}
"""Prefix of a physical unit: how many of it make one. Dividing by a power of ten rounds once."""

MULTIPLES: Mapping[str, Mapping[str, int]] = {
    "bytes": {"bytes": 1, "KiB": 1024, "MiB": 1024**2},
    "words": {"words": 1, "Kiwords": 1024, "Miwords": 1024**2},
}
"""Larger units of a count."""


def units_of(field: Field) -> tuple[str, ...]:
    """The units in which a field may be given; empty for words and switches."""
    match field:
        case Count(unit=unit):
            return tuple(MULTIPLES.get(unit, {unit: 1}))
        case Quantity(unit=unit):
            return tuple(prefix + unit for prefix in PREFIXES)
        case _:
            return ()


def in_base_unit(field: Count | Quantity, value: float, unit: str) -> int | float:
    """A value in the field's own unit: SI for a Quantity. `unit` is one of units_of(field)."""
    if isinstance(field, Count):
        return int(value) * MULTIPLES.get(field.unit, {field.unit: 1})[unit]
    try:
        return value / PREFIXES[unit.removesuffix(field.unit)]
    except OverflowError:  # an integer beyond the floats
        return math.inf
