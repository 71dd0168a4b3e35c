"""The state of a running machine: memories, rings with their tickets, FIFOs, registers, counters of loops.

Everything is vectorised over lanes, the last axis of every array: a lane is one independent run of the network.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from cimc.isa.kinds.base import register_words
from cimc.isa.meaning import Entries, Factors
from cimc.isa.operands import Affine
from cimc.isa.program import Program, Ring, TileCode
from cimc.numerics.keys import Key
from cimc.target.model import Target

Words = npt.NDArray[np.int32]
"""Words of memory or registers: int32, (words, lanes). No word and no accumulator of a target is wider."""
Wide = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float32]
AnyArray = npt.NDArray[Any]

Counters = list[int]
"""Counters of a stream's loops by depth; number 0 is the input that the stream is at."""

IMAGE = 0
"""Where the number of the present input stands."""

Number = Callable[[], int]
Action = Callable[[], None]
Kind = TypeVar("Kind", bound=np.generic)


class Thing:
    """What a stream may wait for. sleepers: numbers of the streams that wait for it to change."""

    __slots__ = ("name", "sleepers", "tile")

    def __init__(self, tile: int, name: str) -> None:
        self.tile = tile
        self.name = name
        self.sleepers: list[int] = []


class RingState(Thing):
    """A ring of a tile: its memory and its tickets, counted over all inputs.

    words: the ring's piece of the tile's memory, (pixels * channels, lanes); by_pixel and by_row are views of it,
    (pixels, channels, lanes) and (rows, width, channels, lanes), by_row None where the ring does not hold whole rows.
    signalled: tickets by producer; produced: the least of them; released: by port; free: the least of them (endless
    without ports).
    """

    __slots__ = (
        "_producers",
        "by_pixel",
        "by_row",
        "capacity",
        "free",
        "produced",
        "released",
        "ring",
        "signalled",
        "words",
    )

    def __init__(self, tile: int, ring: Ring, memory: Words) -> None:
        super().__init__(tile, ring.name)
        lanes = memory.shape[1]
        self.ring = ring
        self.words = memory[ring.address : ring.address + ring.words]
        self.by_pixel = self.words.reshape(ring.pixels, ring.channels, lanes)
        whole = ring.pixels % ring.width == 0
        rows = ring.pixels // ring.width
        self.by_row = self.words.reshape(rows, ring.width, ring.channels, lanes) if whole else None
        self.capacity = ring.capacity
        self.produced = 0
        self.signalled = [0] * ring.producers
        self._producers: list[tuple[str, int]] = []
        self.released = [0] * ring.ports
        self.free = 0

    def producer(self, unit: str, number: int) -> int:
        """The number of a stream among the ring's producers; a new one at its first call."""
        if (unit, number) not in self._producers:
            self._producers.append((unit, number))
        return self._producers.index((unit, number))

    def ready(self) -> int:
        """The ticket below which all slots are signalled."""
        return self.produced

    def limit(self) -> int:
        """The ticket below which all slots are free for the producer; without ports every slot is."""
        return self.free + self.capacity if self.released else 1 << 62


class FifoState(Thing):
    """A receive FIFO of a tile. queue: messages, each (words, lanes), the oldest first."""

    __slots__ = ("depth", "queue")

    def __init__(self, tile: int, number: int, depth: int) -> None:
        super().__init__(tile, str(number))
        self.depth = depth
        self.queue: deque[Words] = deque()


class CoreState:
    """Registers of a core: xin, xout and r, (words, lanes), and the scalar s, (lanes,)."""

    __slots__ = ("files", "s")

    def __init__(self, target: Target, lanes: int) -> None:
        self.files: dict[str, Words] = {
            space: np.zeros((words, lanes), np.int32) for space, words in register_words(target).items()
        }
        self.s: Wide = np.zeros(lanes, np.int64)


@dataclass(slots=True)
class TileState:
    """A tile: memory, rings by name, cores by number. Memory reaches to the end of the last ring."""

    memory: Words
    rings: dict[str, RingState]
    cores: dict[int, CoreState]


class Scratch:
    """Buffers for what an instruction computes on its way. One instruction runs at a time, so all share them."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self._buffers: dict[tuple[type[np.generic], int, int], AnyArray] = {}

    def get(self, dtype: type[Kind], words: int, slot: int = 0) -> npt.NDArray[Kind]:
        """Of a type, (words, lanes)."""
        key = dtype, words, slot
        if key not in self._buffers:
            self._buffers[key] = np.empty((words, self.lanes), dtype)
        return self._buffers[key]


@dataclass(slots=True)
class Machine:
    """All tiles by number, FIFOs by (tile, number), created as they are used.

    first: number of the first lane in the data; images: inputs of a lane, of which those from first_image on come.
    reads: counters of products by the key of their MVMU (cimc.runtime.reads).
    """

    target: Target
    lanes: int
    tiles: dict[int, TileState]
    scratch: Scratch
    fifos: dict[tuple[int, int], FifoState] = field(default_factory=dict)
    first: int = 0
    images: int = 1
    first_image: int = 0
    reads: dict[Key, Any] = field(default_factory=dict)

    def fifo(self, tile: int, number: int) -> FifoState:
        """A FIFO of a tile."""
        key = tile, number
        if key not in self.fifos:
            self.fifos[key] = FifoState(tile, number, self.target.tile.fifo_depth)
        return self.fifos[key]


def build_machine(
    program: Program, target: Target, lanes: int, first: int = 0, images: int = 1, first_image: int = 0
) -> Machine:
    """A machine at rest: all words zero, no ticket given. first: number of the first lane; images: inputs of each, of
    which those from first_image on come."""
    tiles = {}
    for tile in program.tiles:
        memory = np.zeros((_memory_words(tile), lanes), np.int32)
        rings = {ring.name: RingState(tile.number, ring, memory) for ring in tile.rings}
        tiles[tile.number] = TileState(memory, rings, {core.number: CoreState(target, lanes) for core in tile.cores})
    return Machine(target, lanes, tiles, Scratch(lanes), first=first, images=images, first_image=first_image)


def bytes_per_lane(program: Program, target: Target) -> int:
    """Bytes of state that one lane needs: memory, registers, and as much again in FIFOs as the largest ring a tile. In
    rounds, those of the phase that needs most."""
    if program.phases:
        return max(bytes_per_lane(part, target) for part in program.parts)
    memory = sum(_memory_words(tile) for tile in program.tiles)
    messages = sum(max((ring.words for ring in tile.rings), default=0) for tile in program.tiles if tile.channels)
    registers = sum(len(tile.cores) for tile in program.tiles) * (sum(register_words(target).values()) + 2)
    return 4 * (memory + messages + registers)


def _memory_words(tile: TileCode) -> int:
    """Words of a tile's memory up to the end of the last ring."""
    return max((ring.address + ring.words for ring in tile.rings), default=0)


class Register(NamedTuple):
    """A run of registers, or of words like them: a view (words, lanes) of int32; bits of each."""

    words: Words
    bits: int


Argument = Register | int | Factors | Entries
"""What an operand of a meaning holds."""


def limits(bits: int, dtype: type[np.int32] | type[np.int64] = np.int32) -> tuple[AnyArray, AnyArray]:
    """Least and largest number of `bits` bits, as arrays that ufuncs take without conversion."""
    return np.array(-(1 << (bits - 1)), dtype), np.array((1 << (bits - 1)) - 1, dtype)


def compile_affine(value: Affine, counters: Counters, slots: Mapping[str, int]) -> Number:
    """The number as a function without arguments. slots: the place of each named counter."""
    constant = value.constant
    terms = [(slots[name], coefficient) for name, coefficient in value.terms]
    match terms:
        case []:
            return lambda: constant
        case [(slot, 1)] if constant == 0:
            return lambda: counters[slot]
        case [(slot, 1)]:
            return lambda: counters[slot] + constant
        case [(slot, factor)]:
            return lambda: counters[slot] * factor + constant
        case [(slot, factor), (other, weight)]:
            return lambda: counters[slot] * factor + counters[other] * weight + constant
    return lambda: sum(counters[slot] * factor for slot, factor in terms) + constant
