"""The MappedGraph: integer layers, their weights cut into blocks for MVMUs, and the work of every core.

It fixes every number of the result: formats, multipliers, shifts, and the order in which partial sums are added.
cimc.ir.reference computes it; the emulator must agree bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cimc.crossbar.chain import Chain
from cimc.ir.layers import Binding, FeatureMap, Ints, Layer, MatrixLayer, Weights
from cimc.numerics.quant import Quant, fits
from cimc.target.model import Crossbar, Target

Float32s = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """What of a target fixes numbers: bits of words and accumulators, how an MVMU stores a matrix, and its converters.

    rounds: XbarOut is rounded by a shift. encoding, flipped: see cimc.target.model.Mvmu.
    """

    word_bits: int
    accumulator_bits: int
    rounds: bool
    crossbar: Crossbar
    encoding: str
    flipped: bool

    @classmethod
    def of(cls, target: Target) -> Arithmetic:
        """A target's."""
        numbers, mvmu = target.numbers, target.mvmu
        rounds = mvmu.round == "shift"
        return cls(numbers.word, numbers.accumulator, rounds, target.crossbar, mvmu.encoding, mvmu.flipped)

    @property
    def chain(self) -> Chain:
        """What a product on an MVMU goes through, with ideal cells."""
        return Chain.of(self.crossbar, self.encoding, self.flipped)


@dataclass(frozen=True, slots=True)
class TableValues:
    """A lookup table: entries for first, first + 2^step, ...; see cimc.numerics.quant.look_up."""

    entries: Ints
    first: int
    step: int


@dataclass(frozen=True, slots=True)
class Finish:
    """From an accumulator (or two operands) to the result's integers: requantise by m (and n), clamp, look up.

    m, n: float32, one a channel; n is None where there is one term only; where there is no second operand n times 1 is
    an offset. a0, b0: zero points of the operands. zero,
    low, high: of the requantised number, which is the result itself or the table's input.
    """

    m: Float32s
    n: Float32s | None
    a0: int
    b0: int
    zero: int
    low: int
    high: int
    table: TableValues | None = None

    def fits(self, bits: int) -> bool:
        """Whether registers of `bits` bits hold the requantised number and what the table makes of it."""
        return fits(np.asarray([self.low, self.high]), bits) and (self.table is None or fits(self.table.entries, bits))

    @property
    def is_identity(self) -> bool:
        """Whether one operand passes unchanged (its format is the result's)."""
        same = self.zero == self.a0 and self.table is None and bool((self.m == 1).all())
        return same and (self.n is None or not self.n.any())


@dataclass(frozen=True, slots=True)
class RowRun:
    """Words start .. start + length of the window of `channels` channels of a map from `channel` on, in the order
    (kernel row, kernel column, channel). operand_channel: where `channel` stands in the layer's operand."""

    map: str
    channel: int
    channels: int
    start: int
    length: int
    operand_channel: int


@dataclass(frozen=True, slots=True)
class Block:
    """One MVMU's share of a matrix: rows, in order, times columns low .. high of the layer's outputs.

    weights: integers (rows, columns). clips: whether some input could make one of its conversions clip, so that it is
    multiplied conversion by conversion.
    """

    runs: tuple[RowRun, ...]
    low: int
    high: int
    weights: Weights
    clips: bool = False

    @property
    def rows(self) -> int:
        """Inputs of the block."""
        return sum(run.length for run in self.runs)


@dataclass(frozen=True, slots=True)
class Task:
    """The work of one core for one layer: output channels low .. high of it.

    blocks: of a matrix layer, MVMU after MVMU; blocks of equal columns are added in this order. partials: tasks (by
    index in the layer) whose sums are added after this one's own, in order. A task that is somebody's partial
    (is_partial) sends its sum on and finishes nothing; it may have partials itself. shares: tasks with the same number,
    0 or more, share a core. seats: (MVMU, row, column) from which each block lies on its core; where there are none
    block k fills MVMU k.
    """

    low: int
    high: int
    blocks: tuple[Block, ...] = ()
    partials: tuple[int, ...] = ()
    is_partial: bool = False
    shares: int = -1
    seats: tuple[tuple[int, int, int], ...] = ()

    def seat(self, block: int) -> tuple[int, int, int]:
        """(MVMU, row, column) of a block."""
        return self.seats[block] if self.seats else (block, 0, 0)


@dataclass(frozen=True, slots=True)
class Share:
    """What one copy makes of a layer's map: of the rows row, row + row_step, ... the part-th of `parts` parts, whole
    segments each and as equal as can be. whole: segments of a row."""

    row: int = 0
    row_step: int = 1
    part: int = 0
    parts: int = 1

    def rows(self, height: int) -> int:
        """How many rows of a map so high it makes."""
        return -(-(height - self.row) // self.row_step)

    def first_segment(self, whole: int) -> int:
        """The first segment of a row that it makes."""
        return self.part * whole // self.parts

    def segments(self, whole: int) -> int:
        """How many segments of a row it makes."""
        return (self.part + 1) * whole // self.parts - self.first_segment(whole)

    def first_ticket(self, whole: int) -> int:
        """Segments of the whole map before its first."""
        return self.row * whole + self.first_segment(whole)

    def column(self, width: int, whole: int) -> int:
        """The first column that it makes of a map so wide."""
        return self.first_segment(whole) * (width // whole)


@dataclass(frozen=True, slots=True)
class MappedLayer:
    """A layer with its integers. weights and bias are of matrix layers (see GivenWeights for shapes).

    shift: XbarOut's rounding; bias and finish.m are in units of the shifted sum. weight_bits: width of the weights;
    weight_scale: what one unit of a weight stands for, (O,).
    pre: of max, min: one Finish an operand, applied before the comparison. softmax: exponent tables, high and low part
    of the difference, and their split in bits. copies: how often its tasks exist; `across` of them make a row of the
    map together (see share). beside: how often its only block lies on its MVMU, block-diagonally: a product takes so
    many pixels next to each other.
    """

    layer: Layer
    finish: Finish
    tasks: tuple[Task, ...]
    weights: Weights | None = None
    weight_bits: int = 0
    weight_scale: Float32s | None = None
    bias: Ints | None = None
    shift: int = 0
    pre: tuple[Finish, ...] = ()
    softmax: SoftmaxTables | None = None
    copies: int = 1
    across: int = 1
    beside: int = 1

    def share(self, copy: int) -> Share:
        """What a copy makes."""
        row, part = divmod(copy, self.across)
        return Share(row, self.copies // self.across, part, self.across)

    def bias_fits(self, word_bits: int) -> bool:
        """Whether words hold the bias, so that it can be added. Otherwise it is the second term of a requantisation by
        1 into the accumulator's range, which float32 holds well enough."""
        return self.bias is None or fits(self.bias, word_bits)

    @property
    def pieces(self) -> tuple[tuple[int, int], ...]:
        """The channel ranges in which its map is made, one task each."""
        return tuple((task.low, task.high) for task in self.tasks if not task.is_partial)

    @property
    def matrix(self) -> MatrixLayer:
        """The layer as the matrix layer that it is."""
        assert isinstance(self.layer, MatrixLayer), f"{self.layer.name} is no matrix layer"
        return self.layer


@dataclass(frozen=True, slots=True)
class SoftmaxTables:
    """exp(-d) of a difference d = split * h + l as high[h] * low[l] / 2^shift, all integers. For narrow inputs low is
    None and high is indexed by d itself."""

    high: TableValues
    low: TableValues | None
    split_bits: int
    shift: int


@dataclass(frozen=True, slots=True)
class MappedGraph:
    """Mapped layers in topological order, the format of every map, and the network's borders."""

    name: str
    layers: tuple[MappedLayer, ...]
    maps: Mapping[str, FeatureMap]
    quants: Mapping[str, Quant]
    inputs: tuple[Binding, ...]
    outputs: tuple[Binding, ...]
    arithmetic: Arithmetic

    def pieces(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """The channel ranges in which each map is made, one task each; an input is one piece."""
        made = {mapped.layer.output: mapped.pieces for mapped in self.layers}
        return {name: made.get(name) or ((0, m.channels),) for name, m in self.maps.items()}
