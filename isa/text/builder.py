"""Puts a Program together from directives and instructions, line by line. Both parsers use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cimc.isa.directives import DIRECTIVE, Values
from cimc.isa.operands import Operand
from cimc.isa.program import (
    ChannelCode,
    CoreCode,
    Instruction,
    Matrix,
    Plug,
    Program,
    Ring,
    Scale,
    Table,
    TileCode,
    Vector,
)
from cimc.isa.table import ISA_VERSION


class Misplaced(Exception):
    """A line that can't stand where it stands: code, what, what to do."""

    def __init__(self, code: str, what: str, todo: str = "") -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.todo = todo


@dataclass(slots=True)
class Unit:
    """A core or a channel being put together."""

    kind: str
    number: int
    matrices: list[Matrix] = field(default_factory=list)
    stream: list[Instruction] = field(default_factory=list)
    origin: int = -1


@dataclass(slots=True)
class _Tile:
    number: int
    rings: list[Ring] = field(default_factory=list)
    scales: list[Scale] = field(default_factory=list)
    vectors: list[Vector] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)

    def frozen(self) -> TileCode:
        """The tile as it stands in a Program."""
        cores = tuple(
            CoreCode(unit.number, tuple(unit.matrices), tuple(unit.stream))
            for unit in self.units
            if unit.kind == "core"
        )
        channels = tuple(ChannelCode(unit.number, tuple(unit.stream)) for unit in self.units if unit.kind == "channel")
        return TileCode(
            self.number, tuple(self.rings), tuple(self.scales), tuple(self.vectors), tuple(self.tables), cores, channels
        )


class Builder:
    """The program so far. Lines that can't stand where they stand raise Misplaced and change nothing."""

    def __init__(self) -> None:
        self.version: int | None = None
        self.unit: Unit | None = None
        self._head: Values | None = None
        self._strings: list[str] = []
        self._inputs: list[Plug] = []
        self._outputs: list[Plug] = []
        self._tiles: list[_Tile] = []

    @property
    def tile(self) -> int | None:
        """The number of the present tile."""
        return self._tiles[-1].number if self._tiles else None

    def directive(self, name: str, values: Values) -> None:
        """A directive with the values of all its keys."""
        if self.version is None and name != "isa":
            raise Misplaced(
                "isa-version",
                "the program does not say its version of the instruction set",
                f"begin with `.isa {ISA_VERSION}`",
            )
        level = DIRECTIVE[name].level
        if level == "tile" and not self._tiles:
            raise Misplaced("place", f".{name} stands before the first .tile", "begin a tile with `.tile 0`")
        if level == "core" and (self.unit is None or self.unit.kind != "core"):
            raise Misplaced("place", f".{name} stands outside of a core", "begin a core with `.core 0`")
        if level == "stream" and self.unit is None:
            raise Misplaced("place", f".{name} stands outside of a stream", "begin one with `.core 0` or `.channel 0`")
        _ADD[name](self, values)

    def instruction(self, mnemonic: str, operands: tuple[Operand, ...]) -> None:
        """An instruction of the present stream."""
        if self.unit is None:
            raise Misplaced(
                "place", f"{mnemonic} stands outside of a stream", "begin one with `.core 0` or `.channel 0`"
            )
        self.unit.stream.append(Instruction(mnemonic, operands, self.unit.origin))

    def program(self) -> Program:
        """The whole program."""
        if self._head is None:
            raise Misplaced(
                "missing-program",
                "the program has no name and target",
                'add `.program "name" target="..." weights="..."` after `.isa`',
            )
        return Program(
            **self._head,
            strings=tuple(self._strings),
            inputs=tuple(self._inputs),
            outputs=tuple(self._outputs),
            tiles=tuple(tile.frozen() for tile in self._tiles),
        )

    def add_isa(self, values: Values) -> None:
        """The version of the instruction set."""
        version = values["version"]
        if version != ISA_VERSION:
            raise Misplaced(
                "isa-version",
                f"instruction set version {version}; this cimc knows version {ISA_VERSION}",
                "compile the model again with this cimc",
            )
        self.version = version

    def add_program(self, values: Values) -> None:
        """Name, target, weights, chips and widths."""
        if self._head is not None:
            raise Misplaced("duplicate", "a second .program", "remove one")
        self._head = values

    def add_string(self, values: Values) -> None:
        """The next string."""
        if values["number"] != len(self._strings):
            raise Misplaced(
                "string-number",
                f"string {values['number']} stands where {len(self._strings)} is due",
                "number the strings 0, 1, 2, ...",
            )
        self._strings.append(str(values["text"]))

    def add_input(self, values: Values) -> None:
        """A network input."""
        self._inputs.append(Plug(**values))

    def add_output(self, values: Values) -> None:
        """A network output."""
        self._outputs.append(Plug(**values))

    def add_tile(self, values: Values) -> None:
        """A new tile."""
        self._tiles.append(_Tile(values["number"]))
        self.unit = None

    def add_ring(self, values: Values) -> None:
        """A ring of the present tile."""
        self._tiles[-1].rings.append(Ring(**values))

    def add_scale(self, values: Values) -> None:
        """A scale of the present tile."""
        self._tiles[-1].scales.append(Scale(**values))

    def add_vector(self, values: Values) -> None:
        """A constant vector of the present tile."""
        self._tiles[-1].vectors.append(Vector(**values))

    def add_table(self, values: Values) -> None:
        """A lookup table of the present tile."""
        self._tiles[-1].tables.append(Table(**values))

    def add_core(self, values: Values) -> None:
        """A new core."""
        self._add_unit("core", values)

    def add_channel(self, values: Values) -> None:
        """A new transfer channel."""
        self._add_unit("channel", values)

    def add_mvmu(self, values: Values) -> None:
        """A matrix of the present core."""
        assert self.unit is not None
        self.unit.matrices.append(Matrix(**values))

    def add_origin(self, values: Values) -> None:
        """Where the following instructions come from."""
        assert self.unit is not None
        self.unit.origin = values["number"]

    def _add_unit(self, kind: str, values: Values) -> None:
        self.unit = Unit(kind, values["number"])
        self._tiles[-1].units.append(self.unit)


_ADD: Mapping[str, Callable[[Builder, Values], None]] = MappingProxyType(
    {name: getattr(Builder, f"add_{name}") for name in DIRECTIVE}
)
