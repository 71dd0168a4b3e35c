"""Streams as short lists of operations for the timing engine: work between synchronisations, and the synchronisations.

A loop without synchronisation is not run instruction by instruction: one iteration (or several, in a large program) is
one piece of work. A piece computes for a while, claims its tile's memory once, for as long as its loads, stores and
multipliers take together, and works on; its other instructions overlap with nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from cimc.isa.actions import Setting
from cimc.isa.costs import Cost, PriceList
from cimc.isa.operands import Affine, Name, Port, Window
from cimc.isa.program import ChannelCode, CoreCode, Instruction, TileCode
from cimc.isa.tree import Leaf, Loop, Node, build_tree, leaves

WORK, WAIT, SPACE, RELEASE, SIGNAL, SEND, RECEIVE, FREE = range(8)
KINDS: Mapping[str, int] = {
    "wait": WAIT, "space": SPACE, "release": RELEASE, "signal": SIGNAL, "send": SEND, "receive": RECEIVE,
}  # fmt: skip
"""Instructions that order streams."""


@dataclass(slots=True)
class Op:
    """One operation of a stream.

    kind: WORK and so on. origin: index of the program's strings. lead: s from the end of the one before until it asks
    for anything. thing: index of a shared unit (WORK), ring or FIFO. number: port (WAIT, RELEASE), which of the ring's
    producers (SIGNAL), or the shared unit that is the tile's memory (SEND, RECEIVE). ticket: within the input. hold: s
    for which it keeps the shared unit to itself. after: s from its grant to its end. times, gap: WORK is done so many
    times, its lead after the first being `gap`. route: of a SEND, (shared unit, s until the head is past it, s that the
    message keeps it) in order.
    """

    kind: int
    origin: int
    lead: float
    thing: int = -1
    number: int = 0
    ticket: int = 0
    hold: float = 0.0
    after: float = 0.0
    times: int = 1
    gap: float = 0.0
    route: tuple[tuple[int, float, float], ...] = ()


@dataclass(slots=True)
class Work:
    """Work that is not yet an operation: s before the memory is wanted, s of memory, s from its grant to the end."""

    lead: float = 0.0
    hold: float = 0.0
    after: float = 0.0

    def add(self, fetch: float, own: float, memory: float) -> None:
        """An instruction more."""
        if self.hold:
            self.hold += memory
            self.after += fetch + own
        elif memory:
            self.lead += fetch
            self.hold, self.after = memory, own
        else:
            self.lead += fetch + own

    def join(self, other: Work, times: int) -> None:
        """So many times the work of a loop's body more."""
        if not other.hold or self.hold:
            self.add(0.0, times * (other.lead + other.after), times * other.hold)
        else:
            self.lead += other.lead
            self.hold, self.after = times * other.hold, times * (other.lead + other.after) - other.lead


@dataclass(slots=True)
class Lists:
    """A stream's operations: before its loop over inputs, and for one input."""

    setup: list[Op] = field(default_factory=list)
    each: list[Op] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Costed:
    """A stream's instructions with their costs, by index."""

    tile: TileCode
    code: CoreCode | ChannelCode
    costs: Sequence[Cost]

    @property
    def unit(self) -> str:
        """ "core" or "channel"."""
        return "core" if isinstance(self.code, CoreCode) else "channel"

    def executions(self) -> Iterator[tuple[Instruction, Cost, int, int]]:
        """(instruction, cost, times it runs before the first input, times it runs for each)."""
        times, inside = [1], [False]
        for instruction, cost in zip(self.code.stream, self.costs, strict=True):
            around = inside[-1]
            if instruction.mnemonic == "loop":
                count = cast(int, instruction.operands[1])
                yield instruction, cost, 0 if around else times[-1], times[-1] if around else 0
                times.append(times[-1] * max(count, 1) if count >= 0 else 1)
                inside.append(around or count < 0)
            else:
                yield instruction, cost, 0 if around else times[-1], times[-1] if around else 0
                if instruction.mnemonic == "end":
                    times.pop()
                    inside.pop()


def cost_stream(tile: TileCode, code: CoreCode | ChannelCode, prices: PriceList) -> Costed:
    """The costs of a stream's instructions."""
    setting = Setting(prices.target, tile, code if isinstance(code, CoreCode) else None)
    return Costed(tile, code, [prices.cost(instruction, setting) for instruction in code.stream])


def pieces(costed: Costed) -> int:
    """Iterations of loops without synchronisation that the stream runs for an input."""

    def count(nodes: Sequence[Node], times: int) -> int:
        total = 0
        for node in nodes:
            if isinstance(node, Loop):
                inside = times * abs(node.count)
                total += count(node.body, inside) if _orders(node) else inside
        return total

    return count(build_tree(costed.code.stream), 1)


@dataclass(frozen=True, slots=True)
class Names:
    """Indices that operations use: of the tile's memory, of its rings and of FIFOs; tickets of a ring for one input;
    routes by (tile to, FIFO, words). grain: iterations that are one piece of work."""

    memory: int
    rings: Mapping[str, int]
    tickets: Mapping[str, int]
    fifos: Mapping[tuple[int, int], int]
    routes: Mapping[tuple[int, int], tuple[tuple[int, float, float], ...]]
    producers: Mapping[str, int]
    grain: int


def compile_ops(costed: Costed, names: Names) -> Lists:
    """The operations of a stream."""
    builder = _Builder(costed, names)
    for node in build_tree(costed.code.stream):
        if isinstance(node, Loop) and node.count < 0:
            builder.steer(node)
            setup = builder.taken(node.index)
            builder.nodes(node.body)
            builder.steer(node)
            return Lists(setup, builder.taken(node.index))
        builder.nodes((node,))
    return Lists(builder.taken(0), [])


def _orders(loop: Loop) -> bool:
    return any(leaf.instruction.mnemonic in KINDS for _, leaf in leaves(loop.body))


class _Builder:
    """Writes a stream's operations; loops with synchronisation inside are unrolled."""

    def __init__(self, costed: Costed, names: Names) -> None:
        self.costed, self.names = costed, names
        self.counters: dict[str, int] = {}
        self._ops: list[Op] = []
        self._work = Work()

    def taken(self, index: int) -> list[Op]:
        """The operations so far, which are then forgotten."""
        self._flush(self._origin(index))
        ops, self._ops = self._ops, []
        return ops

    def nodes(self, nodes: Sequence[Node]) -> None:
        """Nodes in order."""
        for node in nodes:
            if isinstance(node, Leaf):
                self._leaf(node)
                continue
            self.steer(node)
            if not _orders(node):
                self._inner(node)
                continue
            for number in range(node.count):
                self.counters[node.counter] = number
                self.nodes(node.body)
                self.steer(node)

    def steer(self, loop: Loop) -> None:
        """A loop, or its end: both take a fetch."""
        self._plain(loop.index)

    def _plain(self, index: int) -> None:
        cost = self.costed.costs[index]
        self._work.add(cost.fetch, cost.own, cost.memory)

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
        grain = min(self.names.grain, loop.count)
        for size, times in ((grain, loop.count // grain), (loop.count % grain, 1)):
            if size:
                part = Work()
                part.join(body, size)
                self._ops.append(
                    Op(WORK, origin, before + part.lead, self.names.memory, hold=part.hold, after=part.after,
                       times=times, gap=part.lead)
                )  # fmt: skip
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
        kind = KINDS.get(instruction.mnemonic)
        if kind is None:
            self._plain(leaf.index)
            return
        origin, cost = instruction.origin, self.costed.costs[leaf.index]
        if self._work.hold:
            self._flush(origin)
        lead, self._work = self._work.lead + cost.fetch, Work()
        if kind in (SEND, RECEIVE):
            self._transfer(kind, leaf, lead, cost)
            return
        thing, ticket = instruction.operands
        ring = thing.ring if isinstance(thing, Port) else cast(Name, thing).name
        number = thing.number if isinstance(thing, Port) else self.names.producers.get(ring, 0)
        value = cast(Affine, ticket)
        clamped = value.constant + sum(self.counters[name] * factor for name, factor in value.terms)
        clamped = min(max(clamped, 0), self.names.tickets[ring])
        self._ops.append(Op(kind, origin, lead, self.names.rings[ring], number, clamped))

    def _transfer(self, kind: int, leaf: Leaf, lead: float, cost: Cost) -> None:
        operands, origin = leaf.instruction.operands, leaf.instruction.origin
        if kind == SEND:
            tile, fifo = cast(int, operands[1]), cast(int, operands[2])
            route = self.names.routes[tile, cast(Window, operands[0]).words]
            thing = self.names.fifos[tile, fifo]
            self._ops.append(
                Op(SEND, origin, lead, thing, self.names.memory, hold=cost.memory, after=cost.own, route=route)
            )
            return
        thing = self.names.fifos[self.costed.tile.number, cast(int, operands[1])]
        self._ops.append(Op(RECEIVE, origin, lead, thing, self.names.memory, hold=cost.memory, after=cost.own))
        self._ops.append(Op(FREE, origin, 0.0, thing))

    def _flush(self, origin: int) -> None:
        """Make an operation of the work so far."""
        work, self._work = self._work, Work()
        if work.lead or work.hold:
            self._ops.append(Op(WORK, origin, work.lead, self.names.memory, hold=work.hold, after=work.after))

    def _origin(self, index: int) -> int:
        return self.costed.code.stream[index].origin if self.costed.code.stream else -1
