"""What the timing engine runs: work between synchronisations, the synchronisations, and what instructions cost.

A loop without synchronisation is not run instruction by instruction: one iteration (or several, in a large program) is
one piece of work. A piece computes for a while, claims its tile's memory once, for as long as its loads, stores and
multipliers take together, and works on; its other instructions overlap with nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from cimc.base.tokens import RELEASE, SIGNAL, SPACE, WAIT
from cimc.isa.cost.prices import Cost, PriceList
from cimc.isa.cost.products import Setting
from cimc.isa.effects import orders
from cimc.isa.program import ChannelCode, CoreCode, Instruction, TileCode
from cimc.isa.table import FORM
from cimc.isa.tree import Loop, Node, build_tree, nesting

Kind = TypeVar("Kind")

WORK = -1
"""An operation that orders nothing, beside the events of cimc.base.tokens."""
STEERING = ("control", "sync")
"""Units whose instructions cost their fetch alone, wherever they stand."""
TICKETS = (WAIT, SPACE, RELEASE, SIGNAL)
"""Operations that have a ticket."""


class Op(NamedTuple):
    """One operation of a stream.

    kind: WORK and so on. origin: number of the layer worked for, or -1. lead: s from the end of the one before until it
    asks for anything. thing: of a ring or FIFO, its place among those that the stream names; of WORK the shared unit,
    or -1 for the tile's memory. number: port (WAIT, RELEASE); words of the message (SEND). hold: s for which it keeps
    the shared unit to itself. after: s from its grant to its end. times, gap: WORK is done so many times, its lead
    after the first being `gap`.
    """

    kind: int
    origin: int
    lead: float
    thing: int = -1
    number: int = 0
    hold: float = 0.0
    after: float = 0.0
    times: int = 1
    gap: float = 0.0


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


@dataclass(frozen=True, slots=True)
class Lists(Generic[Kind]):
    """A stream's operations, or the steps that they are bound to (cimc.runtime.timing.steps): places in `ops`, with
    tickets within the input, before its loop over inputs and for one input. Most operations recur, as they stand in
    loops; streams that do alike have the same Lists."""

    ops: Sequence[Kind]
    setup: tuple[Sequence[int], Sequence[int]]
    each: tuple[Sequence[int], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Costed:
    """A stream's instructions with their costs, by index."""

    tile: TileCode
    code: CoreCode | ChannelCode
    costs: Sequence[Cost]

    def executions(self) -> Iterator[tuple[Instruction, Cost, int, int]]:
        """(instruction, cost, times it runs before the first input, times it runs for each)."""
        for (instruction, around), cost in zip(nesting(self.code.stream), self.costs, strict=True):
            times, each = 1, False
            for _, count in around:
                times, each = times * abs(count), each or count < 0
            yield instruction, cost, 0 if each else times, times if each else 0


def cost_stream(tile: TileCode, code: CoreCode | ChannelCode, prices: PriceList) -> Costed:
    """The costs of a stream's instructions."""
    setting = Setting(prices.target, tile, code if isinstance(code, CoreCode) else None)
    steers = [FORM[instruction.mnemonic].unit in STEERING for instruction in code.stream]
    fetch = prices.cost(code.stream[steers.index(True)], setting) if any(steers) else None
    costs = ((steer and fetch) or prices.cost(i, setting) for i, steer in zip(code.stream, steers, strict=True))
    return Costed(tile, code, tuple(costs))


def pieces(costed: Costed) -> int:
    """Iterations of loops without synchronisation that the stream runs for an input."""

    def count(nodes: Sequence[Node], times: int) -> int:
        total = 0
        for node in nodes:
            if isinstance(node, Loop):
                inside = times * abs(node.count)
                total += count(node.body, inside) if orders(node) else inside
        return total

    return count(build_tree(costed.code.stream), 1)
