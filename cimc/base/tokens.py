"""The token game: do streams that wait for each other through rings and FIFOs come to their end?

The network is deterministic (each slot has one producer, each credit counter one consumer, each FIFO one sender), so
one schedule that ends proves that every schedule ends, and one that deadlocks proves that every schedule does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

WAIT, SPACE, RELEASE, SIGNAL, SEND, RECEIVE = range(6)
NAMES = ("wait", "space", "release", "signal", "send", "receive")

_ALWAYS = 1 << 62


class Event(NamedTuple):
    """One step of a stream. thing: index of a ring or FIFO; ticket: within the input, clamped.

    port: the consumer's, of a wait or release; of a signal which of the ring's producers gives it.

    mark: whatever the caller wants back when the stream stops here (an instruction index).
    """

    kind: int
    thing: int
    port: int = 0
    ticket: int = 0
    mark: int = 0


class Script(Sequence[Event]):
    """The events of a stream, written once for all streams that differ only in the rings and FIFOs that they name.

    pattern: the events, whose `thing` is an index into `things`, indices of rings and FIFOs, and into `producers`:
    which of a ring's producers the stream is, which its signals' ports are counted from.
    """

    __slots__ = ("pattern", "producers", "things")

    def __init__(self, pattern: Sequence[Event], things: Sequence[int], producers: Sequence[int]) -> None:
        self.pattern, self.things, self.producers = pattern, things, producers

    def __len__(self) -> int:
        return len(self.pattern)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | Sequence[Event]:
        if isinstance(index, slice):
            return Script(self.pattern[index], self.things, self.producers)
        event = self.pattern[index]
        first = self.producers[event.thing] if event.kind == SIGNAL else 0
        return event._replace(thing=self.things[event.thing], port=event.port + first)


@dataclass(frozen=True, slots=True)
class TokenRing:
    """A ring of the game: tickets of one input, tickets that fit, number of consumers and of producers."""

    tickets: int
    capacity: int
    ports: int
    producers: int = 1


@dataclass(frozen=True, slots=True)
class Blocked:
    """A stream that can't go on: its index, the event it stands at, and the input it is at."""

    stream: int
    event: Event
    image: int


_Sleepers = list[tuple[int, int]]
"""(ticket, stream): streams that wait for a ticket; of a FIFO the ticket says nothing."""


class TokenGame:
    """State of the game; `play` moves every stream as far as it goes."""

    def __init__(
        self, streams: Sequence[Sequence[Event]], rings: Sequence[TokenRing], fifo_depths: Sequence[int], images: int
    ) -> None:
        self.streams = streams
        self.rings = rings
        self.fifo_depths = fifo_depths
        self.images = images
        self.capacity = [ring.capacity for ring in rings]
        self.signalled = [[0] * ring.producers for ring in rings]
        self.produced = [0] * len(rings)
        self.released = [[0] * ring.ports for ring in rings]
        self.queued = [0] * len(fifo_depths)
        self.at = [0] * len(streams)
        self.image = [0] * len(streams)
        themselves = list(range(max(len(rings), len(fifo_depths))))
        first = [0] * len(themselves)
        self._scripts = [one if isinstance(one, Script) else Script(one, themselves, first) for one in streams]
        self._tickets = [ring.tickets for ring in rings]
        self._free = [ring.capacity if ring.ports else _ALWAYS for ring in rings]
        self._for_data: list[_Sleepers] = [[] for _ in rings]
        self._for_space: list[_Sleepers] = [[] for _ in rings]
        self._at_fifo: list[_Sleepers] = [[] for _ in fifo_depths]
        self._ready = deque(i for i, events in enumerate(streams) if events)

    def play(self) -> tuple[Blocked, ...]:
        """Run to the end or to a deadlock: the streams that can't go on (none: the game ends).

        Called again after `grow` it goes on where it stopped.
        """
        while self._ready:
            self._run(self._ready.popleft())
        return self.blocked()

    def grow(self, ring: int, capacity: int) -> None:
        """Let a ring hold more tickets; who waits for its space may go on."""
        assert capacity > self.capacity[ring], (
            f"ring {ring} of {self.capacity[ring]} tickets can't shrink to {capacity}"
        )
        self.capacity[ring] = capacity
        self._freed(ring)

    def blocked(self) -> tuple[Blocked, ...]:
        """Streams that have not come to their end, each with the event it stands at."""
        return tuple(
            Blocked(i, events[self.at[i]], self.image[i])
            for i, events in enumerate(self.streams)
            if events and self.image[i] < self.images
        )

    def drained(self) -> bool:
        """Whether every ring is signalled and released to the end of the inputs and every FIFO empty, as before them.

        A game over one input that ends so is the game over any number of inputs: they can follow each other.
        """
        ends = [self.images * tickets for tickets in self._tickets]
        given = zip(ends, self.signalled, self.released, strict=True)
        return not any(self.queued) and all({*made, *left} <= {end} for end, made, left in given)

    def _freed(self, ring: int) -> None:
        """Slots of a ring may have become free."""
        self._free[ring] = min(self.released[ring], default=_ALWAYS) + self.capacity[ring]
        if self._for_space[ring]:
            self._wake(self._for_space, ring, self._free[ring])

    def _wake(self, sleepers: list[_Sleepers], thing: int, reached: int) -> None:
        """Those who sleep for a ticket that has been reached go on."""
        asleep, sleepers[thing] = sleepers[thing], []
        for ticket, stream in asleep:
            if ticket <= reached:
                self._ready.append(stream)
            else:
                sleepers[thing].append((ticket, stream))

    def _run(self, stream: int) -> None:
        """Move one stream until it sleeps on a ring or FIFO, or comes to its end."""
        script = self._scripts[stream]
        events, things, producers = script.pattern, script.things, script.producers
        count, images, tickets, produced = len(events), self.images, self._tickets, self.produced
        at, image = self.at[stream], self.image[stream]
        while image < images:
            kind, local, port, ticket, _ = events[at]
            thing = things[local]
            if kind >= SEND:
                queued = self.queued[thing]
                if queued >= self.fifo_depths[thing] if kind == SEND else queued == 0:
                    self._at_fifo[thing].append((0, stream))
                    break
                self.queued[thing] = queued + 1 if kind == SEND else queued - 1
                if self._at_fifo[thing]:
                    self._wake(self._at_fifo, thing, 0)
            else:
                ticket += image * tickets[thing]
                if kind == WAIT:
                    if produced[thing] < ticket:
                        self._for_data[thing].append((ticket, stream))
                        break
                elif kind == SPACE:
                    if self._free[thing] < ticket:
                        self._for_space[thing].append((ticket, stream))
                        break
                elif kind == RELEASE:
                    released = self.released[thing]
                    if released[port] < ticket:
                        released[port] = ticket
                        self._freed(thing)
                else:
                    signalled = self.signalled[thing]
                    if signalled[port + producers[local]] < ticket:
                        signalled[port + producers[local]] = ticket
                        produced[thing] = ticket if len(signalled) == 1 else min(signalled)
                        if self._for_data[thing]:
                            self._wake(self._for_data, thing, produced[thing])
            at += 1
            if at == count:
                at, image = 0, image + 1
        self.at[stream], self.image[stream] = at, image
