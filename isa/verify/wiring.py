"""Who is connected with whom: the producer of each ring, the owner of each port, sender and receiver of each FIFO."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from cimc.base.tokens import RELEASE, SEND, WAIT
from cimc.isa.effects import access_of, message_of, token_of
from cimc.isa.program import Instruction, Program, Ring, RingRef
from cimc.isa.text.printer import Spot
from cimc.isa.verify.findings import Findings

RingKey = tuple[int, str]
"""Tile and name of a ring."""
FifoKey = tuple[int, int]
"""Tile and number of a FIFO."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of a program. unit: "core" or "channel"."""

    tile: int
    unit: str
    number: int
    instructions: tuple[Instruction, ...]

    def spot(self, index: int) -> Spot:
        """Where one of its instructions stands."""
        return self.tile, self.unit, self.number, index

    def __str__(self) -> str:
        return f"tile {self.tile} {self.unit} {self.number}"


@dataclass(frozen=True, slots=True)
class Feed:
    """The host at one ring: it fills it (an input) or drains one of its ports (an output)."""

    plug: str
    ref: RingRef
    fills: bool

    def __str__(self) -> str:
        return f'host, {"input" if self.fills else "output"} "{self.plug}"'


@dataclass(slots=True)
class Wiring:
    """All streams, rings and feeds, and who uses what."""

    streams: list[Stream] = field(default_factory=list)
    feeds: list[Feed] = field(default_factory=list)
    rings: dict[RingKey, Ring] = field(default_factory=dict)
    producers: dict[RingKey, list[Stream | Feed]] = field(default_factory=lambda: defaultdict(list))
    owners: dict[tuple[RingKey, int], list[Stream | Feed]] = field(default_factory=lambda: defaultdict(list))
    senders: dict[FifoKey, list[Stream | Feed]] = field(default_factory=lambda: defaultdict(list))
    receivers: dict[FifoKey, list[Stream | Feed]] = field(default_factory=lambda: defaultdict(list))


def producer_numbers(wiring: Wiring) -> dict[RingKey, dict[str, int]]:
    """Which of a ring's producers each stream is, by its name, for rings with several: their order is that of the
    program."""
    return {
        key: {name: number for number, name in enumerate(dict.fromkeys(map(str, wiring.producers[key])))}
        for key, ring in wiring.rings.items()
        if ring.producers > 1
    }


def wire(program: Program) -> Wiring:
    """The wiring of a well-formed program; streams in its order."""
    wiring = Wiring()
    for tile in program.tiles:
        for ring in tile.rings:
            wiring.rings[tile.number, ring.name] = ring
        streams = [Stream(tile.number, code.unit, code.number, code.stream) for code in tile.codes]
        wiring.streams += streams
        for stream in streams:
            for instruction in stream.instructions:
                _connect(wiring, stream, instruction)
    for plug in program.inputs:
        for ref in plug.rings:
            wiring.feeds.append(Feed(plug.name, ref, fills=True))
            wiring.producers[ref.tile, ref.ring].append(wiring.feeds[-1])
    for plug in program.outputs:
        for ref in plug.rings:
            wiring.feeds.append(Feed(plug.name, ref, fills=False))
            wiring.owners[(ref.tile, ref.ring), ref.port].append(wiring.feeds[-1])
    return wiring


def _connect(wiring: Wiring, stream: Stream, instruction: Instruction) -> None:
    token = token_of(instruction)
    if token is not None:
        ring = stream.tile, token.ring
        _join(wiring.owners[ring, token.port] if token.kind in (WAIT, RELEASE) else wiring.producers[ring], stream)
        return
    access = access_of(instruction)
    if access is not None and access.writes:
        _join(wiring.producers[stream.tile, access.window.ring], stream)
    message = message_of(instruction, stream.tile)
    if message is not None:
        _join((wiring.senders if message.kind == SEND else wiring.receivers)[message.fifo], stream)


def _join(members: list[Stream | Feed], member: Stream) -> None:
    if not members or members[-1] is not member:
        members.append(member)


def check_wiring(program: Program, wiring: Wiring, findings: Findings) -> None:
    """One producer for each ring, one owner for each port, one sender and one receiver for each FIFO."""
    _check_plugs(program, wiring, findings)
    for (tile, name), ring in wiring.rings.items():
        item = f"tile {tile}, ring {name}"
        _check_producers(ring, wiring.producers.get((tile, name), []), item, findings)
        for port in range(ring.ports):
            owners = wiring.owners.get(((tile, name), port), [])
            none = "no stream waits for and releases the port"
            _check_one(owners, "port-owner", none, f"{item}, port {port}", findings)
    for fifo in sorted(wiring.senders.keys() | wiring.receivers.keys()):
        item = f"tile {fifo[0]}, FIFO {fifo[1]}"
        _check_one(wiring.senders.get(fifo, []), "sender", "no stream sends to the FIFO", item, findings)
        _check_one(wiring.receivers.get(fifo, []), "receiver", "no stream receives from the FIFO", item, findings)


def _check_producers(ring: Ring, producers: Sequence[Stream | Feed], item: str, findings: Findings) -> None:
    """As many streams fill a ring as it says; the host does not share one with streams."""
    if ring.producers == 1:
        none = "no stream fills the ring: no space, store, receive or signal"
        _check_one(producers, "producer", none, item, findings)
        return
    members = list(dict.fromkeys(map(str, producers)))
    if len(members) != ring.producers or any(isinstance(one, Feed) for one in producers):
        what = f"the ring has {ring.producers} producers, and is filled by {', '.join(members) or 'nobody'}"
        findings.add("producers", what, item, "let as many streams fill it as it says, each slots of its own")


def _check_plugs(program: Program, wiring: Wiring, findings: Findings) -> None:
    for kind, plugs in (("input", program.inputs), ("output", program.outputs)):
        for plug in plugs:
            if kind == "output" and plug.scale != 0 and plug.dtype != "float32":
                what = f"its dtype is {plug.dtype}, and its scale {plug.scale}, not 0"
                todo = "only an output of float32 has a scale"
                findings.add("plug", what, f'{kind} "{plug.name}"', todo)
            for ref in plug.rings:
                item = f'{kind} "{plug.name}"'
                ring = wiring.rings.get((ref.tile, ref.ring))
                if ring is None:
                    findings.add("plug", f"tile {ref.tile} has no ring {ref.ring}", item)
                elif kind == "input" and ref.port >= 0:
                    what = f"the input names port {ref.port} of ring {ref.ring}"
                    findings.add("plug", what, item, "name the ring without a port")
                elif kind == "output" and not 0 <= ref.port < ring.ports:
                    findings.add("plug", f"ring {ref.ring} has {ring.ports} ports, so no port {ref.port}", item)


def _check_one(found: Sequence[Stream | Feed], code: str, none: str, item: str, findings: Findings) -> None:
    members = list(dict.fromkeys(map(str, found)))
    if not members:
        findings.add(f"no-{code}", none, item)
    elif len(members) > 1:
        what = f"there is more than one {code.replace('-', ' ')}: {', '.join(members)}"
        findings.add(f"{code}s", what, item, "let one stream do it alone")
