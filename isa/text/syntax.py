"""What a line of assembly says before it is known what it means: the shapes that both readers of lines give.

column: where a shape begins, from 1; 0 from the quick reader, as only complaints need it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cimc.isa.operands import Affine
from cimc.isa.program import RingRef


class Refused(Exception):
    """A line that is not right, or can't stand where it stands: code, what, what to do; column: where, 0 for the line's
    beginning."""

    def __init__(self, code: str, what: str, todo: str = "", column: int = 0) -> None:
        super().__init__(what)
        self.code, self.what, self.todo, self.column = code, what, todo, column


class Expression(NamedTuple):
    """An affine number."""

    column: int
    value: Affine


class Star(NamedTuple):
    """The * of a loop over inputs."""

    column: int


class PortShape(NamedTuple):
    """A name with a port number."""

    column: int
    name: str
    number: int


class Index(NamedTuple):
    """One index in brackets: start alone, start:stop, or start:+count:step."""

    column: int
    start: Affine
    stop: Affine | None = None
    length: int | None = None
    step: int = 1


class Indexed(NamedTuple):
    """A name with indices in brackets."""

    column: int
    name: str
    indices: tuple[Index, ...]


OperandShape = Expression | Star | PortShape | Indexed


class Word(NamedTuple):
    """A value of a directive: a number or a name as it stands in the text (a name without its quotes)."""

    column: int
    text: str
    is_name: bool


class Listed(NamedTuple):
    """A value in parentheses: numbers or references to rings."""

    column: int
    items: tuple[int | RingRef, ...]


ValueShape = Word | Listed


class InstructionLine(NamedTuple):
    """A mnemonic with operands."""

    column: int
    mnemonic: str
    operands: tuple[OperandShape, ...]


class DirectiveLine(NamedTuple):
    """A directive with its values and its keys, each key with its column and value."""

    column: int
    name: str
    values: tuple[ValueShape, ...]
    keys: tuple[tuple[int, str, ValueShape], ...]


Line = InstructionLine | DirectiveLine


def affine_of(parts: Iterable[tuple[int, str | None]]) -> Affine:
    """The sum of coefficient * counter (or of constants, where there is no name), each counter once, none times 0."""
    constant = 0
    terms: dict[str, int] = {}
    for coefficient, name in parts:
        if name is not None:
            terms[name] = terms.get(name, 0) + coefficient
        else:
            constant += coefficient
    return Affine(constant, tuple((name, coefficient) for name, coefficient in terms.items() if coefficient))
