"""Code of weightless tasks: elementwise work, pooling, softmax."""

from __future__ import annotations

import math

import numpy as np

from cimc.backends.body import Body
from cimc.backends.loads import affine, run_windows
from cimc.backends.registers import piece
from cimc.base.diagnostics import Place, fail
from cimc.ir.layers import PoolLayer, SoftmaxLayer, VectorLayer, operands_of
from cimc.ir.mapped import Finish
from cimc.isa.operands import Affine, Axis, DataRef, Name, Reg, Window

CHANNEL = "channel"


def write_vector(body: Body) -> None:
    """Write the stream of one core of a weightless layer."""
    layer = body.mapped.layer
    if isinstance(layer, PoolLayer):
        _pool(body, layer)
    elif isinstance(layer, SoftmaxLayer):
        _softmax(body)
    else:
        assert isinstance(layer, VectorLayer), f"unknown layer {layer}"
        _elementwise(body, layer)


def _passes(body: Body, finish: Finish) -> bool:
    """Whether every value of the first operand passes unchanged: same format, and no clamp inside of its range."""
    first = operands_of(body.mapped.layer)[0]
    formats = [body.graph.mapped.quants[name] for name in first.maps]
    return finish.is_identity and all(finish.low <= q.low and q.high <= finish.high for q in formats)


def _table(body: Body) -> Name | None:
    values = body.mapped.finish.table
    return None if values is None else body.constants.table(f"{body.label}.table", values)


def _elementwise(body: Body, layer: VectorLayer) -> None:
    low, high = body.task.low, body.task.high
    count = high - low
    finish = body.mapped.finish
    zeros = [body.graph.mapped.quants[o.maps[0]].zero for o in layer.operands]
    regs = [body.registers.take(count) for _ in layer.operands]
    for role, reg in enumerate(regs):
        body.fetch(role, low, high, reg, zeros[role], kept=False)
    result = regs[0]
    if layer.kind == "sum":
        if len(regs) == 2 or not _passes(body, finish):
            second = regs[1] if len(regs) == 2 else body.one()
            body.do("requant2", result, regs[0], second, body.constants.scale(f"{body.label}.scale", finish, low, high))
    elif layer.kind == "product":
        body.do("requantm", result, *regs, body.constants.scale(f"{body.label}.scale", finish, low, high))
    else:
        one = body.one()
        result = body.registers.take(count)
        others = [result, regs[1]]
        for pre, reg, to in zip(body.mapped.pre, regs, others, strict=True):
            body.do("requant2", to, reg, one, body.constants.scale(f"{body.label}.scale", pre, low, high))
        body.do(layer.kind, result, *others)
    table = _table(body)
    if table is not None:
        body.do("lut", result, result, table)
    body.store(result, 0)


def _pool(body: Body, layer: PoolLayer) -> None:
    """Pooling, `chunk` channels at a time: as many as the registers hold with one window row (max) or window."""
    count = body.task.high - body.task.low
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
    (_max if layer.kind == "max" else _average)(body, layer, ring.name, channel, chunk, result, extra)
    body.do("store", body.out_window(extra, chunk), result)
    if looped:
        body.do("end")


def _moved(window: Window, extra: Affine) -> Window:
    """A window with its channels moved by the chunk's counter."""
    channels = Axis(Affine(window.channels.start.constant, extra.terms), window.channels.count)
    return Window(window.ring, window.rows, window.columns, channels)


def _uniform(body: Body, finish: Finish, chunk: int) -> DataRef:
    """Multipliers of one chunk; those of a pool are the same in every channel."""
    low, high = body.task.low, body.task.high
    same = np.ptp(finish.m[low:high]) == 0 and (finish.n is None or np.ptp(finish.n[low:high]) == 0)
    assert same, "a pool's multipliers differ from channel to channel"
    return body.constants.scale(f"{body.label}.scale", finish, low, low + chunk)


def _max(body: Body, layer: PoolLayer, ring: str, channel: int, chunk: int, result: Reg, extra: Affine) -> None:
    kh, kw = layer.kernel
    quant = body.graph.mapped.quants[layer.x.maps[0]]
    fill = min(body.graph.mapped.quants[name].low for name in layer.x.maps) if any(layer.pads) else quant.zero
    held = body.registers.take(kw * chunk)
    view, plan = body.view(0), body.ring(ring)
    for ky in range(kh):
        at = 0
        for window in run_windows(plan, view, channel, chunk, ky * kw * chunk, kw * chunk):
            body.do("load", piece(held, at, window.words), _moved(window, extra), fill)
            at += window.words
        if kw > 1 or ky:
            body.do("rmax", result, held if ky == 0 else Reg("r", result.start, chunk + kw * chunk))
        else:
            body.do("copy", result, held)
    if not _passes(body, body.mapped.finish):
        body.do("requant2", result, result, body.one(), _uniform(body, body.mapped.finish, chunk))
    table = _table(body)
    if table is not None:
        body.do("lut", result, result, table)


def _average(body: Body, layer: PoolLayer, ring: str, channel: int, chunk: int, result: Reg, extra: Affine) -> None:
    kh, kw = layer.kernel
    fill = body.graph.mapped.quants[layer.x.maps[0]].zero
    held = body.registers.take(kh * kw * chunk)
    at = 0
    for window in run_windows(body.ring(ring), body.view(0), channel, chunk, 0, kh * kw * chunk):
        body.do("load", piece(held, at, window.words), _moved(window, extra), fill)
        at += window.words
    if not layer.counts_padding:
        _share(body, layer, ring, channel, chunk, held, result, extra)
        return
    body.do("rsum", result, held, _uniform(body, body.mapped.finish, chunk))
    table = _table(body)
    if table is not None:
        body.do("lut", result, result, table)


def _share(
    body: Body, layer: PoolLayer, ring: str, channel: int, chunk: int, held: Reg, result: Reg, extra: Affine
) -> None:
    """The average over the pixels inside the map: s counts them. A window read with -1 outside the map, less the same
    window read with 0 there, is -1 for each pixel outside."""
    window, largest = layer.kernel[0] * layer.kernel[1], (1 << (body.target.numbers.word - 1)) - 1
    body.do("rsum", result, held, _uniform(body, body.mapped.pre[0], chunk))
    whole = body.registers.take(math.ceil(window / largest))  # a word does not hold the number of every window
    for k in range(whole.length):
        body.once("set", piece(whole, k, 1), min(largest, window - k * largest))
    counted, other = piece(held, 0, window), body.registers.take(window)
    for into, fill in ((counted, -1), (other, 0)):
        at = 0
        for one in run_windows(body.ring(ring), body.view(0), channel, 1, 0, window):
            body.do("load", piece(into, at, one.words), _moved(one, extra), fill)
            at += one.words
    body.do("sub", counted, counted, other)
    body.do("clrs")
    body.do("sums", whole)
    body.do("sums", counted)
    body.do("requants", result, result, _uniform(body, body.mapped.finish, chunk))


def _softmax(body: Body) -> None:
    """Three sweeps over the channels: their maximum, the sum of exponents, and each one's share of it."""
    mapped, task = body.mapped, body.task
    tables = mapped.softmax
    assert tables is not None, "softmax needs its tables"
    quant = body.graph.mapped.quants[next(s.map for s in body.placed.sources)]
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
        scale = body.constants.scale(f"{body.label}.scale", mapped.finish, task.low + at, task.low + at + count)
        body.do("requants", e, e, scale)
        body.store(e, at)
