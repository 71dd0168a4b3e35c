"""What operands cost wherever they stand, the actions inside of a product, and the work of instructions beyond that.

Actions are those of cimc.target.keys.ACTIONS. Each count that no paper gives is marked as assumed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cimc.isa.operands import Name, Operand, Reg, Window
from cimc.isa.program import CoreCode, Matrix, TileCode, extent
from cimc.target.keys import ACTIONS
from cimc.target.mesh import Mesh, flits
from cimc.target.model import Target

Counts = dict[str, float]
"""How many of each action. "mvm" counts products of full-width inputs, of which a narrower input's is a part."""

MULTIPLIER_BITS = 32


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


PARTS = ("crossbar_step", "dac_conversion", "adc_conversion", "shift_add")
"""Actions inside of a product: part of the price of "mvm", and told apart where they have prices of their own."""
assert set(PARTS) <= set(ACTIONS), "a part of a product is no action"


def steps_of(target: Target, input_bits: int, signed: bool) -> int:
    """Steps in which an input is fed. A step for the one number of a signed input that has no positive counterpart, fed
    in halves, is not counted."""
    if signed and target.crossbar.signed_inputs == "halves":
        return 2 * max(1, math.ceil((input_bits - 1) / target.crossbar.dac_bits))
    return math.ceil(input_bits / target.crossbar.dac_bits)


def groups_of(target: Target, rows: int) -> int:
    """How many groups of rows are read one after the other."""
    return max(1, math.ceil(rows / (target.crossbar.rows_at_once or target.crossbar.rows)))


def product_parts(
    target: Target, rows: int, columns: int, weight_bits: int, input_bits: int, signed: bool = False
) -> Counts:
    """Actions inside of one product of `rows` inputs and `columns` outputs.

    Rows without a weight are not driven, columns without one not converted, crossbars without a slice not read
    (assumed). A unit column beside the others is not counted: ISAAC's converters are counted for 128 columns.
    """
    cells = target.slices(weight_bits) * target.cells_abreast
    steps, groups = steps_of(target, input_bits, signed), groups_of(target, rows)
    apart = target.mvmu.slices == "crossbars"
    crossbars = cells if apart else math.ceil(columns * cells / target.crossbar.columns)
    once = target.crossbar.conversions == "once"
    subtracted = target.mvmu.pairs == "subtracted"
    halves = 2 if signed and target.crossbar.signed_inputs == "halves" else 1
    sums = columns * (cells // target.cells_abreast if subtracted else cells)
    conversions = sums * groups * (halves if once else steps)
    return {
        "crossbar_step": steps * groups * crossbars,
        "dac_conversion": steps * rows * crossbars,
        "adc_conversion": conversions,
        "shift_add": conversions - sums if once else conversions,
    }


def full_product(target: Target) -> Counts:
    """Parts of a product that uses a whole MVMU at the target's widths, with signed inputs: what the price of "mvm"
    covers."""
    numbers, columns = target.numbers, target.mvmu_columns(target.numbers.weight)
    return product_parts(target, target.mvmu_rows, columns, numbers.weight, numbers.input, signed=True)


def product_share(target: Target, matrices: Sequence[Matrix]) -> float:
    """The time of a product with matrices of one MVMU as a share of that of a full one (see full_product).

    Each read of a crossbar that is saved saves one "crossbar_step", where that has a price; else nothing (PUMA's
    simulator: 100 ns x (steps + 2) an MVM; ISAAC: 100 ns a step).
    """
    steps = max(steps_of(target, m.input_bits, m.input_signed) for m in matrices)
    return reads_share(target, steps * groups_of(target, extent(tuple(matrices))[0]))


def reads_share(target: Target, reads: int) -> float:
    """The time of so many reads of a crossbar, converters included, as a share of that of a full product."""
    whole, step = target.prices.get("mvm"), target.prices.get("crossbar_step")
    if whole is None or step is None or not whole.seconds:
        return 1.0
    full = steps_of(target, target.numbers.input, True) * groups_of(target, target.mvmu_rows)
    return max(0.0, whole.seconds - (full - reads) * step.seconds) / whole.seconds


def multiplied(mask: int, setting: Setting) -> dict[int, tuple[Matrix, ...]]:
    """The MVMUs that an mvm selects, with the matrices that each holds."""
    assert setting.core is not None, "an mvm stands in a core"
    return {number: held for number, held in setting.core.by_mvmu().items() if mask >> number & 1}


def product_counts(mask: int, setting: Setting) -> Counts:
    """Products of the selected MVMUs; XbarIn is read and XbarOut written once."""
    target = setting.target
    counts: Counts = {}
    for held in multiplied(mask, setting).values():
        rows = len({row for m in held for row in range(m.at_row, m.at_row + m.rows)})
        columns = len({column for m in held for column in range(m.at_column, m.at_column + m.columns)})
        input_bits, signed = max(m.input_bits for m in held), any(m.input_signed for m in held)
        parts = product_parts(target, rows, columns, max(m.weight_bits for m in held), input_bits, signed)
        add_counts(counts, {action: count for action, count in parts.items() if action in target.prices})
        add_counts(counts, {"mvm": product_share(target, held), "xin_read": rows, "register_word": columns})
    return counts


def write(operands: Operands, setting: Setting) -> Counts:
    """Cells of a row of each MVMU; their rows at the same time."""
    mask = operands[0]
    assert isinstance(mask, int), operands
    target = setting.target
    cells = sum(
        extent(held)[1] * target.slices(max(m.weight_bits for m in held)) * target.cells_abreast
        for held in multiplied(mask, setting).values()
    )
    return {"row_write": 1, "cell_write": cells}


def read_back(operands: Operands, setting: Setting) -> Counts:
    """One step of a product that drives one row, as far as its parts have prices (assumed)."""
    mvmu, _, d = operands
    assert isinstance(mvmu, int) and isinstance(d, Reg), operands
    held = multiplied(1 << mvmu, setting).get(mvmu, ())
    parts = product_parts(setting.target, 1, d.length, max((m.weight_bits for m in held), default=2), 1)
    return {action: count for action, count in parts.items() if action in setting.target.prices}


def memory_actions(words: int) -> Counts:
    """Words to or from a tile's memory."""
    return {"memory_word": words, "memory_bus_word": words}


def multiplier_words(word_bits: int) -> int:
    """Memory words of a scale's multiplier."""
    return math.ceil(MULTIPLIER_BITS / word_bits)


def add_counts(counts: Counts, more: Mapping[str, float]) -> None:
    """Add actions to others."""
    for action, count in more.items():
        counts[action] = counts.get(action, 0) + count


Operands = Sequence[Operand]
Work = Callable[[Operands, Setting], Counts]
"""Work of an instruction beyond what its operands cost, for the table: passes of the vector unit, look-ups, hops."""


def passes(each: int = 0, source: int = 0, once: int = 0) -> Work:
    """So many passes of the vector unit for each word of the result, for each word of the last source, and once."""

    def count(operands: Operands, setting: Setting) -> Counts:
        lengths = [operand.length for operand in operands if isinstance(operand, Reg)] or [0]
        return {"alu": float(each * lengths[0] + source * lengths[-1] + once)}

    return count


def look_up(operands: Operands, setting: Setting) -> Counts:
    """One look-up a word; between two entries two, and a difference, a product and a sum."""
    words = next(operand.length for operand in operands if isinstance(operand, Reg))
    name = next(operand.name for operand in operands if isinstance(operand, Name))
    between = next(table.step for table in setting.tile.tables if table.name == name) > 0
    return {"table_lookup": 2 * words, "alu": 3 * words} if between else {"table_lookup": words}


def send(operands: Operands, setting: Setting) -> Counts:
    """Flits over the routers of their way, and words over the chip's link."""
    window, to, _ = operands
    assert isinstance(window, Window) and isinstance(to, int), operands
    mesh, here = Mesh.of(setting.target), setting.tile.number
    counts: Counts = {"network_hop": flits(window.words, setting.word_bits) * mesh.hops(here, to)}
    if mesh.chip(to) != mesh.chip(here):
        counts["off_chip_word"] = window.words
    return counts


def receive(operands: Operands, setting: Setting) -> Counts:
    """Words out of the FIFO."""
    return {"fifo_word": sum(operand.words for operand in operands if isinstance(operand, Window))}
