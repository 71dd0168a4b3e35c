"""settle_depths: deepen rings until the network of streams runs without deadlock.

Plays the token game of the schedule's code over one input, which leaves nothing behind, so that others can follow it.
Where it stops, streams wait for each other in a circle. Of the full rings of the circle one on a tile with room grows
by a row (or segment), the one that takes the fewest words, and the game goes on (after Parks' rule for process networks
with bounded queues). Needs: placed tasks. Promises: the game of their schedule ends, whatever the speed of the cores.
"""

from __future__ import annotations

from dataclasses import replace

import networkx as nx

from cimc.backends.emit import emit_frame
from cimc.base import tokens
from cimc.base.diagnostics import CimcError
from cimc.base.tokens import Event, TokenGame
from cimc.ir.placed import PlacedGraph
from cimc.isa.verify.deadlock import new_game
from cimc.isa.verify.findings import Findings
from cimc.isa.verify.patterns import walk_all
from cimc.isa.verify.wiring import Wiring, wire
from cimc.passes.scheduling.schedule import grown, schedule


def settle_depths(placed: PlacedGraph) -> PlacedGraph:
    """The same tasks with rings deep enough.

    A tile's memory may not suffice: rings on tiles with room grow first, but what must grow grows.
    """
    graph = schedule(placed)
    program = emit_frame(graph)
    wiring, findings = wire(program), Findings(program)
    walks = walk_all(wiring, findings)
    if len(findings):
        raise CimcError(findings.diagnostics)
    order = list(graph.rings)
    assert order == list(wiring.rings), "the program has other rings than its schedule"
    game = new_game(wiring, [walk.events for walk in walks], placed.room.fifo_depth, 1)
    plans = [graph.rings[at] for at in order]
    free = [placed.room.memory_words - tile.words for tile in placed.tiles]

    def extra(ring: int) -> int:
        return (grown(plans[ring]) - plans[ring].pixels) * plans[ring].channels

    passed_on = {(t.tile, t.ring) for t in graph.transfers if graph.rings[t.tile, t.ring].producers == 1}
    kept = [not (at in passed_on and graph.rings[at].tensor) for at in order]

    def cost(ring: int) -> tuple[bool, bool, int, int]:
        over = extra(ring) > free[plans[ring].tile]
        return over, over and kept[ring], extra(ring), ring

    waits = _Waits(game, wiring)
    while game.play():
        for circle in waits.circles():
            at = min(circle, key=cost)
            free[plans[at].tile] -= extra(at)
            plans[at] = replace(plans[at], pixels=grown(plans[at]))
            game.grow(at, plans[at].pixels // plans[at].segment_pixels)
    assert game.drained(), "an input leaves something behind in rings or FIFOs"
    return placed.with_pixels(plan.pixels for plan in plans)


class _Waits:
    """Who waits for whom, where a game has stopped."""

    def __init__(self, game: TokenGame, wiring: Wiring) -> None:
        self.game, self.wiring = game, wiring
        self.names = [str(player) for player in wiring.players]
        self.rings, self.fifos = list(wiring.ring_numbers), list(wiring.fifo_numbers)

    def circles(self) -> list[set[int]]:
        """The full rings of every circle of streams that wait for each other. One of each must grow."""
        blocked = {self.names[one.stream]: one.event for one in self.game.blocked()}
        waits = nx.DiGraph((name, self._waits_for(event)) for name, event in blocked.items())
        found = []
        for circle in nx.simple_cycles(waits):
            full = {blocked[name].thing for name in circle if blocked[name].kind == tokens.SPACE}
            assert full, f"a deadlock that no depth resolves: {[f'{name}: {blocked[name]}' for name in circle[:8]]}"
            found.append(full)
        assert found, "streams wait for one that has come to its end"
        return sorted(found, key=min)

    def _waits_for(self, event: Event) -> str:
        """Who an event waits for: the slowest reader of a full ring, the slowest producer of an empty one."""
        if event.kind in (tokens.SEND, tokens.RECEIVE):
            fifo = self.fifos[event.thing]
            return next(iter((self.wiring.receivers if event.kind == tokens.SEND else self.wiring.senders)[fifo]))
        key = self.rings[event.thing]
        if event.kind == tokens.SPACE:
            released = self.game.released[event.thing]
            return next(iter(self.wiring.owners[key, released.index(min(released))]))
        made = self.game.signalled[event.thing]
        return list(self.wiring.producers[key])[made.index(min(made))]
