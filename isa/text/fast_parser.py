"""The quick parser: one look at each line with regular expressions, operands memoised.

It reads what the printer writes, and most of what people write; where it is in doubt it gives up, and the grammar
decides. Whatever it accepts the grammar accepts with the same result (tests/isa/test_round_trips.py).
"""

from __future__ import annotations

import re

from cimc.isa.directives import DIRECTIVE, Values
from cimc.isa.operands import Affine, Operand
from cimc.isa.program import Program
from cimc.isa.table import FORM
from cimc.isa.text.builder import Builder, Misplaced
from cimc.isa.text.names import BARE, QUOTED, read_name
from cimc.isa.text.syntax import (
    Expression,
    Index,
    Indexed,
    Listed,
    OperandShape,
    PortShape,
    Refused,
    RingShape,
    Star,
    ValueShape,
    Word,
    affine_of,
)
from cimc.isa.verify.wellformed import problems

_NAME = rf"(?:{BARE}|{QUOTED})"
_INT = r"[0-9]{1,19}"

_LINE = re.compile(rf'((?:[^;"]|{QUOTED})*?)[ \t\r]*(?:;.*)?')
_INSTRUCTION = re.compile(r"([a-z][a-z0-9]*)(?:[ \t]+(.*))?")
_OPERAND = re.compile(rf'(?:[^\[\],;"]++|{QUOTED}|\[(?:[^\]"]++|{QUOTED})*+\])++')
_DIRECTIVE = re.compile(r"\.([a-z]+)")
_VALUE = re.compile(rf'[ \t]+(?:([a-z0-9_]+)=)?({QUOTED}|\((?:[^()"]|{QUOTED})*\)|[A-Za-z0-9_.+-]+)')
_TERM = re.compile(rf"([+-]?)(?:0b([01]{{1,50}})|({_INT})|({_NAME})(?:\*({_INT}))?)")
_INDEXED = re.compile(rf'({_NAME})\[((?:[^\]"]++|{QUOTED})*+)\]')
_INDEX = re.compile(rf'((?:[^:"]++|{QUOTED})++)(?::(?:\+({_INT})(?::({_INT}))?|([^:+]+)))?')
_PORT = re.compile(rf"({_NAME})\.({_INT})")
_WHOLE_NAME = re.compile(_NAME)
_NUMBER = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]*(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(rf"-?{_INT}")
_RING = re.compile(rf"({_INT}):({_NAME})(?:\.({_INT}))?")


class _InDoubt(Exception):
    """The quick parser does not know this text."""


def parse_quickly(text: str) -> Program | None:
    """The program that a text says, or None where the grammar has to look."""
    builder = Builder()
    lines: dict[str, tuple[str, tuple[Operand, ...]]] = {}
    operands: dict[tuple[type, str], Operand] = {}
    values: dict[tuple[type, str], object] = {}
    try:
        for raw in text.split("\n"):
            line = raw.strip(" \t\r")
            known = lines.get(line)
            if known is None:
                line = _without_comment(line)
                if not line:
                    continue
                if line.startswith("."):
                    builder.directive(*_directive(line, values))
                    continue
                known = lines[line] = _instruction(line, operands)
            builder.instruction(*known)
        program = builder.program()
    except (_InDoubt, Misplaced, Refused):
        return None
    return None if any(True for _ in problems(program)) else program


def _match(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    """The match of the whole text."""
    match = pattern.fullmatch(text)
    if match is None:
        raise _InDoubt
    return match


def _without_comment(line: str) -> str:
    return _match(_LINE, line)[1] if ";" in line else line


def _instruction(line: str, memo: dict[tuple[type, str], Operand]) -> tuple[str, tuple[Operand, ...]]:
    """Mnemonic and operands of a line."""
    match = _match(_INSTRUCTION, line)
    form = FORM.get(match[1])
    if form is None:
        raise _InDoubt
    texts = _split(match[2] or "")
    if len(texts) != len(form.fields):
        raise _InDoubt
    operands = []
    for field, text in zip(form.fields, texts, strict=True):
        operand = memo.get((type(field.kind), text))
        if operand is None:
            operand = field.kind.read(_shape(text))
            if operand is None:
                raise _InDoubt
            memo[type(field.kind), text] = operand
        operands.append(operand)
    return form.mnemonic, tuple(operands)


def _split(text: str) -> list[str]:
    """Operands between commas that stand outside of brackets and quotes."""
    if not text:
        return []
    texts, at = [], 0
    while True:
        match = _OPERAND.match(text, at)
        if match is None:
            raise _InDoubt
        texts.append(match[0].strip(" \t"))
        at = match.end()
        if at == len(text):
            return texts
        if text[at] != ",":
            raise _InDoubt
        at += 1


def _directive(line: str, memo: dict[tuple[type, str], object]) -> tuple[str, Values]:
    """Name and values of a directive."""
    match = _DIRECTIVE.match(line)
    directive = DIRECTIVE.get(match[1]) if match else None
    if match is None or directive is None:
        raise _InDoubt
    values, at, leading = dict(directive.defaults), match.end(), iter(directive.leading)
    keys = {key.name: key for key in directive.keys}
    given: set[str] = set()
    while at < len(line):
        value = _VALUE.match(line, at)
        if value is None:
            raise _InDoubt
        key = keys.get(value[1]) if value[1] else None if given & keys.keys() else next(leading, None)
        if key is None or key.name in given:
            raise _InDoubt
        given.add(key.name)
        known = memo.get((type(key.kind), value[2]))
        if known is None:
            known = memo[type(key.kind), value[2]] = key.kind.read(_value(value[2]))
        if known is None:
            raise _InDoubt
        values[key.attribute] = known
        at = value.end()
    if len(values) != len(directive.leading) + len(directive.keys):
        raise _InDoubt
    return directive.name, values


def _shape(text: str) -> OperandShape:
    """The shape of an operand. It has no column, which only complaints need."""
    if text == "*":
        return Star(0)
    if text.endswith("]"):
        match = _match(_INDEXED, text)
        return Indexed(0, read_name(match[1]), tuple(map(_index, _split(match[2]))))
    port = _PORT.fullmatch(text)
    return PortShape(0, read_name(port[1]), int(port[2])) if port else Expression(0, _affine(text))


def _index(text: str) -> Index:
    start, count, step, stop = _match(_INDEX, text).groups()
    return Index(
        0,
        _affine(start.strip(" ")),
        _affine(stop) if stop else None,
        int(count) if count else None,
        int(step) if step else 1,
    )


def _affine(text: str) -> Affine:
    parts: list[tuple[int, str | None]] = []
    at = 0
    while at < len(text):
        match = _TERM.match(text, at)
        if match is None or (at and not match[1]):
            raise _InDoubt
        sign = -1 if match[1] == "-" else 1
        if match[4]:
            parts.append((sign * int(match[5] or 1), read_name(match[4])))
        else:
            parts.append((sign * (int(match[3]) if match[3] else int(match[2], 2)), None))
        at = match.end()
    if not parts:
        raise _InDoubt
    return affine_of(parts)


def _value(text: str) -> ValueShape:
    """The shape of a value of a directive."""
    if text.startswith("("):
        return Listed(0, tuple(map(_item, _split(text[1:-1]))))
    if _WHOLE_NAME.fullmatch(text):
        return Word(0, read_name(text), True)
    return Word(0, _match(_NUMBER, text)[0], False)


def _item(text: str) -> int | RingShape:
    if _INTEGER.fullmatch(text):
        return int(text)
    match = _match(_RING, text)
    return RingShape(int(match[1]), read_name(match[2]), int(match[3]) if match[3] else -1)
