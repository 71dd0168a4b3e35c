"""The shapes of a line from lark's tree of the grammar: what cimc.isa.text.reader is held to, by another way."""

from __future__ import annotations

from typing import Any

from lark import Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, VisitError

from cimc.isa.operands import Affine, Port
from cimc.isa.program import RingRef
from cimc.isa.text.grammar import line_parser
from cimc.isa.text.names import read_name
from cimc.isa.text.syntax import Index, Indexed


class TooLong(Exception):
    """A number of more than 19 digits."""


def lark_shapes(line: str) -> tuple[Any, ...] | None:
    """(mnemonic, operands) or (directive, values, keys), everything with its column; None where the grammar refuses."""
    try:
        shapes: tuple[Any, ...] = _Shapes().transform(line_parser().parse(line))
        return shapes
    except UnexpectedInput:
        return None
    except VisitError as error:
        if isinstance(error.orig_exc, TooLong):
            return None
        raise


def _int(token: Token) -> int:
    digits = token.lstrip(".")
    binary = digits.startswith("0b")
    if len(digits) > (57 if binary else 19):
        raise TooLong(digits)
    return int(digits, 2 if binary else 10)


def _at(token: Token) -> int:
    assert token.column is not None
    return token.column - 1


@v_args(inline=True)
class _Shapes(Transformer[Token, Any]):
    """The shape of each rule of the grammar; operands and values are (column, shape)."""

    def name(self, token: Token) -> tuple[int, str]:
        return _at(token), read_name(str(token))

    def term(self, first: Any, star: Token | None = None, factor: Token | None = None) -> tuple[int, int, str | None]:
        if isinstance(first, Token):
            return _at(first), _int(first), None
        return first[0], 1 if factor is None else _int(factor), first[1]

    def expression(self, *parts: Any) -> tuple[int, Affine]:
        sign, constant, terms = 1, 0, dict[str, int]()
        for part in parts:
            if isinstance(part, Token):
                sign = -1 if part == "-" else 1
            elif part[2] is None:
                constant += sign * part[1]
            else:
                terms[part[2]] = terms.get(part[2], 0) + sign * part[1]
        column = _at(parts[0]) if isinstance(parts[0], Token) else parts[0][0]
        return column, Affine(constant, tuple(term for term in terms.items() if term[1]))

    def star(self, token: Token) -> tuple[int, str]:
        return _at(token), "*"

    def port(self, name: tuple[int, str], number: Token) -> tuple[int, Port]:
        return name[0], Port(name[1], _int(number))

    def single(self, start: tuple[int, Affine]) -> Index:
        return Index(*start)

    def range(self, start: tuple[int, Affine], colon: Token, stop: tuple[int, Affine]) -> Index:
        return Index(*start, stop=stop[1])

    def run(self, start: tuple[int, Affine], mark: Token, count: Token) -> Index:
        return Index(*start, length=_int(count))

    def strided(self, start: tuple[int, Affine], mark: Token, count: Token, colon: Token, step: Token) -> Index:
        return Index(*start, length=_int(count), step=_int(step))

    def indexed(self, name: tuple[int, str], *indices: Index) -> tuple[int, Indexed]:
        return name[0], Indexed(name[1], tuple(one._replace(column=one.column - name[0]) for one in indices))

    def instruction(self, mnemonic: Token, *operands: tuple[int, Any]) -> tuple[Any, ...]:
        return str(mnemonic), list(operands), None

    def number(self, *tokens: Token) -> tuple[int, int | float]:
        size = _int(tokens[-1]) if tokens[-1].type == "INT" else float(tokens[-1])
        return _at(tokens[0]), -size if tokens[0] == "-" else size

    def name_value(self, name: tuple[int, str]) -> tuple[int, str]:
        return name

    def integer(self, *tokens: Token) -> int:
        return -_int(tokens[-1]) if tokens[0] == "-" else _int(tokens[-1])

    def ring(self, tile: Token, colon: Token, name: tuple[int, str]) -> RingRef:
        return RingRef(_int(tile), name[1], -1)

    def ring_port(self, tile: Token, colon: Token, name: tuple[int, str], port: Token) -> RingRef:
        return RingRef(_int(tile), name[1], _int(port))

    def listed(self, bracket: Token, *items: int | RingRef) -> tuple[int, tuple[int | RingRef, ...]]:
        return _at(bracket), items

    def key(self, token: Token, value: tuple[int, Any]) -> tuple[int, str, tuple[int, Any]]:
        return _at(token), str(token)[:-1].rstrip(), value

    def directive(self, name: Token, *parts: tuple[Any, ...]) -> tuple[Any, ...]:
        return str(name)[1:], [part for part in parts if len(part) == 2], [part for part in parts if len(part) == 3]
