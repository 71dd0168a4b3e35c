"""Operands that are a run of words: registers, and entries of a constant."""

from __future__ import annotations

from collections.abc import Iterable

from cimc.base.diagnostics import did_you_mean
from cimc.isa.binary.bytestream import Reader, unsigned
from cimc.isa.cost.products import Counts, Setting, memory_actions, multiplier_words
from cimc.isa.kinds.base import Complaint, Kind, Look, Scope, number_problems
from cimc.isa.kinds.rings import axis_of
from cimc.isa.operands import DataRef, Reg
from cimc.isa.program import extent
from cimc.isa.text.names import write_name
from cimc.isa.text.syntax import Indexed, OperandShape, Refused

SPACES = ("xin", "xout", "r")
"""Register files, by their number in the encoding."""


class Source(Kind[Reg]):
    """Registers that are read."""

    name, what, example, layout = "source", "registers that are read", "xout[128:256]", "like dest"
    xbar_in = "xin_read"

    def write(self, operand: Reg) -> str:
        return _write_run(operand.space, operand.start, operand.length)

    def read(self, shape: OperandShape) -> Reg | None:
        if isinstance(shape, Indexed) and shape.name not in SPACES:
            raise Refused("register-file", *_no_file(shape.name))
        run = _run_in(shape)
        return None if run is None else Reg(*run)

    def encode(self, operand: Reg, scope: Scope) -> bytes:
        """The register file in the two low bits of the start, then the length."""
        return unsigned(operand.start << 2 | SPACES.index(operand.space)) + unsigned(operand.length)

    def decode(self, code: Reader, scope: Scope) -> Reg:
        start = code.unsigned()
        if start & 3 >= len(SPACES):
            raise code.fail("operand", f"register file {start & 3} of {len(SPACES)}")
        return Reg(SPACES[start & 3], start >> 2, code.unsigned())

    def problems(self, operand: Reg, scope: Scope) -> Iterable[Complaint]:
        if operand.space not in SPACES:
            yield "register-file", *_no_file(operand.space), ""
        yield from number_problems(operand.start, 0, "the first register")
        yield from number_problems(operand.length, 1, "the length")

    def check(self, operand: Reg, look: Look) -> None:
        """They exist and have been written."""
        self.exists(operand, look)
        look.read(operand.space, operand.start, operand.length)

    def exists(self, operand: Reg, look: Look) -> None:
        """Complain about registers that there are not."""
        space, words = operand.space, look.registers[operand.space]
        if operand.stop > words:
            look.complain("register", f"{space}[{operand.stop - 1}] does not exist: {space} has {words} words", "")

    def length(self, operand: Reg) -> int:
        return operand.length

    def actions(self, operand: Reg, setting: Setting) -> Counts:
        return {self.xbar_in if operand.space == "xin" else "register_word": operand.length}


class Dest(Source):
    """Registers that are written."""

    name, what, example = "dest", "registers that are written", "r[0:64]"
    layout = "first * 4 + register file (xin 0, xout 1, r 2), length"
    xbar_in = "xin_write"

    def check(self, operand: Reg, look: Look) -> None:
        self.exists(operand, look)
        look.write(operand.space, operand.start, operand.length)


class Weights(Dest):
    """Registers that take the weights of a row of an MVMU."""

    name, what, example = "weights", "registers that take weights, one each", "r[0:128]"
    layout = "like dest"

    def check(self, operand: Reg, look: Look) -> None:
        super().check(operand, look)
        for mvmu, held in look.reached.items():
            columns = extent(held)[1]
            if operand.length > columns:
                look.complain("cells", f"{operand.length} weights of a row of MVMU {mvmu}, which has {columns}", "")


class Vector(Kind[DataRef]):
    """Entries of a constant vector."""

    name, what, example = "vector", "entries of a constant vector", "bias[0:64]"
    layout = "vector, first, length"

    def write(self, operand: DataRef) -> str:
        return _write_run(write_name(operand.name), operand.start, operand.length)

    def read(self, shape: OperandShape) -> DataRef | None:
        run = _run_in(shape)
        return None if run is None else DataRef(*run)

    def encode(self, operand: DataRef, scope: Scope) -> bytes:
        number = unsigned(scope.encode(self.name, operand.name))
        return number + unsigned(operand.start) + unsigned(operand.length)

    def decode(self, code: Reader, scope: Scope) -> DataRef:
        return DataRef(scope.decode(self.name, code), code.unsigned(), code.unsigned())

    def problems(self, operand: DataRef, scope: Scope) -> Iterable[Complaint]:
        yield from scope.unknown(self.name, operand.name)
        yield from number_problems(operand.start, 0, "the first entry")
        yield from number_problems(operand.length, 1, "the number of entries")

    def check(self, operand: DataRef, look: Look) -> None:
        self.entries(operand, look.vectors[operand.name].entries, look)

    def entries(self, data: DataRef, entries: int, look: Look) -> None:
        """Complain about entries that there are not."""
        if data.start + data.length > entries:
            last = data.start + data.length - 1
            look.complain("entries", f"{self.name} {data.name} has {entries} entries, so no entry {last}", "")

    def length(self, operand: DataRef) -> int:
        return operand.length

    def actions(self, operand: DataRef, setting: Setting) -> Counts:
        return memory_actions(operand.length)


class Scale(Vector):
    """Entries of a scale, which has so many rows."""

    name, what, example = "scale", "entries of a scale", "conv1.scale[0:64]"
    layout = "scale, first, length"

    def __init__(self, rows: int = 1) -> None:
        self.rows = rows

    def check(self, operand: DataRef, look: Look) -> None:
        scale = look.scales[operand.name]
        self.entries(operand, scale.entries, look)
        if scale.rows != self.rows:
            what = f"scale {scale.name} has {scale.rows} rows, {look.mnemonic} takes {self.rows}"
            look.complain("scale-rows", what, "")

    def actions(self, operand: DataRef, setting: Setting) -> Counts:
        """Multipliers are read from tile memory."""
        rows = next(scale.rows for scale in setting.tile.scales if scale.name == operand.name)
        return memory_actions(operand.length * rows * multiplier_words(setting.word_bits))


def _no_file(space: str) -> tuple[str, str]:
    """What and what to do about a register file that there is not."""
    todo = did_you_mean(space, SPACES) or f"the register files are {', '.join(SPACES)}"
    return f'there is no register file "{space}"', todo


def _write_run(name: str, start: int, length: int) -> str:
    return f"{name}[{start}]" if length == 1 else f"{name}[{start}:{start + length}]"


def _run_in(shape: OperandShape) -> tuple[str, int, int] | None:
    """name, start and length of name[start] or name[start:stop]."""
    if not isinstance(shape, Indexed) or len(shape.indices) != 1:
        return None
    index = shape.indices[0]
    if index.start.terms or index.step != 1:
        return None
    axis = axis_of(index)
    return shape.name, axis.start.constant, axis.count
