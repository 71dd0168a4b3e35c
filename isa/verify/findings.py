"""Collects what the verifier finds, each with its place: tile, stream, instruction and line of the printed text."""

from __future__ import annotations

from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.isa.program import Program, streams_of
from cimc.isa.text.printer import Spot, lines_by_part, print_instruction


def stop_at(*findings: Findings) -> None:
    """Raise CimcError where anything was found."""
    if any(map(len, findings)):
        raise CimcError(diagnostic for one in findings for diagnostic in one.diagnostics)


class Findings:
    """The findings so far about a part of a program; the same code at the same place counts once."""

    def __init__(self, program: Program, part: int = 0) -> None:
        self._program, self._part = program, part
        self._lines: dict[Spot, int] | None = None
        self._streams = streams_of(program.parts[part])
        self._where = f"phase {part}, " if program.phases else ""
        self._found: dict[tuple[str, str], Diagnostic] = {}

    def __len__(self) -> int:
        return len(self._found)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Everything found, in the order of finding."""
        return tuple(self._found.values())

    def add(self, code: str, what: str, item: str, todo: str = "") -> None:
        """A finding about a thing that is no instruction, such as "tile 0, ring x"."""
        self._put(code, what, Place(self._program.name, item=self._where + item), todo)

    def at(self, spot: Spot, code: str, what: str, todo: str = "") -> None:
        """A finding about an instruction."""
        tile, unit, number, index = spot
        item = f"{self._where}tile {tile} {unit} {number}, instruction {index}: {self.text(spot)}"
        origin = self._streams[tile, unit, number][index].origin
        if 0 <= origin < len(self._program.strings):
            item += f" (from {self._program.strings[origin]})"
        self._put(code, what, Place(self._program.name, self.line(spot), item=item), todo)

    def line(self, spot: Spot) -> int:
        """The line of an instruction in the printed program."""
        if self._lines is None:
            self._lines = lines_by_part(self._program)[self._part]
        return self._lines[spot]

    def text(self, spot: Spot) -> str:
        """The instruction as text."""
        return " ".join(print_instruction(self._streams[spot[:3]][spot[3]]).split(None, 1))

    def _put(self, code: str, what: str, where: Place, todo: str) -> None:
        self._found.setdefault((code, str(where)), Diagnostic(f"verify.{code}", what, where, todo))
