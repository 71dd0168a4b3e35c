"""Puts a Program together from directives and instructions, line by line."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

from cimc.isa.directives import DIRECTIVE, Origin, String, Values, Version
from cimc.isa.operands import Operand
from cimc.isa.program import ChannelCode, CoreCode, Instruction, Matrix, Phase, Plug, Program, TileCode, in_phases
from cimc.isa.table import ISA_VERSION
from cimc.isa.text.syntax import Refused


@dataclass(slots=True)
class Unit:
    """A core or a channel being put together."""

    kind: str
    number: int
    matrices: list[Matrix] = field(default_factory=list)
    stream: list[Instruction] = field(default_factory=list)
    origin: int = -1

    def frozen(self) -> CoreCode | ChannelCode:
        """It as it stands in a Program."""
        if self.kind == "core":
            return CoreCode(self.number, tuple(self.matrices), tuple(self.stream))
        return ChannelCode(self.number, tuple(self.stream))


@dataclass(slots=True)
class _Tile:
    """A tile being put together. parts: what lies in its memory, and its units, by directive."""

    number: int
    parts: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def frozen(self) -> TileCode:
        """It as it stands in a Program."""
        parts: dict[str, Any] = {
            f"{name}s": tuple(one.frozen() if isinstance(one, Unit) else one for one in found)
            for name, found in self.parts.items()
        }
        return TileCode(self.number, **parts)


class Builder:
    """The program so far. Lines that can't stand where they stand raise Refused and change nothing."""

    def __init__(self) -> None:
        self.unit: Unit | None = None
        self._version_known = False
        self._head: Program | None = None
        self._strings: list[str] = []
        self._plugs: dict[str, list[Plug]] = {"input": [], "output": []}
        self._tiles: list[_Tile] = []
        self._phase: Phase | None = None
        self._phases: list[Phase] = []

    @property
    def tile(self) -> int | None:
        """The number of the present tile."""
        return self._tiles[-1].number if self._tiles else None

    @property
    def phase(self) -> int:
        """The place of the present phase among all; 0 where there are none."""
        return len(self._phases)

    def directive(self, name: str, values: Values) -> None:
        """A directive with the values of all its keys."""
        if not self._version_known and name != "isa":
            what = "the program does not say its version of the instruction set"
            raise Refused("isa-version", what, f"begin with `.isa {ISA_VERSION}`")
        directive = DIRECTIVE[name]
        if directive.level == "tile" and not self._tiles:
            raise Refused("place", f".{name} stands before the first .tile", "begin a tile with `.tile 0`")
        if directive.level == "core" and (self.unit is None or self.unit.kind != "core"):
            raise Refused("place", f".{name} stands outside of a core", "begin a core with `.core 0`")
        match directive.record(**values):
            case Version(version):
                self._check_version(version)
            case Program() as head:
                if self._head is not None:
                    raise Refused("duplicate", "a second .program", "remove one")
                self._head = head
            case String(number, text):
                due = len(self._strings)
                if number != due:
                    what = f"string {number} stands where {due} is due"
                    raise Refused("string-number", what, "number the strings 0, 1, 2, ...")
                self._strings.append(text)
            case Phase() as phase:
                self._begin(phase)
            case Plug() as plug:
                self._plugs[name].append(plug)
            case TileCode(number):
                self._tiles.append(_Tile(number))
                self.unit = None
            case CoreCode(number) | ChannelCode(number):
                self.unit = Unit(name, number)
                self._tiles[-1].parts[name].append(self.unit)
            case Matrix() as matrix:
                self._stream_of(".mvmu").matrices.append(matrix)
            case Origin(number):
                self._stream_of(".origin").origin = number
            case thing:
                self._tiles[-1].parts[name].append(thing)

    def instruction(self, mnemonic: str, operands: tuple[Operand, ...]) -> None:
        """An instruction of the present stream."""
        unit = self._stream_of(mnemonic)
        unit.stream.append(Instruction(mnemonic, operands, unit.origin))

    def program(self) -> Program:
        """The whole program."""
        if self._head is None:
            todo = 'add `.program "name" target="..." weights="..."` after `.isa`'
            raise Refused("missing-program", "the program has no name and target", todo)
        head, parts = replace(self._head, strings=tuple(self._strings)), self._parts()
        if self._phase is None:
            return replace(head, **parts)
        return in_phases(head, (*self._phases, replace(self._phase, **parts)))

    def _parts(self) -> dict[str, Any]:
        """Inputs, outputs and tiles of the present phase."""
        tiles = tuple(tile.frozen() for tile in self._tiles)
        return {"inputs": tuple(self._plugs["input"]), "outputs": tuple(self._plugs["output"]), "tiles": tiles}

    def _begin(self, phase: Phase) -> None:
        """Another phase; the one before is done."""
        due = 0 if self._phase is None else len(self._phases) + 1
        if phase.number != due:
            what = f"phase {phase.number} stands where {due} is due"
            raise Refused("phase-number", what, "number the phases 0, 1, 2, ...")
        if self._phase is not None:
            self._phases.append(replace(self._phase, **self._parts()))
        elif self._tiles or any(self._plugs.values()):
            what = "inputs, outputs or tiles stand before the first .phase"
            raise Refused("place", what, "put each behind the .phase that it belongs to")
        self._phase, self._plugs, self._tiles, self.unit = phase, {"input": [], "output": []}, [], None

    def _check_version(self, version: int) -> None:
        if version != ISA_VERSION:
            what = f"instruction set version {version}; this cimc knows version {ISA_VERSION}"
            raise Refused("isa-version", what, "compile the model again with this cimc")
        self._version_known = True

    def _stream_of(self, line: str) -> Unit:
        """The present stream, for a line that has to stand in one."""
        if self.unit is None:
            todo = "begin one with `.core 0` or `.channel 0`"
            raise Refused("place", f"{line} stands outside of a stream", todo)
        return self.unit
