"""The event queue of the timing engine: streams that meet at rings, FIFOs and shared units, in the order of time.

Whoever asks a shared unit first is served first; among those who ask at the same time, the stream that stands first in
the program, unless another event of this time lets it go on (cimc.runtime.timing.state.Key). Only claims of shared
units need the queue. Rings and FIFOs do not: a ticket, or a message, is there from a time on that no order of working
them out changes (a Kahn network), so a stream runs ahead to its next claim, or until it needs a ticket whose time is
not known yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush, heappushpop
from typing import Any

from cimc.runtime.timing.state import Key, Step, Tickets, TimedStream, behind
from cimc.runtime.timing.steps import BEGIN, BEHIND, CUT, GIVE, PASS, RECEIVE, SEND, TAKE, TAKE_ALL, WORK

_Entry = tuple[Any, ...]
"""A claim in the queue: its time, then the key of its stream, whose last is the stream's number."""


class TimedNetwork:
    """All streams with what they share. free: by shared unit, from when on it serves the next."""

    def __init__(self, streams: Sequence[TimedStream], units: int) -> None:
        self.streams = streams
        self.free = [0.0] * units
        self._ready = list(reversed(streams))
        self._queue: list[_Entry] = []

    def run(self) -> list[TimedStream]:
        """Run all streams to their ends; gives those that stand still for ever."""
        ready, queue, streams, free = self._ready, self._queue, self.streams, self.free
        entry: _Entry | None = None
        while True:
            if ready:
                if entry is not None:
                    heappush(queue, entry)
                stream = ready.pop()
                kind, _, times, tickets, _, cause, _, _ = stream.asleep
                now = stream.now
                if kind != TAKE:
                    entry = self._resume(stream, now)
                    continue
                if times[stream.wants] >= now:
                    now = stream.stand(tickets, stream.wants, now, cause)
                entry = self._ahead(stream, now)
                continue
            if queue:
                entry = heappop(queue) if entry is None else heappushpop(queue, entry)
            elif entry is None:
                break
            now, stream = entry[0], streams[entry[-1]]
            kind, _, unit, hold, after, _, gap, _ = stream.claim
            if kind == WORK:
                if free[unit] > now:
                    stream.queued += free[unit] - now
                    now = free[unit]
                free[unit] = now + hold
                now += after
                stream.left -= 1
                if stream.left:
                    entry = now + gap, stream.number
                    continue
            else:
                now = self._send(stream, now) if kind == SEND else self._receive(stream, now)
            entry = self._ahead(stream, now)
        return [stream for stream in streams if not stream.ended]

    def _ahead(self, stream: TimedStream, now: float) -> _Entry | None:
        """Run a stream to its next claim of a shared unit; None where it has to wait for a ticket, or at its end."""
        image, ready = stream.base, self._ready
        while True:
            for step, ticket in stream.coming:
                kind, lead, a, b, c, d, e, f = step
                now += lead
                if kind == GIVE:
                    new = ticket + image * c + 1 - len(a)
                    if new > 0:
                        if now == stream.keyed:
                            b.give_odd(len(a), len(a) + new, stream.key)
                        if new == 1:
                            a.append(now)
                        else:
                            a.extend([now] * new)
                        sleepers = b.sleepers
                        if sleepers:
                            if len(sleepers) > 1:
                                self._rouse(b)
                            elif sleepers[0].wants < len(a):
                                ready.append(sleepers.pop())
                elif kind == TAKE:
                    ticket += image * c
                    if ticket > 0:
                        if ticket >= len(a):
                            stream.now, stream.wants, stream.asleep = now, ticket, step
                            b.sleepers.append(stream)
                            return None
                        if a[ticket] >= now:
                            now = stream.stand(b, ticket, now, d)
                elif kind == WORK:
                    stream.left, stream.claim = d, step
                    return (now, stream.number) if now != stream.keyed else (now, *stream.key)
                elif kind == PASS:
                    now += a
                elif kind == SEND:
                    stream.claim = step
                    ticket = a.sent - a.depth
                    a.sent += 1
                    if ticket >= 0:
                        if ticket >= len(a.freed.times):
                            self._sleep(stream, step, a.freed, ticket, now)
                            return None
                        now = stream.stand(a.freed, ticket, now, f)
                    return (now, stream.number) if now != stream.keyed else (now, *stream.key)
                elif kind == RECEIVE:
                    stream.claim = step
                    ticket = a.taken
                    a.taken += 1
                    if ticket >= len(a.arrived.times):
                        self._sleep(stream, step, a.arrived, ticket, now)
                        return None
                    now = stream.stand(a.arrived, ticket, now, e)
                    return (now, stream.number) if now != stream.keyed else (now, *stream.key)
                elif kind == TAKE_ALL:
                    ticket += image * b
                    if ticket > 0 and a:
                        asked, now = now, self._stand_all(stream, step, ticket, now)
                        if now < asked:
                            return None
                elif kind == CUT:
                    if a != stream.origin:
                        stream.cut(now)
                        stream.origin = a
                else:
                    assert kind == BEHIND, f"step {kind}"
                    stream.set_key(behind(stream.key_at(now), stream.number), now)
            if not stream.next_input(now):
                return None
            image = stream.base

    def _sleep(self, stream: TimedStream, step: Step, tickets: Tickets, ticket: int, now: float) -> None:
        """A stream sleeps until a ticket is given."""
        stream.now, stream.wants, stream.asleep = now, ticket, step
        tickets.sleepers.append(stream)

    def _rouse(self, tickets: Tickets) -> None:
        """Those whose ticket has been given go on."""
        given, sleepers = len(tickets.times), tickets.sleepers
        if len(sleepers) == 1:
            if sleepers[0].wants < given:
                self._ready.append(sleepers.pop())
            return
        self._ready += [stream for stream in sleepers if stream.wants < given]
        tickets.sleepers = [stream for stream in sleepers if stream.wants >= given]

    def _resume(self, stream: TimedStream, now: float) -> _Entry | None:
        """A stream that stood at a step other than TAKE, or that begins, goes on, as _ahead does."""
        step, ticket = stream.asleep, stream.wants
        kind, _, fifo, _, _, _, e, f = step
        if kind == BEGIN:
            return self._ahead(stream, now)
        if kind == TAKE_ALL:
            later = self._stand_all(stream, step, ticket, now)
            return self._ahead(stream, later) if later >= now else None
        now = stream.stand(fifo.freed, ticket, now, f) if kind == SEND else stream.stand(fifo.arrived, ticket, now, e)
        return (now, stream.number) if now != stream.keyed else (now, *stream.key)

    def _stand_all(self, stream: TimedStream, step: Step, ticket: int, now: float) -> float:
        """When a stream goes on that asks several others for a ticket; -1 if it has to sleep."""
        given = -1.0
        for tickets in step[2]:
            if ticket >= len(tickets.times):
                self._sleep(stream, step, tickets, ticket, now)
                return -1.0
            if tickets.times[ticket] > given:
                given = tickets.times[ticket]
        if given < now:
            return now
        last = max(step[2], key=lambda tickets: (tickets.times[ticket], tickets.giver(ticket)))
        return stream.stand(last, ticket, now, step[4])

    def _send(self, stream: TimedStream, now: float) -> float:
        """A message leaves; until when that keeps its sender."""
        _, _, fifo, memory, hold, after, route, _ = stream.claim
        free = self.free
        start = now
        if free[memory] > now:
            stream.queued += free[memory] - now
            start = free[memory]
        free[memory] = start + hold
        head = start
        arrival: float = start + after
        done = arrival
        first = True
        for unit, delay, keep in route:
            if free[unit] > head:
                head = free[unit]
            end = free[unit] = head + keep
            if first:
                stream.queued += head - start
                done, first = max(done, end), False
            head += delay
            if head + keep > arrival:
                arrival = head + keep
        self._give(fifo.arrived, arrival, stream.key_at(now) if arrival == now else ())
        return done

    def _receive(self, stream: TimedStream, now: float) -> float:
        """A message is taken out of its FIFO; until when that keeps its receiver."""
        _, _, fifo, memory, hold, after, _, _ = stream.claim
        free = self.free
        if free[memory] > now:
            stream.queued += free[memory] - now
            now = free[memory]
        free[memory] = now + hold
        done: float = now + after
        self._give(fifo.freed, done, stream.key_at(done))
        return done

    def _give(self, tickets: Tickets, time: float, key: Key) -> None:
        """A FIFO's next message is there, or out."""
        if key != tickets.key:
            tickets.give_odd(len(tickets.times), len(tickets.times) + 1, key)
        tickets.times.append(time)
        if tickets.sleepers:
            self._rouse(tickets)
