"""Who is connected with whom: the producer of each ring, the owner of each port, sender and receiver of each FIFO."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

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


Members = dict[str, Stream | Feed]
"""Streams and feeds by their names, in the order of the program."""


@dataclass
class Wiring:
    """All streams, rings and feeds, and who uses what: producers of a ring, owners of a port, users of a FIFO."""

    streams: list[Stream] = field(default_factory=list)
    feeds: list[Feed] = field(default_factory=list)
    rings: dict[RingKey, Ring] = field(default_factory=dict)
    producers: dict[RingKey, Members] = field(default_factory=lambda: defaultdict(dict))
    owners: dict[tuple[RingKey, int], Members] = field(default_factory=lambda: defaultdict(dict))
    senders: dict[FifoKey, Members] = field(default_factory=lambda: defaultdict(dict))
    receivers: dict[FifoKey, Members] = field(default_factory=lambda: defaultdict(dict))

    @property
    def players(self) -> list[Stream | Feed]:
        """Who moves in the token game, in its order."""
        return [*self.streams, *self.feeds]

    @cached_property
    def ring_numbers(self) -> Mapping[RingKey, int]:
        """Indices of rings in the token game."""
        return {key: number for number, key in enumerate(self.rings)}

    @cached_property
    def fifo_numbers(self) -> Mapping[FifoKey, int]:
        """Indices of FIFOs in the token game."""
        return {key: number for number, key in enumerate(sorted(self.senders))}


def wire(program: Program) -> Wiring:
    """The wiring of a well-formed program; streams in its order."""
    wiring = Wiring()
    for tile in program.tiles:
        for ring in tile.rings:
            wiring.rings[tile.number, ring.name] = ring
        streams = [Stream(tile.number, code.unit, code.number, code.stream) for code in tile.codes]
        wiring.streams += streams
        for stream in streams:
            name = str(stream)
            for instruction in stream.instructions:
                for members in _joined(wiring, stream.tile, instruction):
                    members[name] = stream
    for fills, plugs in ((True, program.inputs), (False, program.outputs)):
        for feed in (Feed(plug.name, ref, fills) for plug in plugs for ref in plug.rings):
            wiring.feeds.append(feed)
            key = feed.ref.tile, feed.ref.ring
            (wiring.producers[key] if fills else wiring.owners[key, feed.ref.port])[str(feed)] = feed
    return wiring


def _joined(wiring: Wiring, tile: int, instruction: Instruction) -> Iterator[Members]:
    """Whom a stream with the instruction is one of."""
    token = token_of(instruction)
    if token is not None:
        ring = tile, token.ring
        yield wiring.owners[ring, token.port] if token.kind in (WAIT, RELEASE) else wiring.producers[ring]
        return
    access = access_of(instruction)
    if access is not None and access.writes:
        yield wiring.producers[tile, access.window.ring]
    message = message_of(instruction, tile)
    if message is not None:
        yield (wiring.senders if message.kind == SEND else wiring.receivers)[message.fifo]


def check_wiring(program: Program, wiring: Wiring, findings: Findings) -> None:
    """One producer for each ring, one owner for each port, one sender and one receiver for each FIFO."""
    _check_plugs(program, wiring, findings)
    for (tile, name), ring in wiring.rings.items():
        item = f"tile {tile}, ring {name}"
        _check_producers(ring, wiring.producers.get((tile, name), {}), item, findings)
        for port in range(ring.ports):
            owners = wiring.owners.get(((tile, name), port), {})
            none = "no stream waits for and releases the port"
            _check_one(owners, "port-owner", none, f"{item}, port {port}", findings)
    for fifo in sorted(wiring.senders.keys() | wiring.receivers.keys()):
        item = f"tile {fifo[0]}, FIFO {fifo[1]}"
        _check_one(wiring.senders.get(fifo, {}), "sender", "no stream sends to the FIFO", item, findings)
        _check_one(wiring.receivers.get(fifo, {}), "receiver", "no stream receives from the FIFO", item, findings)


def _check_producers(ring: Ring, producers: Members, item: str, findings: Findings) -> None:
    """As many streams fill a ring as it says; the host does not share one with streams."""
    if ring.producers == 1:
        none = "no stream fills the ring: no space, store, receive or signal"
        _check_one(producers, "producer", none, item, findings)
        return
    if len(producers) != ring.producers or any(isinstance(one, Feed) for one in producers.values()):
        what = f"the ring has {ring.producers} producers, and is filled by {', '.join(producers) or 'nobody'}"
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


def _check_one(members: Members, code: str, none: str, item: str, findings: Findings) -> None:
    if not members:
        findings.add(f"no-{code}", none, item)
    elif len(members) > 1:
        what = f"there is more than one {code.replace('-', ' ')}: {', '.join(members)}"
        findings.add(f"{code}s", what, item, "let one stream do it alone")
