"""Whole streams: the loops over inputs, rows, segments and pixels around a body, with their waits and signals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cimc.backends.loads import PIXEL, ROW, SEGMENT, affine
from cimc.ir.scheduled import RingPlan, ScheduledTask, Sync, Transfer
from cimc.isa.operands import Affine, Axis, Name, Operand, Port, Window
from cimc.isa.program import Instruction

IMAGE = "image"
EVERY = -1


def task_code(placed: ScheduledTask, beside: int, pixel: list[Instruction]) -> list[Instruction]:
    """What a task does for one input: for every row, segment and pixel (or `beside` pixels at a time) the body, with
    waits and signals around."""

    def syncs(level: str, after: bool) -> list[Instruction]:
        return [_sync(s, origin) for s in placed.syncs if (s.level, s.after) == (level, after)]

    origin, turns = placed.layer, placed.pixels // beside
    code = loop(PIXEL, turns, pixel, origin)
    code = syncs("segment", False) + code + syncs("segment", True)
    code = loop(SEGMENT, placed.segments, code, origin)
    code = syncs("row", False) + code + syncs("row", True)
    code = loop(ROW, placed.rows, code, origin)
    code = syncs("image", False) + code + syncs("image", True)
    return without_counters(code, {ROW: placed.rows, SEGMENT: placed.segments, PIXEL: turns})


def core_stream(setup: list[Instruction], each: list[Instruction]) -> tuple[Instruction, ...]:
    """A core's whole stream: setup once, `each` for every input."""
    origin = each[0].origin
    return (*setup, *loop(IMAGE, EVERY, each, origin), Instruction("hlt", (), origin))


def loop(counter: str, count: int, body: list[Instruction], origin: int) -> list[Instruction]:
    """A loop around a body; a body that runs once needs none, its counter being 0 (see without_counters)."""
    if count == 1:
        return body
    return [Instruction("loop", (counter, count), origin), *body, Instruction("end", (), origin)]


def without_counters(code: list[Instruction], counts: Mapping[str, int]) -> list[Instruction]:
    """Code with the counters that only ever are 0 taken out of its addresses. counts: of all loops."""
    idle = frozenset(counter for counter, count in counts.items() if count == 1)
    if not idle:
        return code
    return [replace(i, operands=tuple(_without(operand, idle) for operand in i.operands)) for i in code]


def _without(operand: Operand, idle: frozenset[str]) -> Operand:
    if isinstance(operand, Affine):
        return _dropped(operand, idle)
    if isinstance(operand, Window):
        axes = operand.rows, operand.columns, operand.channels
        if any(axis.start.terms for axis in axes):
            rows, columns, channels = (Axis(_dropped(axis.start, idle), axis.count, axis.step) for axis in axes)
            return Window(operand.ring, rows, columns, channels)
    return operand


def _dropped(number: Affine, idle: frozenset[str]) -> Affine:
    if not number.terms:
        return number
    return Affine(number.constant, tuple(term for term in number.terms if term[0] not in idle))


def _sync(sync: Sync, origin: int) -> Instruction:
    ticket = affine((ROW, sync.per_row), (SEGMENT, sync.per_segment), constant=sync.constant)
    thing = Port(sync.ring, sync.port) if sync.kind in ("wait", "release") else Name(sync.ring)
    return Instruction(sync.kind, (thing, ticket), origin)


def transfer_streams(
    transfer: Transfer, source: RingPlan, target: RingPlan, origin: int
) -> tuple[tuple[Instruction, ...], tuple[Instruction, ...]]:
    """The sender's and the receiver's stream of a transfer, one segment a message."""
    share, per_row = transfer.share, transfer.share.row_step * target.segments
    segments = transfer.segments(source, target)

    def window(ring: str, row: Affine, column: int, low: int, high: int) -> Window:
        columns = Axis(affine((SEGMENT, source.segment_pixels), constant=column), source.segment_pixels)
        return Window(ring, Axis(row), columns, Axis(Affine(low), high - low))

    port = Port(transfer.source, transfer.port)
    ticket = affine((ROW, source.segments), (SEGMENT, 1), constant=transfer.segment + 1)
    sent_column = transfer.segment * source.segment_pixels
    sent = (
        window(transfer.source, affine((ROW, 1)), sent_column, transfer.low, transfer.high),
        transfer.tile,
        transfer.fifo,
    )
    send = [
        Instruction("wait", (port, ticket), origin),
        Instruction("send", sent, origin),
        Instruction("release", (port, ticket), origin),
    ]
    ring = Name(transfer.ring)
    first = share.first_ticket(target.segments)
    ticket = affine((ROW, per_row), (SEGMENT, 1), constant=first + 1)
    into = window(
        transfer.ring,
        affine((ROW, share.row_step), constant=share.row),
        share.column(target.width, target.segments),
        0,
        target.channels,
    )
    receive = [
        Instruction("space", (ring, ticket), origin),
        Instruction("receive", (into, transfer.fifo), origin),
        Instruction("signal", (ring, ticket), origin),
    ]
    following = affine((ROW, per_row), constant=first + per_row)
    before = [Instruction("signal", (ring, Affine(first)), origin)] if first else []
    after = [Instruction("signal", (ring, following), origin)] if share.parts * share.row_step > 1 else []
    skip = affine((ROW, source.segments), constant=source.segments + transfer.segment)
    skipped = [Instruction("release", (port, skip), origin)] if segments < source.segments else []
    return (
        _transfer_loops(source.height, segments, send, [], skipped, origin),
        _transfer_loops(source.height, segments, receive, before, after, origin),
    )


def _transfer_loops(
    rows: int, segments: int, body: list[Instruction], before: list[Instruction], after: list[Instruction], origin: int
) -> tuple[Instruction, ...]:
    """A channel's stream: `before` once an input, `after` behind every row."""
    code = [*before, *loop(ROW, rows, [*loop(SEGMENT, segments, body, origin), *after], origin)]
    code = without_counters(code, {ROW: rows, SEGMENT: segments})
    return (*loop(IMAGE, EVERY, code, origin), Instruction("hlt", (), origin))
