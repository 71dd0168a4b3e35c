"""What operands and values say before it is known what they mean."""

from __future__ import annotations

from typing import Literal, NamedTuple

from cimc.isa.operands import Affine, Port
from cimc.isa.program import RingRef


class Refused(Exception):
    """A line that is not right, or can't stand where it stands: code, what, what to do; column: where, from 0 at the
    beginning of the operand, or the line, that is looked at."""

    def __init__(self, code: str, what: str, todo: str = "", column: int = 0) -> None:
        super().__init__(what)
        self.code, self.what, self.todo, self.column = code, what, todo, column


class Index(NamedTuple):
    """One index in brackets: start alone, start:stop, or start:+count:step. column: in its operand, from 0."""

    column: int
    start: Affine
    stop: Affine | None = None
    length: int | None = None
    step: int = 1


class Indexed(NamedTuple):
    """A name with indices in brackets."""

    name: str
    indices: tuple[Index, ...]


OperandShape = Affine | Port | Indexed | Literal["*"]
"""An expression, a name alone among them; a name with a port's number; the * of a loop over inputs."""

ValueShape = int | float | str | tuple[int | RingRef, ...]
"""A number, with a point or exponent or without; a name, bare or quoted; what stands in parentheses."""
