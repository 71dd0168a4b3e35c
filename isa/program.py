"""A Program as data: tiles with rings, constants and streams of instructions. Text and binary are two views of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from cimc.isa.operands import Operand


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: a mnemonic of the table and its operands, in the table's order.

    origin: index into the program's strings (where it comes from), or -1. It is a directive in the text and a field
    in the binary, and does not count as code.
    """

    mnemonic: str
    operands: tuple[Operand, ...] = ()
    origin: int = -1


@dataclass(frozen=True, slots=True)
class Ring:
    """A circular buffer of pixels in a tile's shared memory that holds rows of a feature map.

    height, width, channels: the map of one input. segments: pieces a row is handed over in; a ticket is one segment,
    so one input has height * segments tickets. pixels: capacity, whole segments; pixel p (counted from the first
    input on, row by row) lies at address + (p mod pixels) * channels. ports: consumers, each with a credit counter of
    its own. tensor, channel: the tensor of the network whose channels from `channel` on it holds ("" for partial
    sums). producers: streams that fill it, each slots of its own; a stream's signal says that its own slots below the
    ticket are ready, and a consumer waits for all of them. row, row_step, column: row i of the ring is row
    `row + i * row_step` of the tensor, from that column on (other than 0, 1 and 0 where a copy of a layer keeps what it
    makes, or the part of every row that it reads).
    """

    name: str
    address: int
    height: int
    width: int
    channels: int
    segments: int
    pixels: int
    ports: int
    tensor: str = ""
    channel: int = 0
    producers: int = 1
    row: int = 0
    row_step: int = 1
    column: int = 0

    @property
    def tickets(self) -> int:
        """Tickets of one input."""
        return self.height * self.segments

    @property
    def capacity(self) -> int:
        """Tickets that fit at once."""
        return self.pixels // (self.width // self.segments)

    @property
    def words(self) -> int:
        """Memory words that the ring takes."""
        return self.pixels * self.channels


@dataclass(frozen=True, slots=True)
class Scale:
    """Multipliers of requantisation, in tile memory. The float32 values are the array `array` of the weights file.

    rows: 1, or 2 for requant2 (array is (rows, entries)). zero, low, high: of the result; a0, b0: zero points of the
    operands (requant2, requantm; a0 of rsum too).
    """

    name: str
    address: int
    entries: int
    rows: int
    zero: int
    low: int
    high: int
    a0: int
    b0: int
    array: str


@dataclass(frozen=True, slots=True)
class Vector:
    """A constant integer vector in tile memory; values are the array `array` of the weights file."""

    name: str
    address: int
    entries: int
    array: str


@dataclass(frozen=True, slots=True)
class Table:
    """A lookup table in tile memory: entries for inputs first, first + 2^step, ... (array `array`).

    With step > 0 values between two entries are interpolated. Inputs beyond either end take the end's entry.
    """

    name: str
    address: int
    entries: int
    first: int
    step: int
    array: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """Logical weights in an MVMU, from its row `at_row` and column `at_column` on: array `array` of the weights file,
    int (rows, columns). Several matrices may share an MVMU, block-diagonally: all other weights are 0.

    weight_bits, input_bits, input_signed: how they are sliced and fed. shift: XbarOut is the exact sum rounded half
    up by this many bits, saturated to an accumulator. layer, row, column: where the block lies in its layer's matrix.
    """

    mvmu: int
    array: str
    rows: int
    columns: int
    weight_bits: int
    input_bits: int
    input_signed: bool
    shift: int
    layer: str
    row: int
    column: int
    at_row: int = 0
    at_column: int = 0


@dataclass(frozen=True, slots=True)
class CoreCode:
    """A core: the matrices of its MVMUs and its stream."""

    unit: ClassVar[str] = "core"
    number: int
    matrices: tuple[Matrix, ...]
    stream: tuple[Instruction, ...]

    def by_mvmu(self) -> dict[int, tuple[Matrix, ...]]:
        """The matrices of each MVMU that holds any."""
        held: dict[int, tuple[Matrix, ...]] = {}
        for matrix in self.matrices:
            held[matrix.mvmu] = (*held.get(matrix.mvmu, ()), matrix)
        return held


def extent(matrices: tuple[Matrix, ...]) -> tuple[int, int]:
    """(rows, columns) of an MVMU that its matrices reach."""
    return max(m.at_row + m.rows for m in matrices), max(m.at_column + m.columns for m in matrices)


@dataclass(frozen=True, slots=True)
class ChannelCode:
    """A transfer channel of a tile: one stream of sends or receives (docs/decisions/0002-transfer-channels.md)."""

    unit: ClassVar[str] = "channel"
    number: int
    stream: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class TileCode:
    """A tile: rings, constants, cores and transfer channels."""

    number: int
    rings: tuple[Ring, ...] = ()
    scales: tuple[Scale, ...] = ()
    vectors: tuple[Vector, ...] = ()
    tables: tuple[Table, ...] = ()
    cores: tuple[CoreCode, ...] = ()
    channels: tuple[ChannelCode, ...] = ()

    @property
    def things(self) -> Mapping[str, Sequence[Ring | Scale | Vector | Table]]:
        """What lies in its memory, by directive."""
        return {"ring": self.rings, "scale": self.scales, "vector": self.vectors, "table": self.tables}

    @property
    def codes(self) -> tuple[CoreCode | ChannelCode, ...]:
        """Whatever runs a stream in it."""
        return (*self.cores, *self.channels)


THINGS = tuple(TileCode(0).things)
"""Directives of what lies in a tile's memory, in the order of the fields of TileCode."""


@dataclass(frozen=True, slots=True)
class RingRef:
    """A ring of a tile, seen from outside: a network input to fill or (by one of its ports) an output to drain."""

    tile: int
    ring: str
    port: int = -1


@dataclass(frozen=True, slots=True)
class Plug:
    """A network input or output. The host quantises inputs and takes outputs back to real numbers.

    shape, dtype: of one lane as the ONNX network has it. scale, zero, low, high: q = sat(round(x / scale) + zero),
    x = (q - zero) * scale, in float32; a scale of 0 hands integers through. rings: where the host writes, or reads.
    index: array of the weights file: moves (cimc.base.moves) between the tensor's elements, in C order, and the words
    of the rings' maps laid end to end (each height x width x channels).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero: int
    low: int
    high: int
    rings: tuple[RingRef, ...]
    index: str


@dataclass(frozen=True, slots=True)
class Program:
    """A program for a whole system. target: the name of the target whose limits it keeps; weights: sha256 of the
    arrays that belong to it (hex), see docs/program.md. chips: how many it has; tiles are numbered through, chip after
    chip. word, accumulator: bits of the target's, which its numbers are made for; 0: it does not say."""

    name: str
    target: str
    weights: str
    strings: tuple[str, ...] = ()
    inputs: tuple[Plug, ...] = ()
    outputs: tuple[Plug, ...] = ()
    tiles: tuple[TileCode, ...] = field(default_factory=tuple)
    chips: int = 1
    word: int = 0
    accumulator: int = 0


def streams_of(program: Program) -> dict[tuple[int, str, int], tuple[Instruction, ...]]:
    """All streams by tile, "core" or "channel", and number of that."""
    return {(tile.number, code.unit, code.number): code.stream for tile in program.tiles for code in tile.codes}
