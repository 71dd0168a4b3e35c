"""settle_depths: deepen rings until the network of streams runs without deadlock.

Plays the token game over several inputs. Where it stops, of the full rings whose slowest reader starves the one that
takes the fewest words grows by a row (or segment), and the game goes on (Parks' rule for process networks with bounded
queues). Needs: a schedule. Promises: the game ends, whatever the speed of the cores.
"""

from __future__ import annotations

from dataclasses import replace

from cimc.base import tokens
from cimc.base.tokens import Event, TokenGame, TokenRing
from cimc.ir.scheduled import RingPlan, ScheduledGraph, Sync
from cimc.passes.schedule import RingAt, grown
from cimc.target.model import Target

IMAGES = 3
KINDS = {"wait": tokens.WAIT, "space": tokens.SPACE, "release": tokens.RELEASE, "signal": tokens.SIGNAL}


def settle_depths(graph: ScheduledGraph, target: Target) -> ScheduledGraph:
    """The schedule with rings deep enough."""
    order = list(graph.rings)
    index = {at: i for i, at in enumerate(order)}
    plans = [graph.rings[at] for at in order]
    streams = _streams(graph, index)
    fifos = [target.tile.fifo_depth] * len(graph.transfers)
    rings = [TokenRing(p.tickets, p.pixels // p.segment_pixels, p.ports) for p in plans]
    game = TokenGame(streams, rings, fifos, IMAGES)
    readers = {(e.thing, e.port): i for i, events in enumerate(streams) for e in events if e.kind == tokens.RELEASE}
    while blocked := game.play():
        at = _ring_to_grow(game, plans, readers)
        assert at is not None, f"a deadlock that no depth resolves: {[str(b) for b in blocked[:8]]}"
        plans[at] = replace(plans[at], pixels=grown(plans[at]))
        game.grow(at, plans[at].pixels // plans[at].segment_pixels)
    return replace(graph, rings=dict(zip(order, plans, strict=True)))


def _ring_to_grow(game: TokenGame, plans: list[RingPlan], readers: dict[tuple[int, int], int]) -> int | None:
    """The cheapest ring that is full while the reader it waits for starves; else the cheapest full one."""
    blocked = {b.stream: b for b in game.blocked()}
    starving, full = [], []
    for b in blocked.values():
        if b.event.kind != tokens.SPACE:
            continue
        ring = b.event.thing
        cost = (grown(plans[ring]) - plans[ring].pixels) * plans[ring].channels
        full.append((cost, ring))
        slowest = min(game.released[ring])
        owners = [readers[ring, p] for p, done in enumerate(game.released[ring]) if done == slowest]
        if any(o in blocked and blocked[o].event.kind in (tokens.WAIT, tokens.RECEIVE) for o in owners):
            starving.append((cost, ring))
    return min(starving or full)[1] if full else None


def _streams(graph: ScheduledGraph, index: dict[RingAt, int]) -> list[list[Event]]:
    """Events of one input of every task, transfer end and host port."""
    cores: dict[tuple[int, int], list[Event]] = {}
    for placed in graph.tasks:
        events = task_events(placed.syncs, placed.rows, placed.segments, placed.tile, graph, index)
        cores.setdefault((placed.tile, placed.core), []).extend(events)
    streams = list(cores.values())
    for number, transfer in enumerate(graph.transfers):
        source = graph.rings[transfer.source_tile, transfer.source]
        at, to = index[transfer.source_tile, transfer.source], index[transfer.tile, transfer.ring]
        send, receive = [], []
        for t in range(1, source.tickets + 1):
            send += [Event(tokens.WAIT, at, transfer.port, t), Event(tokens.SEND, number),
                     Event(tokens.RELEASE, at, transfer.port, t)]  # fmt: skip
            receive += [Event(tokens.SPACE, to, 0, t), Event(tokens.RECEIVE, number), Event(tokens.SIGNAL, to, 0, t)]
        streams += [send, receive]
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


def task_events(
    syncs: tuple[Sync, ...], rows: int, segments: int, tile: int, graph: ScheduledGraph, index: dict[RingAt, int]
) -> list[Event]:
    """A task's events in the order of its loops."""

    def at(level: str, after: bool, row: int, segment: int) -> list[Event]:
        found = []
        for s in syncs:
            if (s.level, s.after) == (level, after):
                plan = graph.rings[tile, s.ring]
                ticket = s.per_row * row + s.per_segment * segment + s.constant
                ticket = min(max(ticket, 0), plan.tickets)
                found.append(Event(KINDS[s.kind], index[tile, s.ring], max(s.port, 0), ticket))
        return found

    events = at("image", False, 0, 0)
    for row in range(rows):
        events += at("row", False, row, 0)
        for segment in range(segments):
            events += at("segment", False, row, segment) + at("segment", True, row, segment)
        events += at("row", True, row, 0)
    return events + at("image", True, rows - 1, 0)
