"""settle_depths: deepen rings until the network of streams runs without deadlock.

Plays the token game over several inputs. Where it stops, streams wait for each other in a circle. Of the full rings of
the circle one on a tile with room grows by a row (or segment), the one that takes the fewest words, and the game goes
on (after Parks' rule for process networks with bounded queues). Needs: a schedule. Promises: the game ends, whatever
the speed of the cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from cimc.base import tokens
from cimc.base.tokens import Event, TokenGame, TokenRing
from cimc.ir.scheduled import PlacedTask, RingPlan, ScheduledGraph, Transfer
from cimc.passes.schedule import RingAt, grown
from cimc.target.model import Target

IMAGES = 3
KINDS = {"wait": tokens.WAIT, "space": tokens.SPACE, "release": tokens.RELEASE, "signal": tokens.SIGNAL}


def settle_depths(
    graph: ScheduledGraph, target: Target, constants: Mapping[int, int] = MappingProxyType({})
) -> ScheduledGraph:
    """The schedule with rings deep enough. constants: memory words of a tile, by its number, that rings can't have.

    A tile's memory may not suffice: rings on tiles with room grow first, but what must grow grows.
    """
    order = list(graph.rings)
    index = {at: i for i, at in enumerate(order)}
    plans = [graph.rings[at] for at in order]
    streams = _streams(graph, index)
    fifos = [target.tile.fifo_depth] * len(graph.transfers)
    rings = [TokenRing(p.tickets, p.pixels // p.segment_pixels, p.ports, p.producers) for p in plans]
    game = TokenGame(streams, rings, fifos, IMAGES)
    partners = _Partners(streams)
    free = {plan.tile: target.tile.memory_words - constants.get(plan.tile, 0) for plan in plans}
    for plan in plans:
        free[plan.tile] -= plan.words

    def extra(ring: int) -> int:
        return (grown(plans[ring]) - plans[ring].pixels) * plans[ring].channels

    passed_on = {(t.tile, t.ring) for t in graph.transfers if graph.rings[t.tile, t.ring].producers == 1}
    kept = [not (at in passed_on and graph.rings[at].tensor) for at in order]

    def cost(ring: int) -> tuple[bool, bool, int, int]:
        over = extra(ring) > free[plans[ring].tile]
        return over, over and kept[ring], extra(ring), ring

    while game.play():
        for circle in partners.circles(game):
            at = min(circle, key=cost)
            free[plans[at].tile] -= extra(at)
            plans[at] = replace(plans[at], pixels=grown(plans[at]))
            game.grow(at, plans[at].pixels // plans[at].segment_pixels)
    return replace(graph, rings=dict(zip(order, plans, strict=True)))


class _Partners:
    """Which stream is at the other end of a ring or FIFO."""

    def __init__(self, streams: list[list[Event]]) -> None:
        self.ends = {(e.kind, e.thing, e.port): i for i, events in enumerate(streams) for e in events}

    def circles(self, game: TokenGame) -> list[set[int]]:
        """The full rings of every circle of streams that wait for each other. One of each must grow."""
        blocked = {b.stream: b for b in game.blocked()}
        seen: dict[int, int] = {}
        found = []
        for start in blocked:
            path = []
            stream = start
            while stream not in seen:
                assert stream in blocked, f"stream {stream} keeps others waiting and has come to its end"
                seen[stream] = start
                path.append(stream)
                stream = self._waits_for(blocked[stream].event, game)
            if seen[stream] == start:
                events = [blocked[s].event for s in path[path.index(stream) :]]
                full = {e.thing for e in events if e.kind == tokens.SPACE}
                assert full, f"a deadlock that no depth resolves: {[str(e) for e in events[:8]]}"
                found.append(full)
        return found

    def _waits_for(self, event: Event, game: TokenGame) -> int:
        """The stream that an event waits for: the slowest reader of a full ring, the producer of an empty one."""
        ring = event.thing
        if event.kind == tokens.SPACE:
            done = game.released[ring]
            return self.ends[tokens.RELEASE, ring, done.index(min(done))]
        if event.kind == tokens.WAIT:
            made = game.signalled[ring]
            return self.ends[tokens.SIGNAL, ring, made.index(min(made))]
        return self.ends[tokens.RECEIVE if event.kind == tokens.SEND else tokens.SEND, ring, 0]


def _streams(graph: ScheduledGraph, index: dict[RingAt, int]) -> list[list[Event]]:
    """Events of one input of every task, transfer end and host port."""
    cores: dict[tuple[int, int], list[Event]] = {}
    for placed in graph.tasks:
        events = task_events(placed, graph, index)
        cores.setdefault((placed.tile, placed.core), []).extend(events)
    streams = list(cores.values())
    for number, transfer in enumerate(graph.transfers):
        source = graph.rings[transfer.source_tile, transfer.source]
        at, to = index[transfer.source_tile, transfer.source], index[transfer.tile, transfer.ring]
        send = _send_events(transfer, number, source, graph.rings[transfer.tile, transfer.ring], at)
        streams += [
            send,
            _receive_events(transfer, number, source.height, graph.rings[transfer.tile, transfer.ring], to),
        ]
    for feed in graph.feeds:
        for tile, ring, _ in feed:
            at, count = index[tile, ring], graph.rings[tile, ring].tickets
            streams.append(
                [
                    e
                    for t in range(1, count + 1)
                    for e in (Event(tokens.SPACE, at, 0, t), Event(tokens.SIGNAL, at, 0, t))
                ]
            )
    for drain in graph.drains:
        for tile, ring, port in drain:
            at, count = index[tile, ring], graph.rings[tile, ring].tickets
            streams.append(
                [
                    e
                    for t in range(1, count + 1)
                    for e in (Event(tokens.WAIT, at, port, t), Event(tokens.RELEASE, at, port, t))
                ]
            )
    return streams


def _send_events(transfer: Transfer, fifo: int, source: RingPlan, target: RingPlan, index: int) -> list[Event]:
    """A sender's events: its segments of every row, one after the other."""
    own = transfer.segments(source, target)
    events = []
    for row in range(source.height):
        start = row * source.segments + transfer.segment
        for t in range(start + 1, start + own + 1):
            events += [Event(tokens.WAIT, index, transfer.port, t), Event(tokens.SEND, fifo),
                       Event(tokens.RELEASE, index, transfer.port, t)]  # fmt: skip
        if own < source.segments:
            following = min(start + source.segments, source.tickets)
            events.append(Event(tokens.RELEASE, index, transfer.port, following))
    return events


def _receive_events(transfer: Transfer, fifo: int, rows: int, ring: RingPlan, index: int) -> list[Event]:
    """A receiver's events: its share of the ring, segment by segment."""
    share, segments = transfer.share, transfer.share.segments(ring.segments)
    producer = transfer.copy if ring.producers > 1 else 0
    first, per_row = share.first_ticket(ring.segments), ring.segments * share.row_step
    events = [Event(tokens.SIGNAL, index, producer, first)]
    for row in range(rows):
        start = first + row * per_row
        for t in range(start + 1, start + segments + 1):
            events += [
                Event(tokens.SPACE, index, 0, t),
                Event(tokens.RECEIVE, fifo),
                Event(tokens.SIGNAL, index, producer, t),
            ]
        following = min(start + per_row, ring.tickets)
        events.append(Event(tokens.SIGNAL, index, producer, following))
    return events


def task_events(placed: PlacedTask, graph: ScheduledGraph, index: dict[RingAt, int]) -> list[Event]:
    """A task's events in the order of its loops."""

    def at(level: str, after: bool, row: int, segment: int) -> list[Event]:
        found = []
        for s in placed.syncs:
            if (s.level, s.after) == (level, after):
                plan = graph.rings[placed.tile, s.ring]
                ticket = s.per_row * row + s.per_segment * segment + s.constant
                ticket = min(max(ticket, 0), plan.tickets)
                port = s.port if s.port >= 0 else (placed.copy if plan.producers > 1 else 0)
                found.append(Event(KINDS[s.kind], index[placed.tile, s.ring], port, ticket))
        return found

    events = at("image", False, 0, 0)
    for row in range(placed.rows):
        events += at("row", False, row, 0)
        for segment in range(placed.segments):
            events += at("segment", False, row, segment) + at("segment", True, row, segment)
        events += at("row", True, row, 0)
    return events + at("image", True, placed.rows - 1, 0)
