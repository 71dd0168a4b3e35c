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

from cimc.base import tokens
from cimc.runtime.timing import operations
from cimc.runtime.timing.operations import Lists, Op
from cimc.runtime.timing.state import Cause, Step, TimedFifo, TimedRing

GIVE, TAKE, TAKE_ALL, PASS, WORK, SEND, RECEIVE, CUT, BEHIND, BEGIN = range(10)

Route = tuple[tuple[int, float, float], ...]
"""Links of a message in order: (shared unit, s until the head is past it, s that the message keeps it)."""

BEGINNING: Step = (BEGIN, 0.0, None, None, None, None, None, None)
_BEHIND: Step = (BEHIND, 0.0, None, None, None, None, None, None)


def bind(
    lists: Lists[Op], number: int, memory: int, rings: Sequence[TimedRing], fifos: Sequence[TimedFifo],
    producer: dict[int, int], routes: dict[tuple[int, int], Route], record: bool,
) -> Lists[Step]:  # fmt: skip
    """The steps of stream `number`. memory: shared unit of its tile; rings, fifos: in its own order; producer: by the
    number of a ring, which of its producers the stream is; routes: by place of the FIFO and words."""
    causes: dict[tuple[int, int], Cause] = {}

    def step(op: Op) -> Step:
        kind, lead = op.kind, op.lead
        if kind == operations.WORK:
            unit = memory if op.thing < 0 else op.thing
            if not op.hold:
                return PASS, lead, op.after, None, None, None, None, None
            return WORK, lead, unit, op.hold, op.after, op.times, op.gap, None
        end = fifos[op.thing] if kind in (tokens.SEND, tokens.RECEIVE) else rings[op.thing]
        cause = causes.setdefault((kind, end.number), Cause(kind, end.number))
        if isinstance(end, TimedFifo):
            if kind == tokens.SEND:
                return SEND, lead, end, memory, op.hold, op.after, routes[op.thing, op.number], cause
            end.freed.key = (number,)
            return RECEIVE, lead, end, memory, op.hold, op.after, cause, None
        tickets = end.ring.tickets
        if kind in (tokens.RELEASE, tokens.SIGNAL):
            given = end.released[op.number] if kind == tokens.RELEASE else end.signalled[producer[end.number]]
            given.key = (number,)
            return GIVE, lead, given.times, given, tickets, None, None, None
        assert kind in (tokens.WAIT, tokens.SPACE), f"operation {kind}"
        taken = end.signalled if kind == tokens.WAIT else end.released
        if len(taken) == 1:
            return TAKE, lead, taken[0].times, taken[0], tickets, cause, None, None
        return TAKE_ALL, lead, taken, tickets, cause, None, None, None

    less = [rings[op.thing].ring.capacity if op.kind == tokens.SPACE else 0 for op in lists.ops]
    steps = [step(op) for op in lists.ops]
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
