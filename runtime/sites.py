"""Where a stream stops: places where it may have to wait, what is said when it never goes on, and a probe, at which a
run is to stop so that one can look at the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cimc.isa.program import Instruction, Program, streams_of
from cimc.isa.text.printer import Spot, line_of, print_instruction
from cimc.isa.tree import nesting
from cimc.runtime.machine import IMAGE, Counters, FifoState, Machine, RingState, Thing

Result = TypeVar("Result")


@dataclass(slots=True)
class Site:
    """An instruction that may have to wait, or a step of the host (index -1, kind "wait" or "space").

    unit: "core", "channel" or, for the host, the plug in words. wanted: the ticket it last waited for, counted over
    all inputs. counters: of its stream.
    """

    tile: int
    unit: str
    number: int
    index: int
    kind: str
    thing: Thing
    counters: Counters
    wanted: int = 0


@dataclass(frozen=True, slots=True)
class BlockedStream:
    """A stream that could not go on.

    unit: "core", "channel", or for the host 'input "x"'; number: of the core or channel (host: -1); index: the
    instruction (host: -1); line: of it in the printed program (host: 0); image: the input that the stream was at;
    thing: the ring or FIFO; wanted, reached: tickets within that input (for FIFOs: messages, and how many it holds).
    """

    tile: int
    unit: str
    number: int
    index: int
    line: int
    text: str
    image: int
    kind: str
    thing: str
    wanted: int
    reached: int

    def __str__(self) -> str:
        if self.index < 0:
            where = f"host, {self.unit}, {self.kind}"
        else:
            where = f"tile {self.tile} {self.unit} {self.number}, line {self.line}, `{self.text}`"
        if self.kind in ("send", "receive"):
            reason = f"{self.thing} is {'full' if self.kind == 'send' else 'empty'}"
        else:
            done = "signalled" if self.kind == "wait" else "free"
            reason = f"needs slots below {self.wanted} of {self.thing}, those below {self.reached} are {done}"
        return f"{where} in input {self.image}: {reason}"


class Deadlock(Exception):
    """The streams of a program wait for each other for ever. blocked: each of them with what it waits for."""

    def __init__(self, program: str, blocked: Sequence[BlockedStream]) -> None:
        self.program = program
        self.blocked = tuple(blocked)
        lines = "\n  ".join(map(str, self.blocked))
        super().__init__(f'deadlock in program "{program}": {len(self.blocked)} streams wait\n  {lines}')


def deadlock(program: Program, sites: Sequence[Site]) -> Deadlock:
    """The exception for streams that stopped at these sites."""
    lines, streams = line_of(program), streams_of(program)

    def blocked(site: Site) -> BlockedStream:
        stream, image, thing = (site.tile, site.unit, site.number), site.counters[IMAGE], site.thing
        line, text = 0, ""
        if site.index >= 0:
            line = lines[*stream, site.index]
            text = " ".join(print_instruction(streams[stream][site.index]).split())
        if isinstance(thing, FifoState):
            name, reached = f"FIFO {thing.name} of tile {thing.tile}", len(thing.queue)
            wanted = reached + 1 if site.kind == "send" else 1
        else:
            assert isinstance(thing, RingState), f"a stream waits for {thing}"
            name, before = f"ring {thing.name} of tile {thing.tile}", image * thing.ring.tickets
            reached = (thing.produced if site.kind == "wait" else thing.limit()) - before
            wanted = site.wanted - before
        return BlockedStream(*stream, site.index, line, text, image, site.kind, name, wanted, reached)

    return Deadlock(program.name, [blocked(site) for site in sites])


class Stopped(Exception):
    """A run has come to its probe. machine: as it stands before the instruction; counters: of the stream's loops."""

    def __init__(self, machine: Machine, counters: tuple[int, ...]) -> None:
        super().__init__("stopped by a probe")
        self.machine = machine
        self.counters = counters


@dataclass(frozen=True, slots=True)
class Probe:
    """Stop before the instruction at `spot` is executed for the count-th time. Waiting is no new time."""

    spot: Spot
    count: int = 1

    def watched(
        self, spot: Spot, function: Callable[[], Result], machine: Machine, counters: Counters
    ) -> Callable[[], Result]:
        """The function of the instruction at `spot`; where the probe stands, one that raises Stopped in time. A
        result that is not None says that the instruction waits and is tried again."""
        if spot != self.spot:
            return function
        times, waits = 0, False

        def probed() -> Result:
            nonlocal times, waits
            if not waits:
                times += 1
                if times == self.count:
                    raise Stopped(machine, tuple(counters))
            result = function()
            waits = result is not None
            return result

        return probed


def loop_slots(stream: tuple[Instruction, ...], index: int) -> Mapping[str, int]:
    """The loops around an instruction, outermost first: the place of each one's counter (cimc.runtime.coroutines)."""
    for place, (_, around) in enumerate(nesting(stream)):
        if place == index:
            return {name: IMAGE if count == -1 else 1 + depth for depth, (name, count) in enumerate(around)}
    return {}
