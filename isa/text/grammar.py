"""The grammar of one line of assembly, for lark: the norm. What a line means is checked against the tables."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args

from cimc.isa.program import RingRef
from cimc.isa.table import FORM
from cimc.isa.text.names import BARE, QUOTED, read_name
from cimc.isa.text.reader import unknown_mnemonic
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
    Refused,
    Star,
    ValueShape,
    Word,
    affine_of,
)

GRAMMAR = (resources.files("cimc.isa.text") / "grammar.lark").read_text(encoding="utf-8")
assert f"NAME: /{BARE}/\n" in GRAMMAR, "the grammar has other names than cimc.isa.text.names"
assert f"STRING: /{QUOTED.replace('/', chr(92) + '/')}/\n" in GRAMMAR, "the grammar has other quotes"

TERMINALS = {
    "MNEMONIC": "a mnemonic",
    "DIRECTIVE": "a directive",
    "KEY": "key=",
    "NAME": "a name",
    "STRING": "a quoted name",
    "PORT": "a port",
    "FLOAT": "a number",
    "INT": "a number",
    "BITS": "a number",
    "RUN": ":+",
    "COLON": ":",
    "SIGN": "+ or -",
    "STAR": "*",
    "COMMA": ",",
    "LSQB": "[",
    "RSQB": "]",
    "LPAR": "(",
    "RPAR": ")",
    "$END": "the end of the line",
}
"""Terminals of the grammar in words."""

_LONGEST_NUMBER = 19
"""Digits of the largest integer."""
_FIRST_WORD = re.compile(r"[ \t\r]*([A-Za-z_][A-Za-z0-9_]*)")
_SHOWN = 4


@cache
def _line_parser() -> Lark:
    return Lark(GRAMMAR, start="line", parser="lalr", lexer="contextual", transformer=_Shapes())


def parse_line(text: str) -> Line:
    """The shape of a line that is not empty. Raises Refused."""
    try:
        line: object = _line_parser().parse(text)
    except UnexpectedInput as error:
        raise _refusal(error, text) from error
    assert isinstance(line, InstructionLine | DirectiveLine), f"{line!r} is not a line"
    return line


def _refusal(error: UnexpectedInput, line: str) -> Refused:
    """Why a line is not of the grammar."""
    word = _FIRST_WORD.match(line)
    if word and word[1] not in FORM:
        return unknown_mnemonic(word.start(1) + 1, word[1])
    column = error.column if error.column > 0 else len(line) + 1
    if isinstance(error, UnexpectedCharacters):
        if error.char == '"':
            what, todo = "a quoted name that does not end, or a wrong escape in it", r"\", \\, \n, \u00e9"
            return Refused("syntax", what, f"the escapes are those of JSON: {todo}", column)
        return Refused("syntax", f'unexpected "{error.char}"', _expected(set(error.allowed or ())), column)
    assert isinstance(error, UnexpectedToken), error
    expected = _expected(set(error.accepts or error.expected))
    if error.token.type == "$END":
        return Refused("syntax", "the line ends too early", expected, len(line.split(";")[0].rstrip()) + 1)
    return Refused("syntax", f'unexpected "{error.token}"', expected, column)


def _expected(terminals: set[str]) -> str:
    """What could stand there instead, if that is few things."""
    words = sorted({TERMINALS[name] for name in terminals if name in TERMINALS})
    return f"expected {' or '.join(words)}" if 0 < len(words) <= _SHOWN else ""


def _int(token: Token) -> int:
    digits = token.lstrip(".")
    base = 2 if digits.startswith("0b") else 10
    if len(digits) > _LONGEST_NUMBER * (1 if base == 10 else 3):
        raise Refused("number", f"a number of more than {_LONGEST_NUMBER} digits", column=_column(token))
    return int(digits, base)


def _column(token: Token) -> int:
    return token.column or 1


@v_args(inline=True)
class _Shapes(Transformer[Token, Line]):
    """The shape of each rule of the grammar."""

    def name(self, token: Token) -> tuple[int, str]:
        return _column(token), read_name(str(token))

    def term(
        self, first: Token | tuple[int, str], star: Token | None = None, factor: Token | None = None
    ) -> tuple[int, int, str | None]:
        if isinstance(first, Token):
            return _column(first), _int(first), None
        return first[0], 1 if factor is None else _int(factor), first[1]

    def expression(self, *parts: Token | tuple[int, int, str | None]) -> Expression:
        sign, summands = 1, []
        for part in parts:
            if isinstance(part, Token):
                sign = -1 if part == "-" else 1
            else:
                summands.append((sign * part[1], part[2]))
        first = parts[0]
        return Expression(_column(first) if isinstance(first, Token) else first[0], affine_of(summands))

    def star(self, token: Token) -> Star:
        return Star(_column(token))

    def port(self, name: tuple[int, str], number: Token) -> PortShape:
        return PortShape(name[0], name[1], _int(number))

    def single(self, start: Expression) -> Index:
        return Index(start.column, start.value)

    def range(self, start: Expression, colon: Token, stop: Expression) -> Index:
        return Index(start.column, start.value, stop=stop.value)

    def run(self, start: Expression, mark: Token, count: Token) -> Index:
        return Index(start.column, start.value, length=_int(count))

    def strided(self, start: Expression, mark: Token, count: Token, colon: Token, step: Token) -> Index:
        return Index(start.column, start.value, length=_int(count), step=_int(step))

    def indexed(self, name: tuple[int, str], *indices: Index) -> Indexed:
        return Indexed(name[0], name[1], indices)

    def instruction(self, mnemonic: Token, *operands: OperandShape) -> InstructionLine:
        return InstructionLine(_column(mnemonic), str(mnemonic), operands)

    def number(self, *tokens: Token) -> Word:
        if tokens[-1].type == "INT":
            _int(tokens[-1])
        return Word(_column(tokens[0]), "".join(tokens).lstrip("+"), False)

    def name_value(self, name: tuple[int, str]) -> Word:
        return Word(name[0], name[1], True)

    def integer(self, *tokens: Token) -> int:
        return -_int(tokens[-1]) if tokens[0] == "-" else _int(tokens[-1])

    def ring(self, tile: Token, colon: Token, name: tuple[int, str]) -> RingRef:
        return RingRef(_int(tile), name[1], -1)

    def ring_port(self, tile: Token, colon: Token, name: tuple[int, str], port: Token) -> RingRef:
        return RingRef(_int(tile), name[1], _int(port))

    def listed(self, bracket: Token, *items: int | RingRef) -> Listed:
        return Listed(_column(bracket), items)

    def key(self, token: Token, value: ValueShape) -> tuple[int, str, ValueShape]:
        return _column(token), str(token)[:-1].rstrip(), value

    def directive(self, name: Token, *parts: ValueShape | tuple[int, str, ValueShape]) -> DirectiveLine:
        values = tuple(part for part in parts if isinstance(part, Word | Listed))
        keys = tuple(part for part in parts if not isinstance(part, Word | Listed))
        return DirectiveLine(_column(name), str(name)[1:], values, keys)
