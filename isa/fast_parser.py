"""The quick parser: one look at each line with regular expressions, operands memoised.

It reads what the printer writes, and most of what people write; where it is in doubt it gives up, and the grammar
decides. Whatever it accepts the grammar accepts with the same result (tests/isa/test_round_trips.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from cimc.isa.builder import Builder, Misplaced
from cimc.isa.code import SPACES
from cimc.isa.directives import DIRECTIVE, Value
from cimc.isa.names import BARE, QUOTED, read_name
from cimc.isa.operands import Affine, Axis, DataRef, Name, Operand, Port, Reg, Window
from cimc.isa.program import Program, RingRef
from cimc.isa.syntax import affine_of
from cimc.isa.table import FORM
from cimc.isa.wellformed import problems

_NAME = rf"(?:{BARE}|{QUOTED})"
_INT = r"[0-9]{1,19}"
_SUM = rf'(?:[^\[\],:;"]|{QUOTED})+'
_AXIS = rf"({_SUM})(?::(?:\+({_INT})(?::({_INT}))?|(-?{_INT})))?"

_LINE = re.compile(rf'((?:[^;"]|{QUOTED})*?)[ \t\r]*(?:;.*)?')
_INSTRUCTION = re.compile(r"([a-z][a-z0-9]*)(?:[ \t]+(.*))?")
_OPERAND = re.compile(rf'(?:[^\[\],;"]|{QUOTED}|\[(?:[^\]"]|{QUOTED})*\])+')
_DIRECTIVE = re.compile(r"\.([a-z]+)")
_VALUE = re.compile(rf'[ \t]+(?:([a-z0-9_]+)=)?({QUOTED}|\((?:[^()"]|{QUOTED})*\)|[A-Za-z0-9_.+-]+)')
_TERM = re.compile(rf"([+-]?)(?:({_INT})|({_NAME})(?:\*({_INT}))?)")
_RUN = re.compile(rf"({_NAME})\[({_INT})(?::({_INT}))?\]")
_WINDOW = re.compile(rf"({_NAME})\[{_AXIS}, *{_AXIS}, *{_AXIS}\]")
_PORT = re.compile(rf"({_NAME})\.({_INT})")
_WHOLE_NAME = re.compile(_NAME)
_INTEGER = re.compile(rf"-?{_INT}")
_NATURAL = re.compile(_INT)
_BITS = re.compile(r"0b([01]{1,50})")
_FLOAT = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]*(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)?")
_RING = re.compile(rf"({_INT}):({_NAME})(?:\.({_INT}))?")


class _InDoubt(Exception):
    """The quick parser does not know this text."""


def parse_quickly(text: str) -> Program | None:
    """The program that a text says, or None where the grammar has to look."""
    builder = Builder()
    lines: dict[str, tuple[str, tuple[Operand, ...]]] = {}
    operands: dict[tuple[str, str], Operand] = {}
    try:
        for raw in text.split("\n"):
            line = raw.strip(" \t\r")
            known = lines.get(line)
            if known is None:
                line = _without_comment(line)
                if not line:
                    continue
                if line.startswith("."):
                    builder.directive(*_directive(line))
                    continue
                known = lines[line] = _instruction(line, operands)
            builder.instruction(*known)
        program = builder.program()
    except (_InDoubt, Misplaced):
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


def _instruction(line: str, memo: dict[tuple[str, str], Operand]) -> tuple[str, tuple[Operand, ...]]:
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
        operand = memo.get((field.kind, text))
        if operand is None:
            operand = memo[field.kind, text] = _READERS[field.kind](text)
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


def _directive(line: str) -> tuple[str, dict[str, Value]]:
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
        values[key.attribute] = _VALUES[key.kind](value[2])
        at = value.end()
    if len(values) != len(directive.leading) + len(directive.keys):
        raise _InDoubt
    return directive.name, values


def _affine(text: str) -> Affine:
    parts: list[tuple[int, str | None]] = []
    at = 0
    while at < len(text):
        match = _TERM.match(text, at)
        if match is None or (at and not match[1]):
            raise _InDoubt
        sign = -1 if match[1] == "-" else 1
        if match[2]:
            parts.append((sign * int(match[2]), None))
        else:
            parts.append((sign * int(match[4] or 1), read_name(match[3])))
        at = match.end()
    if not parts:
        raise _InDoubt
    return affine_of(parts)


def _count(text: str) -> int:
    return -1 if text == "*" else int(_match(_NATURAL, text)[0])


def _run(text: str) -> tuple[str, int, int]:
    match = _match(_RUN, text)
    start = int(match[2])
    length = int(match[3]) - start if match[3] else 1
    if length < 1:
        raise _InDoubt
    return read_name(match[1]), start, length


def _reg(text: str) -> Reg:
    run = _run(text)
    if run[0] not in SPACES:
        raise _InDoubt
    return Reg(*run)


def _axis(start: str, count: str | None, step: str | None, stop: str | None) -> Axis:
    first = _affine(start.strip(" "))
    if count is not None:
        return Axis(first, int(count), int(step or 1))
    if stop is None:
        return Axis(first)
    if first.terms or int(stop) <= first.constant:
        raise _InDoubt
    return Axis(first, int(stop) - first.constant)


def _window(text: str) -> Window:
    name, *axes = _match(_WINDOW, text).groups()
    return Window(read_name(name), _axis(*axes[0:4]), _axis(*axes[4:8]), _axis(*axes[8:12]))


def _port(text: str) -> Port:
    match = _match(_PORT, text)
    return Port(read_name(match[1]), int(match[2]))


def _name(text: str) -> str:
    return read_name(_match(_WHOLE_NAME, text)[0])


def _integer(text: str) -> int:
    return int(_match(_INTEGER, text)[0])


def _mask(text: str) -> int:
    bits = _BITS.fullmatch(text)
    return int(bits[1], 2) if bits else _integer(text)


_READERS: Mapping[str, Callable[[str], Operand]] = MappingProxyType(
    {
        "counter": _name,
        "count": _count,
        "dest": _reg,
        "source": _reg,
        "window": _window,
        "port": _port,
        "ring": lambda text: Name(_name(text)),
        "ticket": _affine,
        "scale": lambda text: DataRef(*_run(text)),
        "vector": lambda text: DataRef(*_run(text)),
        "table": lambda text: Name(_name(text)),
        "imm": _integer,
        "mask": _mask,
        "tile": _integer,
        "fifo": _integer,
    }
)


def _float(text: str) -> float:
    value = float(_match(_FLOAT, text)[0])
    if not math.isfinite(value):
        raise _InDoubt
    return value


def _bool(text: str) -> bool:
    if text not in ("true", "false"):
        raise _InDoubt
    return text == "true"


def _items(text: str) -> list[str]:
    if not text.startswith("("):
        raise _InDoubt
    return _split(text[1:-1])


def _ring(text: str) -> RingRef:
    match = _match(_RING, text)
    return RingRef(int(match[1]), read_name(match[2]), int(match[3]) if match[3] else -1)


_VALUES: Mapping[str, Callable[[str], Value]] = MappingProxyType(
    {
        "int": _integer,
        "float": _float,
        "bool": _bool,
        "name": _name,
        "text": _name,
        "ints": lambda text: tuple(_integer(item) for item in _items(text)),
        "rings": lambda text: tuple(_ring(item) for item in _items(text)),
    }
)

assert {field.kind for form in FORM.values() for field in form.fields} <= set(_READERS), "a kind has no reader"
