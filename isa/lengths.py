"""How long the operands of each instruction must be, as a table: one rule for each instruction."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cimc.isa.operands import DataRef, Reg, Window
from cimc.isa.program import Instruction
from cimc.isa.table import FORM

RULES: Mapping[str, str] = MappingProxyType(
    {
        "free": "",
        "same": "all operands have the same length; one entry of a scale serves all",
        "broadcast": "sources have the length of d or 1; one entry of a scale serves all",
        "reduce": "the length of a is a multiple of the length of d; one entry of a scale serves all",
    }
)
"""Rules about lengths in words."""

RULE: Mapping[str, str] = MappingProxyType(
    {
        "loop": "free",
        "end": "free",
        "hlt": "free",
        "wait": "free",
        "space": "free",
        "release": "free",
        "signal": "free",
        "load": "same",
        "store": "same",
        "loadv": "same",
        "mvm": "free",
        "set": "free",
        "copy": "same",
        "add": "broadcast",
        "sub": "broadcast",
        "max": "broadcast",
        "min": "broadcast",
        "addi": "same",
        "maxi": "same",
        "mini": "same",
        "shri": "same",
        "andi": "same",
        "mulshr": "broadcast",
        "requant": "same",
        "requant2": "broadcast",
        "requantm": "broadcast",
        "rsum": "reduce",
        "rmax": "reduce",
        "lut": "same",
        "clrs": "free",
        "sums": "free",
        "requants": "same",
        "send": "free",
        "receive": "free",
    }
)
"""The rule that each instruction keeps."""

assert set(RULE) == set(FORM), "an instruction has no rule about lengths, or a rule has no instruction"
assert set(RULE.values()) <= set(RULES), "a rule is not described"


def length_error(instruction: Instruction) -> str:
    """What is wrong with the lengths of an instruction's operands, or the empty string."""
    rule = RULE[instruction.mnemonic]
    if rule == "free":
        return ""
    fields = FORM[instruction.mnemonic].fields
    lengths = {
        field.name: _length(operand)
        for field, operand in zip(fields, instruction.operands, strict=True)
        if isinstance(operand, Reg | Window | DataRef)
    }
    first, *others = lengths
    length = lengths[first]
    for name in others:
        kind = next(field.kind for field in fields if field.name == name)
        if kind == "scale" or rule == "broadcast":
            right = lengths[name] in (length, 1)
        elif rule == "reduce":
            right = lengths[name] % length == 0
        else:
            right = lengths[name] == length
        if not right:
            return f"{first} has {length} words and {name} has {lengths[name]}"
    return ""


def _length(operand: Reg | Window | DataRef) -> int:
    return operand.words if isinstance(operand, Window) else operand.length
