"""Work of instructions beyond what their operands cost, for the table: passes of the vector unit, look-ups, hops."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cimc.isa.cost.products import Counts, Setting
from cimc.isa.operands import Name, Operand, Reg, Window
from cimc.target.mesh import Mesh, flits

Operands = Sequence[Operand]
Work = Callable[[Operands, Setting], Counts]


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
