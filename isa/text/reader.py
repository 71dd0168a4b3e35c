"""From the shapes of the grammar to operands and values: each checked against the kind that the table asks for."""

from __future__ import annotations

from typing import Any

from cimc.base.diagnostics import did_you_mean
from cimc.isa.directives import Directive, Key
from cimc.isa.operands import Operand
from cimc.isa.table import FORM
from cimc.isa.text.syntax import DirectiveLine, InstructionLine, Refused, ValueShape


def read_operands(line: InstructionLine) -> tuple[Operand, ...]:
    """The operands of an instruction. Raises Refused."""
    form = FORM.get(line.mnemonic)
    if form is None:
        raise unknown_mnemonic(line.column, line.mnemonic)
    if len(line.operands) != len(form.fields):
        count = f"{len(form.fields)} operand{'s' if len(form.fields) != 1 else ''}"
        raise Refused(
            line.column,
            "operand-count",
            f"{form.mnemonic} takes {count}, not {len(line.operands)}",
            f"write `{form.sample()}`",
        )
    operands = []
    for number, (field, shape) in enumerate(zip(form.fields, line.operands, strict=True), 1):
        operand = field.kind.read(shape)
        if operand is None:
            raise Refused(
                shape.column,
                "operand-kind",
                f"operand {number} ({field.name}) of {form.mnemonic} must be {field.kind.what}",
                f"such as `{field.kind.example}`",
            )
        operands.append(operand)
    return tuple(operands)


def unknown_mnemonic(column: int, mnemonic: str) -> Refused:
    """The refusal of a mnemonic that the table does not have."""
    return Refused(column, "mnemonic", f'there is no instruction "{mnemonic}"', did_you_mean(mnemonic, FORM))


def read_values(line: DirectiveLine, directive: Directive) -> dict[str, Any]:
    """The values of a directive by attribute, all of them. Raises Refused."""
    if len(line.values) != len(directive.leading):
        names = " and ".join(f"its {key.name}" for key in directive.leading)
        raise Refused(
            line.column,
            "directive",
            f".{directive.name} takes {names} before its keys, not {len(line.values)} values",
            f"write `.{directive.name} {_sketch(directive)}`",
        )
    values = {key.attribute: _value(key, shape) for key, shape in zip(directive.leading, line.values, strict=True)}
    known = {key.name: key for key in directive.keys}
    for column, name, shape in line.keys:
        key = known.get(name)
        if key is None:
            raise Refused(column, "key", f'.{directive.name} has no key "{name}"', did_you_mean(name, known))
        if key.attribute in values:
            raise Refused(column, "key", f"{name} stands twice", "remove one")
        values[key.attribute] = _value(key, shape)
    missing = [key.name for key in directive.keys if key.attribute not in {**directive.defaults, **values}]
    if missing:
        raise Refused(
            line.column,
            "key",
            f".{directive.name} lacks {', '.join(missing)}",
            f"add {' '.join(f'{name}=...' for name in missing)}",
        )
    return {**directive.defaults, **values}


def _sketch(directive: Directive) -> str:
    return " ".join([key.name for key in directive.leading] + [f"{key.name}=..." for key in directive.keys])


def _value(key: Key, shape: ValueShape) -> object:
    value = key.kind.read(shape)
    if value is None:
        raise Refused(shape.column, "value", f"{key.name} must be {key.kind.what}")
    return value
