"""A Program as assembly text. cimc.isa.text.parser reads it back: parse(print_program(p)) == p."""

from __future__ import annotations

from collections.abc import Iterator

from cimc.isa.directives import DIRECTIVE
from cimc.isa.program import ChannelCode, CoreCode, Instruction, Program, TileCode
from cimc.isa.table import FORM, ISA_VERSION
from cimc.isa.text.names import quote
from cimc.isa.tree import ends_loop, loop_of

Spot = tuple[int, str, int, int]
"""Where an instruction stands: tile, "core" or "channel", number of that, index into its stream."""

_STEP = "  "


def print_program(program: Program) -> str:
    """The whole program as text, ending in a line break."""
    return "".join(line + "\n" for line, _ in _lines(program))


def line_of(program: Program) -> dict[Spot, int]:
    """The line, from 1, of every instruction in print_program(program), which runs in no rounds."""
    assert not program.phases, "instructions of several phases stand at the same spots"
    return lines_by_part(program)[0]


def lines_by_part(program: Program) -> list[dict[Spot, int]]:
    """The same for each of a program's parts."""
    found: list[dict[Spot, int]] = []
    for number, (text, spot) in enumerate(_lines(program), 1):
        if not found or text.startswith(".phase"):
            found.append({})
        if spot is not None:
            found[-1][spot] = number
    return found[1:] if program.phases else found


def print_instruction(instruction: Instruction) -> str:
    """One instruction without indentation: "wait x.0, oy+5"."""
    form = FORM[instruction.mnemonic]
    assert len(form.fields) == len(instruction.operands), f"{instruction} does not have the operands of its form"
    if not form.fields:
        return form.mnemonic
    operands = [field.kind.write(operand) for field, operand in zip(form.fields, instruction.operands, strict=True)]
    return f"{form.mnemonic:<7} {', '.join(operands)}"


def _lines(program: Program) -> Iterator[tuple[str, Spot | None]]:
    """Every line of the text, with the instruction that stands there."""
    yield f".isa {ISA_VERSION}", None
    yield _directive("program", program), None
    for number, text in enumerate(program.strings):
        yield f".string {number} {quote(text)}", None
    for phase, part in zip(program.phases or (None,), program.parts, strict=True):
        if phase is not None:
            yield "", None
            yield _directive("phase", phase), None
        for name, plugs in (("input", part.inputs), ("output", part.outputs)):
            yield from ((_directive(name, plug), None) for plug in plugs)
        for tile in part.tiles:
            yield from _tile_lines(part, tile)


def _tile_lines(program: Program, tile: TileCode) -> Iterator[tuple[str, Spot | None]]:
    yield "", None
    yield f".tile {tile.number}", None
    for name, records in tile.things.items():
        for record in records:
            yield _STEP + _directive(name, record), None
    for code in tile.codes:
        yield f"{_STEP}.{code.unit} {code.number}", None
        for matrix in code.matrices if isinstance(code, CoreCode) else ():
            yield 2 * _STEP + _directive("mvmu", matrix), None
        yield from _stream_lines(program, tile.number, code)


def _stream_lines(program: Program, tile: int, code: CoreCode | ChannelCode) -> Iterator[tuple[str, Spot | None]]:
    origin, depth = -1, 2
    for index, instruction in enumerate(code.stream):
        if instruction.origin != origin:
            origin = instruction.origin
            known = 0 <= origin < len(program.strings)
            note = f"  ; {quote(program.strings[origin])}" if known else ""
            yield f"{_STEP * depth}.origin {origin}{note}", None
        if ends_loop(instruction):
            depth = max(2, depth - 1)
        yield _STEP * depth + print_instruction(instruction), (tile, code.unit, code.number, index)
        if loop_of(instruction) is not None:
            depth += 1


def _directive(name: str, record: object) -> str:
    """A directive from the record that has its values; keys at their default are left out."""
    directive = DIRECTIVE[name]
    words = [f".{name}"]
    words += [key.kind.write(getattr(record, key.attribute)) for key in directive.leading]
    for key in directive.keys:
        value = getattr(record, key.attribute)
        if key.attribute not in directive.defaults or directive.defaults[key.attribute] != value:
            words.append(f"{key.name}={key.kind.write(value)}")
    return " ".join(words)
