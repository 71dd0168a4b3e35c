"""Instructions with representative operands, priced: what the price of one depends on is filled in - how many words it
moves, which blocks it multiplies - and every address is left at 0."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cimc.backends.loads import View, run_windows
from cimc.ir.layers import operands_of, window_of
from cimc.ir.mapped import Finish, MappedGraph
from cimc.ir.scheduled import RingPlan
from cimc.isa.cost.prices import PriceList
from cimc.isa.cost.products import Setting
from cimc.isa.operands import Affine, Axis, DataRef, Name, Operand, Reg, Window
from cimc.isa.program import CoreCode, Instruction, Matrix, Scale, Table, TileCode
from cimc.passes.works import Key, Work
from cimc.target.model import Target

SCALES = {1: "one", 2: "two"}
TABLES = {False: "exact", True: "between"}
TILE = TileCode(
    0,
    scales=tuple(Scale(name, 0, 1, rows, 0, 0, 0, 0, 0, "") for rows, name in SCALES.items()),
    tables=tuple(Table(name, 0, 1, 0, int(between), "") for between, name in TABLES.items()),
)
"""A tile with a scale of one row and one of two, a table of every entry and one with values between its entries."""


@dataclass(slots=True)
class Spent:
    """Seconds on a core that has its tile's memory to itself, and actions."""

    seconds: float = 0.0
    counts: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, other: Spent, times: float) -> None:
        """So many times another one more."""
        self.seconds += times * other.seconds
        for action, count in other.counts.items():
            self.counts[action] += times * count


class Priced:
    """What instructions cost on a target. Each is priced once."""

    def __init__(self, target: Target, prices: PriceList) -> None:
        self.target, self.prices = target, prices
        self._instructions: dict[tuple[Instruction, CoreCode], Spent] = {}

    def price(self, instruction: Instruction, core: CoreCode) -> Spent:
        """One execution of an instruction."""
        key = instruction, core
        if key not in self._instructions:
            cost = self.prices.cost(instruction, Setting(self.target, TILE, core))
            spent = Spent(cost.seconds)
            spent.counts.update(cost.counts)
            self._instructions[key] = spent
        return self._instructions[key]


class PixelCode:
    """One pixel's work in the making: instructions and operands of a task. rings: of its tile."""

    def __init__(self, priced: Priced, graph: MappedGraph, work: Work, rings: Mapping[Key, RingPlan]) -> None:
        self.priced, self.graph, self.work, self.rings = priced, graph, work, rings
        self.mapped, self.task = work.mapped, work.body
        self.spent = Spent()
        layer = work.mapped.layer
        bits = [graph.quants[name].bits for name in operands_of(layer)[0].maps]
        self.core = CoreCode(
            0,
            tuple(
                Matrix(
                    k,
                    "",
                    block.rows,
                    block.high - block.low,
                    self.mapped.weight_bits,
                    bits[0],
                    True,
                    0,
                    "",
                    0,
                    0,
                    ahead * block.rows,
                    ahead * (block.high - block.low),
                )
                for k, block in enumerate(self.task.blocks)
                for ahead in range(self.mapped.beside)
            ),
            (),
        )

    # instructions

    def do(self, mnemonic: str, *operands: Operand, times: float = 1) -> None:
        """An instruction more."""
        self.spent.add(self.priced.price(Instruction(mnemonic, operands), self.core), times)

    def load(self, space: str, words: int, times: int = 1) -> None:
        """Load so many words."""
        self.do("load", Reg(space, 0, words), words_of(words), 0, times=times)

    def vector(self, mnemonic: str, space: str, words: int, sources: int = 1, rows: int = 0, times: int = 1) -> None:
        """A vector instruction of so many sources, with a scale of so many rows (0: none)."""
        regs = (Reg(space, 0, words),) * (1 + sources)
        scale = (DataRef(SCALES[rows], 0, words),) if rows else ()
        self.do(mnemonic, *regs, *scale, times=times)

    def finish(self, space: str, words: int, finish: Finish, residual: bool = False) -> None:
        """From sums to the result's integers."""
        if residual or finish.n is not None:
            second = Reg("r", 0, words if residual else 1)
            self.do("requant2", Reg(space, 0, words), Reg(space, 0, words), second, DataRef(SCALES[2], 0, words))
        else:
            self.vector("requant", space, words, rows=1)
        self.look_up(space, words)

    def look_up(self, space: str, words: int) -> None:
        """The table of the layer's functions, where it has one."""
        table = self.mapped.finish.table
        if table is not None:
            self.do("lut", Reg(space, 0, words), Reg(space, 0, words), Name(TABLES[table.step > 0]))

    def store(self, space: str, words: int, times: int = 1) -> None:
        """Store so many words."""
        self.do("store", words_of(words), Reg(space, 0, words), times=times)

    # operands

    def pieces(self, role: int) -> Iterator[tuple[int, RingPlan | None]]:
        """(channels, ring) of each run of the task's channels of an operand; None for zeros."""
        start, low, high = 0, self.task.low, self.task.high
        for part in operands_of(self.mapped.layer)[role].parts:
            first, last = max(low, start), min(high, start + part.count)
            at = part.channel + first - start
            start += part.count
            if first >= last:
                continue
            if not part.map:
                yield last - first, None
            for need in self.work.needs:
                count = min(need.high, at + last - first) - max(need.low, at)
                if need.role == role and need.map == part.map and count > 0:
                    yield count, self.rings[Key(need.map, need.piece)]

    def fetch(self, role: int, kept: bool) -> None:
        """Load one pixel of an operand. kept: zeros of no map are set once, before the first input."""
        for count, ring in self.pieces(role):
            if ring is not None:
                self.load("r", count)
            elif not kept:
                self.do("set", Reg("r", 0, count), 0)

    def windows(self, ring: RingPlan, channels: int, start: int, length: int) -> list[int]:
        """Words of each load of a part of a window."""
        kernel, _, _, dilations = window_of(self.mapped.layer)
        step = operands_of(self.mapped.layer)[0].step
        view = View((0, 0), (1, 1), (dilations[0] * step[0], dilations[1] * step[1]), kernel, 1)
        return [window.words for window in run_windows(ring, view, 0, channels, start, length)]


def words_of(words: int) -> Window:
    """A window of so many words, wherever it lies."""
    return Window("", Axis(Affine()), Axis(Affine()), Axis(Affine(), words))
