"""Operands of instructions, as data: registers, memory windows, affine numbers, tickets and names.

Addresses are affine in the counters of the enclosing loops; counters are named, the outermost first. Inside
`loop image, *` every ring address and every ticket counts from the first row of the current input; the machine adds
the rows of the inputs before it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Affine:
    """constant + sum of coefficient * counter. terms: (counter name, coefficient), no zero coefficients, outermost
    loop first."""

    constant: int = 0
    terms: tuple[tuple[str, int], ...] = ()

    def __add__(self, other: int) -> Affine:
        return Affine(self.constant + other, self.terms)

    def scaled(self, factor: int) -> Affine:
        """This number times an integer."""
        if factor == 0:
            return Affine()
        return Affine(self.constant * factor, tuple((name, c * factor) for name, c in self.terms))


@dataclass(frozen=True, slots=True)
class Reg:
    """A run of words of one register file of a core.

    space: "xin" or "xout" (MVMU k has the words from k * stride on), or "r" (general).
    """

    space: str
    start: int
    length: int

    @property
    def stop(self) -> int:
        """One past the last word."""
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a window: first index, how many, and the step between them."""

    start: Affine
    count: int = 1
    step: int = 1


@dataclass(frozen=True, slots=True)
class Window:
    """A block of a ring: rows x columns x channels, in that order (channels are innermost in memory, step 1).

    It reaches one strided two-dimensional piece of memory at most: (rows, one run of words) or (columns, channels).
    """

    ring: str
    rows: Axis
    columns: Axis
    channels: Axis

    @property
    def words(self) -> int:
        """Words that the window covers."""
        return self.rows.count * self.columns.count * self.channels.count


@dataclass(frozen=True, slots=True)
class Port:
    """A consumer's port of a ring: the credit counter that its waits and releases use."""

    ring: str
    number: int


@dataclass(frozen=True, slots=True)
class DataRef:
    """A run of the entries of a named constant (a vector, a scale) of the tile."""

    name: str
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Name:
    """A named thing of the tile taken whole: a ring, a table."""

    name: str


Operand = Affine | Reg | Window | Port | DataRef | Name | int | str
