"""The assembly text: a line becomes a directive with its values or an instruction with its operands."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

TOKEN = re.compile(
    r"""(?P<BLANK>[ \t\r]+|;.*)
    | (?P<STRING>"(?:[^"\\\n]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*")
    | (?P<KEY>[A-Za-z_][A-Za-z0-9_]*[ \t]*=)
    | (?P<NAME>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
    | (?P<DIRECTIVE>\.[A-Za-z_][A-Za-z0-9_]*)
    | (?P<PORT>\.[0-9]+)
    | (?P<FLOAT>[0-9]+(?:\.[0-9]*(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+))
    | (?P<BITS>0b[01]+)
    | (?P<INT>[0-9]+)
    | (?P<RUN>:[ \t]*\+)
    | (?P<SIGN>[+-])
    | (?P<MARK>[:(),*\[\]])""",
    re.VERBOSE,
)


class RingPort(NamedTuple):
    """A ring of a tile in a list of rings; the port is -1 where none is written."""

    tile: int
    ring: str
    port: int


class Port(NamedTuple):
    """A port of a ring."""

    ring: str
    number: int


@dataclass(frozen=True)
class Expression:
    """A constant plus counters times numbers."""

    constant: int
    terms: tuple[tuple[str, int], ...] = ()

    def value(self, counters: Mapping[str, int]) -> int:
        """Give the number for these counters."""
        return self.constant + sum(factor * counters[name] for name, factor in self.terms)


@dataclass(frozen=True)
class Axis:
    """The indices along one axis: either up to `stop`, or `count` of them, `step` apart."""

    start: Expression
    stop: Expression | None
    count: int
    step: int

    def indices(self, counters: Mapping[str, int]) -> range:
        """Give the indices for these counters."""
        start = self.start.value(counters)
        if self.stop is not None:
            return range(start, self.stop.value(counters))
        return range(start, start + self.count * self.step, self.step)


class Indexed(NamedTuple):
    """A name with indices in brackets."""

    name: str
    axes: tuple[Axis, ...]


Value = int | float | str | tuple[int | RingPort, ...]
Operand = Expression | Indexed | Port | None  # None is the star: the number of inputs of the run


class Statement(NamedTuple):
    """One line: a directive, whose word begins with a dot, or an instruction."""

    word: str
    values: list[Value]
    keys: dict[str, Value]
    operands: list[Operand]


class Line:
    """The tokens of one line, read from left to right."""

    def __init__(self, line: str) -> None:
        """Split the line into tokens."""
        self.tokens: list[tuple[str, str]] = []
        self.at = position = 0
        while position < len(line):
            match = TOKEN.match(line, position)
            if match is None:
                raise ValueError(f"no token at column {position + 1}")
            kind, position = str(match.lastgroup), match.end()
            if kind != "BLANK":
                self.tokens.append((match.group() if kind == "MARK" else kind, match.group()))

    def more(self) -> bool:
        """Tell whether a token is left."""
        return self.at < len(self.tokens)

    def sees(self, *kinds: str) -> bool:
        """Tell whether the next token is of one of these kinds."""
        return self.more() and self.tokens[self.at][0] in kinds

    def take(self, *kinds: str) -> str:
        """Read a token that must be of one of these kinds."""
        if not self.sees(*kinds):
            raise ValueError(f"{' or '.join(kinds)} is expected at token {self.at + 1}")
        self.at += 1
        return self.tokens[self.at - 1][1]

    def skip(self, kind: str) -> bool:
        """Read a token if it is of this kind, and tell whether it was."""
        found = self.sees(kind)
        self.at += found
        return found

    def name(self) -> str:
        """Read a name, bare or quoted."""
        return str(json.loads(self.take("STRING"), strict=False)) if self.sees("STRING") else self.take("NAME")

    def number(self) -> int:
        """Read a whole number without a sign."""
        return int(self.take("BITS"), 2) if self.sees("BITS") else int(self.take("INT"))

    def sign(self) -> int:
        """Read a sign that may be left out."""
        return -1 if self.sees("SIGN") and self.take("SIGN") == "-" else 1

    def expression(self) -> Expression:
        """Read a sum of numbers and of counters times numbers."""
        constant, terms = 0, []
        while True:
            sign = self.sign()
            if self.sees("INT", "BITS"):
                constant += sign * self.number()
            else:
                terms.append((self.name(), sign * (int(self.take("INT")) if self.skip("*") else 1)))
            if not self.sees("SIGN"):
                return Expression(constant, tuple(terms))

    def axis(self) -> Axis:
        """Read one index of an indexed name."""
        start = self.expression()
        if self.skip(":"):
            return Axis(start, self.expression(), 0, 1)
        if not self.skip("RUN"):
            return Axis(start, None, 1, 1)
        count = int(self.take("INT"))
        return Axis(start, None, count, int(self.take("INT")) if self.skip(":") else 1)

    def operand(self) -> Operand:
        """Read an operand of an instruction."""
        if self.skip("*"):
            return None
        begin = self.at
        if self.sees("NAME", "STRING"):
            name = self.name()
            if self.sees("PORT"):
                return Port(name, int(self.take("PORT")[1:]))
            if self.skip("["):
                axes = [self.axis()]
                while self.skip(","):
                    axes.append(self.axis())
                self.take("]")
                return Indexed(name, tuple(axes))
        self.at = begin
        return self.expression()

    def item(self) -> int | RingPort:
        """Read an item of a list: a number, or a ring with or without a port."""
        number = self.sign() * int(self.take("INT"))
        if not self.skip(":"):
            return number
        return RingPort(number, self.name(), int(self.take("PORT")[1:]) if self.sees("PORT") else -1)

    def value(self) -> Value:
        """Read a value of a directive."""
        if self.sees("NAME", "STRING"):
            return self.name()
        if self.skip("("):
            items = [] if self.sees(")") else [self.item()]
            while self.skip(","):
                items.append(self.item())
            self.take(")")
            return tuple(items)
        sign = self.sign()
        return sign * float(self.take("FLOAT")) if self.sees("FLOAT") else sign * int(self.take("INT"))

    def statement(self) -> Statement:
        """Read the whole line."""
        found = Statement(self.take("DIRECTIVE", "NAME"), [], {}, [])
        if found.word.startswith("."):
            while self.more() and not self.sees("KEY"):
                found.values.append(self.value())
            while self.more():
                key = self.take("KEY")[:-1].rstrip()
                found.keys[key] = self.value()
        elif self.more():
            found.operands.append(self.operand())
            while self.more():
                self.take(",")
                found.operands.append(self.operand())
        return found
