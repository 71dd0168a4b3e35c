"""The token game: do streams that wait for each other through rings and FIFOs come to their end?

The network is deterministic (each slot has one producer, each credit counter one consumer, each FIFO one sender), so
one schedule that ends proves that every schedule ends, and one that deadlocks proves that every schedule does.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WAIT, SPACE, RELEASE, SIGNAL, SEND, RECEIVE = range(6)
NAMES = ("wait", "space", "release", "signal", "send", "receive")


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a stream. thing: index of a ring or FIFO; port: the consumer's; ticket: within the input, clamped.

    mark: whatever the caller wants back when the stream stops here (an instruction index).
    """

    kind: int
    thing: int
    port: int = 0
    ticket: int = 0
    mark: int = 0


@dataclass(frozen=True, slots=True)
class TokenRing:
    """A ring of the game: tickets of one input, tickets that fit, number of consumers."""

    tickets: int
    capacity: int
    ports: int


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
        self.produced = [0] * len(rings)
        self.released = [[0] * ring.ports for ring in rings]
        self.queued = [0] * len(fifo_depths)
        self.at = [0] * len(streams)
        self.image = [0] * len(streams)

    def play(self) -> tuple[Blocked, ...]:
        """Run to the end or to a deadlock: the streams that can't go on (none: the game ends)."""
        sleepers: dict[tuple[str, int], set[int]] = defaultdict(set)
        ready = deque(i for i in range(len(self.streams)) if self.streams[i])
        awake = set(ready)
        while ready:
            stream = ready.popleft()
            awake.discard(stream)
            for key in self._run(stream):
                if key[0] == "sleep":
                    sleepers["thing", key[1]].add(stream)
                    continue
                for other in sorted(sleepers.pop(("thing", key[1]), ())):
                    if other not in awake:
                        awake.add(other)
                        ready.append(other)
        return self.blocked()

    def blocked(self) -> tuple[Blocked, ...]:
        """Streams that have not come to their end, each with the event it stands at."""
        return tuple(
            Blocked(i, events[self.at[i]], self.image[i])
            for i, events in enumerate(self.streams)
            if events and self.image[i] < self.images
        )

    def _run(self, stream: int) -> Iterator[tuple[str, int]]:
        """Move one stream until it blocks. Yields ("wake", thing) for what it changed, ("sleep", thing) at its stop."""
        events = self.streams[stream]
        fifo_base = len(self.rings)
        while self.image[stream] < self.images:
            event = events[self.at[stream]]
            thing = event.thing
            if event.kind in (SEND, RECEIVE):
                key = fifo_base + thing
                full = self.queued[thing] >= self.fifo_depths[thing]
                if full if event.kind == SEND else self.queued[thing] == 0:
                    yield "sleep", key
                    return
                self.queued[thing] += 1 if event.kind == SEND else -1
                yield "wake", key
            else:
                ticket = self.image[stream] * self.rings[thing].tickets + event.ticket
                if event.kind == WAIT:
                    if self.produced[thing] < ticket:
                        yield "sleep", thing
                        return
                elif event.kind == SPACE:
                    if min(self.released[thing], default=ticket) + self.capacity[thing] < ticket:
                        yield "sleep", thing
                        return
                elif event.kind == RELEASE:
                    self.released[thing][event.port] = max(self.released[thing][event.port], ticket)
                    yield "wake", thing
                else:
                    self.produced[thing] = max(self.produced[thing], ticket)
                    yield "wake", thing
            self.at[stream] += 1
            if self.at[stream] == len(events):
                self.at[stream] = 0
                self.image[stream] += 1
