"""What a schedule's streams wait for and signal, as events of the token game: tasks, transfers and the host.

Streams of one shape differ only in the rings and FIFOs that they name, so their events are written once.
"""

from __future__ import annotations

from typing import NamedTuple

from cimc.base import tokens
from cimc.base.tokens import Event, Script
from cimc.ir.scheduled import RingPlan, ScheduledGraph, ScheduledTask, Transfer

RingAt = tuple[int, str]
KINDS = {"wait": tokens.WAIT, "space": tokens.SPACE, "release": tokens.RELEASE, "signal": tokens.SIGNAL}


class _Tickets(NamedTuple):
    """per_row * row + per_segment * segment + constant, held to 0 .. most."""

    per_row: int = 0
    per_segment: int = 0
    constant: int = 0
    most: int = 0


class _Step(NamedTuple):
    """Events of a kind at each turn of a loop, behind its body or before it. thing: of the stream's."""

    kind: int
    thing: int
    port: int = 0
    level: str = "segment"
    after: bool = False
    tickets: _Tickets = _Tickets()

    def event(self, row: int, segment: int) -> Event:
        """The event of a turn."""
        per_row, per_segment, constant, most = self.tickets
        ticket = per_row * row + per_segment * segment + constant
        return Event(self.kind, self.thing, self.port, min(max(ticket, 0), most))


class StreamEvents:
    """The events of a schedule's streams, `scripts`, and which of them is at which end of a ring or FIFO."""

    def __init__(self, graph: ScheduledGraph, index: dict[RingAt, int]) -> None:
        self._graph, self._index = graph, index
        self._patterns: dict[tuple[int, int, tuple[_Step, ...]], tuple[Event, ...]] = {}
        self.scripts: list[Script] = []
        cores: dict[tuple[int, int], list[Script]] = {}
        for placed in graph.tasks:
            cores.setdefault((placed.tile, placed.core), []).append(self._task(placed))
        self.scripts += [_joined(parts) for parts in cores.values()]
        for fifo, transfer in enumerate(graph.transfers):
            self.scripts += [self._sender(transfer, fifo), self._receiver(transfer, fifo)]
        for feed in graph.feeds:
            self.scripts += [self._host(tile, ring, 0, tokens.SPACE, tokens.SIGNAL) for tile, ring, _ in feed]
        for drain in graph.drains:
            self.scripts += [self._host(tile, ring, port, tokens.WAIT, tokens.RELEASE) for tile, ring, port in drain]

    def ends(self) -> dict[tuple[int, int, int], int]:
        """The stream of every (kind of event, ring or FIFO, port)."""
        of_pattern: dict[int, set[tuple[int, int, int]]] = {}
        found = {}
        for number, script in enumerate(self.scripts):
            if id(script.pattern) not in of_pattern:
                of_pattern[id(script.pattern)] = {(e.kind, e.thing, e.port) for e in script.pattern}
            for kind, thing, port in of_pattern[id(script.pattern)]:
                first = script.producers[thing] if kind == tokens.SIGNAL else 0
                found[kind, script.things[thing], port + first] = number
        return found

    def _script(self, rows: int, segments: int, steps: list[_Step], things: list[int], copies: list[int]) -> Script:
        shape = rows, segments, tuple(steps)
        if shape not in self._patterns:
            self._patterns[shape] = _written(*shape)
        return Script(self._patterns[shape], things, copies)

    def _task(self, placed: ScheduledTask) -> Script:
        names = list(dict.fromkeys(sync.ring for sync in placed.syncs))
        plans = [self._graph.rings[placed.tile, name] for name in names]
        steps = []
        for s in placed.syncs:
            thing = names.index(s.ring)
            tickets = _Tickets(s.per_row, s.per_segment, s.constant, plans[thing].tickets)
            steps.append(_Step(KINDS[s.kind], thing, max(s.port, 0), s.level, s.after, tickets))
        things = [self._index[placed.tile, name] for name in names]
        copies = [placed.copy if plan.producers > 1 else 0 for plan in plans]
        return self._script(placed.rows, placed.segments, steps, things, copies)

    def _sender(self, transfer: Transfer, fifo: int) -> Script:
        """Its segments of every row, one after the other."""
        source, target = self._ends(transfer)
        own, per_row, most = transfer.segments(source, target), source.segments, source.tickets
        ticket = _Tickets(per_row, 1, transfer.segment + 1, most)
        steps = [
            _Step(tokens.WAIT, 0, transfer.port, tickets=ticket),
            _Step(tokens.SEND, 1),
            _Step(tokens.RELEASE, 0, transfer.port, tickets=ticket),
        ]
        if own < per_row:
            skipped = per_row + transfer.segment
            steps.append(_Step(tokens.RELEASE, 0, transfer.port, "row", True, _Tickets(per_row, 0, skipped, most)))
        return self._script(source.height, own, steps, [self._index[source.tile, source.name], fifo], [0, 0])

    def _receiver(self, transfer: Transfer, fifo: int) -> Script:
        """Its share of the ring, segment by segment."""
        source, target = self._ends(transfer)
        share, most = transfer.share, target.tickets
        first, per_row = share.first_ticket(target.segments), target.segments * share.row_step
        ticket = _Tickets(per_row, 1, first + 1, most)
        steps = [
            _Step(tokens.SIGNAL, 0, 0, "image", False, _Tickets(0, 0, first, most)),
            _Step(tokens.SPACE, 0, tickets=ticket),
            _Step(tokens.RECEIVE, 1),
            _Step(tokens.SIGNAL, 0, tickets=ticket),
            _Step(tokens.SIGNAL, 0, 0, "row", True, _Tickets(per_row, 0, first + per_row, most)),
        ]
        things = [self._index[target.tile, target.name], fifo]
        copy = transfer.copy if target.producers > 1 else 0
        return self._script(source.height, transfer.segments(source, target), steps, things, [copy, 0])

    def _host(self, tile: int, ring: str, port: int, before: int, after: int) -> Script:
        plan = self._graph.rings[tile, ring]
        ticket = _Tickets(plan.segments, 1, 1, plan.tickets)
        steps = [_Step(before, 0, port, tickets=ticket), _Step(after, 0, port, tickets=ticket)]
        return self._script(plan.height, plan.segments, steps, [self._index[tile, ring]], [0])

    def _ends(self, transfer: Transfer) -> tuple[RingPlan, RingPlan]:
        rings = self._graph.rings
        return rings[transfer.source_tile, transfer.source], rings[transfer.tile, transfer.ring]


def _written(rows: int, segments: int, steps: tuple[_Step, ...]) -> tuple[Event, ...]:
    """The events in the order of the loops over rows and segments."""

    there = {(level, after): [step for step in steps if (step.level, step.after) == (level, after)]
             for level in ("image", "row", "segment") for after in (False, True)}  # fmt: skip

    def at(level: str, after: bool, row: int, segment: int) -> list[Event]:
        return [step.event(row, segment) for step in there[level, after]]

    events = at("image", False, 0, 0)
    for row in range(rows):
        events += at("row", False, row, 0)
        for segment in range(segments):
            events += at("segment", False, row, segment) + at("segment", True, row, segment)
        events += at("row", True, row, 0)
    return (*events, *at("image", True, rows - 1, 0))


def _joined(parts: list[Script]) -> Script:
    """The tasks of a core, which take turns."""
    if len(parts) == 1:
        return parts[0]
    things = [thing for part in parts for thing in part.things]
    producers = [number for part in parts for number in part.producers]
    events: list[Event] = []
    before = 0
    for part in parts:
        events += [event._replace(thing=event.thing + before) for event in part.pattern]
        before += len(part.things)
    return Script(tuple(events), things, producers)
