"""The parser by the grammar: slow, and it says where every mistake is. cimc.isa.text.parser falls back to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lark import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from cimc.base.diagnostics import CimcError, Diagnostic, Place, did_you_mean
from cimc.isa.directives import DIRECTIVE
from cimc.isa.kinds.base import NAME, STREAM
from cimc.isa.program import Program
from cimc.isa.table import FORM
from cimc.isa.text.builder import Builder, Misplaced, Unit
from cimc.isa.text.grammar import LONGEST_NUMBER, TERMINALS, NumberTooLong, line_parser, parse_line
from cimc.isa.text.reader import read_operands, read_values, unknown_mnemonic
from cimc.isa.text.syntax import InstructionLine, Refused
from cimc.isa.verify.wellformed import Problem, problems

_EMPTY = re.compile(r"[ \t\r]*(;.*)?")
_FIRST_WORD = re.compile(r"[ \t\r]*([A-Za-z_][A-Za-z0-9_]*)")
_SHOWN = 4


@dataclass(slots=True)
class _Spots:
    """Where in the file things stand, and what is damaged: by (tile, unit, number), None for the stream's tile."""

    instructions: dict[tuple[int, str, int], list[tuple[int, list[int]]]] = field(default_factory=dict)
    tiles: dict[int, int] = field(default_factory=dict)
    streams: set[tuple[int, str, int]] = field(default_factory=set)
    names: set[int] = field(default_factory=set)


def parse_by_grammar(text: str, file: str = "") -> Program:
    """The program that a text says. Raises CimcError with everything that is wrong with it."""
    builder, spots, found = Builder(), _Spots(), list[Diagnostic]()
    line_parser()
    for number, line in enumerate(text.split("\n"), 1):
        if _EMPTY.fullmatch(line):
            continue
        try:
            _add_line(line, number, builder, spots)
        except (UnexpectedInput, NumberTooLong, Refused, Misplaced) as error:
            refused = _refusal(error, line)
            found.append(
                Diagnostic(f"asm.{refused.code}", refused.what, Place(file, number, refused.column), refused.todo)
            )
            if refused.code == "isa-version":
                raise CimcError(found) from error
            _note_damage(line, builder, spots)
    try:
        program = builder.program()
    except Misplaced as error:
        found.append(Diagnostic(f"asm.{error.code}", error.what, Place(file), error.todo))
        raise CimcError(found) from error
    found += [_located(problem, spots, file) for problem in problems(program) if not _doubtful(problem, spots)]
    if found:
        raise CimcError(sorted(found, key=lambda diagnostic: (diagnostic.where.line, diagnostic.where.column)))
    return program


def _add_line(text: str, number: int, builder: Builder, spots: _Spots) -> None:
    """Parse one line, hand it to the builder and note where it stands."""
    line = parse_line(text)
    try:
        if isinstance(line, InstructionLine):
            builder.instruction(line.mnemonic, read_operands(line))
            columns = [line.column] + [operand.column for operand in line.operands]
            spots.instructions.setdefault(_stream(builder), []).append((number, columns))
            return
        directive = DIRECTIVE.get(line.name)
        if directive is None:
            raise Refused(
                line.column, "directive", f"there is no directive .{line.name}", did_you_mean(line.name, DIRECTIVE)
            )
        builder.directive(line.name, read_values(line, directive))
        if line.name == "tile" and builder.tile is not None:
            spots.tiles[builder.tile] = number
    except Misplaced as error:
        raise Refused(line.column, error.code, error.what, error.todo) from error


def _stream(builder: Builder) -> tuple[int, str, int]:
    unit = builder.unit or Unit("", -1)
    return -1 if builder.tile is None else builder.tile, unit.kind, unit.number


def _note_damage(line: str, builder: Builder, spots: _Spots) -> None:
    """Remember which stream or tile a broken line belongs to: what follows from it is not reported."""
    spots.streams.add(_stream(builder))
    if line.lstrip(" \t\r").startswith("."):
        spots.names.add(_stream(builder)[0])


def _doubtful(problem: Problem, spots: _Spots) -> bool:
    """Whether a problem may only follow from a line that is reported already."""
    if problem.needs == NAME:
        return problem.tile in spots.names
    return problem.needs == STREAM and (problem.tile, problem.unit, problem.number) in spots.streams


def _located(problem: Problem, spots: _Spots, file: str) -> Diagnostic:
    """A problem as a diagnostic at its line and column."""
    lines = spots.instructions.get((problem.tile, problem.unit, problem.number), [])
    if 0 <= problem.index < len(lines):
        line, columns = lines[problem.index]
        place = Place(file, line, columns[problem.operand + 1])
    else:
        place = Place(file, spots.tiles.get(problem.tile, 0))
    return Diagnostic(f"asm.{problem.code}", problem.what, place, problem.todo)


def _refusal(error: UnexpectedInput | NumberTooLong | Refused | Misplaced, line: str) -> Refused:
    """Any of the errors of a line in the words of a diagnostic."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, NumberTooLong):
        return Refused(error.column, "number", f"a number of more than {LONGEST_NUMBER} digits")
    assert isinstance(error, UnexpectedInput), error
    word = _FIRST_WORD.match(line)
    if word and word[1] not in FORM:
        return unknown_mnemonic(word.start(1) + 1, word[1])
    column = error.column if error.column > 0 else len(line) + 1
    if isinstance(error, UnexpectedCharacters):
        if error.char == '"':
            return Refused(
                column,
                "syntax",
                "a quoted name that does not end, or a wrong escape in it",
                'the escapes are those of JSON: \\", \\\\, \\n, \\u00e9',
            )
        return Refused(column, "syntax", f'unexpected "{error.char}"', _expected(set(error.allowed or ())))
    assert isinstance(error, UnexpectedToken), error
    if error.token.type == "$END":
        end = len(line.split(";")[0].rstrip()) + 1
        return Refused(end, "syntax", "the line ends too early", _expected(set(error.accepts or error.expected)))
    return Refused(column, "syntax", f'unexpected "{error.token}"', _expected(set(error.accepts or error.expected)))


def _expected(terminals: set[str]) -> str:
    """What could stand there instead, if that is few things."""
    words = sorted({TERMINALS[name] for name in terminals if name in TERMINALS})
    return f"expected {' or '.join(words)}" if 0 < len(words) <= _SHOWN else ""
