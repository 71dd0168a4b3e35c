"""Operands that are a number, and the counter of a loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from cimc.isa.binary.bytestream import Reader, signed, unsigned
from cimc.isa.cost.products import Counts, Setting, product_counts
from cimc.isa.kinds.base import LARGEST, NO_COUNTS, Complaint, Kind, Look, Scope, number_problems
from cimc.isa.operands import Affine
from cimc.isa.program import extent
from cimc.isa.text.names import UTF8, is_text, write_name
from cimc.isa.text.syntax import OperandShape, Refused


class Counter(Kind[str]):
    """The counter of a loop."""

    name, what, example = "counter", "the name that a loop gives its counter", "oy"
    layout = "nothing; the names stand beside the code"

    def write(self, operand: str) -> str:
        return write_name(operand)

    def read(self, shape: OperandShape) -> str | None:
        return name_in(shape)

    def encode(self, operand: str, scope: Scope) -> bytes:
        return b""

    def decode(self, code: Reader, scope: Scope) -> str:
        name = next(scope.coming, None)
        if name is None:
            raise code.fail("structure", "a loop whose counter has no name")
        return name

    def problems(self, operand: str, scope: Scope) -> Iterable[Complaint]:
        if operand in scope.counters:
            what = f'an enclosing loop already counts "{operand}"'
            yield "shadowed-counter", what, "give the counter another name", ""
        if not is_text(operand):
            yield "value", f"a counter is called {operand}", f"its name must be a text {UTF8}", ""


class Number(Kind[int]):
    """A number. thing: in messages; least: value; wide: it is stored with its sign, not from the least value on."""

    thing: ClassVar[str]
    least: ClassVar[int] = 0
    wide: ClassVar[bool] = False

    def write(self, operand: int) -> str:
        return str(operand)

    def read(self, shape: OperandShape) -> int | None:
        return shape.constant if isinstance(shape, Affine) and not shape.terms else None

    def encode(self, operand: int, scope: Scope) -> bytes:
        return signed(operand) if self.wide else unsigned(operand - self.least)

    def decode(self, code: Reader, scope: Scope) -> int:
        return code.signed() if self.wide else code.unsigned() + self.least

    def problems(self, operand: int, scope: Scope) -> Iterable[Complaint]:
        return number_problems(operand, self.least, self.thing)


class Count(Number):
    """How often a loop runs; -1 is the number of inputs of the run."""

    name, thing, least = "count", "the count of a loop", -1
    what, example = "how often a loop runs; * is the number of inputs of the run", "24"
    layout = "count + 1, and 0 for *"

    def write(self, operand: int) -> str:
        return "*" if operand == -1 else str(operand)

    def read(self, shape: OperandShape) -> int | None:
        if shape == "*":
            return -1
        count = super().read(shape)
        if count is not None and count < 0:
            raise Refused("number", f"the count of a loop is {count}", "write * for the number of inputs")
        return count

    def problems(self, operand: int, scope: Scope) -> Iterable[Complaint]:
        return () if operand == -1 else number_problems(operand, 0, self.thing)


class Imm(Number):
    """A signed number, which saturates."""

    name, thing, least, wide = "imm", "the value", -LARGEST, True
    what, example, layout = "a signed number", "-128", "zigzag(number)"


class Shift(Imm):
    """An imm that shifts by least to most bits."""

    def __init__(self, least: int, most: int) -> None:
        self.by = least, most

    def check(self, operand: int, look: Look) -> None:
        least, most = self.by
        if not least <= operand <= most:
            look.complain("shift", f"a shift by {operand}; it must be {least} to {most}", "")


class Mask(Number):
    """The MVMUs that multiply."""

    name, thing = "mask", "the mask"
    what, example, layout = "a set of MVMUs, MVMU 0 the lowest bit", "0b01", "mask"

    def write(self, operand: int) -> str:
        return f"0b{operand:b}"

    def check(self, operand: int, look: Look) -> None:
        """The MVMUs exist and hold a matrix; their inputs are written, their outputs are now."""
        if not operand:
            look.complain("mask", "the mask selects no MVMU", "")
        target = look.target
        for mvmu in members(operand):
            held = look.matrices.get(mvmu)
            if held is None or mvmu >= target.core.mvmus:
                what = f"the mask selects MVMU {mvmu}, which holds no matrix"
                there = ", ".join(map(str, sorted(look.matrices))) or "none"
                look.complain("mask", what, f"MVMUs with a matrix: {there}")
                look.write("xout", mvmu * target.xout_stride, target.xout_stride)
                continue
            look.require_weights(mvmu)
            rows, columns = extent(held)
            look.read("xin", mvmu * target.mvmu_rows, rows)
            look.write("xout", mvmu * target.xout_stride, columns)

    def actions(self, operand: int, setting: Setting) -> Counts:
        return product_counts(operand, setting)


class Cells(Mask):
    """MVMUs whose cells are reached, those of one row at a time."""

    name, thing = "mvmus", "the set of MVMUs"
    what, example, layout = "a set of MVMUs whose cells are written, MVMU 0 the lowest bit", "0b01", "mask"

    def check(self, operand: int, look: Look) -> None:
        """They exist and are told what lies in them. Those that are written have room for it."""
        if not operand:
            look.complain("mask", "the mask selects no MVMU", "")
        look.reach(members(operand))

    def actions(self, operand: int, setting: Setting) -> Counts:
        return NO_COUNTS


class Mvmu(Number):
    """One MVMU."""

    name, thing = "mvmu", "the MVMU"
    what, example, layout = "the number of an MVMU", "0", "mvmu"

    def check(self, operand: int, look: Look) -> None:
        look.reach([operand])
        look.require_weights(operand)


class Tile(Number):
    """A tile."""

    name, thing = "tile", "the tile"
    what, example, layout = "the number of a tile", "3", "tile"


class Fifo(Number):
    """A receive FIFO of a tile."""

    name, thing = "fifo", "the FIFO"
    what, example, layout = "the number of a receive FIFO", "0", "fifo"

    def check(self, operand: int, look: Look) -> None:
        fifos = look.target.tile.fifos
        if operand >= fifos:
            look.complain("fifo", f"a tile of {look.target.name} has {fifos} FIFOs, so no FIFO {operand}", "")


def members(mask: int) -> list[int]:
    """The numbers in a mask."""
    return [number for number in range(mask.bit_length()) if mask >> number & 1]


def name_in(shape: OperandShape) -> str | None:
    """The name that an expression is, if it is one."""
    if isinstance(shape, Affine) and shape.constant == 0 and len(shape.terms) == 1:
        name, coefficient = shape.terms[0]
        return name if coefficient == 1 else None
    return None
