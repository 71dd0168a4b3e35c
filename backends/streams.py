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


def task_code(placed: ScheduledTask, replicas: int, pixel: list[Instruction]) -> list[Instruction]:
    """What a task does for one input: for every row, segment and pixel (or `replicas` pixels at a time) the body, with
    waits and signals around."""

    def syncs(level: str, after: bool) -> list[Instruction]:
        return [_sync(s, origin) for s in placed.syncs if (s.level, s.after) == (level, after)]

    origin, turns = placed.layer, placed.pixels // replicas
    code = loop(PIXEL, turns, pixel)
    code = syncs("segment", False) + code + syncs("segment", True)
    code = loop(SEGMENT, placed.segments, code)
    code = syncs("row", False) + code + syncs("row", True)
    code = loop(ROW, placed.rows, code)
    code = syncs("image", False) + code + syncs("image", True)
    return without_counters(code, {ROW: placed.rows, SEGMENT: placed.segments, PIXEL: turns})


def core_stream(setup: list[Instruction], each: list[Instruction]) -> tuple[Instruction, ...]:
    """A whole stream: setup once, `each` for every input."""
    return (*setup, *loop(IMAGE, EVERY, each), Instruction("hlt", (), each[0].origin))


def loop(counter: str, count: int, body: list[Instruction]) -> list[Instruction]:
    """A loop around a body; a body that runs once needs none, its counter being 0 (see without_counters)."""
    if count == 1:
        return body
    origin = body[0].origin
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

    def one(mnemonic: str, *operands: Operand) -> Instruction:
        return Instruction(mnemonic, operands, origin)

    def stream(before: list[Instruction], each: list[Instruction], after: list[Instruction]) -> tuple[Instruction, ...]:
        code = [*before, *loop(ROW, source.height, [*loop(SEGMENT, segments, each), *after])]
        return core_stream([], without_counters(code, {ROW: source.height, SEGMENT: segments}))

    port = Port(transfer.source, transfer.port)
    ticket = affine((ROW, source.segments), (SEGMENT, 1), constant=transfer.segment + 1)
    column = transfer.segment * source.segment_pixels
    sent = window(transfer.source, affine((ROW, 1)), column, transfer.low, transfer.high)
    send = [one("wait", port, ticket), one("send", sent, transfer.tile, transfer.fifo), one("release", port, ticket)]
    skip = affine((ROW, source.segments), constant=source.segments + transfer.segment)
    skipped = [one("release", port, skip)] if segments < source.segments else []
    ring, first = Name(transfer.ring), share.first_ticket(target.segments)
    ticket = affine((ROW, per_row), (SEGMENT, 1), constant=first + 1)
    row = affine((ROW, share.row_step), constant=share.row)
    into = window(transfer.ring, row, share.column(target.width, target.segments), 0, target.channels)
    receive = [one("space", ring, ticket), one("receive", into, transfer.fifo), one("signal", ring, ticket)]
    following = affine((ROW, per_row), constant=first + per_row)
    before = [one("signal", ring, Affine(first))] if first else []
    after = [one("signal", ring, following)] if share.parts * share.row_step > 1 else []
    return stream([], send, skipped), stream(before, receive, after)
