"""The local discipline: every access is covered by the stream's own last wait or space and not yet released.

A stream is walked through one input, step by step: waits and tickets, transfers, and accesses to rings. Loops with
synchronisation or transfers inside are unrolled, all others are taken at once (cimc.isa.verify.reach). The walk also
gives the stream's events for the token game and its messages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cimc.base.tokens import RELEASE, SIGNAL, SPACE, WAIT, Event
from cimc.isa.effects import Message, Token, access_of, event_of, message_of, orders, token_of
from cimc.isa.program import Ring
from cimc.isa.tree import Loop, Node, build_tree, leaves
from cimc.isa.verify.findings import Findings
from cimc.isa.verify.reach import Reach
from cimc.isa.verify.wiring import FifoKey, RingKey, Stream

LONGEST_WALK = 250_000
"""Events and accesses of one stream and input beyond which a program is refused."""


class Reached(NamedTuple):
    """What a load, store, send or receive reaches while its inner loops run."""

    ring: Ring
    rows: Reach
    columns: Reach
    writes: bool


@dataclass(frozen=True, slots=True)
class Unrolled:
    """A loop that is walked iteration by iteration."""

    counter: str
    count: int
    body: tuple[Step, ...]


Step = tuple[int, Reached | Token | Message | Unrolled]
"""What happens, behind the index of its instruction."""


@dataclass(slots=True)
class Named:
    """Rings and FIFOs that a stream names, each with its place in `things`: indices of them in the token game.

    producers: by place, which of a ring's producers the stream is.
    """

    rings: dict[str, int] = field(default_factory=dict)
    fifos: dict[FifoKey, int] = field(default_factory=dict)
    things: list[int] = field(default_factory=list)
    producers: list[int] = field(default_factory=list)

    def add(self, thing: int, producer: int = 0) -> int:
        """The place of a thing that is named for the first time."""
        self.things.append(thing)
        self.producers.append(producer)
        return len(self.things) - 1


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk gives. events: of one input. messages: words of each message, in order, by FIFO. From `walk` rings
    and FIFOs are places in Named.things.

    complete: whether the walk came to its end.
    """

    events: Sequence[Event]
    messages: Mapping[Any, Sequence[int]]
    complete: bool


class TooLong(Exception):
    """A walk of more than LONGEST_WALK steps."""


def walk(stream: Stream, rings: Mapping[RingKey, Ring], named: Named, findings: Findings) -> Walk:
    """Walk a stream through one input; complain about accesses that are not covered and tickets never reached."""
    before = len(findings)
    body = _body_of(stream, findings)
    complete = len(findings) == before
    walker = _Walker(stream, rings, named, findings)
    if body is not None:
        try:
            walker.run(_prepare(stream, body, rings, {}))
        except TooLong:
            complete = False
            what = f"more than {LONGEST_WALK} waits, transfers and accesses an input"
            findings.add("too-long", what, str(stream), "synchronise less often, by rows instead of pixels")
        else:
            walker.check_ends()
    return Walk(walker.events, walker.messages, complete)


class _Walker:
    """The state of a walk: how far the stream has waited, released, got space and signalled, by ring and port."""

    def __init__(self, stream: Stream, rings: Mapping[RingKey, Ring], named: Named, findings: Findings) -> None:
        self.stream = stream
        self.rings = rings
        self.named = named
        self.findings = findings
        self.tickets = {name: rings[stream.tile, name].tickets for name in named.rings}
        self.events: list[Event] = []
        self.messages: dict[int, list[int]] = defaultdict(list)
        self.counters: dict[str, int] = {}
        self.steps = 0
        self.reached: dict[tuple[int, str, int], int] = {}
        self.ports: dict[str, list[int]] = {}
        self.produces: set[str] = set()
        self.last: dict[tuple[int, str, int], int] = {}
        for index, instruction in enumerate(stream.instructions):
            token = token_of(instruction)
            if token is None:
                continue
            self.last[token[:3]] = index
            if token.kind in (SPACE, SIGNAL):
                self.produces.add(token.ring)
            elif token.port not in self.ports.setdefault(token.ring, []):
                self.ports[token.ring].append(token.port)

    def run(self, steps: Sequence[Step]) -> None:
        """Take the steps in order."""
        for index, step in steps:
            self.steps += 1
            if self.steps > LONGEST_WALK:
                raise TooLong
            if isinstance(step, Unrolled):
                for number in range(step.count):
                    self.counters[step.counter] = number
                    self.run(step.body)
            elif isinstance(step, Reached):
                self.access(index, step)
            elif isinstance(step, Token):
                self.synchronise(index, step)
            else:
                fifo = self.named.fifos[step.fifo]
                self.messages[fifo].append(step.window.words)
                self.events.append(Event(step.kind, fifo, mark=index))

    def synchronise(self, index: int, token: Token) -> None:
        """A wait, space, release or signal."""
        kind, ring, port, affine = token
        ticket, key = affine.constant, (kind, ring, port)
        for name, coefficient in affine.terms:
            ticket += coefficient * self.counters[name]
        ticket = 0 if ticket < 0 else min(ticket, self.tickets[ring])
        if ticket > self.reached.get(key, 0):
            self.reached[key] = ticket
        self.events.append(Event(kind, self.named.rings[ring], port, ticket, index))

    def access(self, index: int, access: Reached) -> None:
        """A load, store, send or receive: its tickets must be covered."""
        span = _span(access, self.counters)
        if span is None:
            return
        low, high = span
        ring = access.ring.name
        if ring in self.produces and self.at(SPACE, ring) >= high and self.at(SIGNAL, ring) <= low:
            return
        if not access.writes:
            for port in self.ports.get(ring, ()):
                if self.at(WAIT, ring, port) >= high and self.at(RELEASE, ring, port) <= low:
                    return
        self.complain(index, access, low, high)

    def at(self, kind: int, ring: str, port: int = 0) -> int:
        """The ticket that the stream has come to."""
        return self.reached.get((kind, ring, port), 0)

    def complain(self, index: int, access: Reached, low: int, high: int) -> None:
        """An access that is not covered: say by how much."""
        ring = access.ring.name
        span = f"slots {low} to {high - 1} of ring {ring} are {'written' if access.writes else 'read'} here"
        counters = ", ".join(f"{name} = {number}" for name, number in self.counters.items())
        when = f" ({counters})" if counters else ""
        if access.writes or ring in self.produces:
            had = f"the stream has space below {self.at(SPACE, ring)} and has signalled below {self.at(SIGNAL, ring)}"
            todo = f"put `space {ring}, ...` before it and `signal {ring}, ...` after it"
        elif ring in self.ports:
            had = " and ".join(
                f"the stream has waited for {self.at(WAIT, ring, port)} and released below "
                f"{self.at(RELEASE, ring, port)} at port {port}"
                for port in self.ports[ring]
            )
            todo = f"put `wait {ring}.{self.ports[ring][0]}, ...` before it and the release after it"
        else:
            had, todo = "the stream has no port of the ring", "give it one, with waits and releases"
        self.findings.at(self.stream.spot(index), "discipline", f"{span}{when}; {had}", todo)

    def check_ends(self) -> None:
        """After an input every ring is signalled and every port released to the end."""
        for ring in sorted(self.produces):
            self.check_end(SIGNAL, ring, 0)
        for ring, ports in self.ports.items():
            for port in ports:
                self.check_end(RELEASE, ring, port)

    def check_end(self, kind: int, ring: str, port: int) -> None:
        """One ring or port has come to the end of the input."""
        tickets, reached = self.rings[self.stream.tile, ring].tickets, self.at(kind, ring, port)
        if reached == tickets:
            return
        verb, code = ("signalled", "signals") if kind == SIGNAL else ("released", "releases")
        thing = f"ring {ring}" if kind == SIGNAL else f"port {port} of ring {ring}"
        what = f"{thing} is {verb} up to {reached} of {tickets} slots in an input"
        if (kind, ring, port) in self.last:
            self.findings.at(self.stream.spot(self.last[kind, ring, port]), code, what, "every slot must be")
        else:
            self.findings.add(code, what, str(self.stream), "every slot must be")


def _span(access: Reached, counters: Mapping[str, int]) -> tuple[int, int] | None:
    """First ticket that an access covers and one past the last; None if it lies outside the map."""
    ring = access.ring
    rows = _inside(access.rows, counters, ring.height)
    columns = _inside(access.columns, counters, ring.width)
    if rows is None or columns is None:
        return None
    pixels = ring.width // ring.segments
    return rows[0] * ring.segments + columns[0] // pixels, rows[1] * ring.segments + columns[1] // pixels + 1


def _inside(reach: Reach, counters: Mapping[str, int], size: int) -> tuple[int, int] | None:
    """First and last index of a reach inside the map; most lie there as they are."""
    base = reach.base(counters)
    first, last = base + reach.offsets[0], base + reach.offsets[-1]
    return (first, last) if first >= 0 and last < size else reach.inside(base, size)


def _body_of(stream: Stream, findings: Findings) -> tuple[Node, ...] | None:
    """The body of the loop over inputs; None where there is none and nothing that would need one."""
    nodes = build_tree(stream.instructions)
    outer = [node for node in nodes if isinstance(node, Loop) and node.count < 0]
    inside = leaves(outer[0].body) if outer else ()
    nested = [loops[-1] for loops, _ in inside if any(loop.count < 0 for loop in loops)]
    if len(outer) > 1 or nested:
        wrong = nested[0] if nested else outer[1]
        what, todo = "a second loop over the inputs", "let there be one, outermost"
        findings.at(stream.spot(wrong.index), "image-loop", what, todo)
        return None
    outside = [leaf for loops, leaf in leaves(nodes) if not (outer and outer[0] in loops[:1])]
    for leaf in outside:
        if event_of(leaf.instruction) is not None or access_of(leaf.instruction) is not None:
            what, todo = "this stands outside of the loop over the inputs", "put it inside `loop image, *`"
            findings.at(stream.spot(leaf.index), "image-loop", what, todo)
    after = nodes[nodes.index(outer[0]) + 1 :] if outer else ()
    if len(after) > 1:
        what = "this stands after the loop over the inputs"
        findings.at(stream.spot(after[0].index), "image-loop", what, "only hlt stands there")
    return outer[0].body if outer else None


def _prepare(
    stream: Stream, nodes: Sequence[Node], rings: Mapping[RingKey, Ring], inner: Mapping[str, int]
) -> tuple[Step, ...]:
    """The steps of a walk: loops without synchronisation give way to their accesses."""
    steps: list[Step] = []
    for node in nodes:
        if isinstance(node, Loop):
            if orders(node):
                steps.append(
                    (node.index, Unrolled(node.counter, node.count, _prepare(stream, node.body, rings, inner)))
                )
            else:
                steps += _prepare(stream, node.body, rings, {**inner, node.counter: node.count})
            continue
        access, message = access_of(node.instruction), message_of(node.instruction, stream.tile)
        if access is not None:
            window, ring = access.window, rings[stream.tile, access.window.ring]
            reaches = Reach.of(window.rows, inner), Reach.of(window.columns, inner)
            steps.append((node.index, Reached(ring, *reaches, access.writes)))
        steps += [(node.index, order) for order in (message, token_of(node.instruction)) if order is not None]
    return tuple(steps)
