"""The event queue of the timing engine: streams that meet at rings, FIFOs and shared units, in the order of time.

Whoever asks a shared unit first is served first; among those who ask at the same time, the stream that stands first in
the program. A ring's tickets are the token game's (cimc.base.tokens), with a time at which each was given.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush, heappushpop

from cimc.runtime.timing_ops import FREE, RECEIVE, RELEASE, SEND, SIGNAL, SPACE, WAIT, WORK, Lists, Op


@dataclass(slots=True)
class TimedRing:
    """A ring's tickets, counted over all inputs. signalled: by producer; released: by port; sleepers: streams."""

    tickets: int
    capacity: int
    signalled: list[int]
    released: list[int]
    sleepers: list[int] = field(default_factory=list)

    def ready(self) -> int:
        """The ticket below which slots are ready: all producers have said so."""
        return min(self.signalled)

    def free(self) -> int:
        """The ticket below which slots are free for the producers."""
        return min(self.released) + self.capacity if self.released else 1 << 62


@dataclass(slots=True)
class TimedFifo:
    """A FIFO: messages it has room for, those sent and not yet taken out, and when each arrives."""

    depth: int
    used: int = 0
    arrivals: deque[float] = field(default_factory=deque)
    sleepers: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Mark:
    """A stream at the end of an input: the time, and s so far that it stood still for others (waited) and stood in a
    queue for a shared unit (queued)."""

    time: float
    waited: float
    queued: float


@dataclass(frozen=True, slots=True)
class Span:
    """Time from start to end, s, in which a stream worked for an origin, or (thing >= 0) stood still at an operation
    of this kind for this ring or FIFO."""

    origin: int
    kind: int
    thing: int
    start: float
    end: float


class TimedStream:
    """A stream under way. marks: one for each input that it has ended; spans: where they are wanted."""

    __slots__ = ("_ended", "_from", "at", "causes", "image", "images", "left", "lists", "marks", "now", "number", "op",
                 "ops", "queued", "spans", "still", "waited")  # fmt: skip

    def __init__(self, number: int, lists: Lists, images: int, record: bool) -> None:
        self.number, self.lists, self.images = number, lists, images
        self.ops: Sequence[Op] = lists.setup
        self.at, self.image, self.left = -1, -1, 0
        self.op = Op(WORK, -1, 0.0)
        self.now = self.waited = self.queued = 0.0
        self.still: float | None = None
        self.marks: list[Mark] = []
        self.causes: dict[tuple[int, int], float] = defaultdict(float)
        self.spans: list[Span] | None = [] if record else None
        self._from = 0.0
        self._ended = False

    def following(self, done: float) -> float | None:
        """Go on to the next operation; when it asks for something, or None at the end. done: when this one ended."""
        self.now = done
        self.at += 1
        while self.at == len(self.ops):
            if self.image >= 0:
                self.marks.append(Mark(done, self.waited, self.queued))
            self.image += 1
            if self.image == self.images or not self.lists.each:
                self._cut(done, self.op.origin)
                return None
            self.ops, self.at = self.lists.each, 0
        op = self.ops[self.at]
        if self.spans is not None and op.origin != self.op.origin:
            self._cut(done, self.op.origin)
        self.op, self.left = op, op.times
        return done + op.lead

    def resume(self, now: float) -> None:
        """An operation that had to stand still goes on."""
        if self.still is None:
            return
        still, self.still = self.still, None
        self.waited += now - still
        self.causes[self.op.kind, self.op.thing] += now - still
        if self.spans is not None and now > still:
            self._cut(still, self.op.origin)
            self.spans.append(Span(self.op.origin, self.op.kind, self.op.thing, still, now))
            self._from = now

    def _cut(self, end: float, origin: int) -> None:
        """End a span of work."""
        if self.spans is not None:
            if end > self._from:
                self.spans.append(Span(origin, WORK, -1, self._from, end))
            self._from = end


class TimedNetwork:
    """All streams with what they share. free: by shared unit, from when on it serves the next."""

    def __init__(self, rings: Sequence[TimedRing], fifos: Sequence[TimedFifo], units: int) -> None:
        self.rings, self.fifos = rings, fifos
        self.free = [0.0] * units
        self.streams: list[TimedStream] = []
        self._queue: list[tuple[float, int]] = []

    def run(self) -> list[TimedStream]:
        """Run all streams to their ends; gives those that stand still for ever."""
        for stream in self.streams:
            time = stream.following(0.0)
            if time is not None:
                heappush(self._queue, (time, stream.number))
        queue, streams = self._queue, self.streams
        while queue:
            now, number = heappop(queue)
            while True:
                time = self._meet(streams[number], now)
                if time is None:
                    break
                now, number = heappushpop(queue, (time, number))
        return [stream for stream in streams if stream.still is not None]

    def _meet(self, stream: TimedStream, now: float) -> float | None:
        """A stream asks for what its operation needs; when it asks next, or None if it sleeps or has ended."""
        op = stream.op
        kind = op.kind
        if kind == WORK:
            return self._work(stream, op, now)
        if kind == SEND:
            return self._send(stream, op, now)
        if kind == RECEIVE:
            return self._receive(stream, op, now)
        if kind == FREE:
            fifo = self.fifos[op.thing]
            fifo.used -= 1
            self._wake(fifo.sleepers, now)
            return stream.following(now)
        ring = self.rings[op.thing]
        ticket = max(stream.image, 0) * ring.tickets + op.ticket
        if kind in (WAIT, SPACE):
            if (ring.ready() if kind == WAIT else ring.free()) < ticket:
                self._sleep(stream, ring.sleepers, now)
                return None
            stream.resume(now)
            return stream.following(now)
        assert kind in (RELEASE, SIGNAL), f"operation {kind}"
        given = ring.released if kind == RELEASE else ring.signalled
        if given[op.number] < ticket:
            given[op.number] = ticket
            self._wake(ring.sleepers, now)
        return stream.following(now)

    def _work(self, stream: TimedStream, op: Op, now: float) -> float | None:
        grant = self._claim(stream, op.thing, op.hold, now) if op.hold else now
        stream.left -= 1
        if stream.left:
            return grant + op.after + op.gap
        return stream.following(grant + op.after)

    def _claim(self, stream: TimedStream, unit: int, hold: float, now: float) -> float:
        """When a shared unit serves a stream that asks now, and keeps it for `hold`."""
        free = self.free[unit]
        if free > now:
            stream.queued += free - now
            now = free
        self.free[unit] = now + hold
        return now

    def _send(self, stream: TimedStream, op: Op, now: float) -> float | None:
        fifo = self.fifos[op.thing]
        if fifo.used >= fifo.depth:
            self._sleep(stream, fifo.sleepers, now)
            return None
        stream.resume(now)
        fifo.used += 1
        head = start = self._claim(stream, op.number, op.hold, now)
        done, arrival = start + op.after, start + op.after
        for place, (unit, delay, keep) in enumerate(op.route):
            head = max(head, self.free[unit])
            self.free[unit] = head + keep
            if place == 0:
                stream.queued += head - start
                done = max(done, head + keep)
            head += delay
            arrival = max(arrival, head + keep)
        fifo.arrivals.append(arrival)
        self._wake(fifo.sleepers, arrival)
        return stream.following(done)

    def _receive(self, stream: TimedStream, op: Op, now: float) -> float | None:
        fifo = self.fifos[op.thing]
        if not fifo.arrivals:
            self._sleep(stream, fifo.sleepers, now)
            return None
        if fifo.arrivals[0] > now:
            stream.still = now if stream.still is None else stream.still
            return fifo.arrivals[0]
        stream.resume(now)
        fifo.arrivals.popleft()
        return stream.following(self._claim(stream, op.number, op.hold, now) + op.after)

    def _sleep(self, stream: TimedStream, sleepers: list[int], now: float) -> None:
        if stream.still is None:
            stream.still = now
        sleepers.append(stream.number)

    def _wake(self, sleepers: list[int], now: float) -> None:
        """Everybody who sleeps on a thing looks again."""
        for number in sleepers:
            heappush(self._queue, (now, number))
        sleepers.clear()
