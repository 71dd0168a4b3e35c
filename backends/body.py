"""What a stream's writer has at hand: its task, its tile's rings and constants, and the instructions written so far."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.backends.loads import PIXEL, ROW, SEGMENT, View, affine, run_windows
from cimc.base.diagnostics import Place, fail
from cimc.ir.epilogue import Epilogue, TableValues
from cimc.ir.layers import ONE_PIXEL, Operand
from cimc.ir.mapped import MappedLayer, Task
from cimc.ir.scheduled import RingPlan, ScheduledGraph, ScheduledTask
from cimc.isa.operands import Affine, Axis, DataRef, Name, Reg, Window
from cimc.isa.operands import Operand as IsaOperand
from cimc.isa.program import Instruction, Matrix, Scale, Table, Vector
from cimc.numerics.quant import Quant, fits
from cimc.target.model import Target


class Constants:
    """Scales, vectors and tables behind a tile's rings. arrays: the weights file's, shared by all tiles."""

    def __init__(self, tile: int, target: Target, arrays: dict[str, npt.NDArray[Any]], start: int) -> None:
        self.tile = tile
        self.target = target
        self.arrays = arrays
        self.next = start
        self.scales: list[Scale] = []
        self.vectors: list[Vector] = []
        self.tables: list[Table] = []
        self.names: set[str] = set()

    def scale(self, label: str, epilogue: Epilogue, low: int, high: int) -> DataRef:
        """Multipliers for channels low .. high of a layer; two rows where there are two terms."""
        m, n = epilogue.m[low:high], epilogue.n
        values = np.asarray(m if n is None else np.stack([m, n[low:high]]), np.float32)
        name = self._name(label)
        words = values.size * math.ceil(32 / self.target.numbers.word)
        self.scales.append(
            Scale(name, self._take(words), high - low, values.ndim, epilogue.zero, epilogue.low, epilogue.high,
                  epilogue.a0, epilogue.b0, self._array(name, values))
        )  # fmt: skip
        return DataRef(name, 0, high - low)

    def vector(self, label: str, values: npt.NDArray[Any]) -> DataRef:
        """A constant vector of words."""
        assert fits(values, self.target.numbers.word), f"{label} does not fit words"
        name = self._name(label)
        address = self._take(len(values))
        self.vectors.append(Vector(name, address, len(values), self._array(name, values.astype(np.int32))))
        return DataRef(name, 0, len(values))

    def table(self, label: str, values: TableValues) -> Name:
        """A lookup table."""
        name = self._name(label)
        entries = values.entries.astype(np.int32)
        self.tables.append(Table(name, self._take(len(entries)), len(entries), values.first, values.step,
                                 self._array(name, entries)))  # fmt: skip
        return Name(name)

    def _take(self, words: int) -> int:
        address, self.next = self.next, self.next + words
        return address

    def _name(self, label: str) -> str:
        name, number = label, 1
        while name in self.names:
            number += 1
            name = f"{label}.{number}"
        self.names.add(name)
        return name

    def _array(self, name: str, values: npt.NDArray[Any]) -> str:
        key = f"t{self.tile}/{name}"
        self.arrays[key] = values
        return key


class Registers:
    """A core's general registers while its stream is written. layer: named where they run out."""

    def __init__(self, capacity: int, layer: str) -> None:
        self.capacity = capacity
        self.layer = layer
        self.used = 0

    @property
    def left(self) -> int:
        """Words not handed out."""
        return self.capacity - self.used

    def take(self, words: int) -> Reg:
        """The next `words` words; a diagnostic where there are not so many."""
        if words > self.left:
            raise fail(
                "code.registers",
                f'layer "{self.layer}" needs {self.used + words} registers of a core; the target has {self.capacity}',
                Place(item=self.layer),
                "take a target with more registers a core",
            )
        reg = Reg("r", self.used, words)
        self.used += words
        return reg


def piece(reg: Reg, start: int, length: int) -> Reg:
    """Words start .. start + length of a run of registers."""
    assert start >= 0 and start + length <= reg.length, f"{start}+{length} of {reg}"
    return Reg(reg.space, reg.start + start, length)


@dataclass(slots=True)
class Body:
    """One core's stream in the making: `setup` runs once, `pixel` for every output pixel. first_row: of the layer's
    matrix, that the task's first block takes. ahead: which of the pixels that a turn makes is being written."""

    graph: ScheduledGraph
    placed: ScheduledTask
    target: Target
    constants: Constants
    label: str
    registers: Registers
    first_row: int
    setup: list[Instruction] = field(default_factory=list)
    pixel: list[Instruction] = field(default_factory=list)
    matrices: list[Matrix] = field(default_factory=list)
    ahead: int = 0

    @property
    def mapped(self) -> MappedLayer:
        """The layer worked for."""
        return self.graph.layer_of(self.placed)

    @property
    def task(self) -> Task:
        """The task written."""
        return self.graph.task_of(self.placed)

    def quant(self, operand: Operand) -> Quant:
        """The format that all maps of an operand share."""
        return self.graph.mapped.quants[operand.maps[0]]

    def ring(self, name: str) -> RingPlan:
        """A ring of this tile."""
        return self.graph.rings[self.placed.tile, name]

    def once(self, mnemonic: str, *operands: IsaOperand) -> None:
        """Write an instruction that runs once, before the first input."""
        self.setup.append(Instruction(mnemonic, operands, self.placed.layer))

    def do(self, mnemonic: str, *operands: IsaOperand) -> None:
        """Write an instruction that runs for every pixel."""
        self.pixel.append(Instruction(mnemonic, operands, self.placed.layer))

    def view(self, role: int) -> View:
        """How output pixels' windows lie in the rings of a role."""
        layer = self.mapped.layer
        operand = layer.reads[role]
        kernel, strides, pads, dilations = layer.window if role == 0 else ONE_PIXEL
        step, offset = operand.step, operand.offset
        share, down, along = self.placed.share, strides[0] * step[0], strides[1] * step[1]
        width = self.graph.mapped.maps[layer.output].width
        column = share.column(width, width // self.placed.pixels) + self.ahead
        return View(
            (-pads[0] * step[0] + offset[0] + down * share.row, -pads[1] * step[1] + offset[1] + along * column),
            (down * share.row_step, along),
            (dilations[0] * step[0], dilations[1] * step[1]),
            kernel,
            self.placed.pixels,
            self.mapped.replicas,
        )

    def runs(self, role: int, low: int, high: int) -> Iterator[tuple[int, RingPlan | None, int, int]]:
        """Channels low .. high of an operand, run by run: (where from low on, ring or None for zeros, channel in the
        ring, how many)."""
        operand = self.mapped.layer.reads[role]
        start = 0
        for part in operand.parts:
            first, last = max(low, start), min(high, start + part.count)
            start += part.count
            if first >= last:
                continue
            if not part.map:
                yield first - low, None, 0, last - first
                continue
            wanted = part.channel + first - (start - part.count)
            for source in self.placed.sources:
                if source.role != role or source.map != part.map:
                    continue
                a, b = max(source.low, wanted), min(source.high, wanted + last - first)
                if a < b:
                    ring = self.ring(source.ring)
                    yield first - low + a - wanted, ring, a - ring.channel, b - a

    def fetch(self, role: int, low: int, high: int, into: Reg, fill: int, kept: bool) -> None:
        """Load channels low .. high of an operand's one pixel. kept: nothing overwrites `into`, so that the fill value
        for zeros of no map is set once and not for every pixel."""
        view = self.view(role)
        for at, ring, channel, count in self.runs(role, low, high):
            if ring is None:
                (self.once if kept else self.do)("set", piece(into, at, count), fill)
                continue
            for window in run_windows(ring, view, channel, count, 0, count):
                self.do("load", piece(into, at, count), window, fill)

    def scale(self, epilogue: Epilogue, low: int, high: int) -> DataRef:
        """Multipliers for channels low .. high of the layer."""
        return self.constants.scale(f"{self.label}.scale", epilogue, low, high)

    def look_up(self, result: Reg) -> None:
        """Replace results by what the layer's table makes of them, where it has one."""
        if (values := self.mapped.epilogue.table) is not None:
            self.do("lut", result, result, self.constants.table(f"{self.label}.table", values))

    def passes(self, epilogue: Epilogue) -> bool:
        """Whether every value of the first operand passes unchanged: same format, and no clamp inside of its range."""
        formats = [self.graph.mapped.quants[name] for name in self.mapped.layer.reads[0].maps]
        return epilogue.is_identity and all(epilogue.low <= q.low and q.high <= epilogue.high for q in formats)

    def one(self) -> Reg:
        """A register that holds 1: the second operand of a requant2 whose second term is an offset."""
        reg = self.registers.take(1)
        self.once("set", reg, 1)
        return reg

    def store(self, source: Reg, channel: int) -> None:
        """Store registers as channels `channel` .. of the output pixel in the task's ring."""
        self.do("store", self.out_window(Affine(channel), source.length), source)

    def out_window(self, channel: Affine, count: int) -> Window:
        """Channels of the output pixel in the task's ring."""
        share = self.placed.out_share
        ring = self.ring(self.placed.out)
        at = share.column(ring.width, ring.segments) + self.ahead
        column = affine((SEGMENT, self.placed.pixels), (PIXEL, self.mapped.replicas), constant=at)
        row = affine((ROW, share.row_step), constant=share.row)
        return Window(self.placed.out, Axis(row), Axis(column), Axis(channel, count))


@singledispatch
def write_code(mapped: MappedLayer, body: Body) -> None:
    """Write what one core does for a pixel of a layer's map. Every kind of layer registers its own."""
    raise AssertionError(f"{type(mapped).__name__} has no code")
