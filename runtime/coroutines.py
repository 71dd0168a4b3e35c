"""Streams of instructions as coroutines, and a queue of those that may go on.

Loops without synchronisation inside run as plain loops over functions; only loops with synchronisation are
coroutines, which give the site where they have to wait, and try it again when they are resumed. The network of streams
is deterministic, so any order gives the same bits; a seed makes a random one to test that.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import cast

from cimc.base.tokens import RELEASE, SEND, SIGNAL, WAIT
from cimc.isa.effects import message_of, token_of
from cimc.isa.program import Instruction
from cimc.isa.table import FORM
from cimc.isa.tree import Leaf, Loop, Node, build_tree, ends_stream
from cimc.runtime.machine import IMAGE, Action, Counters, Machine, Number, RingState, Thing, compile_affine
from cimc.runtime.sites import Probe, Result, Site
from cimc.runtime.windows import Step, Wake, compile_receive, compile_send, compile_window

Handler = Callable[[int, Instruction, dict[str, int]], Action]
"""Makes the function of an instruction of a core: its index, itself, the places of the counters."""

Running = Generator[Site | None, None, None]
"""A stream under way. It gives the site where it has to wait, or None where it merely could be interrupted."""

_PLAIN, _STOPS, _NESTED = range(3)
_Part = tuple[int, Callable[[], object]]


@dataclass(frozen=True, slots=True)
class StreamMaker:
    """Makes the stream of a core or channel. counters: of as many loops as can be nested, all 0; handler: makes the
    functions of a core's instructions; images: inputs of the run; interruptible: it pauses at every synchronisation;
    probe: where the run is to stop."""

    machine: Machine
    tile: int
    unit: str
    number: int
    counters: Counters
    handler: Handler
    images: int
    wake: Wake
    interruptible: bool
    probe: Probe | None = None

    def make(self, stream: Sequence[Instruction]) -> Running:
        """The stream, ready to begin."""
        return _run(self._parts(build_tree(stream), {}))

    def _parts(self, nodes: Sequence[Node], slots: dict[str, int]) -> list[_Part]:
        """The parts of a body, in order. slots: places of the counters of the loops around it."""
        return [
            self._loop(node, slots) if isinstance(node, Loop) else self._leaf(node, slots)
            for node in nodes
            if isinstance(node, Loop) or not ends_stream(node.instruction)
        ]

    def _loop(self, loop: Loop, slots: dict[str, int]) -> _Part:
        endless = loop.count < 0
        slot = IMAGE if endless else 1 + len(slots)
        count = self.images if endless else loop.count
        inner = self._parts(loop.body, {**slots, loop.counter: slot})
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
        if not self.interruptible:
            return _STOPS, step

        def pause() -> Running:
            while (site := step()) is not None:
                yield site
            yield None

        return _NESTED, pause

    def _probed(self, leaf: Leaf, function: Callable[[], Result]) -> Callable[[], Result]:
        if self.probe is None:
            return function
        spot = self.tile, self.unit, self.number, leaf.index
        return self.probe.watched(spot, function, self.machine, self.counters)

    def _step(self, leaf: Leaf, slots: dict[str, int]) -> Step:
        instruction, counters = leaf.instruction, self.counters
        rings = self.machine.tiles[self.tile].rings
        message, token = message_of(instruction, self.tile), token_of(instruction)

        def site(thing: Thing) -> Site:
            return Site(self.tile, self.unit, self.number, leaf.index, instruction.mnemonic, thing, counters)

        if message is not None:
            window = compile_window(rings[message.window.ring], message.window, counters, slots)
            fifo = self.machine.fifo(*message.fifo)
            compile_message = compile_send if message.kind == SEND else compile_receive
            return compile_message(window, fifo, self.wake, site(fifo))
        assert token is not None, f"{instruction.mnemonic} has no meaning"
        ring = rings[token.ring]
        ticket = compile_ticket(compile_affine(token.ticket, counters, slots), ring.ring.tickets, counters)
        if token.kind == RELEASE:
            return compile_release(ring, token.port, ticket, self.wake)
        if token.kind == SIGNAL:
            return compile_signal(ring, ring.producer(self.unit, self.number), ticket, self.wake)
        return compile_until(ring.ready if token.kind == WAIT else ring.limit, ticket, site(ring))


def _plain_loop(count: int, slot: int, counters: Counters, body: Sequence[Callable[[], object]]) -> Action:
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


def compile_ticket(value: Number, tickets: int, counters: Counters) -> Number:
    """A ticket counted over all inputs: clamped to one input's, behind those of the inputs before."""

    def ticket() -> int:
        number = value()
        if number < 0:
            number = 0
        elif number > tickets:
            number = tickets
        return counters[IMAGE] * tickets + number

    return ticket


def compile_until(reached: Number, ticket: Number, site: Site) -> Step:
    """Until the number that is reached is as large as the ticket."""

    def wait() -> Site | None:
        wanted = ticket()
        if reached() >= wanted:
            return None
        site.wanted = wanted
        return site

    return wait


def compile_release(ring: RingState, port: int, ticket: Number, wake: Wake) -> Step:
    """The slots below the ticket are no longer needed behind a port."""

    def release() -> Site | None:
        given = ticket()
        if given > ring.released[port]:
            ring.released[port] = given
            ring.free = min(ring.released)
            if ring.sleepers:
                wake(ring)
        return None

    return release


def compile_signal(ring: RingState, producer: int, ticket: Number, wake: Wake) -> Step:
    """A producer's slots below the ticket are ready; slots are, when all producers say so."""
    signalled = ring.signalled

    def signal() -> Site | None:
        given = ticket()
        if given > signalled[producer]:
            signalled[producer] = given
            produced = min(signalled)
            if produced > ring.produced:
                ring.produced = produced
                if ring.sleepers:
                    wake(ring)
        return None

    return signal


_LONGEST_TURN = 8


class RunQueue:
    """Runs streams until each has come to its end or none can go on."""

    def __init__(self) -> None:
        self._ready: deque[int] = deque()

    def wake(self, thing: Thing) -> None:
        """A ring or FIFO has changed: whoever waits for it looks again."""
        self._ready.extend(thing.sleepers)
        thing.sleepers.clear()

    def run(self, streams: Sequence[Running], seed: int | None = None) -> list[Site]:
        """Run all; gives the sites where streams stand for ever, none if all ended. seed: a random order, for which
        the streams must have been made interruptible."""
        stopped: dict[int, Site] = {}
        self._ready.extend(range(len(streams)))
        dice = None if seed is None else random.Random(seed)
        while self._ready:
            if dice is not None:
                self._ready.rotate(dice.randrange(len(self._ready)))
            number = self._ready.popleft()
            stopped.pop(number, None)
            turns = dice.randint(1, _LONGEST_TURN) if dice is not None else 0
            for site in streams[number]:
                if site is not None:
                    stopped[number] = site
                    site.thing.sleepers.append(number)
                    break
                turns -= 1
                if turns == 0:
                    self._ready.append(number)
                    break
        return [stopped[number] for number in sorted(stopped)]
