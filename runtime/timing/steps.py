"""Operations with what they need at hand: the steps that the timing engine takes.

A step is a tuple of eight: its kind, s from the end of the one before until it asks, and what the kind calls for:

    GIVE      times, Tickets, tickets of an input                  a release or signal
    TAKE      times, Tickets, tickets of an input, cause           a wait or space that one stream satisfies
    TAKE_ALL  list of Tickets, tickets of an input, cause          one that several do
    PASS      s                                                    work without the memory
    WORK      unit, hold, after, times, gap                        work that claims a shared unit
    SEND      TimedFifo, unit, hold, after, route, cause
    RECEIVE   TimedFifo, unit, hold, after, cause
    CUT       origin                                               the origin changes; only where spans are recorded
    BEHIND                                                         what it let go on at this time comes first
    BEGIN                                                          where a stream stands at first; it waits for nothing

A space asks for the release of the ticket that is less by the ring's capacity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cimc.base import tokens
from cimc.runtime.timing import operations
from cimc.runtime.timing.operations import Lists, Op
from cimc.runtime.timing.state import Cause, Step, TimedFifo, TimedRing

GIVE, TAKE, TAKE_ALL, PASS, WORK, SEND, RECEIVE, CUT, BEHIND, BEGIN = range(10)

Route = tuple[tuple[int, float, float], ...]
"""Links of a message in order: (shared unit, s until the head is past it, s that the message keeps it)."""

BEGINNING: Step = (BEGIN, 0.0, None, None, None, None, None, None)
_BEHIND: Step = (BEHIND, 0.0, None, None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What a stream's operations ends. number: of the stream; memory: shared unit of its tile; rings, fifos: with
    their numbers, in its own order; producer: by ring, which of its producers the stream is; routes: by place of the
    FIFO and words."""

    number: int
    memory: int
    rings: Sequence[tuple[int, TimedRing]]
    fifos: Sequence[tuple[int, TimedFifo]]
    producer: dict[int, int]
    routes: dict[tuple[int, int], Route]


def bind(lists: Lists[Op], ends: Endpoints, record: bool) -> Lists[Step]:
    """The steps of a stream."""
    less = [ends.rings[op.thing][1].ring.capacity if op.kind == tokens.SPACE else 0 for op in lists.ops]
    causes: dict[tuple[int, int], Cause] = {}
    steps = [_step(op, ends, causes) for op in lists.ops]
    woven = record or not all(op.lead for op in lists.ops)

    def part(places: Sequence[int], tickets: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
        if any(less):
            tickets = [ticket - less[place] for place, ticket in zip(places, tickets, strict=True)]
        return _woven(places, tickets, lists.ops, steps, record) if woven else (places, tickets)

    return Lists(steps, part(*lists.setup), part(*lists.each))


def _woven(
    places: Sequence[int], tickets: Sequence[int], known: Sequence[Op], steps: list[Step], record: bool
) -> tuple[list[int], list[int]]:
    """Places and tickets with the steps between that records and events of one time need; these join `steps`."""
    cuts: dict[int, int] = {}
    woven: list[tuple[int, int]] = []
    last, behind = None, -1
    for place, ticket in zip(places, tickets, strict=True):
        op = known[place]
        if record and op.origin != last:
            if op.origin not in cuts:
                cuts[op.origin] = len(steps)
                steps.append((CUT, 0.0, op.origin, None, None, None, None, None))
            woven.append((cuts[op.origin], 0))
            last = op.origin
        if not op.lead:
            if behind < 0:
                behind = len(steps)
                steps.append(_BEHIND)
            woven.append((behind, 0))
        woven.append((place, ticket))
    return [place for place, _ in woven], [ticket for _, ticket in woven]


def _step(op: Op, ends: Endpoints, causes: dict[tuple[int, int], Cause]) -> Step:
    """The step of an operation."""
    kind, lead = op.kind, op.lead
    if kind == operations.WORK:
        unit = ends.memory if op.thing < 0 else op.thing
        if not op.hold:
            return PASS, lead, op.after, None, None, None, None, None
        return WORK, lead, unit, op.hold, op.after, op.times, op.gap, None
    if kind in (tokens.SEND, tokens.RECEIVE):
        number, fifo = ends.fifos[op.thing]
        cause = causes.setdefault((kind, number), Cause(kind, number))
        if kind == tokens.SEND:
            route = ends.routes[op.thing, op.number]
            return SEND, lead, fifo, ends.memory, op.hold, op.after, route, cause
        fifo.freed.key = (ends.number,)
        return RECEIVE, lead, fifo, ends.memory, op.hold, op.after, cause, None
    number, ring = ends.rings[op.thing]
    if kind in (tokens.RELEASE, tokens.SIGNAL):
        given = ring.released[op.number] if kind == tokens.RELEASE else ring.signalled[ends.producer[number]]
        given.key = (ends.number,)
        return GIVE, lead, given.times, given, ring.ring.tickets, None, None, None
    assert kind in (tokens.WAIT, tokens.SPACE), f"operation {kind}"
    cause = causes.setdefault((kind, number), Cause(kind, number))
    taken = ring.signalled if kind == tokens.WAIT else ring.released
    if len(taken) == 1:
        return TAKE, lead, taken[0].times, taken[0], ring.ring.tickets, cause, None, None
    return TAKE_ALL, lead, taken, ring.ring.tickets, cause, None, None, None
