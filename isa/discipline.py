"""The local discipline: every access is covered by the stream's own last wait or space and not yet released.

A stream is walked through one input. Loops with synchronisation or transfers inside are unrolled, all others are
taken at once (cimc.isa.reach). The walk also gives the stream's events for the token game and its messages' sizes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from cimc.base.tokens import RECEIVE, RELEASE, SEND, SIGNAL, SPACE, WAIT, Event
from cimc.isa.findings import Findings
from cimc.isa.operands import Affine, Name, Port, Window
from cimc.isa.program import Instruction, Ring
from cimc.isa.reach import Reach
from cimc.isa.tree import Leaf, Loop, Node, build_tree, leaves
from cimc.isa.wiring import FifoKey, RingKey, Stream

SYNCHRONISATION = {"wait": WAIT, "space": SPACE, "release": RELEASE, "signal": SIGNAL, "send": SEND, "receive": RECEIVE}
"""Instructions that are events of the token game."""

_ACCESSES = ("load", "store", "send", "receive")
LONGEST_WALK = 250_000
"""Events and accesses of one stream and input beyond which a program is refused."""


@dataclass(frozen=True, slots=True)
class Indices:
    """Indices of rings and FIFOs in the token game."""

    rings: Mapping[RingKey, int]
    fifos: Mapping[FifoKey, int]


@dataclass(frozen=True, slots=True)
class _Access:
    """A load, store, send or receive with what it reaches while its inner loops run."""

    leaf: Leaf
    ring: Ring
    rows: Reach
    columns: Reach
    writes: bool


@dataclass(frozen=True, slots=True)
class _Unrolled:
    """A loop that is walked iteration by iteration."""

    counter: str
    count: int
    body: tuple[_Step, ...]


@dataclass(frozen=True, slots=True)
class _Sync:
    """A wait, space, release or signal. key: event kind, ring and port."""

    index: int
    key: tuple[int, str, int]
    ticket: Affine


_Step = Leaf | _Access | _Sync | _Unrolled


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk gives. events: of one input. messages: words of each message, in order, by FIFO.

    complete: whether the walk came to its end.
    """

    events: tuple[Event, ...]
    messages: Mapping[FifoKey, Sequence[int]]
    complete: bool


class TooLong(Exception):
    """A walk of more than LONGEST_WALK steps."""


def walk(stream: Stream, rings: Mapping[RingKey, Ring], indices: Indices, findings: Findings) -> Walk:
    """Walk a stream through one input; complain about accesses that are not covered and tickets never reached."""
    before = len(findings)
    body = _body(stream, findings)
    complete = len(findings) == before
    walker = _Walker(stream, rings, indices, findings)
    if body is not None:
        try:
            walker.run(_prepare(stream, body, rings, {}))
        except TooLong:
            complete = False
            findings.add(
                "too-long",
                f"more than {LONGEST_WALK} waits, transfers and accesses an input",
                str(stream),
                "synchronise less often, by rows instead of pixels",
            )
        else:
            walker.check_ends()
    return Walk(tuple(walker.events), walker.messages, complete)


def _body(stream: Stream, findings: Findings) -> tuple[Node, ...] | None:
    """The body of the loop over inputs; None where there is none and nothing that would need one."""
    nodes = build_tree(stream.instructions)
    outer = [node for node in nodes if isinstance(node, Loop) and node.count < 0]
    inside = leaves(outer[0].body) if outer else ()
    nested = [loops[-1] for loops, _ in inside if any(loop.count < 0 for loop in loops)]
    if len(outer) > 1 or nested:
        wrong = nested[0] if nested else outer[1]
        findings.at(
            stream.spot(wrong.index), "image-loop", "a second loop over the inputs", "let there be one, outermost"
        )
        return None
    outside = [leaf for loops, leaf in leaves(nodes) if not (outer and outer[0] in loops[:1])]
    for leaf in outside:
        if leaf.instruction.mnemonic in (*SYNCHRONISATION, *_ACCESSES):
            findings.at(
                stream.spot(leaf.index),
                "image-loop",
                "this stands outside of the loop over the inputs",
                "put it inside `loop image, *`",
            )
    after = [node for node in nodes[nodes.index(outer[0]) + 1 :] if outer] if outer else []
    if len(after) > 1:
        findings.at(
            stream.spot(after[0].index),
            "image-loop",
            "this stands after the loop over the inputs",
            "only hlt stands there",
        )
    return outer[0].body if outer else None


def _prepare(
    stream: Stream, nodes: Sequence[Node], rings: Mapping[RingKey, Ring], inner: Mapping[str, int]
) -> tuple[_Step, ...]:
    """The steps of a walk: loops without synchronisation give way to their accesses."""
    steps: list[_Step] = []
    for node in nodes:
        if isinstance(node, Loop):
            if any(leaf.instruction.mnemonic in SYNCHRONISATION for _, leaf in leaves(node.body)):
                steps.append(_Unrolled(node.counter, node.count, _prepare(stream, node.body, rings, inner)))
            else:
                steps += _prepare(stream, node.body, rings, {**inner, node.counter: node.count})
            continue
        if node.instruction.mnemonic in _ACCESSES:
            writes = node.instruction.mnemonic in ("store", "receive")
            window = cast(Window, node.instruction.operands[0 if node.instruction.mnemonic != "load" else 1])
            ring = rings[stream.tile, window.ring]
            steps.append(_Access(node, ring, Reach.of(window.rows, inner), Reach.of(window.columns, inner), writes))
        kind = SYNCHRONISATION.get(node.instruction.mnemonic)
        if kind in (SEND, RECEIVE):
            steps.append(node)
        elif kind is not None:
            thing, ticket = node.instruction.operands
            name, port = (thing.ring, thing.number) if isinstance(thing, Port) else (cast(Name, thing).name, 0)
            steps.append(_Sync(node.index, (kind, name, port), cast(Affine, ticket)))
    return tuple(steps)


class _Walker:
    """The state of a walk: how far the stream has waited, released, got space and signalled, by ring and port."""

    def __init__(self, stream: Stream, rings: Mapping[RingKey, Ring], indices: Indices, findings: Findings) -> None:
        self.stream = stream
        self.rings = rings
        self.indices = indices
        self.findings = findings
        self.numbers = {
            name: (indices.rings[tile, name], ring.tickets)
            for (tile, name), ring in rings.items()
            if tile == stream.tile
        }
        self.events: list[Event] = []
        self.messages: dict[FifoKey, list[int]] = defaultdict(list)
        self.counters: dict[str, int] = {}
        self.steps = 0
        self.reached: dict[tuple[int, str, int], int] = {}
        self.ports: dict[str, list[int]] = {}
        self.produces: set[str] = set()
        for instruction in stream.instructions:
            match instruction.mnemonic:
                case "wait" | "release":
                    port = cast(Port, instruction.operands[0])
                    ports = self.ports.setdefault(port.ring, [])
                    if port.number not in ports:
                        ports.append(port.number)
                case "space" | "signal":
                    self.produces.add(cast(Name, instruction.operands[0]).name)
        self.spans: dict[tuple[int, int, int], tuple[int, int] | None] = {}

    def run(self, steps: Sequence[_Step]) -> None:
        """Take the steps in order."""
        for step in steps:
            self.steps += 1
            if self.steps > LONGEST_WALK:
                raise TooLong
            if isinstance(step, _Unrolled):
                for number in range(step.count):
                    self.counters[step.counter] = number
                    self.run(step.body)
            elif isinstance(step, _Access):
                self.access(step)
            elif isinstance(step, _Sync):
                self.synchronise(step)
            else:
                self.transfer(SYNCHRONISATION[step.instruction.mnemonic], step.index, step.instruction)

    def synchronise(self, sync: _Sync) -> None:
        """A wait, space, release or signal."""
        ticket = sync.ticket.constant
        for name, coefficient in sync.ticket.terms:
            ticket += coefficient * self.counters[name]
        kind, ring, port = sync.key
        number, tickets = self.numbers[ring]
        ticket = 0 if ticket < 0 else min(ticket, tickets)
        if ticket > self.reached.get(sync.key, 0):
            self.reached[sync.key] = ticket
        self.events.append(Event(kind, number, port, ticket, sync.index))

    def transfer(self, kind: int, index: int, instruction: Instruction) -> None:
        """A message."""
        window = cast(Window, instruction.operands[0])
        tile = cast(int, instruction.operands[1]) if kind == SEND else self.stream.tile
        fifo = tile, cast(int, instruction.operands[-1])
        self.messages[fifo].append(window.words)
        self.events.append(Event(kind, self.indices.fifos[fifo], mark=index))

    def access(self, access: _Access) -> None:
        """A load, store, send or receive: its tickets must be covered."""
        row, column = access.rows.base(self.counters), access.columns.base(self.counters)
        key = access.leaf.index, row, column
        if key not in self.spans:
            self.spans[key] = _span(access, row, column)
        span = self.spans[key]
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
        self.complain(access, low, high)

    def at(self, kind: int, ring: str, port: int = 0) -> int:
        """The ticket that the stream has come to."""
        return self.reached.get((kind, ring, port), 0)

    def complain(self, access: _Access, low: int, high: int) -> None:
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
        self.findings.at(self.stream.spot(access.leaf.index), "discipline", f"{span}{when}; {had}", todo)

    def check_ends(self) -> None:
        """After an input every ring is signalled and every port released to the end."""
        last = {
            (kind, ring, port): index
            for index, instruction in enumerate(self.stream.instructions)
            for kind, ring, port in _targets(instruction)
        }
        for ring in sorted(self.produces):
            self.check_end(SIGNAL, ring, 0, last)
        for ring, ports in self.ports.items():
            for port in ports:
                self.check_end(RELEASE, ring, port, last)

    def check_end(self, kind: int, ring: str, port: int, last: Mapping[tuple[int, str, int], int]) -> None:
        """One ring or port has come to the end of the input."""
        tickets, reached = self.rings[self.stream.tile, ring].tickets, self.at(kind, ring, port)
        if reached == tickets:
            return
        verb, code = ("signalled", "signals") if kind == SIGNAL else ("released", "releases")
        thing = f"ring {ring}" if kind == SIGNAL else f"port {port} of ring {ring}"
        what = f"{thing} is {verb} up to {reached} of {tickets} slots in an input"
        if (kind, ring, port) in last:
            self.findings.at(self.stream.spot(last[kind, ring, port]), code, what, "every slot must be")
        else:
            self.findings.add(code, what, str(self.stream), "every slot must be")


def _targets(instruction: Instruction) -> list[tuple[int, str, int]]:
    """Event kind, ring and port of a release or signal."""
    if instruction.mnemonic == "release":
        port = cast(Port, instruction.operands[0])
        return [(RELEASE, port.ring, port.number)]
    if instruction.mnemonic == "signal":
        return [(SIGNAL, cast(Name, instruction.operands[0]).name, 0)]
    return []


def _span(access: _Access, row: int, column: int) -> tuple[int, int] | None:
    """First ticket that an access covers and one past the last; None if it lies outside the map."""
    ring = access.ring
    rows, columns = access.rows.inside(row, ring.height), access.columns.inside(column, ring.width)
    if rows is None or columns is None:
        return None
    pixels = ring.width // ring.segments
    return rows[0] * ring.segments + columns[0] // pixels, rows[1] * ring.segments + columns[1] // pixels + 1
