"""Assembly text as a Program, line by line, with everything that is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from cimc.base.collector import no_collection
from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.isa.kinds.base import NAME, STREAM
from cimc.isa.program import Program
from cimc.isa.text.builder import Builder, Unit
from cimc.isa.text.reader import Line, read_line
from cimc.isa.text.syntax import Refused
from cimc.isa.verify.wellformed import Problem, problems

_BLANKS = " \t\r"


@no_collection()
def parse(text: str, file: str = "") -> Program:
    """The program that a text says; file: its name for diagnostics.

    Raises CimcError with everything that is wrong with the text, line by line.
    """
    builder, spots, found = Builder(), _Spots(), list[Diagnostic]()
    places: list[_Spot] = []
    known: dict[str, Line | None] = {}
    for number, raw in enumerate(text.split("\n"), 1):
        said = raw.strip(_BLANKS)
        try:
            line = known.get(said) or known.setdefault(said, read_line(said))
            if line is None:
                continue
            name, meant, columns = line
            if columns:
                builder.instruction(name, meant)
                places.append((number, raw, columns))
            else:
                builder.directive(name, meant)
                places = spots.instructions.setdefault(_stream(builder), [])
                if name == "tile" and builder.tile is not None:
                    spots.tiles[builder.phase, builder.tile] = number
        except Refused as error:
            place = _place(file, number, raw, error.column)
            found.append(Diagnostic(f"asm.{error.code}", error.what, place, error.todo))
            if error.code == "isa-version":
                raise CimcError(found) from error
            spots.note_damage(said, builder)
    try:
        program = builder.program()
    except Refused as error:
        found.append(Diagnostic(f"asm.{error.code}", error.what, Place(file), error.todo))
        raise CimcError(found) from error
    found += [spots.located(problem, file) for problem in problems(program) if not spots.is_doubtful(problem)]
    if found:
        raise CimcError(sorted(found, key=lambda diagnostic: (diagnostic.where.line, diagnostic.where.column)))
    return program


_Stream = tuple[int, int, str, int]
"""A stream: place of its phase, tile, "core" or "channel", number of that."""


def _stream(builder: Builder) -> _Stream:
    unit = builder.unit or Unit("", -1)
    return builder.phase, -1 if builder.tile is None else builder.tile, unit.kind, unit.number


def _place(file: str, number: int, line: str, column: int) -> Place:
    """The place of a column of what a line says, without its indentation."""
    return Place(file, number, len(line) - len(line.lstrip(_BLANKS)) + column + 1)


_Spot = tuple[int, str, tuple[int, ...]]
"""Number and text of an instruction's line, and the columns of what it says."""


@dataclass(slots=True)
class _Spots:
    """Where in the file things stand, and which streams, and names of which tiles, broken lines belong to."""

    instructions: dict[_Stream, list[_Spot]] = field(default_factory=dict)
    tiles: dict[tuple[int, int], int] = field(default_factory=dict)
    streams: set[_Stream] = field(default_factory=set)
    names: set[tuple[int, int]] = field(default_factory=set)

    def note_damage(self, line: str, builder: Builder) -> None:
        """Remember which stream or tile a broken line belongs to: what follows from it is not reported."""
        self.streams.add(_stream(builder))
        if line.startswith("."):
            self.names.add(_stream(builder)[:2])

    def is_doubtful(self, problem: Problem) -> bool:
        """Whether a problem may only follow from a line that is reported already."""
        if problem.needs == NAME:
            return (problem.phase, problem.tile) in self.names
        return problem.needs == STREAM and problem.stream in self.streams

    def located(self, problem: Problem, file: str) -> Diagnostic:
        """A problem as a diagnostic at its line and column."""
        lines = self.instructions.get(problem.stream, [])
        if 0 <= problem.index < len(lines):
            line, raw, columns = lines[problem.index]
            place = _place(file, line, raw, columns[problem.operand + 1])
        else:
            place = Place(file, self.tiles.get((problem.phase, problem.tile), 0))
        return Diagnostic(f"asm.{problem.code}", problem.what, place, problem.todo)
