"""The token game: do streams that wait for each other through rings and FIFOs come to their end?

The network is deterministic (each slot has one producer, each credit counter one consumer, each FIFO one sender), so
one schedule that ends proves that every schedule ends, and one that deadlocks proves that every schedule does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

WAIT, SPACE, RELEASE, SIGNAL, SEND, RECEIVE = range(6)
NAMES = ("wait", "space", "release", "signal", "send", "receive")


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a stream. thing: index of a ring or FIFO; ticket: within the input, clamped.

    port: the consumer's, of a wait or release; of a signal which of the ring's producers gives it.

    mark: whatever the caller wants back when the stream stops here (an instruction index).
    """

    kind: int
    thing: int
    port: int = 0
    ticket: int = 0
    mark: int = 0


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
        self._asleep: list[list[int]] = [[] for _ in range(len(rings) + len(fifo_depths))]
        self._ready = deque(i for i, events in enumerate(streams) if events)

    def play(self) -> tuple[Blocked, ...]:
        """Run to the end or to a deadlock: the streams that can't go on (none: the game ends).

        Called again after `grow` it goes on where it stopped.
        """
        while self._ready:
            stream = self._ready.popleft()
            thing = self._run(stream)
            if thing is not None:
                self._asleep[thing].append(stream)
        return self.blocked()

    def grow(self, ring: int, capacity: int) -> None:
        """Let a ring hold more tickets; who waits for its space may go on."""
        assert capacity > self.capacity[ring], (
            f"ring {ring} of {self.capacity[ring]} tickets can't shrink to {capacity}"
        )
        self.capacity[ring] = capacity
        self._wake(ring)

    def blocked(self) -> tuple[Blocked, ...]:
        """Streams that have not come to their end, each with the event it stands at."""
        return tuple(
            Blocked(i, events[self.at[i]], self.image[i])
            for i, events in enumerate(self.streams)
            if events and self.image[i] < self.images
        )

    def _wake(self, thing: int) -> None:
        """Everybody who sleeps on a ring or FIFO looks again."""
        if self._asleep[thing]:
            self._ready.extend(self._asleep[thing])
            self._asleep[thing] = []

    def _run(self, stream: int) -> int | None:
        """Move one stream until it blocks; the ring or FIFO it sleeps on, or None at its end."""
        events = self.streams[stream]
        first_fifo = len(self.rings)
        at, image = self.at[stream], self.image[stream]
        stopped = None
        while image < self.images:
            event = events[at]
            kind, thing = event.kind, event.thing
            if kind in (SEND, RECEIVE):
                full = self.queued[thing] >= self.fifo_depths[thing]
                if full if kind == SEND else self.queued[thing] == 0:
                    stopped = first_fifo + thing
                    break
                self.queued[thing] += 1 if kind == SEND else -1
                self._wake(first_fifo + thing)
            else:
                ticket = image * self.rings[thing].tickets + event.ticket
                if kind == WAIT:
                    if self.produced[thing] < ticket:
                        stopped = thing
                        break
                elif kind == SPACE:
                    if min(self.released[thing], default=ticket) + self.capacity[thing] < ticket:
                        stopped = thing
                        break
                elif kind == RELEASE:
                    if self.released[thing][event.port] < ticket:
                        self.released[thing][event.port] = ticket
                        self._wake(thing)
                elif self.signalled[thing][event.port] < ticket:
                    self.signalled[thing][event.port] = ticket
                    produced = min(self.signalled[thing])
                    if self.produced[thing] < produced:
                        self.produced[thing] = produced
                        self._wake(thing)
            at += 1
            if at == len(events):
                at, image = 0, image + 1
        self.at[stream], self.image[stream] = at, image
        return stopped
