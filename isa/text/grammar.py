"""The grammar of one line of assembly, for lark: the norm. What a line means is checked against the tables."""

from __future__ import annotations

from functools import cache

from lark import Lark, Token, Transformer, v_args

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
    RingShape,
    Star,
    ValueShape,
    Word,
    affine_of,
)

GRAMMAR = rf"""
?line: instruction | directive
instruction: MNEMONIC (_operands)?
_operands: operand ("," operand)*
?operand: expression | star | port | indexed
star: STAR
port: name PORT
indexed: name "[" index ("," index)* "]"
index: expression                        -> single
     | expression COLON expression       -> range
     | expression RUN INT                -> run
     | expression RUN INT COLON INT      -> strided
expression: SIGN? term (SIGN term)*
term: INT | BITS | name | name STAR INT
name: NAME | STRING

directive: DIRECTIVE value* key*
key: KEY value
?value: number | name_value | listed
number: SIGN? (INT | FLOAT)
name_value: name
listed: LPAR (item ("," item)*)? ")"
?item: integer | ring | ring_port
integer: SIGN? INT
ring: INT COLON name
ring_port: INT COLON name PORT

MNEMONIC: /[A-Za-z_][A-Za-z0-9_]*/
DIRECTIVE: /\.[A-Za-z_][A-Za-z0-9_]*/
KEY.2: /[A-Za-z_][A-Za-z0-9_]*[ \t]*=/
NAME: /{BARE}/
STRING: /{QUOTED.replace("/", chr(92) + "/")}/
PORT: /\.[0-9]+/
FLOAT.2: /[0-9]+(\.[0-9]*([eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)/
BITS.2: /0b[01]+/
INT: /[0-9]+/
RUN: /:[ \t]*\+/
COLON: ":"
LPAR: "("
SIGN: /[+-]/
STAR: "*"
COMMENT: /;.*/
BLANK: /[ \t\r]+/
%ignore COMMENT
%ignore BLANK
"""

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

LONGEST_NUMBER = 19
"""Digits of the largest integer."""


class NumberTooLong(Exception):
    """An integer of more digits than LONGEST_NUMBER."""

    def __init__(self, token: Token) -> None:
        super().__init__(str(token))
        self.column = token.column or 1


@cache
def line_parser() -> Lark:
    """The parser of one line."""
    return Lark(GRAMMAR, start="line", parser="lalr", lexer="contextual", transformer=_Shapes())


def parse_line(text: str) -> Line:
    """The shape of a line that is not empty. Raises lark's UnexpectedInput, or NumberTooLong."""
    line = line_parser().parse(text)
    assert isinstance(line, InstructionLine | DirectiveLine), f"{line!r} is not a line"
    return line


def _int(token: Token) -> int:
    digits = token.lstrip(".")
    base = 2 if digits.startswith("0b") else 10
    if len(digits) > LONGEST_NUMBER * (1 if base == 10 else 3):
        raise NumberTooLong(token)
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

    def ring(self, tile: Token, colon: Token, name: tuple[int, str]) -> RingShape:
        return RingShape(_int(tile), name[1], -1)

    def ring_port(self, tile: Token, colon: Token, name: tuple[int, str], port: Token) -> RingShape:
        return RingShape(_int(tile), name[1], _int(port))

    def listed(self, bracket: Token, *items: int | RingShape) -> Listed:
        return Listed(_column(bracket), items)

    def key(self, token: Token, value: ValueShape) -> tuple[int, str, ValueShape]:
        return _column(token), str(token)[:-1].rstrip(), value

    def directive(self, name: Token, *parts: ValueShape | tuple[int, str, ValueShape]) -> DirectiveLine:
        values = tuple(part for part in parts if isinstance(part, Word | Listed))
        keys = tuple(part for part in parts if not isinstance(part, Word | Listed))
        return DirectiveLine(_column(name), str(name)[1:], values, keys)
