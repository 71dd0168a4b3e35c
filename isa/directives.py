"""THE table of directives: everything of a Program that is not an instruction.

Printer, parsers, binary and documentation are derived from it, as from the table of instructions. A key that has a
default in its record is left out of the text where it has that value.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cimc.isa.program import Matrix, Plug, Program, Ring, Scale, Table, Vector

Value = int | float | bool | str | tuple[object, ...]

VALUE_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "int": "a whole number",
        "float": "a finite number",
        "bool": "true or false",
        "name": "a name",
        "text": "a quoted text",
        "ints": "numbers in parentheses, such as (1, 28, 28)",
        "rings": "rings in parentheses, such as (0:x, 1:y.0)",
    }
)
"""Kinds of values of directives in words."""


@dataclass(frozen=True, slots=True)
class Key:
    """A field of a directive: its name in the text, the attribute of the record it fills, and its kind."""

    name: str
    attribute: str
    kind: str


@dataclass(frozen=True, slots=True)
class Directive:
    """A directive: name, where it stands ("program", "tile", "core", "stream"), operands without a key and with one,
    meaning; defaults: of the keys that may be left out, by attribute."""

    name: str
    level: str
    leading: tuple[Key, ...]
    keys: tuple[Key, ...]
    meaning: str
    defaults: Mapping[str, Value]


def _keys(sketch: str) -> tuple[Key, ...]:
    """Keys from "addr=address:int height:int"."""
    keys = []
    for word in sketch.split():
        name, kind = word.split(":")
        text, _, attribute = name.partition("=")
        keys.append(Key(text, attribute or text, kind))
    return tuple(keys)


def _directive(
    name: str,
    level: str,
    leading: str,
    keys: str,
    meaning: str,
    record: type | None = None,
    defaults: Mapping[str, Value] | None = None,
) -> Directive:
    """A directive from its sketch; `record` is the class whose fields it gives, all of them, with their defaults."""
    defaults = dict(defaults or {})
    if record is not None:
        fields = dataclasses.fields(record)
        defaults = {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}
        named = {key.attribute for key in _keys(leading) + _keys(keys)}
        assert named == {field.name for field in fields}, f".{name} does not give the fields of {record.__name__}"
    return Directive(name, level, _keys(leading), _keys(keys), meaning, MappingProxyType(defaults))


_PLUG = "dtype:name shape:ints scale:float zero:int low:int high:int index:name rings:rings"

DIRECTIVES: tuple[Directive, ...] = (
    _directive("isa", "program", "version:int", "", "version of the instruction set; stands first"),
    _directive(
        "program",
        "program",
        "name:text",
        "target:text weights:text chips:int word:int accumulator:int",
        "name of the program, of its target, the sha256 of its weights, how many chips it has, and bits of the "
        "target's words and accumulators (0: not said)",
        defaults={"chips": 1, "word": 0, "accumulator": 0},
    ),
    _directive("string", "program", "number:int text:text", "", "a text that origins point to; numbered 0, 1, ..."),
    _directive("input", "program", "name:name", _PLUG, "a network input and the rings that the host fills", Plug),
    _directive("output", "program", "name:name", _PLUG, "a network output and the ports that the host drains", Plug),
    _directive("tile", "program", "number:int", "", "begins a tile"),
    _directive(
        "ring",
        "tile",
        "name:name",
        "addr=address:int height:int width:int channels:int segments:int pixels:int ports:int tensor:text channel:int "
        "producers:int row:int row_step:int column:int",
        "a circular buffer of pixels in tile memory",
        Ring,
    ),
    _directive(
        "scale",
        "tile",
        "name:name",
        "addr=address:int entries:int rows:int zero:int low:int high:int a0:int b0:int array:name",
        "multipliers of requantisation in tile memory",
        Scale,
    ),
    _directive(
        "vector",
        "tile",
        "name:name",
        "addr=address:int entries:int array:name",
        "a constant vector in tile memory",
        Vector,
    ),
    _directive(
        "table",
        "tile",
        "name:name",
        "addr=address:int entries:int first:int step:int array:name",
        "a lookup table in tile memory",
        Table,
    ),
    _directive("core", "tile", "number:int", "", "begins a core; its matrices and its stream follow"),
    _directive("channel", "tile", "number:int", "", "begins a transfer channel; its stream follows"),
    _directive(
        "mvmu",
        "core",
        "mvmu:int",
        "array:name rows:int columns:int weight_bits:int input_bits:int signed=input_signed:bool shift:int "
        "layer:text row:int column:int at_row:int at_column:int",
        "a matrix in an MVMU of the core, from that row and column of it on",
        Matrix,
    ),
    _directive(
        "origin",
        "stream",
        "number:int",
        "",
        "the string that the instructions from here on come from; -1, as at the start of a stream: none",
    ),
)

DIRECTIVE: Mapping[str, Directive] = MappingProxyType({directive.name: directive for directive in DIRECTIVES})

assert {field.name for field in dataclasses.fields(Program)} == {
    "name",
    "target",
    "weights",
    "strings",
    "inputs",
    "outputs",
    "tiles",
    "chips",
    "word",
    "accumulator",
}, "a field of Program has no directive"
