"""What a line of assembly says before it is known what it means: the shapes that the grammar gives, with columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from cimc.isa.operands import Affine


class Refused(Exception):
    """A shape that does not fit: column, code, what, what to do."""

    def __init__(self, column: int, code: str, what: str, todo: str = "") -> None:
        super().__init__(what)
        self.column = column
        self.code = code
        self.what = what
        self.todo = todo


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


class RingShape(NamedTuple):
    """tile:ring or tile:ring.port; port -1: none."""

    tile: int
    ring: str
    port: int


class Listed(NamedTuple):
    """A value in parentheses: numbers or references to rings."""

    column: int
    items: tuple[int | RingShape, ...]


ValueShape = Word | Listed


@dataclass(frozen=True, slots=True)
class InstructionLine:
    """A mnemonic with operands."""

    column: int
    mnemonic: str
    operands: tuple[OperandShape, ...]


@dataclass(frozen=True, slots=True)
class DirectiveLine:
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
