"""A stream of instructions as a coroutine.

Loops without synchronisation inside run as plain loops over functions; only loops with synchronisation are
coroutines, which stop at an instruction that has to wait and try it again when they are resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from cimc.base.tokens import RELEASE, SEND, SIGNAL, WAIT
from cimc.isa.effects import message_of, token_of
from cimc.isa.program import ChannelCode, CoreCode, Instruction
from cimc.isa.table import FORM
from cimc.isa.tree import Leaf, Loop, Node, build_tree, ends_stream, nesting
from cimc.runtime.affine import IMAGE, Counters, compile_affine
from cimc.runtime.machine import Machine, Thing, TileState
from cimc.runtime.probe import Probe
from cimc.runtime.run_queue import Running
from cimc.runtime.sites import Site
from cimc.runtime.tickets import compile_release, compile_signal, compile_ticket, compile_until
from cimc.runtime.transfers import Step, Wake, compile_receive, compile_send
from cimc.runtime.windows import compile_window

Handler = Callable[[int, Instruction, dict[str, int]], Callable[[], None]]
"""Makes the function of an instruction of a core: its index, itself, the places of the counters."""

Result = TypeVar("Result")

_PLAIN, _STOPS, _NESTED = range(3)
_Part = tuple[int, Callable[[], object]]


@dataclass(frozen=True, slots=True)
class StreamMaker:
    """Makes streams of one tile. images: inputs of the run; interruptible: streams pause at every synchronisation;
    probe: where the run is to stop."""

    machine: Machine
    tile: int
    tile_state: TileState
    images: int
    wake: Wake
    interruptible: bool
    probe: Probe | None = None

    def make(self, unit: str, code: CoreCode | ChannelCode, counters: Counters, handler: Handler) -> Running:
        """The stream of a core or a channel. counters: as many as loops can be nested, all 0."""
        body = _Body(self, unit, code.number, counters, handler)
        return _run(body.parts(build_tree(code.stream), {}))


def count_depth(stream: Sequence[Instruction]) -> int:
    """How deep loops are nested."""
    return max((len(around) for _, around in nesting(stream)), default=0)


class _Body:
    """Turns the nodes of a stream into parts: (kind, function)."""

    def __init__(self, maker: StreamMaker, unit: str, number: int, counters: Counters, handler: Handler) -> None:
        self.maker, self.unit, self.number = maker, unit, number
        self.counters, self.handler = counters, handler

    def parts(self, nodes: Sequence[Node], slots: dict[str, int]) -> list[_Part]:
        """The parts of a body, in order. slots: places of the counters of the loops around it."""
        parts: list[_Part] = []
        for node in nodes:
            if isinstance(node, Loop):
                parts.append(self._loop(node, slots))
            elif not ends_stream(node.instruction):
                parts.append(self._leaf(node, slots))
        return parts

    def _loop(self, loop: Loop, slots: dict[str, int]) -> _Part:
        endless = loop.count < 0
        slot = IMAGE if endless else 1 + len(slots)
        count = self.maker.images if endless else loop.count
        inner = self.parts(loop.body, {**slots, loop.counter: slot})
        counters = self.counters
        if all(kind == _PLAIN for kind, _ in inner):
            return _PLAIN, _plain_loop(count, slot, counters, [function for _, function in inner])

        def run() -> Running:
            for number in range(count):
                counters[slot] = number
                yield from _run(inner)

        return _NESTED, run

    def _leaf(self, leaf: Leaf, slots: dict[str, int]) -> _Part:
        instruction = leaf.instruction
        if FORM[instruction.mnemonic].place == "core":
            return _PLAIN, self._probed(leaf, self.handler(leaf.index, instruction, slots))
        step = self._probed(leaf, self._step(leaf, slots))
        if not self.maker.interruptible:
            return _STOPS, step

        def pause() -> Running:
            while (site := step()) is not None:
                yield site
            yield None

        return _NESTED, pause

    def _probed(self, leaf: Leaf, function: Callable[[], Result]) -> Callable[[], Result]:
        probe = self.maker.probe
        if probe is None:
            return function
        spot = self.maker.tile, self.unit, self.number, leaf.index
        return probe.watched(spot, function, self.maker.machine, self.counters)

    def _step(self, leaf: Leaf, slots: dict[str, int]) -> Step:
        instruction, maker, wake = leaf.instruction, self.maker, self.maker.wake
        message = message_of(instruction, maker.tile)
        if message is not None:
            ring = maker.tile_state.rings[message.window.ring]
            window = compile_window(ring, message.window, self.counters, slots)
            fifo = maker.machine.fifo(*message.fifo)
            compile_message = compile_send if message.kind == SEND else compile_receive
            return compile_message(window, fifo, wake, self._site(leaf, fifo))
        token = token_of(instruction)
        assert token is not None, f"{instruction.mnemonic} has no meaning"
        ring = maker.tile_state.rings[token.ring]
        number = compile_affine(token.ticket, self.counters, slots)
        ticket = compile_ticket(number, ring.ring.tickets, self.counters)
        if token.kind == RELEASE:
            return compile_release(ring, token.port, ticket, wake)
        if token.kind == SIGNAL:
            return compile_signal(ring, ring.producer(self.unit, self.number), ticket, wake)
        reached = ring.ready if token.kind == WAIT else ring.limit
        return compile_until(reached, ticket, self._site(leaf, ring))

    def _site(self, leaf: Leaf, thing: Thing) -> Site:
        kind = leaf.instruction.mnemonic
        return Site(self.maker.tile, self.unit, self.number, leaf.index, kind, thing, self.counters)


def _plain_loop(count: int, slot: int, counters: Counters, body: Sequence[Callable[[], object]]) -> Callable[[], None]:
    def run() -> None:
        for counters[slot] in range(count):
            for function in body:
                function()

    return run


def _run(parts: Sequence[_Part]) -> Generator[Site | None, None, None]:
    """Run parts in order, stopping where one has to wait."""
    for kind, function in parts:
        if kind == _PLAIN:
            function()
        elif kind == _STOPS:
            while (site := cast(Step, function)()) is not None:
                yield site
        else:
            yield from cast(Callable[[], Running], function)()
