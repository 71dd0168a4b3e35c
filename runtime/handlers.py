"""From an instruction of a core to its function: one handler for each mnemonic of the table.

A handler resolves operands once - registers to views, constants to arrays, addresses to functions of the counters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import numpy as np

from cimc.isa.operands import DataRef, Name, Operand, Reg, Window
from cimc.isa.program import Scale, Table, TileCode, Vector
from cimc.isa.table import FORM
from cimc.numerics.quant import saturate
from cimc.runtime.affine import Counters
from cimc.runtime.arithmetic import (
    Action,
    Register,
    compile_binary,
    compile_copy,
    compile_immediate,
    compile_lut,
    compile_mulshr,
    compile_rmax,
    compile_set,
)
from cimc.runtime.constants import Constants
from cimc.runtime.crossbar import Mvmu, compile_mvmu
from cimc.runtime.machine import CoreState, Machine, TileState, Wide, Words, width_of
from cimc.runtime.requantise import (
    Factors,
    compile_requant,
    compile_requant2,
    compile_requantm,
    compile_requants,
    compile_rsum,
    compile_sums,
)
from cimc.runtime.transfers import compile_constant, compile_load, compile_store
from cimc.runtime.windows import Reach, compile_window

Operands = tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class CoreContext:
    """What the instructions of a core may touch. mvmus: by number. counters, and slots: their places by name."""

    machine: Machine
    tile: TileCode
    tile_state: TileState
    state: CoreState
    mvmus: Mapping[int, Mvmu]
    constants: Constants
    counters: Counters
    slots: Mapping[str, int]

    def register(self, operand: Operand) -> Register:
        """A run of registers."""
        reg = cast(Reg, operand)
        words = self.state.files[reg.space]
        assert reg.start >= 0 and reg.stop <= words.shape[0], f"{reg} is outside of {words.shape[0]} registers"
        return Register(words[reg.start : reg.stop], width_of(reg.space, self.machine.target))

    def window(self, operand: Operand) -> Reach:
        """A window of a ring."""
        window = cast(Window, operand)
        return compile_window(self.tile_state.rings[window.ring], window, self.counters, self.slots)

    def factors(self, operand: Operand) -> Factors:
        """Entries of a scale."""
        data = cast(DataRef, operand)
        scale: Scale = next(scale for scale in self.tile.scales if scale.name == data.name)
        array = self.constants.reals(scale.array).reshape(scale.rows, scale.entries, 1)
        return Factors(array[:, data.start : data.start + data.length], scale)

    def vector(self, operand: Operand) -> Words:
        """Entries of a constant vector, (entries, 1), as words of memory hold them."""
        data = cast(DataRef, operand)
        vector: Vector = next(vector for vector in self.tile.vectors if vector.name == data.name)
        entries = self.constants.integers(vector.array)[data.start : data.start + data.length, None]
        return np.asarray(saturate(entries, self.machine.target.numbers.word), np.int32)

    def table(self, operand: Operand) -> tuple[Wide, Table]:
        """A lookup table: its entries and what they stand for."""
        name = cast(Name, operand).name
        table = next(table for table in self.tile.tables if table.name == name)
        return self.constants.integers(table.array), table


def _load(core: CoreContext, operands: Operands) -> Action:
    dest, word = core.register(operands[0]), core.machine.target.numbers.word
    fill = saturate(np.asarray(cast(int, operands[2])), min(word, dest.bits))
    return compile_load(core.window(operands[1]), dest.words, int(fill), dest.bits if dest.bits < word else None)


def _store(core: CoreContext, operands: Operands) -> Action:
    source, word = core.register(operands[1]), core.machine.target.numbers.word
    return compile_store(core.window(operands[0]), source.words, word if source.bits > word else None)


def _loadv(core: CoreContext, operands: Operands) -> Action:
    dest = core.register(operands[0])
    return compile_constant(core.vector(operands[1]), dest.words, dest.bits)


def _mvm(core: CoreContext, operands: Operands) -> Action:
    mask, target, files = cast(int, operands[0]), core.machine.target, core.state.files
    products = []
    for number in (bit for bit in range(mask.bit_length()) if mask >> bit & 1):
        mvmu = core.mvmus[number]
        first, out = number * target.mvmu_rows, number * target.xout_stride
        xin = files["xin"][first : first + mvmu.matrix.rows]
        xout = files["xout"][out : out + mvmu.matrix.columns]
        products.append(compile_mvmu(mvmu, xin, xout, core.machine.scratch))
    if len(products) == 1:
        return products[0]

    def multiply() -> None:
        for product in products:
            product()

    return multiply


def _binary(ufunc: np.ufunc) -> Callable[[CoreContext, Operands], Action]:
    def handler(core: CoreContext, operands: Operands) -> Action:
        dest, a, b = map(core.register, operands)
        return compile_binary(ufunc, dest, a, b, core.machine.scratch)

    return handler


def _immediate(mnemonic: str) -> Callable[[CoreContext, Operands], Action]:
    def handler(core: CoreContext, operands: Operands) -> Action:
        dest, a = map(core.register, operands[:2])
        return compile_immediate(mnemonic, dest, a, cast(int, operands[2]), core.machine.scratch)

    return handler


def _mulshr(core: CoreContext, operands: Operands) -> Action:
    dest, a, b = map(core.register, operands[:3])
    return compile_mulshr(dest, a, b, cast(int, operands[3]), core.machine.scratch)


def _requant(core: CoreContext, operands: Operands) -> Action:
    dest, a = map(core.register, operands[:2])
    return compile_requant(dest, a, core.factors(operands[2]), core.machine.scratch)


def _requant2(core: CoreContext, operands: Operands) -> Action:
    dest, a, b = map(core.register, operands[:3])
    return compile_requant2(dest, a, b, core.factors(operands[3]), core.machine.scratch)


def _requantm(core: CoreContext, operands: Operands) -> Action:
    dest, a, b = map(core.register, operands[:3])
    return compile_requantm(dest, a, b, core.factors(operands[3]), core.machine.scratch)


def _rsum(core: CoreContext, operands: Operands) -> Action:
    dest, a = map(core.register, operands[:2])
    return compile_rsum(dest, a, core.factors(operands[2]), core.machine.scratch)


def _rmax(core: CoreContext, operands: Operands) -> Action:
    dest, a = map(core.register, operands)
    return compile_rmax(dest, a, core.machine.scratch)


def _lut(core: CoreContext, operands: Operands) -> Action:
    dest, a = map(core.register, operands[:2])
    entries, table = core.table(operands[2])
    return compile_lut(dest, a, entries, table.first, table.step, core.machine.scratch)


def _clrs(core: CoreContext, operands: Operands) -> Action:
    s = core.state.s
    return lambda: s.fill(0)


def _sums(core: CoreContext, operands: Operands) -> Action:
    return compile_sums(core.state.s, core.register(operands[0]), core.machine.scratch)


def _requants(core: CoreContext, operands: Operands) -> Action:
    dest, a = map(core.register, operands[:2])
    return compile_requants(dest, a, core.state.s, core.factors(operands[2]), core.machine.scratch)


HANDLERS: Mapping[str, Callable[[CoreContext, Operands], Action]] = MappingProxyType(
    {
        "load": _load,
        "store": _store,
        "loadv": _loadv,
        "mvm": _mvm,
        "set": lambda core, operands: compile_set(core.register(operands[0]), cast(int, operands[1])),
        "copy": lambda core, operands: compile_copy(core.register(operands[0]), core.register(operands[1])),
        "add": _binary(np.add),
        "sub": _binary(np.subtract),
        "max": _binary(np.maximum),
        "min": _binary(np.minimum),
        **{name: _immediate(name) for name in ("addi", "maxi", "mini", "shri", "andi")},
        "mulshr": _mulshr,
        "requant": _requant,
        "requant2": _requant2,
        "requantm": _requantm,
        "rsum": _rsum,
        "rmax": _rmax,
        "lut": _lut,
        "clrs": _clrs,
        "sums": _sums,
        "requants": _requants,
    }
)
"""Handlers of the instructions of a core."""

assert set(HANDLERS) == {name for name, form in FORM.items() if form.place == "core"}, "an instruction has no handler"
