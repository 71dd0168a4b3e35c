"""The LayerGraph: a network as layers on feature maps, still in real numbers.

A feature map is (height, width, channels), channels innermost. Pure layout operations are gone: every layer names
what it reads as an Operand, a strided view of channel runs of earlier maps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from cimc.base.moves import Moves
from cimc.ir.widths import Widths
from cimc.numerics.quant import Quant
from cimc.target.model import Target

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.integer[Any]]
Reals = npt.NDArray[np.floating[Any]]
Weights = npt.NDArray[np.int32]
Size = tuple[int, int, int]

POSITIVE = frozenset({"relu", "sigmoid", "hard_sigmoid", "exp", "sqrt", "abs", "softplus"})
"""Functions that are never negative."""


class SlidingWindow(NamedTuple):
    """A window over a map, (rows, columns) each; pads: (top, left, bottom, right)."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]


ONE_PIXEL = SlidingWindow((1, 1), (1, 1), (0, 0, 0, 0), (1, 1))


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """A map: the Graph tensor whose values it holds, its size, and its number format where the network fixes one."""

    name: str
    height: int
    width: int
    channels: int
    quant: Quant | None = None

    @property
    def size(self) -> Size:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    @property
    def words(self) -> int:
        """Elements of one input."""
        return self.height * self.width * self.channels


@dataclass(frozen=True, slots=True)
class Part:
    """Channels `channel` .. `channel + count` of a map; of no map ("") they are zeros."""

    map: str
    channel: int
    count: int


@dataclass(frozen=True, slots=True)
class Operand:
    """A (height, width, channels) tensor as a layer sees it: the parts' channels side by side; pixel (y, x) is pixel
    (y * step[0] + offset[0], x * step[1] + offset[1]) of the maps, zero outside them. A step of 0 broadcasts."""

    parts: tuple[Part, ...]
    height: int
    width: int
    offset: tuple[int, int] = (0, 0)
    step: tuple[int, int] = (1, 1)

    @property
    def channels(self) -> int:
        """Channels of the operand."""
        return sum(part.count for part in self.parts)

    @property
    def size(self) -> Size:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    @property
    def maps(self) -> tuple[str, ...]:
        """Names of the maps that it reads, each once."""
        return tuple(dict.fromkeys(part.map for part in self.parts if part.map))

    def channel_ranges(self, low: int, high: int) -> Iterator[tuple[str, int, int]]:
        """(map, first, last channel) behind channels low .. high of it."""
        start = 0
        for part in self.parts:
            first, last = max(low, start), min(high, start + part.count)
            if part.map and first < last:
                yield part.map, part.channel + first - start, part.channel + last - start
            start += part.count


@dataclass(frozen=True, slots=True)
class Function:
    """An elementwise function after a layer, as `cimc.ir.graph.Unary` names it; "affine" is a * x + b."""

    name: str
    a: float = 0.0
    b: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer(ABC):
    """What all layers have, and what each kind of them says of itself (see cimc.layer_kinds).

    name: unique; output: the map it makes; origin: its ONNX nodes. before: the Graph tensor that stands before
    `functions` (its range fixes the table's input format), or "". low, high: clamp, in real numbers, applied before
    `functions`. grid: the result is a multiple of this real number (a Round in the network), or 0.
    """

    needs_all_channels: ClassVar[bool] = False
    """Whether one core makes all channels of a pixel."""

    name: str
    output: str
    origin: str
    before: str = ""
    low: float = -np.inf
    high: float = np.inf
    functions: tuple[Function, ...] = ()
    grid: float = 0.0

    @property
    @abstractmethod
    def title(self) -> str:
        """What a report calls its kind."""

    @property
    @abstractmethod
    def reads(self) -> tuple[Operand, ...]:
        """Everything that it reads, in a fixed order (a residual last); at least one operand."""

    @property
    def window(self) -> SlidingWindow:
        """The window that it slides over the first of its operands."""
        return ONE_PIXEL

    def delay(self, role: int) -> int:
        """Rows by which all that it reads of an operand lies above the row that it makes; 0 or less where some does
        not. What it reads with a delay may be a map that is made later, or its own: the state of a recurrence."""
        kernel, strides, pads, dilations = self.window if role == 0 else ONE_PIXEL
        operand = self.reads[role]
        same_pace = operand.step[0] * strides[0] == 1
        return pads[0] - (kernel[0] - 1) * dilations[0] - operand.offset[0] if same_pace else 0

    @property
    def keeps_format(self) -> bool:
        """Whether its results are numbers of its operand as they are, whose format is theirs then."""
        return False

    @property
    def operations(self) -> int:
        """Operations of vector units for one element of its result."""
        return len(self.reads)

    @abstractmethod
    def check(self, label: str, out: Size) -> None:
        """Assert that it makes a map of this size, and has what it needs for each of its channels."""

    def check_windows(self, label: str, out: Size, channels: int) -> None:
        """Assert that the windows that fit in the first operand and its padding are the pixels of the output."""
        kernel, strides, pads, dilations = self.window
        assert min(*kernel, *strides, *dilations) > 0 <= min(pads), f"{label}: {self.window}"
        rows, columns = (
            (size + pads[axis] + pads[axis + 2] - (kernel[axis] - 1) * dilations[axis] - 1) // strides[axis] + 1
            for axis, size in enumerate(self.reads[0].size[:2])
        )
        made = rows, columns, channels
        assert made == out, f"{label}: its windows make {made}, its map is {out}"

    def fed_bits(self, bits: int, widths: Widths, target: Target) -> int:
        """Most bits that the first of its operands may have, of so many that a map can have."""
        return bits

    def most_channels(self, registers: int) -> int:
        """Channels that one core can make, which has so many registers."""
        return self.reads[0].channels

    def never_negative(self, positive: Container[str]) -> bool:
        """Whether its results can't be negative, as far as maps that can't be tell."""
        return self.functions[-1].name in POSITIVE if self.functions else self.low >= 0

    @property
    def constants(self) -> tuple[Reals, ...]:
        """What it multiplies with and adds, as far as that is known."""
        return ()

    def finite(self) -> Self:
        """The layer with 1 for gains and 0 for terms that are no finite numbers."""
        return self


@dataclass(frozen=True, slots=True)
class Binding:
    """How a network tensor lies on `maps`, of an input on its one map: `moves` between its elements, in C order, and
    the words of the maps laid end to end; None in an estimate. memory: off-chip memory holds it between two rounds."""

    tensor: str
    shape: tuple[int, ...]
    dtype: str
    maps: tuple[str, ...]
    moves: Moves | None
    memory: bool = False


@dataclass(frozen=True, slots=True)
class LayerGraph:
    """Layers in topological order but for what is read with a delay (see Layer), maps by name, and where the network's
    inputs and outputs lie."""

    name: str
    layers: tuple[Layer, ...]
    maps: Mapping[str, FeatureMap]
    inputs: tuple[Binding, ...]
    outputs: tuple[Binding, ...]
