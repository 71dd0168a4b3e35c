"""From an instruction of a core to its function. Operands are resolved once: registers to views, constants to arrays,
addresses to functions of the counters. What an instruction of the vector unit computes, its declaration says; only
loads, stores and products are the machine's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from cimc.isa import operands
from cimc.isa.form import Form
from cimc.isa.kinds.numbers import Cells, Imm, Mask, Mvmu, members
from cimc.isa.kinds.rings import Packed, Row, Window
from cimc.isa.kinds.runs import Dest, Scale, Source, Weights
from cimc.isa.meaning import Entries, Factors
from cimc.isa.operands import DataRef, Name, Operand, Reg
from cimc.isa.program import Instruction, TileCode
from cimc.isa.table import FORM
from cimc.numerics.quant import may_be_infinite, saturate
from cimc.runtime.cells import Stored, compile_read_back, compile_write
from cimc.runtime.crossbar import Mvmu as Programmed
from cimc.runtime.crossbar import compile_mvmu
from cimc.runtime.machine import (
    Action,
    AnyArray,
    Argument,
    CoreState,
    Counters,
    Machine,
    Register,
    TileState,
    Wide,
    compile_affine,
)
from cimc.runtime.reads import reads_of
from cimc.runtime.vector import compile_scalar, compile_vector
from cimc.runtime.windows import BoundWindow, compile_load, compile_store, compile_window


@dataclass(frozen=True, slots=True)
class CoreContext:
    """What the instructions of a core may touch. mvmus: by number, those that multiply. weights: the program's arrays.
    counters, and slots: their places by name. stored: cells of the MVMUs that are written; numbers: the weights of
    those that hold some, (rows, columns)."""

    machine: Machine
    tile: TileCode
    tile_state: TileState
    state: CoreState
    mvmus: Mapping[int, Programmed]
    weights: Mapping[str, AnyArray]
    counters: Counters
    slots: Mapping[str, int]
    stored: Mapping[int, Stored]
    numbers: Mapping[int, Wide]

    def register(self, reg: Reg) -> Register:
        """A run of registers."""
        words = self.state.files[reg.space]
        assert reg.start >= 0 and reg.stop <= words.shape[0], f"{reg} is outside of {words.shape[0]} registers"
        numbers = self.machine.target.numbers
        return Register(words[reg.start : reg.stop], numbers.accumulator if reg.space == "xout" else numbers.word)

    def window(self, window: operands.Window) -> BoundWindow:
        """A window of a ring."""
        return compile_window(self.tile_state.rings[window.ring], window, self.counters, self.slots)

    def argument(self, operand: Operand, is_scale: bool) -> Argument:
        """What an operand of a meaning holds: of a scale its factors."""
        match operand:
            case Reg():
                return self.register(operand)
            case int():
                return operand
            case Name():
                table = next(table for table in self.tile.tables if table.name == operand.name)
                return Entries(np.asarray(self.weights[table.array], np.int64), table.first, table.step)
            case DataRef() if is_scale:
                scale = next(scale for scale in self.tile.scales if scale.name == operand.name)
                array = np.asarray(self.weights[scale.array], np.float32).reshape(scale.rows, scale.entries, 1)
                m, n = (array[row, operand.start : operand.start + operand.length] for row in (0, scale.rows - 1))
                infinite = scale.rows > 1 and may_be_infinite(m, n)
                return Factors(m, m if scale.rows == 1 else n, scale.zero, scale.low, scale.high, scale.a0, scale.b0,
                               infinite)  # fmt: skip
            case DataRef():  # of a vector, (entries, 1), as words of memory hold them
                vector = next(vector for vector in self.tile.vectors if vector.name == operand.name)
                entries = np.asarray(self.weights[vector.array], np.int64)[:, None]
                word = self.machine.target.numbers.word
                entries = saturate(entries[operand.start : operand.start + operand.length], word)
                return Register(np.asarray(entries, np.int32), word)
        raise AssertionError(f"{operand} holds nothing")


def compile_instruction(core: CoreContext, instruction: Instruction) -> Action:
    """The function of an instruction."""
    form = FORM[instruction.mnemonic]
    if form.meaning is None:
        return _MACHINE[form.mnemonic](core, form, instruction)
    arguments = [
        core.argument(operand, isinstance(field.kind, Scale))
        for field, operand in zip(form.fields, instruction.operands, strict=True)
        if not isinstance(field.kind, Dest)
    ]
    scratch, s = core.machine.scratch, core.state.s
    if not form.has(Dest):
        return compile_scalar(form, arguments, scratch, s)
    return compile_vector(form, core.register(form.operand(instruction, Dest)), arguments, scratch, s)


def _load(core: CoreContext, form: Form, instruction: Instruction) -> Action:
    dest, word = core.register(form.operand(instruction, Dest)), core.machine.target.numbers.word
    fill = saturate(np.asarray(form.operand(instruction, Imm)), min(word, dest.bits))
    window = core.window(form.operand(instruction, Window))
    return compile_load(window, dest.words, int(fill), dest.bits if dest.bits < word else None)


def _store(core: CoreContext, form: Form, instruction: Instruction) -> Action:
    source, word = core.register(form.operand(instruction, Source)), core.machine.target.numbers.word
    window = core.window(form.operand(instruction, Window))
    return compile_store(window, source.words, word if source.bits > word else None)


def _mvm(core: CoreContext, form: Form, instruction: Instruction) -> Action:
    target, files = core.machine.target, core.state.files
    products = []
    for number in members(form.operand(instruction, Mask)):
        mvmu = core.mvmus[number]
        first, out = number * target.mvmu_rows, number * target.xout_stride
        xin = files["xin"][first : first + mvmu.matrix.rows]
        xout = files["xout"][out : out + mvmu.matrix.columns]
        reading = reads_of(core.machine, mvmu.key, core.counters).next if mvmu.noisy else None
        products.append(compile_mvmu(mvmu, xin, xout, core.machine.scratch, reading))
    if len(products) == 1:
        return products[0]

    def multiply() -> None:
        for product in products:
            product()

    return multiply


def _write(core: CoreContext, form: Form, instruction: Instruction) -> Action:
    window, word = form.operand(instruction, Packed), core.machine.target.numbers.word
    assert core.machine.lanes == 1, f"{core.machine.lanes} lanes write one crossbar"
    buffer = np.zeros((window.words, 1), np.int32)
    load = compile_load(core.window(window), buffer, 0)
    row = compile_affine(form.operand(instruction, Row), core.counters, core.slots)
    stored = [core.stored[mvmu] for mvmu in members(form.operand(instruction, Cells))]
    assert all(one.word_bits == word for one in stored), f"cells of words of other than {word} bits"
    return compile_write(stored, row, load, buffer)


def _read_back(core: CoreContext, form: Form, instruction: Instruction) -> Action:
    row = compile_affine(form.operand(instruction, Row), core.counters, core.slots)
    d = core.register(form.operand(instruction, Weights))
    weights = saturate(core.numbers[form.operand(instruction, Mvmu)], d.bits)
    return compile_read_back(weights, row, d.words)


_MACHINE: Mapping[str, Callable[[CoreContext, Form, Instruction], Action]] = MappingProxyType(
    {"load": _load, "store": _store, "mvm": _mvm, "write": _write, "readback": _read_back}
)
"""Instructions that have no meaning as a function of arrays alone."""

assert set(_MACHINE) == {name for name, form in FORM.items() if form.place == "core" and form.meaning is None}, (
    "an instruction has no meaning and no function"
)
