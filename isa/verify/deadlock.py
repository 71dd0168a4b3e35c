"""The token game over a whole program: do its streams, with the host feeding and draining, come to their end?"""

from __future__ import annotations

from collections.abc import Sequence

from cimc.base.diagnostics import LIST
from cimc.base.tokens import NAMES, RECEIVE, RELEASE, SEND, SIGNAL, SPACE, WAIT, Blocked, Event, TokenGame, TokenRing
from cimc.isa.verify.findings import Findings
from cimc.isa.verify.wiring import Feed, Stream, Wiring

INPUTS = 3
"""Inputs that the game runs through where one is not enough: the second starts while the first drains, the third in
what both left. One is enough where it ends and leaves everything as it found it."""

_SHOWN = 20
_REORDER = "change the order of the waits, sends and receives"


def play(wiring: Wiring, events: Sequence[Sequence[Event]], fifo_depth: int, findings: Findings) -> None:
    """Play the game and complain if it does not end. events: of each stream of the wiring, for one input."""
    one = new_game(wiring, events, fifo_depth, 1)
    if not one.play() and one.drained():
        return
    game = new_game(wiring, events, fifo_depth, INPUTS)
    players, blocked = wiring.players, game.play()
    if not blocked:
        return
    things = _Things(wiring, game)
    lines = [things.describe(players[stop.stream], stop, findings) for stop in blocked[:_SHOWN]]
    if len(blocked) > _SHOWN:
        lines.append(f"and {len(blocked) - _SHOWN} more")
    full = sorted({things.rings[stop.event.thing][1] for stop in blocked if stop.event.kind == SPACE})
    todo = f"rings that are full: {', '.join(full)}; give them more rows" if full else _REORDER
    what = LIST.join([f"{len(blocked)} streams wait for each other:", *lines])
    findings.add("deadlock", what, f"the token game over {INPUTS} inputs", todo)


def new_game(wiring: Wiring, events: Sequence[Sequence[Event]], fifo_depth: int, inputs: int) -> TokenGame:
    """The game of the wiring's players before its first move. events: as above."""
    rings = [TokenRing(ring.tickets, ring.capacity, ring.ports, ring.producers) for ring in wiring.rings.values()]
    streams = [*events, *(_feed_events(feed, wiring) for feed in wiring.feeds)]
    return TokenGame(streams, rings, [fifo_depth] * len(wiring.fifo_numbers), inputs)


def _feed_events(feed: Feed, wiring: Wiring) -> list[Event]:
    """The host as a stream: slot by slot."""
    key = feed.ref.tile, feed.ref.ring
    port = 0 if feed.fills else feed.ref.port
    kinds = (SPACE, SIGNAL) if feed.fills else (WAIT, RELEASE)
    return [
        Event(kind, wiring.ring_numbers[key], port, ticket + 1)
        for ticket in range(wiring.rings[key].tickets)
        for kind in kinds
    ]


class _Things:
    """Words for what blocked streams wait for."""

    def __init__(self, wiring: Wiring, game: TokenGame) -> None:
        self.wiring = wiring
        self.game = game
        self.rings, self.fifos = list(wiring.ring_numbers), list(wiring.fifo_numbers)

    def describe(self, player: Stream | Feed, stop: Blocked, findings: Findings) -> str:
        """One blocked stream in a line."""
        event = stop.event
        if isinstance(player, Stream):
            spot = player.spot(event.mark)
            where = f"{player}, line {findings.line(spot)}, `{findings.text(spot)}`"
        else:
            where = f"{player}, {NAMES[event.kind]}"
        return f"{where} in input {stop.image}: {self._reason(event, stop.image)}"

    def _reason(self, event: Event, image: int) -> str:
        if event.kind in (SEND, RECEIVE):
            tile, fifo = self.fifos[event.thing]
            return f"FIFO {fifo} of tile {tile} is {'full' if event.kind == SEND else 'empty'}"
        key = self.rings[event.thing]
        ring = self.wiring.rings[key]
        if event.kind == WAIT:
            reached, others = self.game.produced[event.thing], self.wiring.producers[key]
            done = "signalled"
        else:
            assert event.kind == SPACE, f"a stream cannot be blocked by a {NAMES[event.kind]}"
            released = self.game.released[event.thing]
            port = released.index(min(released))
            reached, others = min(released) + ring.capacity, self.wiring.owners[key, port]
            below = min(released) - image * ring.tickets
            done = f"free, with {ring.capacity} slots and port {port} released to {below}"
        have = reached - image * ring.tickets
        return f"needs slot {event.ticket} of ring {ring.name}, {have} are {done} by {', '.join(others)}"
