"""Every key that a target file may have, from the fields of the model and the table of actions: the one list that
reading, writing and docs/targets.md go by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, NamedTuple, TypeAlias, get_args, get_type_hints

from cimc.target.device import DeviceKeys, WireKeys
from cimc.target.fields import Field, Quantity, Value
from cimc.target.model import Target, Writing

Path: TypeAlias = tuple[str, ...]
"""A key with the tables around it: ("crossbar", "rows")."""

TEXTS: tuple[str, ...] = ("name", "description", "extends")
"""Plain strings at the top of a file."""

OPTIONAL: dict[str, type] = {"writing": Writing, "device": DeviceKeys, "wires": WireKeys}
"""Sections that a file may leave out; the target has None there."""

_HINTS = get_type_hints(Target) | OPTIONAL
PARTS: Mapping[str, type] = {name: kind for name, kind in _HINTS.items() if is_dataclass(kind)}  # type: ignore[misc]
"""Sections of a file, and what they make."""


def _keys(part: type) -> dict[str, Field]:
    hints = get_type_hints(part, include_extras=True)
    return {field.name: get_args(hints[field.name])[1] for field in fields(part)}


SECTIONS: Mapping[str, Mapping[str, Field]] = {section: _keys(part) for section, part in PARTS.items()}

DEFAULTS: Mapping[Path, Value] = {
    (section, field.name): field.default
    for section, part in PARTS.items()
    for field in fields(part)
    if field.default is not MISSING
}
"""Keys that a file may leave out, and what they are then."""

PRICE: Mapping[str, Field] = {
    "seconds": Quantity("s", 0.0, 1.0, "how long the action takes"),
    "joules": Quantity("J", 0.0, 1e4, "its energy"),
    "watts": Quantity("W", 0.0, 1e4, "instead of joules: the power it draws for its seconds"),
}


class Action(NamedTuple):
    """An action. component: that its energy counts for; "MVMU, other" is what the price of a product covers beyond its
    parts that have prices of their own."""

    component: str
    meaning: str


ACTIONS: Mapping[str, Action] = {
    "mvm": Action("MVMU, other", "one MVMU multiplies one input vector, converters included"),
    "crossbar_step": Action("crossbars", "one crossbar is read for one step of input bits"),
    "dac_conversion": Action("DACs", "one row is driven for one step"),
    "adc_conversion": Action("ADCs", "one column sum is converted"),
    "shift_add": Action("shift-and-add", "one converted slice is added to its sum"),
    "alu": Action("vector unit", "one word through the vector unit"),
    "table_lookup": Action("tables", "one word through the table of a nonlinear function"),
    "register_word": Action("registers", "one word read from or written to the general registers"),
    "xin_read": Action("XbarIn", "one word read from XbarIn"),
    "xin_write": Action("XbarIn", "one word written to XbarIn"),
    "core_instruction": Action("core control", "one instruction of a core fetched and decoded"),
    "tile_instruction": Action("tile control", "one instruction of a tile fetched and decoded"),
    "memory_word": Action("shared memory", "one word read from or written to the shared memory"),
    "memory_bus_word": Action("memory bus", "one word over the bus between shared memory and cores"),
    "fifo_word": Action("receive FIFOs", "one word through a receive FIFO"),
    "network_hop": Action("network", "one flit through one router"),
    "off_chip_word": Action("off-chip link", "one word over the link between chips"),
}


WRITTEN: Mapping[str, Action] = {
    "row_write": Action("writing", "one row of the cells of an MVMU is written"),
    "cell_write": Action("writing", "one cell is written"),
}
"""Actions whose prices are those of [writing]."""

KEYS: Mapping[str, Any] = {**dict.fromkeys(TEXTS, str), **SECTIONS, "prices": dict.fromkeys(ACTIONS, PRICE)}
"""All of a file: a table of keys, the field of a key, or str for a plain string."""


def at(path: Path) -> Any:
    """What stands at a path in KEYS; None where there is no such key."""
    found: Any = KEYS
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
