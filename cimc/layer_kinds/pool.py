"""Max and average pooling, channel by channel."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np

from cimc.backends.body import Body, piece, write_code
from cimc.backends.loads import affine, run_windows
from cimc.base.diagnostics import Place, fail
from cimc.ir.epilogue import Epilogue, ratio
from cimc.ir.formats import Formats
from cimc.ir.layers import Ints, Layer, Operand, Size, SlidingWindow, Words
from cimc.ir.mapped import MappedGraph, MappedLayer, evaluate_layer, quantise_layer
from cimc.ir.reference import windows_of
from cimc.isa.operands import Affine, Axis, DataRef, Reg, Window
from cimc.numerics.quant import requant_by, round_clamped

CHANNEL = "channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLayer(Layer):
    """Max or average pooling. kind: "max" or "average".

    counts_padding (average): divide by the whole window, else by the part of it inside the map.
    """

    x: Operand
    kind: str
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int] = (1, 1)
    counts_padding: bool = True

    @property
    def title(self) -> str:
        """Its kind."""
        return f"{self.kind} pool"

    @property
    def reads(self) -> tuple[Operand, ...]:
        """One operand."""
        return (self.x,)

    @property
    def window(self) -> SlidingWindow:
        """The pixels that make one."""
        return SlidingWindow(self.kernel, self.strides, self.pads, self.dilations)

    @property
    def keeps_format(self) -> bool:
        """Whether it picks some of its operand's numbers."""
        return self.kind == "max"

    @property
    def operations(self) -> int:
        """One for each pixel of a window."""
        return self.kernel[0] * self.kernel[1]

    def check(self, label: str, out: Size) -> None:
        """Windows that make the output, channel by channel."""
        assert self.kind in ("max", "average"), f"{label}: kind {self.kind!r}"
        self.check_windows(label, out, self.x.channels)

    def never_negative(self, positive: Container[str]) -> bool:
        """A pool of maps that can't be negative isn't either."""
        return Layer.never_negative(self, positive) or all(name in positive for name in self.x.maps)


@dataclass(frozen=True, slots=True)
class MappedPool(MappedLayer):
    """first: of an average over the part of a window inside the map, what is made of the sum before its share."""

    layer: PoolLayer
    first: Epilogue | None = None

    @property
    def epilogues(self) -> tuple[Epilogue, ...]:
        """Those of the sum and of its share."""
        return (self.epilogue,) if self.first is None else (self.first, self.epilogue)

    def check(self, label: str, channels: int) -> None:
        """Two epilogues where an average counts pixels inside the map."""
        counts = "windows inside the map" if self.first is None else "whole windows"
        wrong = self.layer.counts_padding == (self.first is not None)
        assert not wrong, f"{label}: {len(self.epilogues)} epilogues of a pool of {counts}"


@quantise_layer.register
def _quantise(layer: PoolLayer, formats: Formats) -> MappedPool:
    source, out = formats.of(layer.x), formats.out(layer)
    if not layer.counts_padding:
        return _quantise_inside(layer, formats)
    middle = formats.before_functions(layer)
    share = 1.0 if layer.kind == "max" else 1.0 / (layer.kernel[0] * layer.kernel[1])
    m = np.full(layer.x.channels, ratio(source.scale * share, middle))
    n = np.zeros(layer.x.channels) if layer.kind == "max" else None
    return MappedPool(layer, Epilogue.of(layer, m, n, (source.zero, 0), middle, out))


def _quantise_inside(layer: PoolLayer, formats: Formats) -> MappedPool:
    """An average over the part of a window inside the map: the sum first, then its share of the number of pixels.

    Wide words hold the exact sum; narrow ones hold what the average would be if the whole window counted.
    """
    source, out, word_bits = formats.of(layer.x), formats.out(layer), formats.target.numbers.word
    channels, window = layer.x.channels, layer.kernel[0] * layer.kernel[1]
    gain = 1.0 if word_bits >= 32 else source.scale / (out.scale * window)
    limit = 1 << min(word_bits - 1, 24)  # beyond 2^24 float32 does not hold every sum
    first = Epilogue(np.full(channels, gain, np.float32), None, source.zero, 0, 0, -limit, limit - 1)
    share = np.full(channels, ratio(source.scale, out) if word_bits >= 32 else window, np.float32)
    return MappedPool(layer, Epilogue(share, None, 0, 0, out.zero, out.low, out.high), first=first)


@evaluate_layer.register
def _evaluate(mapped: MappedPool, graph: MappedGraph, maps: Mapping[str, Words]) -> Ints:
    layer, epilogue = mapped.layer, mapped.epilogue
    if layer.kind == "max":
        lowest = min(graph.quants[name].low for name in layer.x.maps)
        top = windows_of(graph, layer, maps, lowest).max(axis=(3, 4))
        return epilogue.of_pair(top, np.ones_like(top))
    first = mapped.first or epilogue
    total = (windows_of(graph, layer, maps) - first.a0).sum(axis=(3, 4))
    sums = round_clamped(total.astype(np.float32) * first.m, first.zero, first.low, first.high)
    if mapped.first is None:
        return epilogue.looked_up(sums)
    return requant_by(sums, epilogue.m, _pixels_inside(layer), epilogue.zero, epilogue.low, epilogue.high)


def _pixels_inside(layer: PoolLayer) -> Ints:
    """How many pixels of each window are inside the map: (rows, columns, 1)."""
    ends = ((layer.x.height, 0), (layer.x.width, 1))
    counts = []
    for size, axis in ends:
        positions = size + layer.pads[axis] + layer.pads[axis + 2] - (layer.kernel[axis] - 1) * layer.dilations[axis]
        starts = np.arange(0, positions, layer.strides[axis]) - layer.pads[axis]
        taps = starts[:, None] + np.arange(layer.kernel[axis]) * layer.dilations[axis]
        counts.append(((taps >= 0) & (taps < size)).sum(axis=1))
    return np.asarray((counts[0][:, None] * counts[1])[..., None], np.int64)


@write_code.register
def _write(mapped: MappedPool, body: Body) -> None:
    """Pooling, `chunk` channels at a time: as many as the registers hold with one window row (max) or window."""
    layer, count = mapped.layer, body.task.high - body.task.low
    kh, kw = layer.kernel
    ((_, ring, channel, wide),) = list(body.runs(0, body.task.low, body.task.high))
    assert ring is not None and wide == count, "a pool task reads one piece"
    per_channel = 1 + (kw if layer.kind == "max" else kh * kw)
    spare = 2 if layer.counts_padding else 1 + kh * kw + kh * kw // ((1 << (body.target.numbers.word - 1)) - 1)
    room = (body.registers.left - spare) // per_channel
    chunk = max((c for c in range(1, count + 1) if count % c == 0 and c <= room), default=0)
    if chunk == 0:
        what = f'a window of {kh} x {kw} of layer "{layer.name}" does not fit the registers of a core'
        raise fail("code.registers", what, Place(item=layer.origin), "take a target with more registers a core")
    looped = chunk < count
    if looped:
        body.do("loop", CHANNEL, count // chunk)
    extra = affine((CHANNEL, chunk)) if looped else Affine()
    result = body.registers.take(chunk)
    (_max if layer.kind == "max" else _average)(mapped, body, ring.name, channel, chunk, result, extra)
    body.do("store", body.out_window(extra, chunk), result)
    if looped:
        body.do("end")


def _load(body: Body, ring: str, channels: tuple[int, int], words: tuple[int, int], into: Reg, fill: int,
          extra: Affine) -> None:  # fmt: skip
    """Load words (first, how many) of the window of channels (first, how many), moved by the chunk's counter."""
    at = 0
    for window in run_windows(body.ring(ring), body.view(0), *channels, *words):
        moved = Axis(Affine(window.channels.start.constant, extra.terms), window.channels.count)
        body.do("load", piece(into, at, window.words), Window(window.ring, window.rows, window.columns, moved), fill)
        at += window.words


def _uniform(body: Body, epilogue: Epilogue, chunk: int) -> DataRef:
    """Multipliers of one chunk; those of a pool are the same in every channel."""
    low, high = body.task.low, body.task.high
    same = np.ptp(epilogue.m[low:high]) == 0 and (epilogue.n is None or np.ptp(epilogue.n[low:high]) == 0)
    assert same, "a pool's multipliers differ from channel to channel"
    return body.scale(epilogue, low, low + chunk)


def _max(mapped: MappedPool, body: Body, ring: str, channel: int, chunk: int, result: Reg, extra: Affine) -> None:
    layer = mapped.layer
    kh, kw = layer.kernel
    lowest = min(body.graph.mapped.quants[name].low for name in layer.x.maps)
    fill = lowest if any(layer.pads) else body.quant(layer.x).zero
    held = body.registers.take(kw * chunk)
    for ky in range(kh):
        _load(body, ring, (channel, chunk), (ky * kw * chunk, kw * chunk), held, fill, extra)
        if kw > 1 or ky:
            body.do("rmax", result, held if ky == 0 else Reg("r", result.start, chunk + kw * chunk))
        else:
            body.do("copy", result, held)
    if not body.passes(mapped.epilogue):
        body.do("requant2", result, result, body.one(), _uniform(body, mapped.epilogue, chunk))
    body.look_up(result)


def _average(mapped: MappedPool, body: Body, ring: str, channel: int, chunk: int, result: Reg, extra: Affine) -> None:
    layer = mapped.layer
    window = layer.kernel[0] * layer.kernel[1]
    held = body.registers.take(window * chunk)
    _load(body, ring, (channel, chunk), (0, window * chunk), held, body.quant(layer.x).zero, extra)
    body.do("rsum", result, held, _uniform(body, mapped.first or mapped.epilogue, chunk))
    if mapped.first is None:
        body.look_up(result)
        return
    # s counts the pixels inside the map: a window read with -1 outside the map, less the same window read with 0
    # there, is -1 for each pixel outside
    largest = (1 << (body.target.numbers.word - 1)) - 1
    whole = body.registers.take(math.ceil(window / largest))  # a word does not hold the number of every window
    for k in range(whole.length):
        body.once("set", piece(whole, k, 1), min(largest, window - k * largest))
    counted, other = piece(held, 0, window), body.registers.take(window)
    for into, fill in ((counted, -1), (other, 0)):
        _load(body, ring, (channel, 1), (0, window), into, fill, extra)
    body.do("sub", counted, counted, other)
    body.do("clrs")
    body.do("sums", whole)
    body.do("sums", counted)
    body.do("requants", result, result, _uniform(body, mapped.epilogue, chunk))
