"""What a line of assembly says before it is known what it means: the shapes that the grammar gives, with columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cimc.isa.operands import Affine


@dataclass(frozen=True, slots=True)
class Expression:
    """An affine number."""

    column: int
    value: Affine


@dataclass(frozen=True, slots=True)
class Star:
    """The * of a loop over inputs."""

    column: int


@dataclass(frozen=True, slots=True)
class PortShape:
    """A name with a port number."""

    column: int
    name: str
    number: int


@dataclass(frozen=True, slots=True)
class Index:
    """One index in brackets: start alone, start:stop, or start:+count:step."""

    column: int
    start: Affine
    stop: Affine | None = None
    count: int | None = None
    step: int = 1


@dataclass(frozen=True, slots=True)
class Indexed:
    """A name with indices in brackets."""

    column: int
    name: str
    indices: tuple[Index, ...]


OperandShape = Expression | Star | PortShape | Indexed


@dataclass(frozen=True, slots=True)
class Word:
    """A value of a directive: a number or a name as it stands in the text (a name without its quotes)."""

    column: int
    text: str
    is_name: bool


@dataclass(frozen=True, slots=True)
class RingShape:
    """tile:ring or tile:ring.port; port -1: none."""

    tile: int
    ring: str
    port: int


@dataclass(frozen=True, slots=True)
class Listed:
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
