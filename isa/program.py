"""A Program as data: tiles with rings, constants and streams of instructions. Text and binary are two views of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from cimc.isa.operands import Operand


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: a mnemonic of the table and its operands, in the table's order.

    origin: number of the layer that it works for, or -1 for none. It is a directive in the text and a field in the
    binary, and does not count as code.
    """

    mnemonic: str
    operands: tuple[Operand, ...] = ()
    origin: int = -1


@dataclass(frozen=True, slots=True)
class Key:
    """What a field of a record is in text and bytes: its meaning; for a whole number its limits, first and last value,
    those of a target's WORD or REGISTER, or ELSEWHERE, in a check of its own; kind: of cimc.isa.values,
    where the field's type does not tell; text: its name in the text, where that is another."""

    meaning: str
    limits: tuple[int, int] | str = ""
    kind: str = ""
    text: str = ""


WORD, REGISTER, ELSEWHERE = "word", "register", "elsewhere"
LARGEST_MAP = 1 << 20
"""Rows, columns or channels of a map, and pixels of a ring."""
MOST_PORTS = 1 << 10
"""Ports of a ring, and producers."""
MOST_ELEMENTS = 1 << 27
"""Elements of a network input or output."""
MOST_CHIPS = 1 << 16
MOST_SHARED = 1_000_000
"""Inputs that go through a round one after the other."""
LARGEST_SHIFT = 48
"""Of an MVMU's sums, the widest of which have 16 + 16 + 16 bits: weights, inputs, rows."""

_SIZE, _PLACE, _BLOCK = (1, LARGEST_MAP), (0, LARGEST_MAP), (0, 1 << 31)


@dataclass(frozen=True, slots=True)
class Ring:
    """A circular buffer of pixels in a tile's shared memory that holds rows of a feature map.

    A ticket is one segment of a row, so one input has height * segments tickets. Pixel p (counted from the first input
    on, row by row) lies at address + (p mod pixels) * channels. Each port has a credit counter of its own. With several
    producers a stream's signal says that its own slots below the ticket are ready, and a consumer waits for all of
    them. row, row_step and column are other than 0, 1 and 0 where a copy of a layer keeps what it makes, or the part of
    every row that it reads.
    """

    name: Annotated[str, Key("one of its own in the tile")]
    address: Annotated[int, Key("its first word in tile memory", ELSEWHERE, text="addr")]
    height: Annotated[int, Key("rows of the map of one input", _SIZE)]
    width: Annotated[int, Key("pixels of a row", _SIZE)]
    channels: Annotated[int, Key("words of a pixel", _SIZE)]
    segments: Annotated[int, Key("tickets of a row; they divide width", _SIZE)]
    pixels: Annotated[int, Key("pixels that it holds at once, whole segments", _SIZE)]
    ports: Annotated[int, Key("consumers, each behind a port of its own, 0, 1, ...", (0, MOST_PORTS))]
    tensor: Annotated[
        str, Key("tensor of the network that it holds; empty for partial sums. For comparison only", kind="text")
    ] = ""
    channel: Annotated[int, Key("channel of the tensor that its first channel is. For comparison only", _PLACE)] = 0
    producers: Annotated[int, Key("streams that fill it, each slots of its own", (1, MOST_PORTS))] = 1
    row: Annotated[int, Key("row of the tensor that its first row is. For comparison only", _PLACE)] = 0
    row_step: Annotated[int, Key("rows of the tensor between two of its rows. For comparison only", _SIZE)] = 1
    column: Annotated[int, Key("column of the tensor that its first column is. For comparison only", _PLACE)] = 0

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
    """Multipliers of requantisation, in tile memory. The float32 values are the array `array` of the weights file."""

    name: Annotated[str, Key("one of its own among the tile's scales")]
    address: Annotated[
        int, Key("its first word in tile memory; each multiplier takes 32 bits of words", ELSEWHERE, text="addr")
    ]
    entries: Annotated[int, Key("multipliers of a row", ELSEWHERE)]
    rows: Annotated[int, Key("1 (m), or 2 for requant2 (m, then n)", (1, 2))]
    zero: Annotated[int, Key("zero point of the result", REGISTER)]
    low: Annotated[int, Key("least result", REGISTER)]
    high: Annotated[int, Key("largest result", REGISTER)]
    a0: Annotated[int, Key("zero point of a, in requant2, requantm and rsum", REGISTER)]
    b0: Annotated[int, Key("zero point of b, in requant2 and requantm", REGISTER)]
    array: Annotated[str, Key("of float32, (entries,), or (2, entries) for two rows")]


@dataclass(frozen=True, slots=True)
class Vector:
    """A constant integer vector in tile memory; values are the array `array` of the weights file."""

    name: Annotated[str, Key("one of its own among the tile's vectors")]
    address: Annotated[int, Key("its first word in tile memory; each entry takes one", ELSEWHERE, text="addr")]
    entries: Annotated[int, Key("how many", ELSEWHERE)]
    array: Annotated[str, Key("of whole numbers, (entries,)")]


@dataclass(frozen=True, slots=True)
class Table:
    """A lookup table in tile memory: entries for inputs first, first + 2^step, ... (array `array`).

    With step > 0 values between two entries are interpolated. Inputs beyond either end take the end's entry.
    """

    name: Annotated[str, Key("one of its own among the tile's tables")]
    address: Annotated[int, Key("its first word in tile memory; each entry takes a word", ELSEWHERE, text="addr")]
    entries: Annotated[int, Key("how many", ELSEWHERE)]
    first: Annotated[int, Key("the word that entry 0 belongs to", REGISTER)]
    step: Annotated[int, Key("entries belong to words 2^step apart; 0: to every word", (0, 31))]
    array: Annotated[str, Key("of whole numbers, (entries,)")]


@dataclass(frozen=True, slots=True)
class Area:
    """Words of tile memory that keep what they hold from phase to phase, as long as each phase has the area."""

    name: Annotated[str, Key("one of its own among the tile's areas")]
    address: Annotated[int, Key("its first word in tile memory", ELSEWHERE, text="addr")]
    words: Annotated[int, Key("how many", ELSEWHERE)]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Logical weights in an MVMU, from its row `at_row` and column `at_column` on: array `array` of the weights file,
    int (rows, columns). Several matrices may share an MVMU, block-diagonally: all other weights are 0. Without an array
    the weights are those that `write` brings.

    weight_bits, input_bits, input_signed: how they are sliced and fed. shift: XbarOut is the sum, in the converters'
    steps, rounded half up by this many bits, saturated to an accumulator. layer, row, column: where the block lies in
    its layer's matrix.
    """

    mvmu: Annotated[int, Key("MVMU of the core, from 0", ELSEWHERE)]
    array: Annotated[str, Key('of whole numbers, (rows, columns); "": the MVMU is written while the program runs')]
    rows: Annotated[int, Key("inputs", _SIZE)]
    columns: Annotated[int, Key("outputs", _SIZE)]
    weight_bits: Annotated[int, Key("bits of a stored weight, its sign included", ELSEWHERE)]
    input_bits: Annotated[int, Key("bits of a word of xin that are fed", ELSEWHERE)]
    input_signed: Annotated[bool, Key("whether these bits are in two's complement", text="signed")]
    shift: Annotated[int, Key("bits that a sum is rounded by", (0, LARGEST_SHIFT))]
    layer: Annotated[str, Key("layer of the network that it belongs to. For reports only", kind="text")]
    row: Annotated[int, Key("its first row in the layer's matrix. For reports only", _BLOCK)]
    column: Annotated[int, Key("its first column in the layer's matrix. For reports only", _BLOCK)]
    at_row: Annotated[int, Key("its first row in the MVMU", _PLACE)] = 0
    at_column: Annotated[int, Key("its first column in the MVMU", _PLACE)] = 0
    steps: Annotated[
        str, Key("array of reals: converters' steps in units, (columns,), or (2, columns) of two ranges", kind="text")
    ] = ""


@dataclass(frozen=True, slots=True)
class CoreCode:
    """A core: the matrices of its MVMUs and its stream."""

    unit: ClassVar[str] = "core"
    number: Annotated[int, Key("from 0", ELSEWHERE)]
    matrices: tuple[Matrix, ...] = ()
    stream: tuple[Instruction, ...] = ()

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
    number: Annotated[int, Key("from 0", ELSEWHERE)]
    stream: tuple[Instruction, ...] = ()


@dataclass(frozen=True, slots=True)
class TileCode:
    """A tile: rings, constants, cores and transfer channels."""

    number: Annotated[int, Key("from 0", ELSEWHERE)]
    rings: tuple[Ring, ...] = ()
    scales: tuple[Scale, ...] = ()
    vectors: tuple[Vector, ...] = ()
    tables: tuple[Table, ...] = ()
    cores: tuple[CoreCode, ...] = ()
    channels: tuple[ChannelCode, ...] = ()
    areas: tuple[Area, ...] = ()

    @property
    def things(self) -> Mapping[str, Sequence[Ring | Scale | Vector | Table | Area]]:
        """What lies in its memory, by directive."""
        return {
            "ring": self.rings,
            "scale": self.scales,
            "vector": self.vectors,
            "table": self.tables,
            "area": self.areas,
        }

    @property
    def codes(self) -> tuple[CoreCode | ChannelCode, ...]:
        """Whatever runs a stream in it."""
        return (*self.cores, *self.channels)


THINGS = tuple(TileCode(0).things)
"""Directives of what lies in a tile's memory; the fields of TileCode are their plurals."""


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

    name: Annotated[str, Key("as the network has it")]
    dtype: Annotated[str, Key("NumPy's name of its type in the network, such as float32")]
    shape: Annotated[tuple[int, ...], Key("of one lane, as the network has it", (1, MOST_ELEMENTS))]
    scale: Annotated[float, Key("real = (word - zero) * scale; 0: words are the integers themselves")]
    zero: Annotated[int, Key("the word that stands for 0", WORD)]
    low: Annotated[int, Key("the least word", WORD)]
    high: Annotated[int, Key("the largest word", WORD)]
    index: Annotated[str, Key("array of boxes: which element is which word")]
    rings: Annotated[tuple[RingRef, ...], Key("rings that the host fills (input), or ports that it drains (output)")]
    memory: Annotated[bool, Key("whether memory holds it, under its name, in place of the host")] = False
    areas: Annotated[
        tuple[RingRef, ...], Key("the area of a tile where it lies then; none: in off-chip memory", text="area")
    ] = ()


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of a program that runs in rounds: all tiles run their streams to the end before the next one begins.
    Crossbars and off-chip memory keep what they hold; everything else begins anew.

    A phase that runs once a round writes crossbars; its inputs are weights in off-chip memory.
    """

    number: Annotated[int, Key("0, 1, ..., in this order", ELSEWHERE)]
    round: Annotated[int, Key("the round that it belongs to", ELSEWHERE)]
    once: Annotated[bool, Key("whether it runs once a round, to write crossbars, and not for every input")]
    inputs: tuple[Plug, ...] = ()
    outputs: tuple[Plug, ...] = ()
    tiles: tuple[TileCode, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """A program for a whole system. target: the one whose limits it keeps; weights: see docs/program.md. strings: what
    its layers are called, by number.

    phases: of a program that runs in rounds, which has no tiles of its own; its inputs and outputs are those of its
    phases that the host has (see in_phases). shared: inputs that go through a round before the next one's weights come.
    """

    name: Annotated[str, Key("of the program", kind="text")]
    target: Annotated[str, Key("name of the target", kind="text")]
    weights: Annotated[str, Key("sha256 of the weights file's arrays, see below", kind="text")]
    strings: tuple[str, ...] = ()
    inputs: tuple[Plug, ...] = ()
    outputs: tuple[Plug, ...] = ()
    tiles: tuple[TileCode, ...] = ()
    chips: Annotated[
        int, Key("chips that it runs on; tiles are numbered through, chip after chip", (1, MOST_CHIPS))
    ] = 1
    word: Annotated[int, Key("bits of the target's words that its numbers are made for; 0: not said", (0, 32))] = 0
    accumulator: Annotated[
        int, Key("bits of the target's accumulators that its numbers are made for; 0: not said", (0, 32))
    ] = 0
    shared: Annotated[
        int,
        Key("of a program that runs in rounds: inputs that go through a round one after the other", (0, MOST_SHARED)),
    ] = 0
    phases: tuple[Phase, ...] = ()

    @property
    def parts(self) -> tuple[Program, ...]:
        """Each phase as a program of its own; of one that runs in no rounds itself alone."""
        if not self.phases:
            return (self,)
        return tuple(
            replace(self, inputs=one.inputs, outputs=one.outputs, tiles=one.tiles, phases=()) for one in self.phases
        )


def in_phases(head: Program, phases: tuple[Phase, ...]) -> Program:
    """A program that runs in phases. Its inputs and outputs are those of the host, each as it first stands."""
    inputs: dict[str, Plug] = {}
    outputs: dict[str, Plug] = {}
    for one in phases:
        for found, plugs in ((inputs, one.inputs), (outputs, one.outputs)):
            for plug in plugs:
                if not plug.memory:
                    found.setdefault(plug.name, plug)
    return replace(head, phases=phases, inputs=tuple(inputs.values()), outputs=tuple(outputs.values()))


def streams_of(program: Program) -> dict[tuple[int, str, int], tuple[Instruction, ...]]:
    """All streams by tile, "core" or "channel", and number of that."""
    return {(tile.number, code.unit, code.number): code.stream for tile in program.tiles for code in tile.codes}
