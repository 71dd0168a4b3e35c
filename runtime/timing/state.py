"""What the timing engine keeps of rings, FIFOs and streams while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cimc.isa.program import Ring
from cimc.runtime.timing.operations import WORK, Lists

Key = tuple[int, ...]
"""The place of an event among those of the same time. A stream that was to be heard at this time anyway has its number
alone; one that another event of this time lets go on comes behind that: the event's key, as far as its numbers are not
below the stream's own, and then that."""

Step = tuple[Any, ...]
"""An operation with what it needs at hand (cimc.runtime.timing.steps): kind, lead, and six things of the kind's own."""

Coming = Iterator[tuple[Step, int]]


def behind(parent: Key, number: int) -> Key:
    """The key of a stream that an event of the same time lets go on."""
    kept = 0
    while kept < len(parent) and parent[kept] >= number:
        kept += 1
    return (*parent[:kept], number)


class Tickets:
    """When each ticket was given, by one stream, counted over all inputs. key: of the giver, where it has no other;
    odd: those that have; sleepers: streams that wait for a ticket to be given."""

    __slots__ = ("key", "odd", "sleepers", "times")

    def __init__(self, times: list[float], key: Key = ()) -> None:
        self.times, self.key = times, key
        self.odd: dict[int, Key] | None = None
        self.sleepers: list[TimedStream] = []

    def giver(self, ticket: int) -> Key:
        """The key with which a ticket was given."""
        return self.key if self.odd is None else self.odd.get(ticket, self.key)

    def give_odd(self, first: int, end: int, key: Key) -> None:
        """Tickets from the first on, those below `end`, are given with a key of their own."""
        if self.odd is None:
            self.odd = {}
        self.odd.update(dict.fromkeys(range(first, end), key))


class TimedRing:
    """A ring. signalled: by producer (found: so many so far); released: by port. Ticket 0 is given from the start."""

    __slots__ = ("found", "number", "released", "ring", "signalled")

    def __init__(self, number: int, ring: Ring) -> None:
        self.number, self.ring, self.found = number, ring, 0
        self.signalled = [Tickets([0.0]) for _ in range(ring.producers)]
        self.released = [Tickets([0.0]) for _ in range(ring.ports)]

    def producer(self) -> int:
        """The number of one producer more."""
        self.found += 1
        return self.found - 1


@dataclass(slots=True)
class TimedFifo:
    """A FIFO. depth: messages it has room for; sent, taken: so far; arrived: when each message did; freed: when each
    was out and left room for another."""

    number: int
    depth: int
    sent: int = 0
    taken: int = 0
    arrived: Tickets = field(default_factory=lambda: Tickets([]))
    freed: Tickets = field(default_factory=lambda: Tickets([]))


@dataclass(slots=True)
class Cause:
    """What a stream stands still for: kind of the operation, number of its ring or FIFO, s in the whole run. met: that
    has happened."""

    kind: int
    thing: int
    seconds: float = 0.0
    met: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A stream at the end of an input: the time, and s so far that it stood still for others (waited) and stood in a
    queue for a shared unit (queued)."""

    time: float
    waited: float
    queued: float


@dataclass(frozen=True, slots=True)
class Span:
    """Time from start to end, s, in which a stream worked for a layer (origin), or (thing >= 0) stood still at an
    operation of this kind for this ring or FIFO."""

    origin: int
    kind: int
    thing: int
    start: float
    end: float


class TimedStream:
    """A stream under way. marks: one for each input that it has ended; spans: where they are wanted.

    image: the input that it is at, -1 before the first; base: the same, 0 before the first, for its tickets. causes:
    what it stood still for, in the order in which that first happened.

    asleep: the step that waits for a ticket, wants: the ticket, now: when it asked for it; claim: the step that asks
    for a shared unit, left: how often still; key: its key at time `keyed`, where that is not its number alone.
    """

    __slots__ = (
        "_from", "asleep", "base", "bound", "causes", "claim", "coming", "ended", "image", "images", "key", "keyed",
        "left", "marks", "now", "number", "origin", "queued", "spans", "waited", "wants",
    )  # fmt: skip

    def __init__(self, number: int, bound: Lists[Step], beginning: Step, images: int, record: bool) -> None:
        self.number, self.bound, self.images = number, bound, images
        self.image, self.base, self.left, self.wants = -1, 0, 0, 0
        self.now = self.waited = self.queued = 0.0
        self.key: Key = (number,)
        self.keyed = -1.0
        self.marks: list[Mark] = []
        self.causes: list[Cause] = []
        self.spans: list[Span] | None = [] if record else None
        self.origin, self._from = -1, 0.0
        self.ended = False
        self.asleep = beginning
        self.claim: Step = ()
        self.coming = self._coming(bound.setup)

    def _coming(self, part: tuple[Sequence[int], Sequence[int]]) -> Coming:
        return zip(map(self.bound.ops.__getitem__, part[0]), part[1], strict=True)

    def next_input(self, now: float) -> bool:
        """Go on to the next input; False at the end."""
        if self.image >= 0:
            self.marks.append(Mark(now, self.waited, self.queued))
        self.image += 1
        if self.image == self.images or not self.bound.each[0]:
            self.cut(now)
            self.ended = True
            return False
        self.base = self.image
        self.coming = self._coming(self.bound.each)
        return True

    def key_at(self, now: float) -> Key:
        """Its key."""
        return self.key if self.keyed == now else (self.number,)

    def set_key(self, key: Key, now: float) -> None:
        """Give it a key for events of this time."""
        self.key, self.keyed = key, now if len(key) > 1 else -1.0

    def stand(self, tickets: Tickets, ticket: int, now: float, cause: Cause) -> float:
        """When the stream goes on that asks now for a ticket whose time is known, and stands still until then."""
        given = tickets.times[ticket]
        if given < now:
            return now
        giver = tickets.key if tickets.odd is None else tickets.giver(ticket)
        if given == now and self.key_at(now) >= giver:
            return now
        if giver and giver[0] >= self.number:
            self.key, self.keyed = behind(giver, self.number), given
        else:
            self.keyed = -1.0
        still = given - now
        self.waited += still
        if not cause.met:
            cause.met = True
            self.causes.append(cause)
        cause.seconds += still
        if self.spans is not None and given > now:
            self.cut(now)
            self.spans.append(Span(self.origin, cause.kind, cause.thing, now, given))
            self._from = given
        return given

    def cut(self, end: float) -> None:
        """End a span of work."""
        if self.spans is not None:
            if end > self._from:
                self.spans.append(Span(self.origin, WORK, -1, self._from, end))
            self._from = end
