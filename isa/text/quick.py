"""The quick reader of a line: regular expressions, for what the printer writes and most of what people write.

Where it is in doubt it gives up, and the grammar decides. Whatever it accepts the grammar accepts with the same result
(tests/isa/test_round_trips.py).
"""

from __future__ import annotations

import re
from functools import lru_cache

from cimc.isa.operands import Affine
from cimc.isa.program import RingRef
from cimc.isa.text.names import BARE, QUOTED, read_name
from cimc.isa.text.syntax import (
    DirectiveLine,
    Expression,
    Index,
    Indexed,
    InstructionLine,
    Line,
    Listed,
    OperandShape,
    PortShape,
    Star,
    ValueShape,
    Word,
    affine_of,
)

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

_REMEMBERED = 1 << 14
"""Operands, and values, that are read once: those of a large program are mostly the same."""


class InDoubt(Exception):
    """The quick reader does not know a text."""


def quick_line(text: str) -> Line | None:
    """The shape of a line without spaces around it; None of one that says nothing. Raises InDoubt."""
    line = _match(_LINE, text)[1] if ";" in text else text
    if not line:
        return None
    if line.startswith("."):
        return _directive(line)
    match = _match(_INSTRUCTION, line)
    return InstructionLine(0, match[1], tuple(map(_shape, _split(match[2] or ""))))


def _match(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    """The match of the whole text."""
    match = pattern.fullmatch(text)
    if match is None:
        raise InDoubt
    return match


def _split(text: str) -> list[str]:
    """Operands between commas that stand outside of brackets and quotes."""
    if not text:
        return []
    texts, at = [], 0
    while True:
        match = _OPERAND.match(text, at)
        if match is None:
            raise InDoubt
        texts.append(match[0].strip(" \t"))
        at = match.end()
        if at == len(text):
            return texts
        if text[at] != ",":
            raise InDoubt
        at += 1


def _directive(line: str) -> DirectiveLine:
    name = _DIRECTIVE.match(line)
    if name is None:
        raise InDoubt
    values: list[ValueShape] = []
    keys: list[tuple[int, str, ValueShape]] = []
    at = name.end()
    while at < len(line):
        value = _VALUE.match(line, at)
        if value is None or (keys and not value[1]):
            raise InDoubt
        if value[1]:
            keys.append((0, value[1], _value(value[2])))
        else:
            values.append(_value(value[2]))
        at = value.end()
    return DirectiveLine(0, name[1], tuple(values), tuple(keys))


@lru_cache(_REMEMBERED)
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
            raise InDoubt
        sign = -1 if match[1] == "-" else 1
        if match[4]:
            parts.append((sign * int(match[5] or 1), read_name(match[4])))
        else:
            parts.append((sign * (int(match[3]) if match[3] else int(match[2], 2)), None))
        at = match.end()
    if not parts:
        raise InDoubt
    return affine_of(parts)


@lru_cache(_REMEMBERED)
def _value(text: str) -> ValueShape:
    """The shape of a value of a directive."""
    if text.startswith("("):
        return Listed(0, tuple(map(_item, _split(text[1:-1]))))
    if _WHOLE_NAME.fullmatch(text):
        return Word(0, read_name(text), True)
    return Word(0, _match(_NUMBER, text)[0], False)


def _item(text: str) -> int | RingRef:
    if _INTEGER.fullmatch(text):
        return int(text)
    match = _match(_RING, text)
    return RingRef(int(match[1]), read_name(match[2]), int(match[3]) if match[3] else -1)
