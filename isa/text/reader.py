"""From the shapes of a line to operands and values: each checked against the kind that the table asks for."""

from __future__ import annotations

from typing import Any

from cimc.base.diagnostics import did_you_mean
from cimc.isa.directives import DIRECTIVE, Directive, Key
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
        what = f"{form.mnemonic} takes {count}, not {len(line.operands)}"
        raise Refused("operand-count", what, f"write `{form.sample()}`")
    operands = []
    for number, (field, shape) in enumerate(zip(form.fields, line.operands, strict=True), 1):
        operand = field.kind.read(shape)
        if operand is None:
            what = f"operand {number} ({field.name}) of {form.mnemonic} must be {field.kind.what}"
            raise Refused("operand-kind", what, f"such as `{field.kind.example}`", shape.column)
        operands.append(operand)
    return tuple(operands)


def unknown_mnemonic(column: int, mnemonic: str) -> Refused:
    """The refusal of a mnemonic that the table does not have."""
    return Refused("mnemonic", f'there is no instruction "{mnemonic}"', did_you_mean(mnemonic, FORM), column)


def read_values(line: DirectiveLine) -> dict[str, Any]:
    """The values of a directive by attribute, all of them. Raises Refused."""
    directive = DIRECTIVE.get(line.name)
    if directive is None:
        raise Refused("directive", f"there is no directive .{line.name}", did_you_mean(line.name, DIRECTIVE))
    if len(line.values) != len(directive.leading):
        names = " and ".join(f"its {key.name}" for key in directive.leading)
        what = f".{directive.name} takes {names} before its keys, not {len(line.values)} values"
        raise Refused("directive", what, f"write `.{directive.name} {_sketch(directive)}`")
    values = {key.attribute: _value(key, shape) for key, shape in zip(directive.leading, line.values, strict=True)}
    known = {key.name: key for key in directive.keys}
    for column, name, shape in line.keys:
        key = known.get(name)
        if key is None:
            todo = did_you_mean(name, known)
            raise Refused("key", f'.{directive.name} has no key "{name}"', todo, column)
        if key.attribute in values:
            raise Refused("key", f"{name} stands twice", "remove one", column)
        values[key.attribute] = _value(key, shape)
    values = {**directive.defaults, **values}
    missing = [key.name for key in directive.keys if key.attribute not in values]
    if missing:
        todo = f"add {' '.join(f'{name}=...' for name in missing)}"
        raise Refused("key", f".{directive.name} lacks {', '.join(missing)}", todo)
    return values


def _sketch(directive: Directive) -> str:
    return " ".join([key.name for key in directive.leading] + [f"{key.name}=..." for key in directive.keys])


def _value(key: Key, shape: ValueShape) -> object:
    value = key.kind.read(shape)
    if value is None:
        raise Refused("value", f"{key.name} must be {key.kind.what}", column=shape.column)
    return value
