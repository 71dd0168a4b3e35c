"""Kinds of values that a key of a target may have: type, unit and sensible range, and the units they are given in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cimc.base.names import in_toml

Value: TypeAlias = int | float | str | bool | tuple[float, ...]
"""A value after its unit is resolved: SI for seconds, joules and watts, a plain count otherwise."""

PREFIXES: Mapping[str, float] = {"": 1.0, "m": 1e3, "u": 1e6, "n": 1e9, "p": 1e12, "f": 1e15}
"""Prefix of a physical unit: how many of it make one. Dividing by a power of ten rounds once."""

MULTIPLES: Mapping[str, Mapping[str, int]] = {
    "bytes": {"bytes": 1, "KiB": 1024, "MiB": 1024**2},
    "words": {"words": 1, "Kiwords": 1024, "Miwords": 1024**2},
}
"""Larger units of a count."""


def as_toml(value: Value) -> str:
    """A value as TOML has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(repr, value))}]"
    return f'"{in_toml(value)}"' if isinstance(value, str) else repr(value)


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number from low to high with a unit such as "rows"."""

    unit: str
    low: float
    high: float
    meaning: str

    @property
    def units(self) -> tuple[str, ...]:
        """Units in which it may be given, its own first."""
        return tuple(MULTIPLES.get(self.unit, (self.unit,)))

    @property
    def kind(self) -> str:
        """What it is, in words."""
        return "a whole number"

    @property
    def example(self) -> str:
        """A value as a file gives it."""
        return f'1, unit = "{self.units[0]}"'

    def takes(self, value: object) -> bool:
        """Whether a value is of this kind, in whatever unit."""
        return isinstance(value, int) and not isinstance(value, bool)

    def in_own_unit(self, value: float, unit: str) -> float:
        """A value that is given in one of the units."""
        return int(value) * MULTIPLES.get(self.unit, {self.unit: 1})[unit]


@dataclass(frozen=True, slots=True)
class Number(Count):
    """A number from low to high, not only a whole one, with a unit such as "ratio"."""

    @property
    def kind(self) -> str:
        """What it is, in words."""
        return "a number"

    def takes(self, value: object) -> bool:
        """Whether a value is a number."""
        return isinstance(value, int | float) and not isinstance(value, bool)

    def in_own_unit(self, value: float, unit: str) -> float:
        """A value as it is."""
        try:
            return float(value)
        except OverflowError:  # an integer beyond the floats
            return math.inf


@dataclass(frozen=True, slots=True)
class Quantity(Number):
    """A number from low to high (in SI units) of a physical unit that takes prefixes, such as "s", "J" or "ohm"."""

    @property
    def units(self) -> tuple[str, ...]:
        """Its unit with every prefix."""
        return tuple(prefix + self.unit for prefix in PREFIXES)

    def in_own_unit(self, value: float, unit: str) -> float:
        """A value in SI."""
        try:
            return value / PREFIXES[unit.removesuffix(self.unit)]
        except OverflowError:  # an integer beyond the floats
            return math.inf


@dataclass(frozen=True, slots=True)
class Listing(Quantity):
    """Several numbers of a physical unit, each from low to high."""

    @property
    def kind(self) -> str:
        """What it is, in words."""
        return "a list of numbers"

    @property
    def example(self) -> str:
        """A value as a file gives it."""
        return f'[1, 2], unit = "{self.units[0]}"'

    def takes(self, value: object) -> bool:
        """Whether a value is a list of numbers."""
        return isinstance(value, list | tuple) and all(Quantity.takes(self, one) for one in value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words, or true or false."""

    words: tuple[str, ...] | tuple[bool, bool]
    meaning: str
    units = ()

    @property
    def kind(self) -> str:
        """What it is, in words."""
        return ("one of " if self.takes("") else "") + " or ".join(map(as_toml, self.words))

    @property
    def example(self) -> str:
        """A value as a file gives it."""
        return as_toml(self.words[0])

    def takes(self, value: object) -> bool:
        """Whether a value is a word, if not one of these, or true or false."""
        return isinstance(value, type(self.words[0]))


Field: TypeAlias = Count | Choice
