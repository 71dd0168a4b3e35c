"""Assembly text as a Program: line by line with the quick reader; by the grammar, which says where every mistake is,
where that gives up or anything is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.isa.kinds.base import NAME, STREAM
from cimc.isa.program import Program
from cimc.isa.text.builder import Builder, Unit
from cimc.isa.text.grammar import parse_line
from cimc.isa.text.quick import InDoubt, quick_line
from cimc.isa.text.reader import read_operands, read_values
from cimc.isa.text.syntax import InstructionLine, Line, Refused
from cimc.isa.verify.wellformed import Problem, problems

_EMPTY = re.compile(r"[ \t\r]*(;.*)?")


def parse(text: str, file: str = "") -> Program:
    """The program that a text says; file: its name for diagnostics.

    Raises CimcError with everything that is wrong with the text, line by line.
    """
    return parse_quickly(text) or parse_by_grammar(text, file)


def parse_quickly(text: str) -> Program | None:
    """The program that a text says, or None where the grammar has to look."""
    builder = Builder()
    known: dict[str, _Step] = {}
    try:
        for raw in text.split("\n"):
            line = raw.strip(" \t\r")
            step = known.get(line)
            if step is None:
                shape = quick_line(line)
                if shape is None:
                    continue
                step = known[line] = _step(shape, builder)
            add, name, meant = step
            add(name, meant)
        program = builder.program()
    except (InDoubt, Refused):
        return None
    return None if any(True for _ in problems(program)) else program


def parse_by_grammar(text: str, file: str = "") -> Program:
    """The program that a text says. Raises CimcError with everything that is wrong with it."""
    builder, spots, found = Builder(), _Spots(), list[Diagnostic]()
    for number, line in enumerate(text.split("\n"), 1):
        if _EMPTY.fullmatch(line):
            continue
        try:
            _add_line(line, number, builder, spots)
        except Refused as error:
            found.append(Diagnostic(f"asm.{error.code}", error.what, Place(file, number, error.column), error.todo))
            if error.code == "isa-version":
                raise CimcError(found) from error
            spots.note_damage(line, builder)
    try:
        program = builder.program()
    except Refused as error:
        found.append(Diagnostic(f"asm.{error.code}", error.what, Place(file), error.todo))
        raise CimcError(found) from error
    found += [spots.located(problem, file) for problem in problems(program) if not spots.is_doubtful(problem)]
    if found:
        raise CimcError(sorted(found, key=lambda diagnostic: (diagnostic.where.line, diagnostic.where.column)))
    return program


_Step = tuple[Callable[[str, Any], None], str, Any]
"""What a line does to a builder: which of its methods, and that one's arguments."""


def _step(line: Line, builder: Builder) -> _Step:
    if isinstance(line, InstructionLine):
        return builder.instruction, line.mnemonic, read_operands(line)
    return builder.directive, line.name, read_values(line)


def _add_line(text: str, number: int, builder: Builder, spots: _Spots) -> None:
    """Parse one line, hand it to the builder and note where it stands."""
    line = parse_line(text)
    try:
        add, name, meant = _step(line, builder)
        add(name, meant)
    except Refused as error:
        error.column = error.column or line.column
        raise
    if isinstance(line, InstructionLine):
        columns = [line.column] + [operand.column for operand in line.operands]
        spots.instructions.setdefault(_stream(builder), []).append((number, columns))
    elif line.name == "tile" and builder.tile is not None:
        spots.tiles[builder.tile] = number


def _stream(builder: Builder) -> tuple[int, str, int]:
    unit = builder.unit or Unit("", -1)
    return -1 if builder.tile is None else builder.tile, unit.kind, unit.number


@dataclass(slots=True)
class _Spots:
    """Where in the file things stand, and which streams, and names of which tiles, broken lines belong to."""

    instructions: dict[tuple[int, str, int], list[tuple[int, list[int]]]] = field(default_factory=dict)
    tiles: dict[int, int] = field(default_factory=dict)
    streams: set[tuple[int, str, int]] = field(default_factory=set)
    names: set[int] = field(default_factory=set)

    def note_damage(self, line: str, builder: Builder) -> None:
        """Remember which stream or tile a broken line belongs to: what follows from it is not reported."""
        self.streams.add(_stream(builder))
        if line.lstrip(" \t\r").startswith("."):
            self.names.add(_stream(builder)[0])

    def is_doubtful(self, problem: Problem) -> bool:
        """Whether a problem may only follow from a line that is reported already."""
        if problem.needs == NAME:
            return problem.tile in self.names
        return problem.needs == STREAM and (problem.tile, problem.unit, problem.number) in self.streams

    def located(self, problem: Problem, file: str) -> Diagnostic:
        """A problem as a diagnostic at its line and column."""
        lines = self.instructions.get((problem.tile, problem.unit, problem.number), [])
        if 0 <= problem.index < len(lines):
            line, columns = lines[problem.index]
            place = Place(file, line, columns[problem.operand + 1])
        else:
            place = Place(file, self.tiles.get(problem.tile, 0))
        return Diagnostic(f"asm.{problem.code}", problem.what, place, problem.todo)
