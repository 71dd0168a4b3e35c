"""THE table of directives: everything of a Program that is not an instruction.

Printer, parsers, binary and documentation are derived from it, as from the table of instructions. A key that has a
default in its record is left out of the text where it has that value.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from cimc.isa.program import Matrix, Plug, Program, Ring, Scale, Table, Vector
from cimc.isa.values import VALUE_KINDS, ValueKind

Values = Mapping[str, Any]
"""Values of a directive by attribute, each as its kind says."""

_KINDS = {kind.name: kind for kind in VALUE_KINDS}


@dataclass(frozen=True, slots=True)
class Key:
    """A field of a directive: its name in the text, the attribute of the record it fills, its kind and its meaning."""

    name: str
    attribute: str
    kind: ValueKind[Any]
    meaning: str


@dataclass(frozen=True, slots=True)
class Directive:
    """A directive: name, where it stands ("program", "tile", "core", "stream"), operands without a key and with one,
    meaning; record: what its values make; defaults: of the keys that may be left out, by attribute."""

    name: str
    level: str
    leading: tuple[Key, ...]
    keys: tuple[Key, ...]
    meaning: str
    record: Callable[..., Any]
    defaults: Values


def _keys(sketch: str) -> tuple[Key, ...]:
    """Keys from lines such as "addr=address:int where it begins": text, attribute if it is another, kind, meaning."""
    keys = []
    for line in filter(None, map(str.strip, sketch.splitlines())):
        word, _, meaning = line.partition(" ")
        assert meaning, f"key {word} has no meaning"
        name, kind = word.split(":")
        text, _, attribute = name.partition("=")
        keys.append(Key(text, attribute or text, _KINDS[kind], meaning))
    return tuple(keys)


def _directive(
    name: str,
    level: str,
    leading: str,
    keys: str,
    meaning: str,
    record: type = dict,
    defaults: Values | None = None,
) -> Directive:
    """A directive from its sketch; `record` is the class whose fields it gives, all of them, with their defaults."""
    defaults = dict(defaults or {})
    if record is not dict:
        fields = dataclasses.fields(record)
        defaults = {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}
        named = {key.attribute for key in _keys(leading) + _keys(keys)}
        assert named == {field.name for field in fields}, f".{name} does not give the fields of {record.__name__}"
    return Directive(name, level, _keys(leading), _keys(keys), meaning, record, MappingProxyType(defaults))


_PLUG = """
dtype:name NumPy's name of its type in the network, such as float32
shape:ints of one lane, as the network has it
scale:float real = (word - zero) * scale; 0: words are the integers themselves
zero:int the word that stands for 0
low:int the least word
high:int the largest word
index:name array of boxes: which element is which word
rings:rings rings that the host fills (input), or ports that it drains (output)
"""

DIRECTIVES: tuple[Directive, ...] = (
    _directive("isa", "program", "version:int of the instruction set", "", "says which instruction set"),
    _directive(
        "program",
        "program",
        "name:text of the program",
        """
        target:text name of the target
        weights:text sha256 of the weights file's arrays, see below
        chips:int chips that it runs on; tiles are numbered through, chip after chip
        word:int bits of the target's words that its numbers are made for; 0: not said
        accumulator:int bits of the target's accumulators that its numbers are made for; 0: not said
        """,
        "stands once",
        defaults={"chips": 1, "word": 0, "accumulator": 0},
    ),
    _directive(
        "string",
        "program",
        """
        number:int 0, 1, ..., in this order
        text:text of any content
        """,
        "",
        "a text that origins point to; it changes no result",
    ),
    _directive("input", "program", "name:name as the network has it", _PLUG, "a network input", Plug),
    _directive("output", "program", "name:name as the network has it", _PLUG, "a network output", Plug),
    _directive("tile", "program", "number:int from 0", "", "begins a tile"),
    _directive(
        "ring",
        "tile",
        "name:name one of its own in the tile",
        """
        addr=address:int its first word in tile memory
        height:int rows of the map of one input
        width:int pixels of a row
        channels:int words of a pixel
        segments:int tickets of a row; they divide width
        pixels:int pixels that it holds at once, whole segments
        ports:int consumers, each behind a port of its own, 0, 1, ...
        tensor:text tensor of the network that it holds; empty for partial sums. For comparison only
        channel:int channel of the tensor that its first channel is. For comparison only
        producers:int streams that fill it, each slots of its own
        row:int row of the tensor that its first row is. For comparison only
        row_step:int rows of the tensor between two of its rows. For comparison only
        column:int column of the tensor that its first column is. For comparison only
        """,
        "a circular buffer of pixels in tile memory",
        Ring,
    ),
    _directive(
        "scale",
        "tile",
        "name:name one of its own among the tile's scales",
        """
        addr=address:int its first word in tile memory; each multiplier takes 32 bits of words
        entries:int multipliers of a row
        rows:int 1 (m), or 2 for requant2 (m, then n)
        zero:int zero point of the result
        low:int least result
        high:int largest result
        a0:int zero point of a, in requant2, requantm and rsum
        b0:int zero point of b, in requant2 and requantm
        array:name of float32, (entries,), or (2, entries) for two rows
        """,
        "multipliers of requantisation in tile memory",
        Scale,
    ),
    _directive(
        "vector",
        "tile",
        "name:name one of its own among the tile's vectors",
        """
        addr=address:int its first word in tile memory; each entry takes one
        entries:int how many
        array:name of whole numbers, (entries,)
        """,
        "a constant vector in tile memory",
        Vector,
    ),
    _directive(
        "table",
        "tile",
        "name:name one of its own among the tile's tables",
        """
        addr=address:int its first word in tile memory; each entry takes a word
        entries:int how many
        first:int the word that entry 0 belongs to
        step:int entries belong to words 2^step apart; 0: to every word
        array:name of whole numbers, (entries,)
        """,
        "a lookup table in tile memory",
        Table,
    ),
    _directive(
        "core", "tile", "number:int from 0", "", "begins a core; its matrices and the instructions of its stream follow"
    ),
    _directive(
        "channel", "tile", "number:int from 0", "", "begins a transfer channel; the instructions of its stream follow"
    ),
    _directive(
        "mvmu",
        "core",
        "mvmu:int MVMU of the core, from 0",
        """
        array:name of whole numbers, (rows, columns)
        rows:int inputs
        columns:int outputs
        weight_bits:int bits of a stored weight, its sign included
        input_bits:int bits of a word of xin that are fed
        signed=input_signed:bool whether these bits are in two's complement
        shift:int bits that a sum is rounded by
        layer:text layer of the network that it belongs to. For reports only
        row:int its first row in the layer's matrix. For reports only
        column:int its first column in the layer's matrix. For reports only
        at_row:int its first row in the MVMU
        at_column:int its first column in the MVMU
        """,
        "a matrix in an MVMU; several may lie in one",
        Matrix,
    ),
    _directive(
        "origin",
        "stream",
        "number:int of a string; -1, as at the start of a stream: none",
        "",
        "where the instructions from here on come from; it changes no result",
    ),
)

DIRECTIVE: Mapping[str, Directive] = MappingProxyType({directive.name: directive for directive in DIRECTIVES})

_HEAD = {key.attribute for key in DIRECTIVE["program"].leading + DIRECTIVE["program"].keys}
assert {field.name for field in dataclasses.fields(Program)} == _HEAD | {"strings", "inputs", "outputs", "tiles"}, (
    "a field of Program has no directive"
)
