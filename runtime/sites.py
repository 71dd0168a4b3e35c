"""Places where a stream may have to stop, and what is said when it never goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cimc.isa.program import Program, streams_of
from cimc.isa.text.printer import line_of, print_instruction
from cimc.runtime.machine import IMAGE, Counters, FifoState, RingState, Thing


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
    lines = line_of(program)
    streams = streams_of(program)
    blocked = []
    for site in sites:
        image = site.counters[IMAGE]
        text, line = "", 0
        if site.index >= 0:
            text = " ".join(print_instruction(streams[site.tile, site.unit, site.number][site.index]).split())
            line = lines.get((site.tile, site.unit, site.number, site.index), 0)
        wanted, reached, thing = _state(site, image)
        blocked.append(
            BlockedStream(
                site.tile, site.unit, site.number, site.index, line, text, image, site.kind, thing, wanted, reached
            )
        )
    return Deadlock(program.name, blocked)


def _state(site: Site, image: int) -> tuple[int, int, str]:
    """Ticket wanted and reached within the input, and the thing in words."""
    thing = site.thing
    if isinstance(thing, FifoState):
        held = len(thing.queue)
        return (held + 1 if site.kind == "send" else 1), held, f"FIFO {thing.name} of tile {thing.tile}"
    assert isinstance(thing, RingState), f"a stream waits for {thing}"
    before = image * thing.ring.tickets
    reached = thing.produced if site.kind == "wait" else thing.limit()
    return site.wanted - before, reached - before, f"ring {thing.name} of tile {thing.tile}"
