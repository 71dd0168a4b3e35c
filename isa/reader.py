"""From the shapes of the grammar to operands and values: each checked against the kind that the table asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from cimc.base.diagnostics import did_you_mean
from cimc.isa.code import SPACES
from cimc.isa.directives import VALUE_KINDS, Directive, Key, Value
from cimc.isa.kinds import KINDS
from cimc.isa.operands import Axis, DataRef, Name, Operand, Port, Reg, Window
from cimc.isa.program import RingRef
from cimc.isa.syntax import (
    DirectiveLine,
    Expression,
    Index,
    Indexed,
    InstructionLine,
    Listed,
    OperandShape,
    PortShape,
    RingShape,
    Star,
    ValueShape,
    Word,
)
from cimc.isa.table import FORM


class Refused(Exception):
    """A shape that does not fit: column, code, what, what to do."""

    def __init__(self, column: int, code: str, what: str, todo: str = "") -> None:
        super().__init__(what)
        self.column = column
        self.code = code
        self.what = what
        self.todo = todo


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
            f"write `{sample(form.mnemonic)}`",
        )
    operands = []
    for number, (field, shape) in enumerate(zip(form.fields, line.operands, strict=True), 1):
        operand = _READERS[field.kind](shape)
        if operand is None:
            kind = KINDS[field.kind]
            raise Refused(
                shape.column,
                "operand-kind",
                f"operand {number} ({field.name}) of {form.mnemonic} must be {kind.what}",
                f"such as `{kind.example}`",
            )
        operands.append(operand)
    return tuple(operands)


def unknown_mnemonic(column: int, mnemonic: str) -> Refused:
    """The refusal of a mnemonic that the table does not have."""
    return Refused(column, "mnemonic", f'there is no instruction "{mnemonic}"', did_you_mean(mnemonic, FORM))


def sample(mnemonic: str) -> str:
    """An instruction as an example: "wait x.0, oy*2+1"."""
    return f"{mnemonic} {', '.join(KINDS[field.kind].example for field in FORM[mnemonic].fields)}".rstrip()


def read_values(line: DirectiveLine, directive: Directive) -> dict[str, Value]:
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


def _value(key: Key, shape: ValueShape) -> Value:
    value = _VALUES[key.kind](shape)
    if value is None:
        raise Refused(shape.column, "value", f"{key.name} must be {VALUE_KINDS[key.kind]}")
    return value


def _counter(shape: OperandShape) -> Operand | None:
    if isinstance(shape, Expression) and shape.value.constant == 0 and len(shape.value.terms) == 1:
        name, coefficient = shape.value.terms[0]
        return name if coefficient == 1 else None
    return None


def _integer(shape: OperandShape) -> int | None:
    return shape.value.constant if isinstance(shape, Expression) and not shape.value.terms else None


def _count(shape: OperandShape) -> Operand | None:
    if isinstance(shape, Star):
        return -1
    count = _integer(shape)
    if count is not None and count < 0:
        raise Refused(shape.column, "number", f"the count of a loop is {count}", "write * for the number of inputs")
    return count


def _run(shape: OperandShape) -> tuple[str, int, int] | None:
    """name, start and length of name[start] or name[start:stop]."""
    if not isinstance(shape, Indexed) or len(shape.indices) != 1:
        return None
    index = shape.indices[0]
    if index.start.terms or index.step != 1:
        return None
    axis = _axis(index)
    return shape.name, axis.start.constant, axis.count


def _reg(shape: OperandShape) -> Operand | None:
    if isinstance(shape, Indexed) and shape.name not in SPACES:
        raise Refused(
            shape.column,
            "register-file",
            f'there is no register file "{shape.name}"',
            did_you_mean(shape.name, SPACES) or f"the register files are {', '.join(SPACES)}",
        )
    run = _run(shape)
    return None if run is None else Reg(*run)


def _data(shape: OperandShape) -> Operand | None:
    run = _run(shape)
    return None if run is None else DataRef(*run)


def _axis(index: Index) -> Axis:
    """An axis of a window; the stop of start:stop counts from the same terms as the start."""
    if index.stop is None:
        return Axis(index.start, 1 if index.count is None else index.count, index.step)
    if index.start.terms or index.stop.terms:
        raise Refused(
            index.column,
            "operand-kind",
            "start:stop stands only between constants",
            "write start:+count, such as oy:+3",
        )
    length = index.stop.constant - index.start.constant
    if length < 1:
        raise Refused(
            index.column,
            "number",
            f"{index.start.constant}:{index.stop.constant} is empty",
            "the stop is one past the last index",
        )
    return Axis(index.start, length)


def _window(shape: OperandShape) -> Operand | None:
    if not isinstance(shape, Indexed) or len(shape.indices) != 3:
        return None
    return Window(shape.name, *(_axis(index) for index in shape.indices))


def _port(shape: OperandShape) -> Operand | None:
    return Port(shape.name, shape.number) if isinstance(shape, PortShape) else None


def _name(shape: OperandShape) -> Operand | None:
    name = _counter(shape)
    return None if name is None else Name(str(name))


def _ticket(shape: OperandShape) -> Operand | None:
    return shape.value if isinstance(shape, Expression) else None


_READERS: Mapping[str, Callable[[OperandShape], Operand | None]] = MappingProxyType(
    {
        "counter": _counter,
        "count": _count,
        "dest": _reg,
        "source": _reg,
        "window": _window,
        "port": _port,
        "ring": _name,
        "ticket": _ticket,
        "scale": _data,
        "vector": _data,
        "table": _name,
        "imm": _integer,
        "mask": _integer,
        "tile": _integer,
        "fifo": _integer,
    }
)


def _int_value(shape: ValueShape) -> Value | None:
    if isinstance(shape, Word) and not shape.is_name and shape.text.lstrip("-").isdigit():
        return int(shape.text)
    return None


def _float_value(shape: ValueShape) -> Value | None:
    value = float(shape.text) if isinstance(shape, Word) and not shape.is_name else math.nan
    return value if math.isfinite(value) else None


def _bool_value(shape: ValueShape) -> Value | None:
    known = {"true": True, "false": False}
    return known.get(shape.text) if isinstance(shape, Word) and shape.is_name else None


def _text_value(shape: ValueShape) -> Value | None:
    return shape.text if isinstance(shape, Word) and shape.is_name else None


def _ints_value(shape: ValueShape) -> Value | None:
    numbers = tuple(item for item in shape.items if isinstance(item, int)) if isinstance(shape, Listed) else None
    return numbers if isinstance(shape, Listed) and numbers is not None and len(numbers) == len(shape.items) else None


def _rings_value(shape: ValueShape) -> Value | None:
    if not isinstance(shape, Listed):
        return None
    refs = tuple(RingRef(item.tile, item.ring, item.port) for item in shape.items if isinstance(item, RingShape))
    return refs if len(refs) == len(shape.items) else None


_VALUES: Mapping[str, Callable[[ValueShape], Value | None]] = MappingProxyType(
    {
        "int": _int_value,
        "float": _float_value,
        "bool": _bool_value,
        "name": _text_value,
        "text": _text_value,
        "ints": _ints_value,
        "rings": _rings_value,
    }
)

assert set(_READERS) == set(KINDS), "a kind of operand has no reader"
assert set(_VALUES) == set(VALUE_KINDS), "a kind of value is not described"
