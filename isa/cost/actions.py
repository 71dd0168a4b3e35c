"""What every instruction does that has a price: the actions (cimc.target.keys.ACTIONS) of one execution.

They are its fetch, those of its operands, each counted by its kind, and the work that its form declares.
Each count that no paper gives is marked as assumed. Windows count in full, also where they leave the map at a border.
Assumed: one addition, multiplication or comparison of a word is one pass of the vector unit ("alu"); rounding and
saturation happen on the way out; constants that are added are folded into one; tickets are counters in the tile's
control, so that loops and tickets cost nothing beside their fetch.
"""

from __future__ import annotations

from cimc.isa.cost.products import Counts, Setting, add_counts
from cimc.isa.program import Instruction
from cimc.isa.table import FORM


def count_actions(instruction: Instruction, setting: Setting) -> Counts:
    """Actions of one execution of an instruction, its fetch included."""
    form = FORM[instruction.mnemonic]
    counts: Counts = {}
    for field, operand in zip(form.fields, instruction.operands, strict=True):
        for action, count in field.kind.actions(operand, setting).items():
            counts[action] = counts.get(action, 0) + count
    if form.work is not None:
        add_counts(counts, form.work(instruction.operands, setting))
    counts["tile_instruction" if setting.core is None else "core_instruction"] = 1
    return counts
