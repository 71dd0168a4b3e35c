"""settle_depths: deepen rings until the network of streams runs without deadlock.

Plays the token game over one input, which leaves nothing behind, so that others can follow it. Where it stops, streams
wait for each other in a circle. Of the full rings of the circle one on a tile with room grows by a row (or segment),
the one that takes the fewest words, and the game goes on (after Parks' rule for process networks with bounded queues).
Needs: placed tasks. Promises: the game of their schedule ends, whatever the speed of the cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import networkx as nx

from cimc.base import tokens
from cimc.base.tokens import Event, TokenGame, TokenRing
from cimc.ir.placed import PlacedGraph
from cimc.passes.scheduling.schedule import grown, schedule
from cimc.passes.scheduling.stream_events import StreamEvents


def settle_depths(placed: PlacedGraph) -> PlacedGraph:
    """The same tasks with rings deep enough.

    A tile's memory may not suffice: rings on tiles with room grow first, but what must grow grows.
    """
    graph = schedule(placed)
    order = list(graph.rings)
    index = {at: i for i, at in enumerate(order)}
    plans = [graph.rings[at] for at in order]
    streams = StreamEvents(graph, index)
    fifos = [placed.room.fifo_depth] * len(graph.transfers)
    rings = [TokenRing(p.tickets, p.pixels // p.segment_pixels, p.ports, p.producers) for p in plans]
    game = TokenGame(streams.scripts, rings, fifos, 1)
    free = [placed.room.memory_words - tile.words for tile in placed.tiles]

    def extra(ring: int) -> int:
        return (grown(plans[ring]) - plans[ring].pixels) * plans[ring].channels

    passed_on = {(t.tile, t.ring) for t in graph.transfers if graph.rings[t.tile, t.ring].producers == 1}
    kept = [not (at in passed_on and graph.rings[at].tensor) for at in order]

    def cost(ring: int) -> tuple[bool, bool, int, int]:
        over = extra(ring) > free[plans[ring].tile]
        return over, over and kept[ring], extra(ring), ring

    ends: dict[tuple[int, int, int], int] = {}
    while game.play():
        ends = ends or streams.ends()
        for circle in _circles(game, ends):
            at = min(circle, key=cost)
            free[plans[at].tile] -= extra(at)
            plans[at] = replace(plans[at], pixels=grown(plans[at]))
            game.grow(at, plans[at].pixels // plans[at].segment_pixels)
    assert game.drained(), "an input leaves something behind in rings or FIFOs"
    return placed.with_pixels(plan.pixels for plan in plans)


def _circles(game: TokenGame, ends: Mapping[tuple[int, int, int], int]) -> list[set[int]]:
    """The full rings of every circle of streams that wait for each other. One of each must grow."""
    blocked = {b.stream: b.event for b in game.blocked()}
    waits = nx.DiGraph((stream, _waits_for(event, game, ends)) for stream, event in blocked.items())
    found = []
    for circle in nx.simple_cycles(waits):
        full = {blocked[stream].thing for stream in circle if blocked[stream].kind == tokens.SPACE}
        assert full, f"a deadlock that no depth resolves: {[str(blocked[stream]) for stream in circle[:8]]}"
        found.append(full)
    assert found, "streams wait for one that has come to its end"
    return sorted(found, key=min)


def _waits_for(event: Event, game: TokenGame, ends: Mapping[tuple[int, int, int], int]) -> int:
    """The stream that an event waits for: the slowest reader of a full ring, the producer of an empty one."""
    ring = event.thing
    if event.kind == tokens.SPACE:
        done = game.released[ring]
        return ends[tokens.RELEASE, ring, done.index(min(done))]
    if event.kind == tokens.WAIT:
        made = game.signalled[ring]
        return ends[tokens.SIGNAL, ring, made.index(min(made))]
    return ends[tokens.RECEIVE if event.kind == tokens.SEND else tokens.SEND, ring, 0]
