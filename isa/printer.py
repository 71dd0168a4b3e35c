"""A Program as assembly text. cimc.isa.parser reads it back: parse(print_program(p)) == p."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import cast

from cimc.isa.directives import DIRECTIVE, Value
from cimc.isa.names import quote, write_name
from cimc.isa.operands import Affine, Axis, DataRef, Name, Operand, Port, Reg, Window
from cimc.isa.program import ChannelCode, CoreCode, Instruction, Program, RingRef, TileCode
from cimc.isa.table import FORM, ISA_VERSION

Spot = tuple[int, str, int, int]
"""Where an instruction stands: tile, "core" or "channel", number of that, index into its stream."""

_STEP = "  "


def print_program(program: Program) -> str:
    """The whole program as text, ending in a line break."""
    return "".join(line + "\n" for line, _ in _lines(program))


def line_of(program: Program) -> dict[Spot, int]:
    """The line, from 1, of every instruction in print_program(program)."""
    return {spot: number for number, (_, spot) in enumerate(_lines(program), 1) if spot is not None}


def print_instruction(instruction: Instruction) -> str:
    """One instruction without indentation: "wait x.0, oy+5"."""
    form = FORM[instruction.mnemonic]
    assert len(form.fields) == len(instruction.operands), f"{instruction} does not have the operands of its form"
    if not form.fields:
        return form.mnemonic
    operands = [_WRITERS[field.kind](operand) for field, operand in zip(form.fields, instruction.operands, strict=True)]
    return f"{form.mnemonic:<7} {', '.join(operands)}"


def print_affine(value: Affine) -> str:
    """An affine number: "oy*2-1"."""
    text = ""
    for name, coefficient in value.terms:
        text += "-" if coefficient < 0 else "+" if text else ""
        text += write_name(name)
        if abs(coefficient) != 1:
            text += f"*{abs(coefficient)}"
    if not text:
        return str(value.constant)
    return f"{text}{value.constant:+d}" if value.constant else text


def _lines(program: Program) -> Iterator[tuple[str, Spot | None]]:
    """Every line of the text, with the instruction that stands there."""
    yield f".isa {ISA_VERSION}", None
    yield _directive("program", program), None
    for number, text in enumerate(program.strings):
        yield f".string {number} {quote(text)}", None
    for plug in program.inputs:
        yield _directive("input", plug), None
    for plug in program.outputs:
        yield _directive("output", plug), None
    for tile in program.tiles:
        yield from _tile_lines(program, tile)


def _tile_lines(program: Program, tile: TileCode) -> Iterator[tuple[str, Spot | None]]:
    yield "", None
    yield f".tile {tile.number}", None
    for name, records in (
        ("ring", tile.rings),
        ("scale", tile.scales),
        ("vector", tile.vectors),
        ("table", tile.tables),
    ):
        for record in records:
            yield _STEP + _directive(name, record), None
    for core in tile.cores:
        yield f"{_STEP}.core {core.number}", None
        for matrix in core.matrices:
            yield 2 * _STEP + _directive("mvmu", matrix), None
        yield from _stream_lines(program, tile.number, core, "core")
    for channel in tile.channels:
        yield f"{_STEP}.channel {channel.number}", None
        yield from _stream_lines(program, tile.number, channel, "channel")


def _stream_lines(
    program: Program, tile: int, code: CoreCode | ChannelCode, unit: str
) -> Iterator[tuple[str, Spot | None]]:
    origin, depth = -1, 2
    for index, instruction in enumerate(code.stream):
        if instruction.origin != origin:
            origin = instruction.origin
            known = 0 <= origin < len(program.strings)
            note = f"  ; {quote(program.strings[origin])}" if known else ""
            yield f"{_STEP * depth}.origin {origin}{note}", None
        if instruction.mnemonic == "end":
            depth = max(2, depth - 1)
        yield _STEP * depth + print_instruction(instruction), (tile, unit, code.number, index)
        if instruction.mnemonic == "loop":
            depth += 1


def _directive(name: str, record: object) -> str:
    """A directive from the record that has its values; keys at their default are left out."""
    directive = DIRECTIVE[name]
    words = [f".{name}"]
    words += [_VALUE_WRITERS[key.kind](getattr(record, key.attribute)) for key in directive.leading]
    for key in directive.keys:
        value = getattr(record, key.attribute)
        if key.attribute not in directive.defaults or directive.defaults[key.attribute] != value:
            words.append(f"{key.name}={_VALUE_WRITERS[key.kind](value)}")
    return " ".join(words)


def _axis(axis: Axis) -> str:
    """An index, a range from:to where that can be, else start:+count or start:+count:step."""
    start = print_affine(axis.start)
    if axis.step != 1:
        return f"{start}:+{axis.count}:{axis.step}"
    if axis.count == 1:
        return start
    if axis.start.terms:
        return f"{start}:+{axis.count}"
    return f"{start}:{axis.start.constant + axis.count}"


def _run(name: str, start: int, length: int) -> str:
    return f"{name}[{start}]" if length == 1 else f"{name}[{start}:{start + length}]"


def _count(operand: Operand) -> str:
    return "*" if operand == -1 else str(operand)


def _reg(operand: Operand) -> str:
    reg = cast(Reg, operand)
    return _run(reg.space, reg.start, reg.length)


def _window(operand: Operand) -> str:
    window = cast(Window, operand)
    axes = f"{_axis(window.rows)}, {_axis(window.columns)}, {_axis(window.channels)}"
    return f"{write_name(window.ring)}[{axes}]"


def _port(operand: Operand) -> str:
    port = cast(Port, operand)
    return f"{write_name(port.ring)}.{port.number}"


def _data(operand: Operand) -> str:
    data = cast(DataRef, operand)
    return _run(write_name(data.name), data.start, data.length)


def _whole(operand: Operand) -> str:
    return write_name(cast(Name, operand).name)


def _ring_refs(value: Value) -> str:
    refs = cast(tuple[RingRef, ...], value)
    words = [f"{ref.tile}:{write_name(ref.ring)}" + (f".{ref.port}" if ref.port >= 0 else "") for ref in refs]
    return f"({', '.join(words)})"


_WRITERS: Mapping[str, Callable[[Operand], str]] = MappingProxyType(
    {
        "counter": lambda operand: write_name(cast(str, operand)),
        "count": _count,
        "dest": _reg,
        "source": _reg,
        "window": _window,
        "port": _port,
        "ring": _whole,
        "ticket": lambda operand: print_affine(cast(Affine, operand)),
        "scale": _data,
        "vector": _data,
        "table": _whole,
        "imm": str,
        "mask": lambda operand: f"0b{cast(int, operand):b}",
        "tile": str,
        "fifo": str,
    }
)

_VALUE_WRITERS: Mapping[str, Callable[[Value], str]] = MappingProxyType(
    {
        "int": str,
        "float": lambda value: repr(float(cast(float, value))),
        "bool": lambda value: "true" if value else "false",
        "name": lambda value: write_name(cast(str, value)),
        "text": lambda value: quote(cast(str, value)),
        "ints": lambda value: f"({', '.join(str(number) for number in cast(tuple[int, ...], value))})",
        "rings": _ring_refs,
    }
)

assert {field.kind for form in FORM.values() for field in form.fields} <= set(_WRITERS), "a kind has no writer"
