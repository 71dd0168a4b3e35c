"""What every instruction does that has a price: actions (cimc.target.fields.ACTIONS) counted for each Form.

Each count that no paper gives is marked as assumed. Windows count in full, also where they leave the map at a border.
Assumed of the vector unit: one addition, multiplication or comparison of a word is one pass ("alu"); rounding and
saturation happen on the way out; constants that are added are folded into one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from cimc.isa.operands import DataRef, Name, Operand, Reg, Window
from cimc.isa.program import CoreCode, Instruction, Matrix, TileCode
from cimc.isa.table import FORM
from cimc.target.fields import ACTIONS
from cimc.target.mesh import Mesh, flits
from cimc.target.model import Target

Counts = dict[str, float]
"""How many of each action. "mvm" counts products of full-width inputs, of which a narrower input's is a part."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Where an instruction stands: on which target, in which tile, in which core (None: in a transfer channel)."""

    target: Target
    tile: TileCode
    core: CoreCode | None

    @property
    def word_bits(self) -> int:
        """Bits of a memory word."""
        return self.target.numbers.word


def count_actions(instruction: Instruction, setting: Setting) -> Counts:
    """Actions of one execution of an instruction, its fetch included."""
    counts = _HANDLERS[instruction.mnemonic](instruction, setting)
    counts["tile_instruction" if setting.core is None else "core_instruction"] = 1
    return counts


PARTS = ("crossbar_step", "dac_conversion", "adc_conversion", "shift_add")
"""Actions inside of a product: part of the price of "mvm", and told apart where they have prices of their own."""


def steps_of(target: Target, input_bits: int) -> int:
    """Steps in which an input is fed."""
    return math.ceil(input_bits / target.crossbar.dac_bits)


def product_parts(target: Target, rows: int, columns: int, weight_bits: int, input_bits: int) -> Counts:
    """Actions inside of one product of `rows` inputs and `columns` outputs.

    Rows without a weight are not driven, columns without one not converted, crossbars without a slice not read
    (assumed). A unit column beside the others is not counted: ISAAC's converters are counted for 128 columns.
    """
    cells = target.slices(weight_bits) * target.cells_abreast
    steps = steps_of(target, input_bits)
    apart = target.mvmu.slices == "crossbars"
    crossbars = cells if apart else math.ceil(columns * cells / target.crossbar.columns)
    once = target.crossbar.conversions == "once"
    conversions = columns * cells * (1 if once else steps)
    return {
        "crossbar_step": steps * crossbars,
        "dac_conversion": steps * rows * crossbars,
        "adc_conversion": conversions,
        "shift_add": 0 if once else conversions,
    }


def full_product(target: Target) -> Counts:
    """Parts of a product that uses a whole MVMU at the target's widths: what the price of "mvm" covers."""
    numbers = target.numbers
    return product_parts(target, target.mvmu_rows, target.mvmu_columns(numbers.weight), numbers.weight, numbers.input)


def product_share(target: Target, input_bits: int) -> float:
    """The time of a product as a share of that of full-width inputs.

    Each step of input bits that is saved saves one "crossbar_step", where that has a price; else nothing (PUMA's
    simulator: 100 ns x (steps + 2) an MVM; ISAAC: 100 ns a step).
    """
    whole, step = target.prices.get("mvm"), target.prices.get("crossbar_step")
    if whole is None or step is None or not whole.seconds:
        return 1.0
    saved = steps_of(target, target.numbers.input) - steps_of(target, input_bits)
    return max(0.0, whole.seconds - saved * step.seconds) / whole.seconds


def multiplied(instruction: Instruction, setting: Setting) -> dict[int, tuple[Matrix, ...]]:
    """The MVMUs that an mvm selects, with the matrices that each holds."""
    assert setting.core is not None, "an mvm stands in a core"
    mask = cast(int, instruction.operands[0])
    return {number: held for number, held in setting.core.by_mvmu().items() if mask >> number & 1}


def _mvm(instruction: Instruction, setting: Setting) -> Counts:
    """Products of the selected MVMUs; XbarIn is read and XbarOut written once."""
    target = setting.target
    counts: Counts = {}
    for held in multiplied(instruction, setting).values():
        rows = len({row for m in held for row in range(m.at_row, m.at_row + m.rows)})
        columns = len({column for m in held for column in range(m.at_column, m.at_column + m.columns)})
        input_bits = max(m.input_bits for m in held)
        parts = product_parts(target, rows, columns, max(m.weight_bits for m in held), input_bits)
        _add(counts, {action: count for action, count in parts.items() if action in target.prices})
        _add(counts, {"mvm": product_share(target, input_bits), "xin_read": rows, "register_word": columns})
    return counts


def _memory(words: int) -> Counts:
    return {"memory_word": words, "memory_bus_word": words}


def _load(instruction: Instruction, setting: Setting) -> Counts:
    return _memory(cast(Window, instruction.operands[1]).words) | _registers(instruction)


def _store(instruction: Instruction, setting: Setting) -> Counts:
    return _memory(cast(Window, instruction.operands[0]).words) | _registers(instruction)


def _loadv(instruction: Instruction, setting: Setting) -> Counts:
    vector = cast(DataRef, instruction.operands[1])
    return _memory(vector.length) | _registers(instruction)


def _send(instruction: Instruction, setting: Setting) -> Counts:
    words = cast(Window, instruction.operands[0]).words
    mesh, to = Mesh.of(setting.target), cast(int, instruction.operands[1])
    counts = _memory(words)
    counts["network_hop"] = flits(words, setting.word_bits) * mesh.hops(setting.tile.number, to)
    if mesh.chip(to) != mesh.chip(setting.tile.number):
        counts["off_chip_word"] = words
    return counts


def _receive(instruction: Instruction, setting: Setting) -> Counts:
    words = cast(Window, instruction.operands[0]).words
    return {"fifo_word": words, **_memory(words)}


def _lut(instruction: Instruction, setting: Setting) -> Counts:
    """One look-up a word; between two entries two, and a difference, a product and a sum."""
    words = cast(Reg, instruction.operands[0]).length
    name = cast(Name, instruction.operands[2]).name
    between = next(table.step for table in setting.tile.tables if table.name == name) > 0
    counts: Counts = {"table_lookup": 2 * words, "alu": 3 * words} if between else {"table_lookup": words}
    return counts | _registers(instruction)


def _vector(each: int, source: int = 0, once: int = 0) -> Callable[[Instruction, Setting], Counts]:
    """A vector instruction of so many passes for each word of the result, each word of a, and on its own.

    A scale's multipliers are read from tile memory (cimc.isa.program.Scale), 32 bits each.
    """

    def count(instruction: Instruction, setting: Setting) -> Counts:
        regs = _regs(instruction.operands)
        results = regs[0].length if regs and each else 0
        sources = regs[-1].length if regs and source else 0
        counts = _registers(instruction) | {"alu": float(each * results + source * sources + once)}
        fields = FORM[instruction.mnemonic].fields
        for field, operand in zip(fields, instruction.operands, strict=True):
            if field.kind == "scale":
                scale = cast(DataRef, operand)
                rows = next(record.rows for record in setting.tile.scales if record.name == scale.name)
                counts |= _memory(scale.length * rows * math.ceil(32 / setting.word_bits))
        return counts

    return count


def _regs(operands: tuple[Operand, ...]) -> list[Reg]:
    return [operand for operand in operands if isinstance(operand, Reg)]


def _registers(instruction: Instruction) -> Counts:
    """Words read from and written to registers."""
    counts: Counts = {}
    for field, operand in zip(FORM[instruction.mnemonic].fields, instruction.operands, strict=True):
        if isinstance(operand, Reg):
            xin = "xin_write" if field.kind == "dest" else "xin_read"
            _add(counts, {xin if operand.space == "xin" else "register_word": operand.length})
    return counts


def _add(counts: Counts, more: Mapping[str, float]) -> None:
    for action, count in more.items():
        counts[action] = counts.get(action, 0) + count


def _steer(instruction: Instruction, setting: Setting) -> Counts:
    """Loops and tickets: nothing beside the fetch. Assumed: tickets are counters in the tile's control."""
    return {}


_HANDLERS: Mapping[str, Callable[[Instruction, Setting], Counts]] = MappingProxyType(
    {
        "loop": _steer,
        "end": _steer,
        "hlt": _steer,
        "wait": _steer,
        "space": _steer,
        "release": _steer,
        "signal": _steer,
        "load": _load,
        "store": _store,
        "loadv": _loadv,
        "mvm": _mvm,
        "set": _vector(1),
        "copy": _vector(1),
        "add": _vector(1),
        "sub": _vector(1),
        "max": _vector(1),
        "min": _vector(1),
        "addi": _vector(1),
        "maxi": _vector(1),
        "mini": _vector(1),
        "shri": _vector(1),
        "andi": _vector(1),
        "mulshr": _vector(2),  # a product and a shift
        "requant": _vector(2),  # a product, the zero point
        "requant2": _vector(4),  # two products, their sum, the zero points
        "requantm": _vector(5),  # two zero points, two products, the zero point
        "rsum": _vector(2, source=1),  # a sum over a, then as requant
        "rmax": _vector(0, source=1),
        "lut": _lut,
        "clrs": _vector(0, once=1),
        "sums": _vector(0, source=1),
        "requants": _vector(3, once=1),  # one division; then two products and the zero point
        "send": _send,
        "receive": _receive,
    }
)

assert set(_HANDLERS) == set(FORM), f"no count of actions, or no such instruction: {set(_HANDLERS) ^ set(FORM)}"
assert set(PARTS) <= set(ACTIONS), "a part of a product is no action"
