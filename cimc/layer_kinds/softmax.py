"""Softmax over the channels of every pixel: integers all the way, with exponents from tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cimc.backends.body import Body, piece, write_code
from cimc.backends.loads import run_windows
from cimc.ir.epilogue import Epilogue, TableValues
from cimc.ir.formats import Formats
from cimc.ir.layers import Ints, Layer, Operand, Size, Words
from cimc.ir.mapped import MappedGraph, MappedLayer, evaluate_layer, quantise_layer
from cimc.ir.reference import read_operand
from cimc.ir.widths import Widths, has_spare
from cimc.isa.operands import Reg
from cimc.numerics.quant import Quant, multiply_shift, requant_by, saturate
from cimc.target.model import Numbers, Target

EXPONENT_BITS = 15  # exp(0) in a table is 2^15 - 1, or as large as a word can be


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftmaxLayer(Layer):
    """Softmax over the channels of every pixel."""

    needs_all_channels = True
    title = "softmax"
    operations = 2  # the exponent, and its share

    x: Operand

    @property
    def reads(self) -> tuple[Operand, ...]:
        """One operand."""
        return (self.x,)

    def check(self, label: str, out: Size) -> None:
        """An operand of the output's size."""
        assert self.x.size == out, f"{label}: an operand of size {self.x.size}, the output's is {out}"

    def fed_bits(self, bits: int, widths: Widths, target: Target) -> int:
        """The difference of two of its numbers is a word on its way."""
        return min(bits, target.numbers.word - (0 if has_spare(bits, target) else 1))

    def never_negative(self, positive: object) -> bool:
        """Never."""
        return True


@dataclass(frozen=True, slots=True)
class SoftmaxTables:
    """exp(-d) of a difference d = split * h + l as high[h] * low[l] / 2^shift, all integers. For narrow inputs low is
    None and high is indexed by d itself."""

    high: TableValues
    low: TableValues | None
    split_bits: int
    shift: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedSoftmax(MappedLayer):
    """tables: of exponents."""

    layer: SoftmaxLayer
    tables: SoftmaxTables

    def constant_words(self, channels: int, numbers: Numbers) -> int:
        """Multipliers and exponents."""
        held = (self.tables.high, self.tables.low)
        entries = sum(len(table.entries) for table in held if table is not None)
        return self.epilogue.words(channels, numbers.word) + entries


@quantise_layer.register
def _quantise(layer: SoftmaxLayer, formats: Formats) -> MappedSoftmax:
    source, out = formats.of(layer.x), formats.out(layer)
    exponent_bits = min(EXPONENT_BITS, formats.target.numbers.word - 1)
    one = (1 << exponent_bits) - 1
    if source.bits <= 8:
        tables = SoftmaxTables(_exponents(source, 1, 1 << source.bits, one), None, 0, 0)
    else:
        split = source.bits // 2
        high = _exponents(source, 1 << split, 1 << (source.bits - split), one)
        tables = SoftmaxTables(high, _exponents(source, 1, 1 << split, one), split, exponent_bits)
    m = np.full(layer.x.channels, np.float32(1) / np.float32(out.scale), np.float32)
    return MappedSoftmax(layer=layer, epilogue=Epilogue(m, None, 0, 0, out.zero, out.low, out.high), tables=tables)


def _exponents(source: Quant, stride: int, count: int, one: int) -> TableValues:
    """exp(-d * scale) for d = 0, stride, 2 * stride, ... as integers, exp(0) = one."""
    real = np.exp(-(np.arange(count) * stride) * source.scale).astype(np.float32)
    return TableValues(np.rint(real * np.float32(one)).astype(np.int64), 0, 0)


@evaluate_layer.register
def _evaluate(mapped: MappedSoftmax, graph: MappedGraph, maps: Mapping[str, Words]) -> Ints:
    tables, epilogue, x = mapped.tables, mapped.epilogue, read_operand(graph, mapped.layer.x, maps)
    below = saturate(x.max(axis=-1, keepdims=True) - x, graph.arithmetic.word_bits)
    if tables.low is None:
        e = tables.high.at(below)
    else:
        low = tables.low.at(below & ((1 << tables.split_bits) - 1))
        e = multiply_shift(tables.high.at(below >> tables.split_bits), low, tables.shift)
    total = e.sum(axis=-1, keepdims=True)
    return requant_by(e, epilogue.m, total, epilogue.zero, epilogue.low, epilogue.high)


@write_code.register
def _write(mapped: MappedSoftmax, body: Body) -> None:
    """Three sweeps over the channels: their maximum, the sum of exponents, and each one's share of it."""
    tables, task = mapped.tables, body.task
    quant = body.quant(mapped.layer.x)
    top = body.registers.take(1)
    chunk = (body.registers.left) // (2 if tables.low is None else 3)
    high = body.constants.table(f"{body.label}.exp", tables.high)
    low = None if tables.low is None else body.constants.table(f"{body.label}.exp_low", tables.low)
    room = body.registers.take(chunk)
    split = [body.registers.take(chunk) for _ in range(1 if low is None else 2)]
    pieces = [
        (at + start, ring, channel + start, min(chunk, count - start))
        for at, ring, channel, count in body.runs(0, task.low, task.high)
        for start in range(0, count, chunk)
    ]

    def load(ring_name: str, channel: int, count: int) -> Reg:
        into = piece(room, 0, count)
        for window in run_windows(body.ring(ring_name), body.view(0), channel, count, 0, count):
            body.do("load", into, window, quant.zero)
        return into

    def exponents(count: int, x: Reg) -> Reg:
        body.do("sub", x, top, x)
        e = piece(split[0], 0, count)
        if low is None:
            body.do("lut", e, x, high)
            return e
        rest = piece(split[1], 0, count)
        body.do("shri", e, x, tables.split_bits)
        body.do("andi", rest, x, (1 << tables.split_bits) - 1)
        body.do("lut", e, e, high)
        body.do("lut", rest, rest, low)
        body.do("mulshr", e, e, rest, tables.shift)
        return e

    body.do("set", top, quant.low)
    for _, ring, channel, count in pieces:
        assert ring is not None, "softmax over padding"
        load(ring.name, channel, count)
        body.do("rmax", top, Reg("r", top.start, 1 + count))
    body.do("clrs")
    for _, ring, channel, count in pieces:
        assert ring is not None, "softmax over padding"
        body.do("sums", exponents(count, load(ring.name, channel, count)))
    for at, ring, channel, count in pieces:
        assert ring is not None, "softmax over padding"
        e = exponents(count, load(ring.name, channel, count))
        body.do("requants", e, e, body.scale(mapped.epilogue, task.low + at, task.low + at + count))
        body.store(e, at)
