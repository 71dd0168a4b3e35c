"""Every key that a target file may have: its type, unit and sensible range. The one list that reading, writing and
docs/targets.md go by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Path: TypeAlias = tuple[str, ...]
"""A key with the tables around it: ("crossbar", "rows")."""

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

TEXTS: tuple[str, ...] = ("name", "description", "extends")
"""Plain strings at the top of a file."""

# fmt: off
SECTIONS: Mapping[str, Mapping[str, Field]] = {
    "numbers": {
        "word":        Count("bits", 8, 32, "a register or memory word, a multiple of 8"),
        "accumulator": Count("bits", 8, 32, "a sum of products on its way to requant"),
        "weight":      Count("bits", 2, 16, "a stored weight, where the network does not say"),
        "input":       Count("bits", 2, 16, "an activation fed to a crossbar, where the network does not say"),
    },
    "crossbar": {
        "rows":      Count("rows", 1, 65_536, "cells driven at once"),
        "columns":   Count("columns", 1, 65_536, "cells read at once, beside a unit column if there is one"),
        "cell_bits": Count("bits", 1, 8, "bits that one cell stores"),
        "dac_bits":  Count("bits", 1, 16, "input bits applied in one step"),
        "adc_bits":  Count("bits", 1, 32, "bits of one conversion"),
        "conversions": Choice(("each step", "once"), "a column sum is converted at every step, or once in all"),
        "adc_keeps":   Choice(("low bits", "high bits"), "of a wider sum; the rest clips or is rounded away"),
    },
    "mvmu": {
        "encoding":  Choice(("offset", "differential"), "how a signed weight becomes cells"),
        "flipped":   Switch("columns stored inverted where more than half of their range would be set"),
        "slices":    Choice(("crossbars", "columns"), "slices on crossbars of their own, or side by side in one"),
        "crossbars": Count("crossbars", 1, 1024, "crossbars of one MVMU"),
        "round":     Choice(("none", "shift"), "whether XbarOut is rounded to a word by a shift fixed per MVMU"),
    },
    "core": {
        "mvmus":             Count("MVMUs", 1, 64, "MVMUs of one core"),
        "registers":         Count("words", 1, 2**24, "general registers"),
        "instruction_bytes": Count("bytes", 1, 2**32, "instruction memory of a core"),
    },
    "tile": {
        "cores":             Count("cores", 1, 4096, "cores of one tile"),
        "memory_words":      Count("words", 1, 2**32, "shared memory"),
        "instruction_bytes": Count("bytes", 1, 2**32, "instruction memory of a tile's send and receive stream"),
        "fifos":             Count("FIFOs", 0, 65_536, "receive FIFOs"),
        "fifo_depth":        Count("entries", 1, 65_536, "depth of a FIFO"),
    },
    "chip": {
        "tiles":    Count("tiles", 1, 2**20, "tiles of one chip"),
        "resident": Choice(("all layers", "one layer"), "whose weights crossbars hold: all layers' or one's in turn"),
    },
}

WRITING: Mapping[str, Field] = {
    "row_seconds": Quantity("s", 0.0, 1.0, "how long it takes to write one row of an array, verification included"),
    "cell_joules": Quantity("J", 0.0, 1.0, "energy to write one cell"),
    "endurance":   Count("writes", 1, 10**15, "how often a cell can be written until it is worn out"),
}

PRICE: Mapping[str, Field] = {
    "seconds": Quantity("s", 0.0, 1.0, "how long the action takes"),
    "joules":  Quantity("J", 0.0, 1e4, "its energy"),
    "watts":   Quantity("W", 0.0, 1e4, "instead of joules: the power it draws for its seconds"),
}

ACTIONS: Mapping[str, str] = {
    "mvm":               "one MVMU multiplies one input vector, converters included",
    "crossbar_step":     "one crossbar is read for one step of input bits",
    "dac_conversion":    "one row is driven for one step",
    "adc_conversion":    "one column sum is converted",
    "shift_add":         "one converted slice is added to its sum",
    "alu":               "one word through the vector unit",
    "table_lookup":      "one word through the table of a nonlinear function",
    "register_word":     "one word read from or written to the general registers",
    "xin_read":          "one word read from XbarIn",
    "xin_write":         "one word written to XbarIn",
    "core_instruction":  "one instruction of a core fetched and decoded",
    "tile_instruction":  "one instruction of a tile fetched and decoded",
    "memory_word":       "one word read from or written to the shared memory",
    "memory_bus_word":   "one word over the bus between shared memory and cores",
    "fifo_word":         "one word through a receive FIFO",
    "network_hop":       "one flit through one router",
    "off_chip_word":     "one word over the link between chips",
}
# fmt: on

PREFIXES: Mapping[str, float] = {"": 1.0, "m": 1e3, "u": 1e6, "n": 1e9, "p": 1e12, "f": 1e15}
"""Prefix of a physical unit: how many of it make one. Dividing by a power of ten rounds once."""

MULTIPLES: Mapping[str, Mapping[str, int]] = {
    "bytes": {"bytes": 1, "KiB": 1024, "MiB": 1024**2},
    "words": {"words": 1, "Kiwords": 1024, "Miwords": 1024**2},
}
"""Larger units of a count."""


def field_at(path: Path) -> Field | None:
    """The field of a key, or None where no such key exists."""
    match path:
        case ("prices", action, key) if action in ACTIONS:
            return PRICE.get(key)
        case ("writing", key):
            return WRITING.get(key)
        case (section, key):
            return SECTIONS.get(section, {}).get(key)
        case _:
            return None


def known_keys(table: Path) -> tuple[str, ...]:
    """The keys that may stand in a table: () for the top of the file, ("crossbar",), ("prices", "mvm")."""
    match table:
        case ():
            return (*TEXTS, *SECTIONS, "writing", "prices")
        case ("prices",):
            return tuple(ACTIONS)
        case ("prices", _):
            return tuple(PRICE)
        case ("writing",):
            return tuple(WRITING)
        case (section,):
            return tuple(SECTIONS.get(section, ()))
        case _:
            return ()


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
