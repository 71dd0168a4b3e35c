"""The MappedGraph: integer layers, their weights cut into blocks for MVMUs, and the work of every core.

It fixes every number of the result: formats, multipliers, shifts, and the order in which partial sums are added.
cimc.ir.reference computes it; the emulator must agree bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import singledispatch

from cimc.base.layer_names import LayerNames
from cimc.crossbar.chain import Chain
from cimc.ir.epilogue import Epilogue
from cimc.ir.formats import Formats
from cimc.ir.layers import Binding, FeatureMap, Ints, Layer, Weights, Words
from cimc.numerics.quant import Quant
from cimc.target.model import Crossbar, Mvmu, Numbers, Target


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """What of a target fixes numbers: bits of words and accumulators, how an MVMU stores a matrix, and its converters.

    rounds: XbarOut is rounded by a shift.
    """

    word_bits: int
    accumulator_bits: int
    rounds: bool
    crossbar: Crossbar
    mvmu: Mvmu

    @classmethod
    def of(cls, target: Target) -> Arithmetic:
        """A target's."""
        numbers, mvmu = target.numbers, target.mvmu
        rounds = mvmu.round == "shift"
        return cls(numbers.word, numbers.accumulator, rounds, target.crossbar, mvmu)

    @property
    def chain(self) -> Chain:
        """What a product on an MVMU goes through, with ideal cells."""
        return Chain.of(self.crossbar, self.mvmu)


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

    weights: integers (rows, columns). lossy: whether some input could make one of its conversions lose something, so
    that it is multiplied conversion by conversion.
    """

    runs: tuple[RowRun, ...]
    low: int
    high: int
    weights: Weights
    lossy: bool = False

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
    0 or more, share a core. corners: (MVMU, row, column) from which each block lies on its core; where there are none
    block k fills MVMU k.
    """

    low: int
    high: int
    blocks: tuple[Block, ...] = ()
    partials: tuple[int, ...] = ()
    is_partial: bool = False
    shares: int = -1
    corners: tuple[tuple[int, int, int], ...] = ()

    def corner(self, block: int) -> tuple[int, int, int]:
        """(MVMU, row, column) of a block."""
        return self.corners[block] if self.corners else (block, 0, 0)


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
    """A layer with its integers; each kind has a class of its own, with what only it has (see cimc.layer_kinds).

    copies: how often its tasks exist; `across` of them make a row of the map together (see share). replicas: how many
    pixels next to each other a product takes, its only block lying so often on its MVMU, block-diagonally.
    """

    layer: Layer
    epilogue: Epilogue
    tasks: tuple[Task, ...] = ()
    copies: int = 1
    across: int = 1
    replicas: int = 1

    def share(self, copy: int) -> Share:
        """What a copy makes."""
        row, part = divmod(copy, self.across)
        return Share(row, self.copies // self.across, part, self.across)

    @property
    def pieces(self) -> tuple[tuple[int, int], ...]:
        """The channel ranges in which its map is made, one task each."""
        return tuple((task.low, task.high) for task in self.tasks if not task.is_partial)

    @property
    def epilogues(self) -> tuple[Epilogue, ...]:
        """All that requantise something for it; the result's last."""
        return (self.epilogue,)

    def constant_words(self, channels: int, numbers: Numbers) -> int:
        """Words of tile memory of the constants of a task of so many channels: multipliers, bias, tables."""
        return sum(one.words(channels, numbers.word) for one in self.epilogues)

    def reads(self, task: Task, role: int) -> Iterator[tuple[str, int, int]]:
        """(map, low, high): the channels that a task reads in a role; those of the operand that it makes."""
        return self.layer.reads[role].channel_ranges(task.low, task.high)

    def check(self, label: str, channels: int) -> None:
        """Assert that it has the integers that it needs for so many channels."""

    def check_tasks(self, label: str) -> None:
        """Assert that its tasks, which make every channel once, do nothing twice on their way."""
        assert not any(task.blocks or task.is_partial for task in self.tasks), f"{label} has blocks or partial sums"


@dataclass(frozen=True, slots=True)
class MappedGraph:
    """Mapped layers in the order of the LayerGraph, the format of every map, and the network's borders. segments: of a
    row of every map, once they are chosen."""

    name: str
    layers: tuple[MappedLayer, ...]
    maps: Mapping[str, FeatureMap]
    quants: Mapping[str, Quant]
    inputs: tuple[Binding, ...]
    outputs: tuple[Binding, ...]
    arithmetic: Arithmetic
    segments: Mapping[str, int] = field(default_factory=dict)

    @property
    def names(self) -> LayerNames:
        """What its layers are called."""
        return LayerNames((mapped.layer.name, mapped.layer.origin) for mapped in self.layers)

    def pieces(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """The channel ranges in which each map is made, one task each; an input is one piece."""
        made = {mapped.layer.output: mapped.pieces for mapped in self.layers}
        return {name: made.get(name) or ((0, m.channels),) for name, m in self.maps.items()}


@singledispatch
def quantise_layer(layer: Layer, formats: Formats) -> MappedLayer:
    """The integers of a layer, without tasks. Every kind registers its own."""
    raise AssertionError(f"{type(layer).__name__} has no integers")


@singledispatch
def evaluate_layer(mapped: MappedLayer, graph: MappedGraph, maps: Mapping[str, Words]) -> Ints:
    """The integers of a layer's map, (lanes, height, width, channels), from those of the maps that it reads. Every kind
    registers its own."""
    raise AssertionError(f"{type(mapped).__name__} computes nothing")


def is_cut(ranges: Sequence[tuple[int, int]], whole: tuple[int, int]) -> bool:
    """Whether ranges, in order, are a whole one cut in pieces."""
    edges = [whole[0], *(high for _, high in ranges)]
    return edges[-1] == whole[1] and all(low == edge < high for edge, (low, high) in zip(edges, ranges, strict=False))
