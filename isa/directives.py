"""THE table of directives: everything of a Program that is not an instruction.

Each gives a record, whose fields say what its keys are (cimc.isa.program.Key); the first stands without its key.
Printer, parsers, binary, checks and documentation are derived from them, as from the table of instructions. A key that
has a default in its record is left out of the text where it has that value.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_type_hints

from cimc.isa import program
from cimc.isa.program import ELSEWHERE
from cimc.isa.values import KINDS, ValueKind

Values = Mapping[str, Any]
"""Values of a directive by attribute, each as its kind says."""


@dataclass(frozen=True, slots=True)
class Version:
    """The instruction set that a program is written in."""

    version: Annotated[int, program.Key("of the instruction set", ELSEWHERE)]


@dataclass(frozen=True, slots=True)
class String:
    """A string of a program."""

    number: Annotated[int, program.Key("0, 1, ..., in this order", ELSEWHERE)]
    text: Annotated[str, program.Key("of any content", kind="text")]


@dataclass(frozen=True, slots=True)
class Origin:
    """The layer of the instructions behind it."""

    number: Annotated[int, program.Key("of a layer; -1, as at the start of a stream: none", ELSEWHERE)]


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a directive: its name in the text, the attribute of the record it fills, its kind, its meaning, and the
    limits of its numbers."""

    name: str
    attribute: str
    kind: ValueKind[Any]
    meaning: str
    limits: tuple[int, int] | str


@dataclass(frozen=True, slots=True)
class Directive:
    """A directive: name, where it stands ("program", "tile", "core", "stream"), operands without a key and with one,
    meaning; record: what its values make; defaults: of the keys that may be left out, by attribute."""

    name: str
    level: str
    leading: tuple[Key, ...]
    keys: tuple[Key, ...]
    meaning: str
    record: type[Any]
    defaults: Values

    @property
    def all(self) -> tuple[Key, ...]:
        """All its keys, in the order of the bytes."""
        return self.leading + self.keys


def _directive(name: str, level: str, record: type[Any], meaning: str, leading: int = 1) -> Directive:
    """The directive of a record; leading: how many of its keys stand first."""
    hints, keys, defaults = get_type_hints(record, include_extras=True), [], {}
    for field in dataclasses.fields(record):
        kind, *said = get_args(hints[field.name]) or (None,)
        for key in (one for one in said if isinstance(one, program.Key)):
            held = KINDS[key.kind or kind]
            assert bool(key.limits) == (held.name in ("int", "ints")), f"the limits of {field.name} of .{name}"
            keys.append(Key(key.text or field.name, field.name, held, key.meaning, key.limits))
            if field.default is not dataclasses.MISSING:
                defaults[field.name] = field.default
    return Directive(
        name, level, tuple(keys[:leading]), tuple(keys[leading:]), meaning, record, MappingProxyType(defaults)
    )


_CORE = "begins a core; its matrices and the instructions of its stream follow"
_ORIGIN = "the layer that the instructions from here on work for; it changes no result"
_CHANNEL = "begins a transfer channel; the instructions of its stream follow"

DIRECTIVES: tuple[Directive, ...] = (
    _directive("isa", "program", Version, "says which instruction set"),
    _directive("program", "program", program.Program, "stands once"),
    _directive("string", "program", String, "what layer *number* is called; it changes no result", leading=2),
    _directive("input", "program", program.Plug, "an input of the network, or of a phase"),
    _directive("output", "program", program.Plug, "an output of the network, or of a phase"),
    _directive("phase", "program", program.Phase, "begins a phase; its inputs, outputs and tiles follow"),
    _directive("tile", "program", program.TileCode, "begins a tile"),
    _directive("ring", "tile", program.Ring, "a circular buffer of pixels in tile memory"),
    _directive("scale", "tile", program.Scale, "multipliers of requantisation in tile memory"),
    _directive("vector", "tile", program.Vector, "a constant vector in tile memory"),
    _directive("table", "tile", program.Table, "a lookup table in tile memory"),
    _directive("area", "tile", program.Area, "words of tile memory where maps wait from round to round"),
    _directive("core", "tile", program.CoreCode, _CORE),
    _directive("channel", "tile", program.ChannelCode, _CHANNEL),
    _directive("mvmu", "core", program.Matrix, "a matrix in an MVMU; several may lie in one"),
    _directive("origin", "stream", Origin, _ORIGIN),
)

DIRECTIVE: Mapping[str, Directive] = MappingProxyType({directive.name: directive for directive in DIRECTIVES})
