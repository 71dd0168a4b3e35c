"""What every kind of operand can do, and what it gets to look at while it does it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

from cimc.base.diagnostics import did_you_mean
from cimc.isa.binary.bytestream import Reader
from cimc.isa.cost.products import Counts, Setting
from cimc.isa.operands import Affine
from cimc.isa.program import ChannelCode, CoreCode, Matrix, TileCode, extent
from cimc.isa.text.syntax import OperandShape
from cimc.isa.tree import Loop
from cimc.target.model import Target

T = TypeVar("T")

LARGEST = 1 << 56
"""Numbers in instructions are smaller than this in magnitude."""

NAME, STREAM = "name", "stream"
"""What else a complaint may follow from: a broken directive of the tile, a broken line of the stream."""

Complaint = tuple[str, str, str, str]
"""Code, what, what to do, and NAME, STREAM or ""."""

NO_COUNTS: Counts = {}
NOTHING_STORED: Mapping[int, tuple[int, int, int]] = {}


class Scope:
    """What names mean at an instruction: things of the tile, and counters of open loops, outermost first.

    coming: the names that the loops to come give their counters, where they are known.
    """

    def __init__(self, tile: TileCode, coming: Sequence[str] = ()) -> None:
        self.names = {thing: [record.name for record in records] for thing, records in tile.things.items()}
        self.numbers = {thing: {name: n for n, name in enumerate(names)} for thing, names in self.names.items()}
        self.counters: list[str] = []
        self.coming = iter(coming)

    def unknown(self, thing: str, name: str) -> Iterator[Complaint]:
        """The complaint about a thing that the tile does not have."""
        if name not in self.numbers[thing]:
            others = [other for other, names in self.numbers.items() if name in names]
            hint = f"{name} is a {others[0]}" if others else did_you_mean(name, self.names[thing])
            yield f"unknown-{thing}", f'this tile has no {thing} "{name}"', hint, NAME

    def encode(self, thing: str, name: str) -> int:
        """The number of a thing of the tile."""
        return self.numbers[thing][name]

    def decode(self, thing: str, code: Reader) -> str:
        """The name of the thing of the tile whose number comes."""
        names = self.names[thing]
        return names[code.index(len(names), thing)]


class Look:
    """A look at one stream on a target, instruction by instruction.

    complain: code, what, what to do about the present instruction, which has this mnemonic and stands in these loops.
    written: by register file, a bit for each register that was written; writes: of the present instruction. stored:
    (rows, columns, weight bits) of what lies in the cells of each MVMU that was written. reached: the MVMUs whose cells
    the present instruction writes or reads.
    """

    def __init__(
        self,
        tile: TileCode,
        code: CoreCode | ChannelCode,
        target: Target,
        complain: Callable[[str, str, str], None],
        stored: Mapping[int, tuple[int, int, int]] = NOTHING_STORED,
    ) -> None:
        self.target, self.complain, self.stored = target, complain, stored
        self.reached: dict[int, tuple[Matrix, ...]] = {}
        self.matrices = code.by_mvmu() if isinstance(code, CoreCode) else {}
        self.rings = {ring.name: ring for ring in tile.rings}
        self.scales = {scale.name: scale for scale in tile.scales}
        self.vectors = {vector.name: vector for vector in tile.vectors}
        self.registers = register_words(target)
        self.written = dict.fromkeys(self.registers, 0)
        self.writes: list[tuple[str, int]] = []
        self.mnemonic = ""
        self.loops: tuple[Loop, ...] = ()

    def write(self, space: str, start: int, length: int) -> None:
        """Registers are written, once the present instruction has read its own."""
        if start + length <= self.registers[space]:
            self.writes.append((space, (1 << length) - 1 << start))

    def done(self) -> None:
        """The present instruction is done."""
        for space, registers in self.writes:
            self.written[space] |= registers
        self.writes.clear()

    def read(self, space: str, start: int, length: int) -> None:
        """Registers are read here: they must have been written before, in the order of the stream."""
        exists = start + length <= self.registers[space]
        missing = ((1 << length) - 1 << start) & ~self.written[space] if exists else 0
        if missing:
            first = (missing & -missing).bit_length() - 1
            what = f"{space}[{first}] is read and nothing has been written to it before"
            self.complain("unwritten", what, "write it first, such as with `set`")

    def reach(self, mvmus: Iterable[int]) -> None:
        """The present instruction reaches cells of these MVMUs."""
        self.reached = {mvmu: self.matrices[mvmu] for mvmu in mvmus if mvmu in self.matrices}
        for mvmu in mvmus:
            if mvmu not in self.matrices:
                there = ", ".join(map(str, sorted(self.matrices))) or "none"
                what = f"nothing says what lies in MVMU {mvmu}"
                self.complain("mask", what, f"MVMUs with a matrix: {there}")

    def require_weights(self, mvmu: int) -> None:
        """An MVMU holds weights: from the start, or since it was written."""
        held = self.matrices.get(mvmu)
        if held is None or all(matrix.array for matrix in held):
            return
        due = (*extent(held), held[0].weight_bits)
        found = self.stored.get(mvmu)
        if found is None:
            what = f"MVMU {mvmu} has no array, and no phase before this one has written all its rows"
            self.complain("unwritten-cells", what, "let `write` bring its weights first, in a phase that runs once")
        elif found != due:
            shapes = " and ".join(f"{rows} x {columns} weights of {bits} bits" for rows, columns, bits in (found, due))
            what = f"MVMU {mvmu} was written otherwise than it is declared here: {shapes}"
            self.complain("unwritten-cells", what, "declare it alike in the phase that writes and in this one")

    def affine(self, value: Affine) -> bool:
        """Whether no loop over inputs moves the number; complains if one does."""
        endless = {loop.counter for loop in self.loops if loop.count < 0}
        moved = [name for name, _ in value.terms if name in endless]
        if moved:
            what = f"{moved[0]} counts inputs and stands in an address or a ticket"
            todo = "addresses and tickets count from the first row of the current input"
            self.complain("image-counter", what, todo)
        return not moved

    def extremes(self, value: Affine) -> tuple[int, int]:
        """The least and the largest value of an affine number inside the loops, whose counts are known."""
        last = {loop.counter: max(0, loop.count - 1) for loop in self.loops}
        ends = [(0, coefficient * last[name]) for name, coefficient in value.terms]
        return value.constant + sum(map(min, ends)), value.constant + sum(map(max, ends))


class Kind(ABC, Generic[T]):
    """A kind of operand, T as data. what: it is, in words; example: of one; layout: of its bytes, in words."""

    name: ClassVar[str]
    what: ClassVar[str]
    example: ClassVar[str]
    layout: ClassVar[str]

    @abstractmethod
    def write(self, operand: T) -> str:
        """The operand as text."""

    @abstractmethod
    def read(self, shape: OperandShape) -> T | None:
        """The operand that a shape says; None where it is no such operand. Raises Refused with a better reason."""

    @abstractmethod
    def encode(self, operand: T, scope: Scope) -> bytes:
        """The operand as bytes."""

    @abstractmethod
    def decode(self, code: Reader, scope: Scope) -> T:
        """The operand whose bytes come."""

    @abstractmethod
    def problems(self, operand: T, scope: Scope) -> Iterable[Complaint]:
        """What is ill formed about the operand, on any target."""

    def check(self, operand: T, look: Look) -> None:
        """Complain about an operand that the target does not have."""

    def length(self, operand: T) -> int | None:
        """Words of the operand; None where rules about lengths do not ask."""
        return None

    def actions(self, operand: T, setting: Setting) -> Counts:
        """Actions that the operand costs."""
        return NO_COUNTS


def number_problems(value: int, least: int, what: str) -> Iterable[Complaint]:
    """What is wrong with a number."""
    if value < least:
        return [("number", f"{what} is {value}, it must be at least {least}", "", "")]
    if abs(value) >= LARGEST:
        return [("number", f"{what} is {value}, numbers have at most {LARGEST.bit_length() - 1} bits", "", "")]
    return ()


def register_words(target: Target) -> Mapping[str, int]:
    """Words of each register file of a core."""
    return {"xin": target.xin_words, "xout": target.core.mvmus * target.xout_stride, "r": target.core.registers}
