"""What every Program must satisfy on any target: loops balanced, names known, counters in scope, numbers in range.

The parser, the binary reader and the verifier all ask this one module; each adds its own places to the problems.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from cimc.base.diagnostics import did_you_mean
from cimc.isa.code import SPACES
from cimc.isa.directives import DIRECTIVE, VALUE_KINDS, Value
from cimc.isa.operands import Affine, DataRef, Name, Operand, Port, Reg, Window
from cimc.isa.program import Instruction, Program, RingRef, TileCode
from cimc.isa.table import FORM

LARGEST = 1 << 56
"""Numbers in instructions are smaller than this in magnitude."""
LARGEST_RECORDED = 10**19
"""And numbers in directives than this: every 64-bit one is."""

MOST_NESTED = 32
"""Loops inside of each other."""

NAME, STREAM = "name", "stream"


@dataclass(frozen=True, slots=True)
class Problem:
    """One breach. tile, unit ("core", "channel" or ""), number, index (an instruction or -1), operand (or -1) say
    where; code, what and todo are the diagnostic's. needs: NAME if it may follow from a broken directive of the tile,
    STREAM if it may follow from a broken line of the stream, else ""."""

    tile: int
    unit: str
    number: int
    index: int
    operand: int
    code: str
    what: str
    todo: str = ""
    needs: str = ""


def problems(program: Program) -> Iterator[Problem]:
    """Everything that is ill formed, in the order of the program; of streams that share a number only that."""
    yield from _duplicates(-1, "tile", [tile.number for tile in program.tiles])
    yield from _record_problems(-1, "program", (program,))
    for number, string in enumerate(program.strings):
        if not _is_text(string):
            yield Problem(-1, "", -1, -1, -1, "value", f"string {number} is {string}", f"it must be a text {_UTF8}")
    yield from _record_problems(-1, "input", program.inputs)
    yield from _record_problems(-1, "output", program.outputs)
    streams = Counter(
        (tile.number, unit, code.number)
        for tile in program.tiles
        for unit, codes in (("core", tile.cores), ("channel", tile.channels))
        for code in codes
    )
    for tile in program.tiles:
        yield from _tile_problems(tile)
        for unit, codes in (("core", tile.cores), ("channel", tile.channels)):
            for code in codes:
                if streams[tile.number, unit, code.number] > 1:
                    continue
                for problem in _stream_problems(tile, "tile" if unit == "channel" else unit, code.stream):
                    yield Problem(tile.number, unit, code.number, *problem)


def _duplicates(tile: int, thing: str, values: Sequence[int | str]) -> Iterator[Problem]:
    for value, count in Counter(values).items():
        if count > 1:
            yield Problem(
                tile,
                "",
                -1,
                -1,
                -1,
                "duplicate",
                f"{thing} {value} is declared {count} times",
                "give each a name or number of its own",
            )


def _tile_problems(tile: TileCode) -> Iterator[Problem]:
    for thing, records in (
        ("ring", tile.rings),
        ("scale", tile.scales),
        ("vector", tile.vectors),
        ("table", tile.tables),
    ):
        yield from _duplicates(tile.number, thing, [record.name for record in records])
        yield from _record_problems(tile.number, thing, records)
    for number in [tile.number, *(core.number for core in tile.cores), *(channel.number for channel in tile.channels)]:
        if not _small(number):
            yield Problem(tile.number, "", -1, -1, -1, "value", f"a tile, core or channel has the number {number}")
    yield from _duplicates(tile.number, "core", [core.number for core in tile.cores])
    yield from _duplicates(tile.number, "channel", [channel.number for channel in tile.channels])
    for core in tile.cores:
        seats = [f"{m.mvmu} from row {m.at_row}, column {m.at_column}" for m in core.matrices]
        yield from _duplicates(tile.number, f"in core {core.number}, mvmu", seats)
        yield from _record_problems(tile.number, "mvmu", core.matrices)


def _record_problems(tile: int, name: str, records: Sequence[object]) -> Iterator[Problem]:
    """Numbers that neither text nor binary could hold."""
    directive = DIRECTIVE[name]
    for record in records:
        for key in directive.leading + directive.keys:
            value = getattr(record, key.attribute)
            if not _FITS[key.kind](value):
                first = getattr(record, directive.leading[0].attribute)
                yield Problem(
                    tile,
                    "",
                    -1,
                    -1,
                    -1,
                    "value",
                    f"{key.name} of .{name} {first} is {value}",
                    f"it must be {VALUE_KINDS[key.kind]}, {_IN_BOTH.get(key.kind, _SHORT)}",
                )


_SHORT = f"with at most {len(str(LARGEST_RECORDED)) - 1} digits"
_UTF8 = "without halves of surrogate pairs"
_IN_BOTH = {"name": _UTF8, "text": _UTF8}
"""What makes a value one that text and binary can hold."""


def _is_text(value: str) -> bool:
    """Whether UTF-8 has the text: it holds no half of a surrogate pair."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _small(value: Value) -> bool:
    return abs(cast(int, value)) < LARGEST_RECORDED


_FITS: Mapping[str, Callable[[Value], bool]] = MappingProxyType(
    {
        "int": _small,
        "float": lambda value: math.isfinite(cast(float, value)),
        "bool": lambda value: True,
        "name": lambda value: _is_text(cast(str, value)),
        "text": lambda value: _is_text(cast(str, value)),
        "ints": lambda value: all(map(_small, cast(tuple[int, ...], value))),
        "rings": lambda value: all(
            0 <= ref.tile < LARGEST_RECORDED and -1 <= ref.port < LARGEST_RECORDED and _is_text(ref.ring)
            for ref in cast(tuple[RingRef, ...], value)
        ),
    }
)

_Finding = tuple[int, int, str, str, str, str]


def _stream_problems(tile: TileCode, place: str, stream: Sequence[Instruction]) -> Iterator[_Finding]:
    """index, operand, code, what, todo, needs of every problem of a stream."""
    known: dict[str, Sequence[str]] = {
        "ring": [ring.name for ring in tile.rings],
        "scale": [scale.name for scale in tile.scales],
        "vector": [vector.name for vector in tile.vectors],
        "table": [table.name for table in tile.tables],
    }
    for index, instruction in enumerate(stream):
        if not _small(instruction.origin):
            yield index, -1, "value", f"the origin is {instruction.origin}", "it is the number of a string, or -1", ""
    scope: list[str] = []
    opened: list[int] = []
    for index, instruction in enumerate(stream):
        form = FORM.get(instruction.mnemonic)
        if form is None or len(form.fields) != len(instruction.operands):
            count = len(instruction.operands)
            yield index, -1, "form", f"no instruction {instruction.mnemonic} with {count} operands", "", ""
            continue
        if form.place not in (place, "any"):
            where = "a transfer channel" if form.place == "tile" else "a core"
            yield index, -1, "place", f"{form.mnemonic} stands only in {where}", "", ""
        for number, (field, operand) in enumerate(zip(form.fields, instruction.operands, strict=True)):
            for code, what, todo, needs in _OPERANDS[field.kind](operand, known, scope):
                yield index, number, code, what, todo, needs
        if form.mnemonic == "loop":
            scope.append(cast(str, instruction.operands[0]))
            opened.append(index)
            if len(scope) > MOST_NESTED:
                todo = "let fewer loops stand inside of each other"
                yield index, -1, "nesting", f"loops are nested more than {MOST_NESTED} deep", todo, ""
                return
        elif form.mnemonic == "end":
            if not scope:
                yield index, -1, "unmatched-end", "an end without a loop", "remove it", STREAM
            else:
                scope.pop()
                opened.pop()
        elif form.mnemonic == "hlt" and index + 1 < len(stream):
            yield index, -1, "early-hlt", "hlt stands before the end of the stream", "let it stand last", ""
    for index in opened:
        counter = cast(str, stream[index].operands[0])
        yield index, -1, "missing-end", f"the loop over {counter} has no end", "add `end` where it ends", STREAM
    if stream and stream[-1].mnemonic != "hlt":
        what, todo = "the stream does not end with hlt", "add `hlt` as its last line"
        yield len(stream) - 1, -1, "missing-hlt", what, todo, STREAM


_Complaint = tuple[str, str, str, str]
_Known = Mapping[str, Sequence[str]]


def _named(thing: str, name: str, known: _Known) -> Iterator[_Complaint]:
    if name not in known[thing]:
        others = [kind for kind, names in known.items() if name in names]
        hint = f"{name} is a {others[0]}" if others else did_you_mean(name, known[thing])
        yield f"unknown-{thing}", f'this tile has no {thing} "{name}"', hint, NAME


def _number(value: int, least: int, what: str) -> Iterator[_Complaint]:
    if value < least:
        yield "number", f"{what} is {value}, it must be at least {least}", "", ""
    elif abs(value) >= LARGEST:
        yield "number", f"{what} is {value}, numbers have at most {LARGEST.bit_length() - 1} bits", "", ""


def _affine(value: Affine, scope: Sequence[str]) -> Iterator[_Complaint]:
    yield from _number(value.constant, -LARGEST, "the constant")
    for name, coefficient in value.terms:
        yield from _number(coefficient, -LARGEST, f"the coefficient of {name}")
        if name not in scope:
            yield "unknown-counter", f'no enclosing loop counts "{name}"', did_you_mean(name, scope), STREAM
    names = [name for name, coefficient in value.terms if coefficient]
    depths = [scope.index(name) for name in names if name in scope]
    if len(names) < len(value.terms) or depths != sorted(set(depths)):
        yield ("terms", "each counter may stand once in an affine number, the outermost first, not times 0", "", "")


def _counter(operand: Operand, known: _Known, scope: Sequence[str]) -> Iterator[_Complaint]:
    if operand in scope:
        yield "shadowed-counter", f'an enclosing loop already counts "{operand}"', "give the counter another name", ""
    if not _is_text(cast(str, operand)):
        yield "value", f"a counter is called {operand}", f"its name must be a text {_UTF8}", ""


def _count(operand: Operand, known: _Known, scope: Sequence[str]) -> Iterator[_Complaint]:
    if operand != -1:
        yield from _number(cast(int, operand), 0, "the count of a loop")


def _reg(operand: Operand, known: _Known, scope: Sequence[str]) -> Iterator[_Complaint]:
    reg = cast(Reg, operand)
    if reg.space not in SPACES:
        yield (
            "register-file",
            f'there is no register file "{reg.space}"',
            did_you_mean(reg.space, SPACES) or f"the register files are {', '.join(SPACES)}",
            "",
        )
    yield from _number(reg.start, 0, "the first register")
    yield from _number(reg.length, 1, "the length")


def _window(operand: Operand, known: _Known, scope: Sequence[str]) -> Iterator[_Complaint]:
    window = cast(Window, operand)
    yield from _named("ring", window.ring, known)
    for name, axis in (("rows", window.rows), ("columns", window.columns), ("channels", window.channels)):
        yield from _affine(axis.start, scope)
        yield from _number(axis.count, 1, f"the number of {name}")
        yield from _number(axis.step, 1, f"the step of {name}")


def _port(operand: Operand, known: _Known, scope: Sequence[str]) -> Iterator[_Complaint]:
    port = cast(Port, operand)
    yield from _named("ring", port.ring, known)
    yield from _number(port.number, 0, "the port")


def _ring(operand: Operand, known: _Known, scope: Sequence[str]) -> Iterator[_Complaint]:
    yield from _named("ring", cast(Name, operand).name, known)


def _table(operand: Operand, known: _Known, scope: Sequence[str]) -> Iterator[_Complaint]:
    yield from _named("table", cast(Name, operand).name, known)


def _ticket(operand: Operand, known: _Known, scope: Sequence[str]) -> Iterator[_Complaint]:
    yield from _affine(cast(Affine, operand), scope)


def _data(thing: str) -> Callable[[Operand, _Known, Sequence[str]], Iterator[_Complaint]]:
    def check(operand: Operand, known: _Known, scope: Sequence[str]) -> Iterator[_Complaint]:
        data = cast(DataRef, operand)
        yield from _named(thing, data.name, known)
        yield from _number(data.start, 0, "the first entry")
        yield from _number(data.length, 1, "the number of entries")

    return check


def _integer(least: int, what: str) -> Callable[[Operand, _Known, Sequence[str]], Iterator[_Complaint]]:
    def check(operand: Operand, known: _Known, scope: Sequence[str]) -> Iterator[_Complaint]:
        yield from _number(cast(int, operand), least, what)

    return check


_OPERANDS: Mapping[str, Callable[[Operand, _Known, Sequence[str]], Iterator[_Complaint]]] = MappingProxyType(
    {
        "counter": _counter,
        "count": _count,
        "dest": _reg,
        "source": _reg,
        "window": _window,
        "port": _port,
        "ring": _ring,
        "ticket": _ticket,
        "scale": _data("scale"),
        "vector": _data("vector"),
        "table": _table,
        "imm": _integer(-LARGEST, "the value"),
        "mask": _integer(0, "the mask"),
        "tile": _integer(0, "the tile"),
        "fifo": _integer(0, "the FIFO"),
    }
)

assert {field.kind for form in FORM.values() for field in form.fields} <= set(_OPERANDS), "a kind has no check"
