"""The token game against closed cases and against a naive one that moves streams in random order."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from cimc.base.tokens import RECEIVE, RELEASE, SEND, SIGNAL, SPACE, WAIT, Event, TokenGame, TokenRing


def producer(ring: int, tickets: int, number: int = 0) -> list[Event]:
    return [
        Event(kind, ring, number * (kind == SIGNAL), ticket + 1)
        for ticket in range(tickets)
        for kind in (SPACE, SIGNAL)
    ]


def window(ring: int, port: int, tickets: int, rows: int) -> list[Event]:
    """A consumer that holds `rows` tickets at once, then releases the oldest."""
    events = []
    for ticket in range(tickets):
        events.append(Event(WAIT, ring, port, min(tickets, ticket + rows)))
        events.append(Event(RELEASE, ring, port, ticket + 1))
    return events


def test_a_ring_must_hold_the_window_of_its_consumer() -> None:
    for capacity in (1, 2, 3, 4):
        blocked = TokenGame([producer(0, 6), window(0, 0, 6, 3)], [TokenRing(6, capacity, 1)], [], 3).play()
        assert bool(blocked) == (capacity < 3), capacity


def test_what_is_blocked_is_named() -> None:
    """Both of two streams receive before they send."""
    streams = [[Event(RECEIVE, 0, mark=7), Event(SEND, 1)], [Event(RECEIVE, 1), Event(SEND, 0)]]
    blocked = TokenGame(streams, [], [1, 1], 1).play()
    assert [(stop.stream, stop.event.mark, stop.image) for stop in blocked] == [(0, 7, 0), (1, 0, 0)]


def test_a_fifo_holds_as_many_messages_as_it_is_deep() -> None:
    """Two messages on FIFO 0 before the one on FIFO 1 that the receiver takes first."""
    streams = [
        [Event(SEND, 0), Event(SEND, 0), Event(SEND, 1)],
        [Event(RECEIVE, 1), Event(RECEIVE, 0), Event(RECEIVE, 0)],
    ]
    assert TokenGame(streams, [], [1, 1], 2).play()
    assert not TokenGame(streams, [], [2, 1], 2).play()


def test_a_slot_is_free_when_all_ports_have_released_it() -> None:
    streams = [producer(0, 4), window(0, 0, 4, 1), [Event(WAIT, 0, 1, 4), Event(RELEASE, 0, 1, 4)]]
    assert TokenGame(streams, [TokenRing(4, 3, 2)], [], 1).play()
    assert not TokenGame(streams, [TokenRing(4, 4, 2)], [], 1).play()


def test_a_row_is_there_when_all_producers_have_signalled_it() -> None:
    """The second producer needs row 2 of the ring before it makes it; what it has made already it may wait for."""
    for ahead, stuck in ((0, False), (1, True)):
        slow = [Event(WAIT, 0, 0, 1 + ahead), *producer(0, 3, 1)[2:]]
        streams = [producer(0, 3), [*producer(0, 1, 1), *slow, Event(RELEASE, 0, 0, 3)]]
        assert bool(TokenGame(streams, [TokenRing(3, 3, 1, 2)], [], 1).play()) == stuck


def test_a_ring_without_ports_is_always_free_and_an_empty_stream_never_blocked() -> None:
    assert not TokenGame([producer(0, 5), []], [TokenRing(5, 1, 0)], [], 2).play()


def naive(
    streams: Sequence[Sequence[Event]],
    rings: Sequence[TokenRing],
    depths: Sequence[int],
    images: int,
    rng: random.Random,
) -> list[int]:
    """How many events each stream gets through, moving a random one that can move until none can."""
    flat = [[(image, event) for image in range(images) for event in stream] for stream in streams]
    at, queued = [0] * len(flat), [0] * len(depths)
    signalled = [[0] * ring.producers for ring in rings]
    released = [[0] * ring.ports for ring in rings]

    def step(stream: int) -> bool:
        image, event = flat[stream][at[stream]]
        thing = event.thing
        if event.kind == SEND:
            if queued[thing] == depths[thing]:
                return False
            queued[thing] += 1
        elif event.kind == RECEIVE:
            if not queued[thing]:
                return False
            queued[thing] -= 1
        else:
            ticket = image * rings[thing].tickets + event.ticket
            if event.kind == WAIT and any(given < ticket for given in signalled[thing]):
                return False
            if event.kind == SPACE and any(r + rings[thing].capacity < ticket for r in released[thing]):
                return False
            if event.kind == SIGNAL:
                signalled[thing][event.port] = max(signalled[thing][event.port], ticket)
            if event.kind == RELEASE:
                released[thing][event.port] = max(released[thing][event.port], ticket)
        at[stream] += 1
        return True

    while True:
        order = [stream for stream in range(len(flat)) if at[stream] < len(flat[stream])]
        rng.shuffle(order)
        if not any(step(stream) for stream in order):
            return at


@settings(max_examples=150)
@given(st.integers(0, 1 << 32))
def test_every_order_of_moves_ends_at_the_same_place(seed: int) -> None:
    """Random networks: a producer or two a ring, one owner a port, one sender and one receiver a FIFO."""
    rng = random.Random(seed)
    rings = [
        TokenRing(rng.randint(1, 5), rng.randint(1, 4), rng.randint(0, 2), rng.choice([1, 1, 2]))
        for _ in range(rng.randint(1, 3))
    ]
    depths = [rng.randint(1, 2) for _ in range(rng.randint(0, 2))]
    parts: list[list[Event]] = []
    for number, ring in enumerate(rings):
        parts += [producer(number, ring.tickets, one) for one in range(ring.producers)]
        parts += [window(number, port, ring.tickets, rng.randint(1, 3)) for port in range(ring.ports)]
    for fifo in range(len(depths)):
        count = rng.randint(1, 3)
        parts += [[Event(SEND, fifo)] * count, [Event(RECEIVE, fifo)] * count]
    streams: list[list[Event]] = [[] for _ in range(rng.randint(1, len(parts)))]
    for part in parts:
        stream = rng.choice(streams)
        places = sorted(rng.sample(range(len(stream) + len(part)), len(part)))
        merged = list(stream)
        for place, event in zip(places, part, strict=True):
            merged.insert(place, event)
        stream[:] = merged
    game = TokenGame(streams, rings, depths, 2)
    blocked = game.play()
    reached = [game.image[i] * len(stream) + game.at[i] for i, stream in enumerate(streams)]
    for _ in range(3):
        assert naive(streams, rings, depths, 2, rng) == reached
    assert {stop.stream for stop in blocked} == {i for i, stream in enumerate(streams) if reached[i] < 2 * len(stream)}
