"""What the declaration of an instruction consists of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy.typing as npt

from cimc.isa.cost.products import Work
from cimc.isa.kinds.base import Kind
from cimc.isa.kinds.rings import Window
from cimc.isa.kinds.runs import Scale
from cimc.isa.operands import Operand
from cimc.isa.program import Instruction

T = TypeVar("T")

Meaning = Callable[..., npt.NDArray[Any]]
"""See cimc.isa.meaning."""

Bits = Callable[..., int]
"""Bits that a result needs, from those of what the meaning takes."""

WIDE, NARROW, ANY = "wide", "narrow", "any"
"""How words are handed to a meaning: in 64 bits; in 32 where those of the words, and of zero points, are 30 at most, so
that sums and differences of two fit; as they are, where it widens them itself."""


@dataclass(frozen=True, slots=True)
class Field:
    """One operand of an instruction: its name in the documentation and its kind."""

    name: str
    kind: Kind[Any]


@dataclass(frozen=True, slots=True)
class Lengths:
    """A rule about lengths, in words, and whether an operand may have a length where the first one has another."""

    name: str
    text: str
    allows: Callable[[int, int], bool]


FREE = Lengths("", "", lambda first, length: True)
SAME = Lengths(
    "same", "all operands have the same length; one entry of a scale serves all", lambda first, length: length == first
)
BROADCAST = Lengths(
    "broadcast",
    "sources have the length of d or 1; one entry of a scale serves all",
    lambda first, length: length in (first, 1),
)
REDUCE = Lengths(
    "reduce",
    "the length of a is a multiple of the length of d; one entry of a scale serves all",
    lambda first, length: length % first == 0,
)
RULES = (SAME, BROADCAST, REDUCE)


@dataclass(frozen=True, eq=False)
class Form:
    """One instruction.

    place: where it may stand, "core", "tile" or "any". unit: that it keeps busy. text: its meaning in words. work: that
    it costs beyond its operands. event: of cimc.base.tokens, where it orders streams.

    meaning: as a pure function of what its operands hold; None where it moves words or steers, which the machine does.
    The result goes to d - fitted to it or, with `settled`, settled by its scale first - or, without d, to s. s: the
    meaning takes s. takes: how it takes words. bits: of its result; None: not known.
    """

    mnemonic: str
    opcode: int
    place: str
    unit: str
    fields: tuple[Field, ...]
    text: str
    lengths: Lengths = FREE
    work: Work | None = None
    event: int | None = None
    meaning: Meaning | None = None
    settled: bool = False
    s: bool = False
    takes: str = WIDE
    bits: Bits | None = None

    @cached_property
    def _places(self) -> dict[type, int]:
        return {type(field.kind): place for place, field in reversed(list(enumerate(self.fields)))}

    @cached_property
    def window(self) -> tuple[int, bool] | None:
        """The place of its window among the operands, and whether it writes there."""
        places = ((place, field.kind) for place, field in enumerate(self.fields))
        return next(((place, kind.writes) for place, kind in places if isinstance(kind, Window)), None)

    @property
    def reaches_cells(self) -> bool:
        """Whether it writes or reads cells of MVMUs."""
        return self.unit == "cells"

    def has(self, kind: type[Kind[T]]) -> bool:
        """Whether it has an operand of a kind."""
        return kind in self._places

    def operand(self, instruction: Instruction, kind: type[Kind[T]]) -> T:
        """The operand of a kind; the first, if there are several."""
        operands: tuple[Any, ...] = instruction.operands
        operand: T = operands[self._places[kind]]
        return operand

    def sample(self) -> str:
        """The instruction as an example: "wait x.0, oy*2+1"."""
        return f"{self.mnemonic} {', '.join(field.kind.example for field in self.fields)}".rstrip()

    def length_error(self, operands: Sequence[Operand]) -> str:
        """What is wrong with the lengths of operands, or the empty string."""
        if self.lengths is FREE:
            return ""
        first, reference = "", 0
        for field, operand in zip(self.fields, operands, strict=True):
            length = field.kind.length(operand)
            if length is None or length == reference:
                continue
            if not first:
                first, reference = field.name, length
            elif not (length == 1 if isinstance(field.kind, Scale) else self.lengths.allows(reference, length)):
                return f"{first} has {reference} words and {field.name} has {length}"
        return ""
