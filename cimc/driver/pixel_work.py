"""What a core does for one output pixel of a task, in the order of cimc.backends.matrix and cimc.backends.vector.

No code is written: see cimc.driver.pixel_code.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace

from cimc.driver.pixel_code import SCALES, TABLES, PixelCode, Priced, Spent
from cimc.ir.layers import MatrixLayer, PoolLayer, SoftmaxLayer, VectorLayer, operands_of
from cimc.ir.mapped import MappedGraph, RowRun
from cimc.ir.scheduled import RingPlan
from cimc.isa.cost.prices import PriceList
from cimc.isa.operands import DataRef, Name, Reg
from cimc.passes.works import Key, Work
from cimc.target.model import Target


class PixelWriter:
    """The work of tasks, pixel by pixel. Tasks of one layer and one shape are worked out once."""

    def __init__(self, graph: MappedGraph, target: Target, prices: PriceList) -> None:
        self.graph, self._priced = graph, Priced(target, prices)
        self._pixels: dict[Hashable, Spent] = {}

    def pixel(self, work: Work, rings: Mapping[Key, RingPlan]) -> Spent:
        """One output pixel of a task. rings: of its tile."""
        body = work.body
        shape = (
            work.layer, body.high - body.low, body.is_partial, len(body.partials),
            tuple((b.high - b.low, *((r.start, r.length, r.channels) for r in b.runs)) for b in body.blocks),
            tuple((n.role, n.high - n.low, rings[Key(n.map, n.piece)].channels) for n in work.needs),
        )  # fmt: skip
        if shape not in self._pixels:
            self._pixels[shape] = self._pixel(work, rings)
        return self._pixels[shape]

    def _pixel(self, work: Work, rings: Mapping[Key, RingPlan]) -> Spent:
        task = _Pixel(self._priced, self.graph, work, rings)
        layer = work.mapped.layer
        if isinstance(layer, MatrixLayer):
            task.matrix(layer)
        elif isinstance(layer, PoolLayer):
            task.pool(layer)
        elif isinstance(layer, SoftmaxLayer):
            task.softmax()
        else:
            assert isinstance(layer, VectorLayer), f"unknown layer {layer}"
            task.elementwise(layer)
        return task.spent


class _Pixel(PixelCode):
    """The work of each kind of layer."""

    def matrix(self, layer: MatrixLayer) -> None:
        """Load the window, multiply, add sums, finish and store."""
        for run in _joined(run for block in self.task.blocks for run in block.runs):
            piece = next(n.piece for n in self.work.needs if n.map == run.map and n.low <= run.channel < n.high)
            for words in self.windows(self.rings[Key(run.map, piece)], run.channels, run.start, run.length):
                self.load("xin", words)
        self.do("mvm", (1 << len(self.task.blocks)) - 1, times=1 / self.mapped.beside)
        columns: list[tuple[int, int]] = []
        for block in self.task.blocks:
            width = block.high - block.low
            if columns and columns[-1][0] == block.low:
                self.vector("add", "xout", width, sources=2)
            else:
                columns.append((block.low, width))
        for _ in self.task.partials:
            self.load("r", columns[0][1])
            self.vector("add", "xout", columns[0][1], sources=2)
        if not self.task.is_partial:
            bias = self.mapped.bias
            if layer.residual is not None:
                self.fetch(1, kept=True)
            numbers = self.priced.target.numbers
            space = "xout" if self.mapped.finish.fits(numbers.accumulator) else "r"
            for _, width in columns:
                if not self.mapped.bias_fits(numbers.word):
                    self.vector("requant2", "xout", width, sources=2, rows=2)
                elif bias is not None and bias[self.task.low : self.task.high].any():
                    self.vector("add", "xout", width, sources=2)
                self.finish(space, width, self.mapped.finish, layer.residual is not None)
                self.store(space, width)
            return
        for _, width in columns:
            self.store("xout", width)

    def elementwise(self, layer: VectorLayer) -> None:
        """Load the operands, combine, finish and store."""
        count, finish = self.task.high - self.task.low, self.mapped.finish
        for role in range(len(layer.operands)):
            self.fetch(role, kept=False)
        both = len(layer.operands) == 2
        if layer.kind == "sum":
            if both or not self.passes():
                second = Reg("r", 0, count if both else 1)
                self.do("requant2", *(Reg("r", 0, count),) * 2, second, DataRef(SCALES[2], 0, count))
        elif layer.kind == "product":
            self.vector("requantm", "r", count, sources=2, rows=1)
        else:
            for pre in self.mapped.pre:
                self.finish("r", count, replace(pre, table=None))
            self.vector(layer.kind, "r", count, sources=2)
        if finish.table is not None:
            self.look_up("r", count)
        self.store("r", count)

    def passes(self) -> bool:
        """Whether every value of the first operand passes unchanged."""
        finish, quants = self.mapped.finish, self.graph.quants
        formats = [quants[name] for name in operands_of(self.mapped.layer)[0].maps]
        return finish.is_identity and all(finish.low <= q.low and q.high <= finish.high for q in formats)

    def pool(self, layer: PoolLayer) -> None:
        """A window, as many channels at a time as the registers hold."""
        count = self.task.high - self.task.low
        kh, kw = layer.kernel
        held = kw if layer.kind == "max" else kh * kw
        word = self.priced.target.numbers.word
        spare = 2 if layer.counts_padding else 1 + kh * kw + kh * kw // ((1 << (word - 1)) - 1)
        room = (self.priced.target.core.registers - spare) // (1 + held)
        chunk = max((c for c in range(1, count + 1) if count % c == 0 and c <= room), default=1)
        times = count // chunk
        if times > 1:
            self.do("loop", "channel", times)
            self.do("end", times=times)
        ((_, ring),) = list(self.pieces(0))
        assert ring is not None, "a pool reads a map"
        whole = held * chunk
        for first in range(0, kh * kw * chunk, whole):
            for words in self.windows(ring, chunk, first, whole):
                self.load("r", words, times)
        if layer.kind == "max":
            for ky in range(kh):
                sources = Reg("r", 0, whole if ky == 0 else whole + chunk)
                self.do("rmax" if kw > 1 or ky else "copy", Reg("r", 0, chunk), sources, times=times)
            if not self.passes():
                self.vector("requant2", "r", chunk, sources=2, rows=2, times=times)
        else:
            finish = self.mapped.finish if layer.counts_padding else self.mapped.pre[0]
            scale = DataRef(SCALES[1 if finish.n is None else 2], 0, chunk)
            self.do("rsum", Reg("r", 0, chunk), Reg("r", 0, whole), scale, times=times)
            if not layer.counts_padding:
                self.share(ring, kh * kw, chunk, times)
        table = self.mapped.finish.table
        if table is not None:
            self.do("lut", *(Reg("r", 0, chunk),) * 2, Name(TABLES[table.step > 0]), times=times)
        self.store("r", chunk, times)

    def share(self, ring: RingPlan, window: int, chunk: int, times: int) -> None:
        """Count the pixels of a window that are inside the map, and divide by them."""
        self.do("clrs", times=times)
        self.do("sums", Reg("r", 0, 1), times=times)
        for words in self.windows(ring, 1, 0, window):
            self.load("r", words, 2 * times)
        self.vector("sub", "r", window, sources=2, times=times)
        self.do("sums", Reg("r", 0, window), times=times)
        self.vector("requants", "r", chunk, rows=1, times=times)

    def softmax(self) -> None:
        """Three sweeps over the channels: their maximum, the sum of exponents, and each one's share of it."""
        tables = self.mapped.softmax
        assert tables is not None, "softmax needs its tables"
        most = (self.priced.target.core.registers - 1) // (2 if tables.low is None else 3)
        self.do("set", Reg("r", 0, 1), 0)
        self.do("clrs")
        for total, _ in self.pieces(0):
            for start in range(0, total, most):
                count = min(most, total - start)
                self.load("r", count, times=3)
                self.do("rmax", Reg("r", 0, 1), Reg("r", 0, 1 + count))
                self.exponents(count, tables.low is not None)
                self.exponents(count, tables.low is not None)
                self.do("sums", Reg("r", 0, count))
                self.vector("requants", "r", count, rows=1)
                self.store("r", count)

    def exponents(self, count: int, split: bool) -> None:
        """Differences to the maximum, looked up; in two halves where the format is wide."""
        self.vector("sub", "r", count, sources=2)
        if split:
            self.do("shri", *(Reg("r", 0, count),) * 2, 0)
            self.do("andi", *(Reg("r", 0, count),) * 2, 0)
            self.do("lut", *(Reg("r", 0, count),) * 2, Name(TABLES[False]))
            self.do("mulshr", *(Reg("r", 0, count),) * 3, 0)
        self.do("lut", *(Reg("r", 0, count),) * 2, Name(TABLES[False]))


def _joined(runs: Iterator[RowRun]) -> list[RowRun]:
    """Runs, those that go on in the next one as one."""
    found: list[RowRun] = []
    for run in runs:
        last = found[-1] if found else None
        if last is not None and (last.map, last.channel, last.channels, last.start + last.length) == (
            run.map,
            run.channel,
            run.channels,
            run.start,
        ):
            found[-1] = replace(last, length=last.length + run.length)
        else:
            found.append(run)
    return found
