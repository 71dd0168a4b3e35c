"""What a line of assembly says: its shape by regular expressions, then operands and values of the kinds that the tables
ask for.

The grammar (cimc.isa.text.grammar) is the norm: what it accepts is read here, and nothing else
(tests/isa/test_round_trips.py). Where a line is not of it, it says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from cimc.base.diagnostics import did_you_mean
from cimc.isa.directives import DIRECTIVE, Directive, Key
from cimc.isa.operands import Affine, Operand, Port
from cimc.isa.program import RingRef
from cimc.isa.table import FORM
from cimc.isa.text.grammar import refusal, unknown_mnemonic
from cimc.isa.text.names import BARE, QUOTED, read_name
from cimc.isa.text.syntax import Index, Indexed, OperandShape, Refused, ValueShape

T = TypeVar("T")

_LONGEST_NUMBER = 19
"""Digits of the largest integer."""
_REMEMBERED = 1 << 14
"""Operands, and values, that are read once: those of a large program are mostly the same."""

_BLANKS = " \t\r"
_B = r"[ \t\r]*+"
_NAME = rf"(?:{BARE}|{QUOTED})"
_INT = r"[0-9]++"
_WORD = r"[A-Za-z_][A-Za-z0-9_]*+"
_OUTSIDE = rf'(?:[^:"]++|{QUOTED})++'

_LINE = re.compile(rf'((?:[^;"]++|{QUOTED})*+)(?:;.*)?')
_INSTRUCTION = re.compile(rf"({_WORD}){_B}(.*)")
_PART = re.compile(rf'{_B}((?:[^\[\],;"]++|{QUOTED}|\[(?:[^\]"]++|{QUOTED})*+\])++)(,|$)')
_DIRECTIVE = re.compile(rf"\.({_WORD}){_B}")
_NUMBER = rf"[+-]?{_B}({_INT}(?:\.[0-9]*+(?:[eE][+-]?[0-9]++)?|[eE][+-]?[0-9]++)?)"
_NUMBER_ALONE = re.compile(_NUMBER)
_VALUE = re.compile(rf'(?:({_WORD})[ \t]*={_B})?({_NAME}|{_NUMBER}|\((?:[^()"]++|{QUOTED})*+\)){_B}')
_TERM = re.compile(rf"{_B}([+-]?){_B}(?:(0b[01]++)|({_INT})|({_NAME})(?:{_B}\*{_B}({_INT}))?){_B}")
_INDEXED = re.compile(rf'({_NAME}){_B}\[((?:[^\]"]++|{QUOTED})*+)\]')
_INDEX = re.compile(rf"({_OUTSIDE})(?::(?:[ \t]*\+{_B}({_INT}){_B}(?::{_B}({_INT}){_B})?|(?![ \t]*\+)({_OUTSIDE})))?")
_PORT = re.compile(rf"({_NAME}){_B}\.({_INT})")
_ITEM = re.compile(rf"(?:([+-]?){_B}({_INT})|({_INT}){_B}:{_B}({_NAME})(?:{_B}\.({_INT}))?)")


class Line(NamedTuple):
    """What a line says. name: of its instruction or directive; columns: of an instruction and its operands, from 0."""

    name: str
    meant: Any
    columns: tuple[int, ...] = ()


_Placed = tuple[int, Any]
"""The shape of an operand or a value, with its column."""


class Shapes(NamedTuple):
    """What a line says before it is looked up. parts: operands, or values without a key, each with its column; keys:
    column and name of each key, and its value with its column; None for an instruction."""

    name: str
    parts: list[_Placed]
    keys: list[tuple[int, str, _Placed]] | None = None


class _Unread(Exception):
    """A text that is not of the grammar."""


def read_line(text: str) -> Line | None:
    """What a line without blanks around it says; None where that is nothing. Raises Refused."""
    shapes = shapes_of(text)
    if shapes is None:
        return None
    return (
        _operands_of(shapes)
        if shapes.keys is None
        else Line(shapes.name, _values_of(shapes.name, shapes.parts, shapes.keys))
    )


def shapes_of(text: str) -> Shapes | None:
    """The shapes of a line without blanks around it. Raises Refused."""
    try:
        line = _match(_LINE, text, 0, len(text))[1].rstrip(_BLANKS) if ";" in text else text
        if line.startswith("."):
            return _directive(line)
        if not line:
            return None
        match = _match(_INSTRUCTION, line, 0, len(line))
        parts = [(at, _at(at, _shape, line[at:end])) for at, end in _split(line, match.start(2), len(line))]
        return Shapes(match[1], parts)
    except _Unread:
        raise refusal(text) from None


def _directive(line: str) -> Shapes:
    name = _DIRECTIVE.match(line)
    if name is None:
        raise _Unread
    parts: list[_Placed] = []
    keys: list[tuple[int, str, _Placed]] = []
    at = name.end()
    while at < len(line):
        match = _VALUE.match(line, at)
        if match is None or (keys and not match[1]):
            raise _Unread
        value = match.start(2), _at(match.start(2), _value, match[2])
        if match[1]:
            keys.append((at, match[1], value))
        else:
            parts.append(value)
        at = match.end()
    return Shapes(name[1], parts, keys)


def _operands_of(shapes: Shapes) -> Line:
    name, parts, _ = shapes
    form = FORM.get(name)
    if form is None:
        raise unknown_mnemonic(0, name)
    if len(parts) != len(form.fields):
        count = f"{len(form.fields)} operand{'s' if len(form.fields) != 1 else ''}"
        raise Refused("operand-count", f"{name} takes {count}, not {len(parts)}", f"write `{form.sample()}`")
    operands: list[Operand] = []
    for number, (field, (column, shape)) in enumerate(zip(form.fields, parts, strict=True), 1):
        try:
            operand = field.kind.read(shape)
        except Refused as error:
            error.column += column
            raise
        if operand is None:
            what = f"operand {number} ({field.name}) of {name} must be {field.kind.what}"
            raise Refused("operand-kind", what, f"such as `{field.kind.example}`", column)
        operands.append(operand)
    return Line(name, tuple(operands), (0, *[column for column, _ in parts]))


def _values_of(name: str, given: list[_Placed], keyed: list[tuple[int, str, _Placed]]) -> Mapping[str, Any]:
    """The values of a directive by attribute, all of them."""
    directive = DIRECTIVE.get(name)
    if directive is None:
        raise Refused("directive", f"there is no directive .{name}", did_you_mean(name, DIRECTIVE))
    if len(given) != len(directive.leading):
        names = " and ".join(f"its {key.name}" for key in directive.leading)
        what = f".{name} takes {names} before its keys, not {len(given)} values"
        raise Refused("directive", what, f"write `.{name} {_sketch(directive)}`")
    values = {key.attribute: _value_of(key, *value) for key, value in zip(directive.leading, given, strict=True)}
    known = {key.name: key for key in directive.keys}
    for column, word, value in keyed:
        key = known.get(word)
        if key is None:
            raise Refused("key", f'.{name} has no key "{word}"', did_you_mean(word, known), column)
        if key.attribute in values:
            raise Refused("key", f"{word} stands twice", "remove one", column)
        values[key.attribute] = _value_of(key, *value)
    values = {**directive.defaults, **values}
    missing = [key.name for key in directive.keys if key.attribute not in values]
    if missing:
        todo = f"add {' '.join(f'{word}=...' for word in missing)}"
        raise Refused("key", f".{name} lacks {', '.join(missing)}", todo)
    return values


def _sketch(directive: Directive) -> str:
    return " ".join([key.name for key in directive.leading] + [f"{key.name}=..." for key in directive.keys])


def _value_of(key: Key, column: int, shape: ValueShape) -> object:
    value = key.kind.read(shape)
    if value is None:
        raise Refused("value", f"{key.name} must be {key.kind.what}", column=column)
    return value


def _at(column: int, read: Callable[[Any], T], what: object) -> T:
    """What stands at a column, read; refusals are moved there."""
    try:
        return read(what)
    except Refused as error:
        error.column += column
        raise


def _match(pattern: re.Pattern[str], text: str, at: int, end: int) -> re.Match[str]:
    """The match of text[at:end], all of it; columns are those of the text."""
    match = pattern.fullmatch(text, at, end)
    if match is None:
        raise _Unread
    return match


def _split(text: str, at: int, end: int) -> list[tuple[int, int]]:
    """Where that lies which stands in text[at:end] between commas outside of brackets and quotes, blanks taken off."""
    parts = []
    while at < end:
        match = _PART.match(text, at, end)
        if match is None or match.end() == end > match.end(1):
            raise _Unread
        parts.append((match.start(1), match.start(1) + len(match[1].rstrip(_BLANKS))))
        at = match.end()
    return parts


@lru_cache(_REMEMBERED)
def _shape(text: str) -> OperandShape:
    """The shape of an operand."""
    if text == "*":
        return "*"
    if text.endswith("]"):
        match = _match(_INDEXED, text, 0, len(text))
        indices = [_index(text, *part) for part in _split(text, *match.span(2))]
        if not indices:
            raise _Unread
        return Indexed(read_name(match[1]), tuple(indices))
    port = _PORT.fullmatch(text)
    return Port(read_name(port[1]), _number(port, 2)) if port else _affine(text, 0, len(text))


def _index(text: str, at: int, end: int) -> Index:
    match = _match(_INDEX, text, at, end)
    stop = _affine(text, *match.span(4)) if match[4] else None
    length = _number(match, 2) if match[2] else None
    return Index(at, _affine(text, *match.span(1)), stop, length, _number(match, 3) if match[3] else 1)


def _affine(text: str, at: int, end: int) -> Affine:
    """The sum of the terms, each counter once, none times 0."""
    if end - at < _LONGEST_NUMBER and text[at:end].isdecimal() and text.isascii():
        return Affine(int(text[at:end]))
    constant, terms, first = 0, dict[str, int](), True
    while at < end or first:
        match = _TERM.match(text, at, end)
        if match is None or not (first or match[1]):
            raise _Unread
        sign = -1 if match[1] == "-" else 1
        if match[4]:
            name = read_name(match[4])
            terms[name] = terms.get(name, 0) + sign * (_number(match, 5) if match[5] else 1)
        else:
            constant += sign * _number(match, 3 if match[3] else 2)
        at, first = match.end(), False
    return Affine(constant, tuple(term for term in terms.items() if term[1]))


@lru_cache(_REMEMBERED)
def _value(text: str) -> ValueShape:
    """The shape of a value of a directive."""
    if text.startswith("("):
        return tuple(_item(text, *part) for part in _split(text, 1, len(text[:-1].rstrip(_BLANKS))))
    if text[0] not in "+-0123456789":
        return read_name(text)
    match = _match(_NUMBER_ALONE, text, 0, len(text))
    sign = -1 if text[0] == "-" else 1
    return sign * (_number(match, 1) if match[1].isdigit() else float(match[1]))


def _item(text: str, at: int, end: int) -> int | RingRef:
    match = _match(_ITEM, text, at, end)
    if match[2]:
        return -_number(match, 2) if match[1] == "-" else _number(match, 2)
    return RingRef(_number(match, 3), read_name(match[4]), _number(match, 5) if match[5] else -1)


def _number(match: re.Match[str], group: int) -> int:
    """The number that a group says: decimal, or binary behind 0b."""
    digits = match[group]
    base = 2 if digits.startswith("0b") else 10
    if len(digits) > _LONGEST_NUMBER * (1 if base == 10 else 3):
        what = f"a number of more than {_LONGEST_NUMBER} digits"
        raise Refused("number", what, column=match.start(group))
    return int(digits, base)
