"""Random programs of valid shape: every form, every kind of operand, names that need quotes, nested loops.

They come from a seeded generator and not from draws: a program of a hundred instructions would be thousands of draws.
`size` scales everything, so that a failing example still shrinks to a small one.
"""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from hypothesis import strategies as st

from cimc.isa.operands import Affine, Axis, DataRef, Name, Operand, Port, Reg, Window
from cimc.isa.program import (
    Area,
    ChannelCode,
    CoreCode,
    Instruction,
    Matrix,
    Phase,
    Plug,
    Program,
    Ring,
    RingRef,
    Scale,
    Table,
    TileCode,
    Vector,
    in_phases,
)
from cimc.isa.table import FORM

T = TypeVar("T")

ODD_NAMES = [
    "x",
    "y",
    "conv1.scale",
    "conv/1",
    "x.0",
    "r",
    "xin",
    "a,b",
    "c]d",
    'q"q',
    "s;t",
    "é",
    "",
    "loop",
    "a b",
    "\\",
    "\u2028",
    "\n",
    "\x00",
    "日本",
    "😀",
    "A.b_1",
    "1x",
    "-1",
    "*",
    "image",
    "_",
    ".x",
    "x.",
    "x..y",
]
SPECIAL_FLOATS = [0.0, -0.0, 1.0, 0.1, 1e-45, 5e-324, 1.7976931348623157e308, 1e16, 1e22, 1 / 255]


def programs() -> st.SearchStrategy[Program]:
    """Random programs, from empty ones to some hundred instructions."""
    return st.builds(random_program, st.integers(0, 1 << 32), st.integers(0, 30))


def random_program(seed: int, size: int) -> Program:
    """The program that belongs to a seed."""
    return _Maker(random.Random(seed), size).program()


class _Maker:
    """Makes the parts of a program."""

    def __init__(self, rng: random.Random, size: int) -> None:
        self.rng = rng
        self.size = size
        self.tile = TileCode(0)
        self.scope: list[str] = []

    def many(self, make: Callable[[], T], least: int = 0, most: int = 3) -> tuple[T, ...]:
        return tuple(make() for _ in range(self.rng.randint(least, max(least, min(most, self.size)))))

    def distinct(self, make: Callable[[], T], least: int = 0) -> list[T]:
        return list(dict.fromkeys(self.many(make, least)))

    def name(self) -> str:
        if self.rng.random() < 0.7:
            return self.rng.choice(ODD_NAMES)
        return "".join(
            chr(self.rng.choice([self.rng.randint(0, 0x7F), self.rng.randint(0, 0xD7FF)]))
            for _ in range(self.rng.randint(0, 6))
        )

    def number(self) -> int:
        return self.rng.choice(
            [self.rng.randint(-9, 9), self.rng.randint(-300, 300), self.rng.randint(-(2**40), 2**40)]
        )

    def natural(self) -> int:
        return abs(self.number())

    def count(self) -> int:
        return abs(self.number()) + 1

    def real(self) -> float:
        number = struct.unpack("<d", self.rng.randbytes(8))[0]
        return float(number) if self.rng.random() < 0.5 and math.isfinite(number) else self.rng.choice(SPECIAL_FLOATS)

    def truth(self) -> bool:
        return self.rng.random() < 0.5

    def affine(self) -> Affine:
        terms = tuple((name, self.number() or 1) for name in self.scope if self.rng.random() < 0.5)
        return Affine(self.number(), terms)

    def axis(self) -> Axis:
        return Axis(self.affine(), self.rng.choice([1, self.count()]), self.rng.choice([1, self.count()]))

    def reg(self) -> Reg:
        return Reg(self.rng.choice(["xin", "xout", "r"]), self.natural(), self.rng.choice([1, self.count()]))

    def ring(self) -> str:
        return self.rng.choice(self.tile.rings).name

    def data(self, records: Sequence[Scale] | Sequence[Vector]) -> DataRef:
        return DataRef(self.rng.choice(records).name, self.natural(), self.rng.choice([1, self.count()]))

    def counter(self) -> str:
        name = self.rng.choice(["oy", "ox", self.name()])
        while name in self.scope:
            name += "'"
        return name

    def operand(self, kind: str) -> Operand:
        makers: dict[str, Callable[[], Operand]] = {
            "counter": self.counter,
            "count": lambda: self.rng.choice([-1, self.natural()]),
            "dest": self.reg,
            "source": self.reg,
            "window": lambda: Window(self.ring(), self.axis(), self.axis(), self.axis()),
            "port": lambda: Port(self.ring(), self.natural()),
            "ring": lambda: Name(self.ring()),
            "table": lambda: Name(self.rng.choice(self.tile.tables).name),
            "ticket": self.affine,
            "row": self.affine,
            "packed": lambda: Window(self.ring(), self.axis(), self.axis(), self.axis()),
            "weights": self.reg,
            "scale": lambda: self.data(self.tile.scales),
            "vector": lambda: self.data(self.tile.vectors),
            "imm": self.number,
        }
        return makers.get(kind, self.natural)()

    def stream(self, place: str) -> tuple[Instruction, ...]:
        """Balanced loops with hlt at the end; sometimes nothing at all."""
        if self.rng.random() < 0.1:
            return ()
        names = [form.mnemonic for form in FORM.values() if form.place in (place, "any") and form.mnemonic != "hlt"]
        names += ["loop", "end"]
        stream, origin = [], -1
        chosen = self.rng.choices(names, k=self.rng.randint(0, 2 * self.size))
        opened = 0
        for mnemonic in chosen:
            opened += (mnemonic == "loop") - (mnemonic == "end" and opened > 0)
        for mnemonic in [*chosen, *["end"] * opened, "hlt"]:
            if mnemonic == "end" and not self.scope:
                continue
            if self.rng.random() < 0.3:
                origin = self.rng.randint(-1, 3)
            values = tuple(self.operand(field.kind.name) for field in FORM[mnemonic].fields)
            stream.append(Instruction(mnemonic, values, origin))
            if mnemonic == "loop":
                self.scope.append(cast(str, values[0]))
            elif mnemonic == "end":
                self.scope.pop()
        return tuple(stream)

    def records(self, record: type[T], *makers: Callable[[], Any]) -> tuple[T, ...]:
        build = cast(Any, record)
        return tuple(build(name, *(make() for make in makers)) for name in self.distinct(self.name, 1))

    def make_tile(self, number: int) -> TileCode:
        """A tile with at least one ring, scale, vector and table."""
        n = self.number
        self.tile = TileCode(
            number,
            self.records(Ring, n, n, n, n, n, n, n, self.name, n, n, n, n),
            self.records(Scale, n, n, n, n, n, n, n, n, self.name),
            self.records(Vector, n, n, self.name),
            self.records(Table, n, n, n, n, self.name),
        )
        cores = tuple(CoreCode(core, self.matrices(), self.stream("core")) for core in self.distinct(self.number))
        channels = tuple(ChannelCode(channel, self.stream("tile")) for channel in self.distinct(self.number))
        areas = self.records(Area, n, n) if self.truth() else ()
        return replace(self.tile, cores=cores, channels=channels, areas=areas)

    def matrices(self) -> tuple[Matrix, ...]:
        n = self.number
        return tuple(
            Matrix(
                mvmu, self.name(), n(), n(), n(), n(), self.truth(), n(), self.name(), n(), n(), n(), n(), self.name()
            )
            for mvmu in self.distinct(self.number)
        )

    def plug(self) -> Plug:
        refs = self.many(lambda: RingRef(self.natural(), self.name(), self.rng.randint(-1, 9)))
        return Plug(
            self.name(),
            self.name(),
            self.many(self.number),
            self.real(),
            self.number(),
            self.number(),
            self.number(),
            self.name(),
            refs,
            self.truth(),
            self.many(lambda: RingRef(self.natural(), self.name())),
        )

    def part(self) -> dict[str, Any]:
        """Inputs, outputs and tiles."""
        tiles = tuple(self.make_tile(number) for number in self.distinct(self.number))
        return {"inputs": self.many(self.plug), "outputs": self.many(self.plug), "tiles": tiles}

    def program(self) -> Program:
        """One in four runs in phases."""
        texts = self.name(), self.name(), self.name(), self.many(self.name)
        numbers = {name: self.number() for name in ("chips", "word", "accumulator", "shared")}
        head = Program(*texts, **numbers)
        if self.rng.random() < 0.75:
            return replace(head, **self.part())
        count = self.rng.randint(1, 3)
        return in_phases(
            head, tuple(Phase(number, self.number(), self.truth(), **self.part()) for number in range(count))
        )
