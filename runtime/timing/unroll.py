"""From a stream of instructions to the operations of the timing engine: loops that synchronise are unrolled.

Streams that differ only in the rings and FIFOs that they name are unrolled once: a large network is mostly the same few
streams over and over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cimc.base.tokens import SIGNAL
from cimc.isa.effects import Token, event_of, message_of, orders, token_of
from cimc.isa.tree import Leaf, Loop, Node, build_tree, steers_loop
from cimc.runtime.timing.operations import TICKETS, WORK, Costed, Lists, Op, Work


@dataclass(slots=True)
class Named:
    """What a stream names, in the order of its first use: rings with their tickets, FIFOs as (tile, number)."""

    rings: dict[str, int] = field(default_factory=dict)
    fifos: dict[tuple[int, int], int] = field(default_factory=dict)
    tickets: list[int] = field(default_factory=list)
    signals: list[str] = field(default_factory=list)

    def ring(self, token: Token, tickets: int) -> int:
        """The place of the ring of a token."""
        if token.ring not in self.rings:
            self.rings[token.ring] = len(self.rings)
            self.tickets.append(tickets)
        if token.kind == SIGNAL and token.ring not in self.signals:
            self.signals.append(token.ring)
        return self.rings[token.ring]


class Unroller:
    """Unrolls streams. grain: iterations of a loop without synchronisation that are one piece of work; origins: whether
    operations keep where they come from."""

    def __init__(self, grain: int, origins: bool) -> None:
        self.grain, self.origins = grain, origins
        self._known: dict[tuple[object, ...], Lists[Op]] = {}

    def lists(self, costed: Costed) -> tuple[Lists[Op], Named]:
        """The operations of a stream, and what they name."""
        named = Named()
        key = self._key(costed, named)
        if key not in self._known:
            self._known[key] = _Builder(costed, named, self).lists()
        return self._known[key], named

    def _key(self, costed: Costed, named: Named) -> tuple[object, ...]:
        """Everything that the operations follow from, names apart; these go into `named`."""
        rings = {ring.name: ring for ring in costed.tile.rings}
        parts: list[object] = []
        for instruction, cost in zip(costed.code.stream, costed.costs, strict=True):
            event = event_of(instruction)
            parts.append((event, cost.fetch, cost.own, cost.memory))
            if self.origins:
                parts.append(instruction.origin)
            if event is None:
                if steers_loop(instruction):
                    parts.append(instruction.operands)
            elif (message := message_of(instruction, costed.tile.number)) is not None:
                parts += named.fifos.setdefault(message.fifo, len(named.fifos)), message.window.words
            elif (token := token_of(instruction)) is not None:
                tickets = rings[token.ring].tickets
                parts += named.ring(token, tickets), tickets, token.port, token.ticket.constant, token.ticket.terms
        return tuple(parts)


class _Builder:
    """Writes a stream's operations; loops with synchronisation inside are unrolled."""

    def __init__(self, costed: Costed, named: Named, unroller: Unroller) -> None:
        self.costed, self.named = costed, named
        self.grain, self.origins = unroller.grain, unroller.origins
        self.counters: dict[str, int] = {}
        self._ops: dict[Op, int] = {}
        self._places: list[int] = []
        self._tickets: list[int] = []
        self._work = Work()

    def lists(self) -> Lists[Op]:
        """All of them."""
        for node in build_tree(self.costed.code.stream):
            if isinstance(node, Loop) and node.count < 0:
                self._plain(node.index)
                setup = self.taken(node.index)
                self.nodes(node.body)
                self._plain(node.index)
                each = self.taken(node.index)
                return Lists(list(self._ops), setup, each)
            self.nodes((node,))
        return Lists(list(self._ops), self.taken(0), ((), ()))

    def taken(self, index: int) -> tuple[Sequence[int], Sequence[int]]:
        """Places and tickets of the operations so far, which are then forgotten."""
        self._flush(self._origin(index))
        limits = [self.named.tickets[op.thing] if op.kind in TICKETS else 0 for op in self._ops]
        tickets = [
            0 if ticket < 0 else min(ticket, limits[place])
            for place, ticket in zip(self._places, self._tickets, strict=True)
        ]
        taken = self._places, tickets
        self._places, self._tickets = [], []
        return taken

    def nodes(self, nodes: Sequence[Node]) -> None:
        """Nodes in order."""
        for node in nodes:
            if isinstance(node, Leaf):
                self._leaf(node)
                continue
            self._plain(node.index)
            (self._unroll if orders(node) else self._inner)(node)

    def _unroll(self, loop: Loop) -> None:
        """A loop with synchronisation. An iteration follows from the work left before it and the counter. So where two
        of them did the same after the same work, the others do too, and their tickets, which are clamped in the end,
        rise by the same each time."""
        done: list[tuple[int, Work]] = []
        for number in range(loop.count):
            done.append((len(self._places), replace(self._work)))
            if number > 2 and done[-1][1] == done[-2][1] == done[-3][1]:
                first, second, end = (start for start, _ in done[-3:])
                if self._places[first:second] == self._places[second:end]:
                    self._repeat(first, second, loop.count - number)
                    return
            self.counters[loop.counter] = number
            self.nodes(loop.body)
            self._plain(loop.index)

    def _repeat(self, first: int, second: int, times: int) -> None:
        """What follows two iterations that did the same: so many more of them."""
        places, tickets = self._places[second:], self._tickets[second:]
        rises = [ticket - before for before, ticket in zip(self._tickets[first:second], tickets, strict=True)]
        for _ in range(times):
            tickets = [ticket + rise for ticket, rise in zip(tickets, rises, strict=True)]
            self._places += places
            self._tickets += tickets

    def _plain(self, index: int) -> None:
        """An instruction that orders nothing; a loop's end takes what the loop does, a fetch."""
        cost = self.costed.costs[index]
        self._work.add(cost.fetch, cost.own, cost.memory)

    def _put(self, op: Op, ticket: int = 0) -> None:
        self._places.append(self._ops.setdefault(op, len(self._ops)))
        self._tickets.append(ticket)

    def _inner(self, loop: Loop) -> None:
        """A loop without synchronisation."""
        body = self._summary(loop)
        if not body.hold:
            self._work.join(body, loop.count)
            return
        origin = self._origin(loop.index)
        if self._work.hold:
            self._flush(origin)
        before, self._work = self._work.lead, Work()
        grain = min(self.grain, loop.count)
        for size, times in ((grain, loop.count // grain), (loop.count % grain, 1)):
            if size:
                part = Work()
                part.join(body, size)
                self._put(
                    Op(WORK, origin, before + part.lead, hold=part.hold, after=part.after, times=times, gap=part.lead)
                )
                before = 0.0

    def _summary(self, loop: Loop) -> Work:
        """One iteration of a loop without synchronisation, its end included."""
        work, costs = Work(), self.costed.costs
        for node in loop.body:
            cost = costs[node.index]
            work.add(cost.fetch, cost.own, cost.memory)
            if isinstance(node, Loop):
                work.join(self._summary(node), node.count)
        work.add(costs[loop.index].fetch, 0.0, 0.0)
        return work

    def _leaf(self, leaf: Leaf) -> None:
        instruction = leaf.instruction
        if event_of(instruction) is None:
            self._plain(leaf.index)
            return
        token, message = token_of(instruction), message_of(instruction, self.costed.tile.number)
        cost = self.costed.costs[leaf.index]
        origin = instruction.origin if self.origins else -1
        if self._work.hold:
            self._flush(origin)
        lead, self._work = self._work.lead + cost.fetch, Work()
        if message is not None:
            place, words = self.named.fifos[message.fifo], message.window.words
            self._put(Op(message.kind, origin, lead, place, words, cost.memory, cost.own))
        elif token is not None:
            ticket = token.ticket
            number = ticket.constant + sum(self.counters[name] * factor for name, factor in ticket.terms)
            self._put(Op(token.kind, origin, lead, self.named.rings[token.ring], token.port), number)

    def _flush(self, origin: int) -> None:
        """Make an operation of the work so far."""
        work, self._work = self._work, Work()
        if work.lead or work.hold:
            self._put(Op(WORK, origin, work.lead, hold=work.hold, after=work.after))

    def _origin(self, index: int) -> int:
        return self.costed.code.stream[index].origin if self.origins and self.costed.code.stream else -1
