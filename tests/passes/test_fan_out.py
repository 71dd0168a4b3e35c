"""Who fills whose ring: a tree from the tile where a piece is made to all who read it."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from cimc.passes.scheduling.fan_out import FAN_OUT, Reader, feeders

CHANNELS = 12
SEGMENTS = 5
EVERYTHING = Reader(-1, 0, CHANNELS, (), 0, SEGMENTS)


def ranges(size: int) -> st.SearchStrategy[tuple[int, int]]:
    """A first and a later last of 0 .. size; often all."""
    some = st.tuples(st.integers(0, size), st.integers(0, size)).filter(lambda ends: ends[0] < ends[1])
    return st.just((0, size)) | some


def inside(reader: Reader, other: Reader) -> bool:
    """Whether all that a reader needs is in what another one has."""
    channels = other.low <= reader.low and reader.high <= other.high
    return channels and other.left <= reader.left and reader.right <= other.right


@st.composite
def readings(draw: st.DrawFn, alike: bool = False) -> tuple[int, list[Reader], int]:
    """A home, readers on other tiles - alike: of everything and without relays - and the tiles of a chip."""
    tiles = draw(st.permutations(range(draw(st.integers(2, 60)))))
    home, rest = tiles[0], list(tiles[1:])
    readers: list[Reader] = []
    while rest and (not readers or draw(st.integers(0, 19))):
        low, high = (0, CHANNELS) if alike else draw(ranges(CHANNELS))
        left, right = (0, SEGMENTS) if alike else draw(ranges(SEGMENTS))
        tile = rest.pop()
        count = 0 if alike else min(len(rest), draw(st.sampled_from((0, 0, 0, 1, 2, 3))))
        readers.append(Reader(tile, low, high, tuple(rest.pop() for _ in range(count)), left, right))
    return home, readers, draw(st.integers(1, 30))


@given(readings())
def test_every_reader_and_relay_is_fed_once_by_a_tree_from_home(made: tuple[int, list[Reader], int]) -> None:
    home, readers, chip = made
    found = feeders(home, readers, chip)
    assert sorted(found) == sorted(tile for reader in readers for tile in (reader.tile, *reader.relays))
    for tile in found:
        steps = 0
        while tile != home:
            tile, steps = found[tile], steps + 1
            assert steps <= len(found), "a circle"


@given(readings())
def test_relays_stand_in_their_order_before_their_reader_and_feed_nobody_else(
    made: tuple[int, list[Reader], int],
) -> None:
    home, readers, chip = made
    found = feeders(home, readers, chip)
    for reader in readers:
        chain = [*reader.relays, reader.tile]
        assert [found[tile] for tile in chain[1:]] == chain[:-1]
        for relay, follower in zip(reader.relays, chain[1:], strict=True):
            assert [tile for tile, source in found.items() if source == relay] == [follower]
        if reader.relays:
            assert reader.tile not in found.values(), "what comes late is handed on"


@given(readings())
def test_who_fills_a_ring_has_all_of_it(made: tuple[int, list[Reader], int]) -> None:
    """All channels, and all segments of a row."""
    home, readers, chip = made
    found = feeders(home, readers, chip)
    has = {reader.tile: reader for reader in readers} | {home: EVERYTHING}
    for reader in readers:
        assert inside(reader, has[found[(*reader.relays, reader.tile)[0]]])


@given(readings())
def test_nobody_feeds_many_while_another_can(made: tuple[int, list[Reader], int]) -> None:
    """Readers come in turn, in the order of what is found. Who already feeds FAN_OUT gets another one only where all
    that have what it needs by then feed as many."""
    home, readers, chip = made
    first = {(*reader.relays, reader.tile)[0]: reader for reader in readers}
    has = {home: EVERYTHING}
    children: Counter[int] = Counter()
    for tile, source in feeders(home, readers, chip).items():
        if tile not in first:
            continue
        reader = first[tile]
        able = [one for one, there in has.items() if inside(reader, there)]
        assert children[source] < FAN_OUT or all(children[one] >= FAN_OUT for one in able)
        children[source] += 1
        if not reader.relays:
            has[tile] = reader


@given(readings(alike=True))
def test_readers_of_everything_are_fed_by_few_and_each_chip_once(made: tuple[int, list[Reader], int]) -> None:
    home, readers, chip = made
    found = feeders(home, readers, chip)
    assert max(Counter(found.values()).values()) <= FAN_OUT
    crossing = Counter(tile // chip for tile, source in found.items() if tile // chip != source // chip)
    away = {reader.tile // chip for reader in readers} - {home // chip}
    assert crossing == dict.fromkeys(away, 1)


def test_by_hand() -> None:
    """Chips of four tiles. 1 and 2 are fed by 0; of the far chip 4, the nearest, is, and feeds the others. 3 reads
    less, through relays on the far chip, of which 4 feeds the first, as it has all channels and is on the same chip."""
    readers = [Reader(6, 0, 8), Reader(1, 0, 8), Reader(4, 0, 8), Reader(3, 2, 4, (5, 7)), Reader(2, 0, 8)]
    assert feeders(0, readers, 4) == {1: 0, 2: 0, 4: 0, 6: 4, 5: 4, 7: 5, 3: 7}


def test_the_ninth_reader_is_fed_by_another_one() -> None:
    """By the nearest of those that the home feeds, and so on: a tree that is no deeper than it must be."""
    found = feeders(0, [Reader(tile, 0, 4) for tile in range(1, 74)], 100)
    assert [tile for tile, source in found.items() if source == 0] == list(range(1, FAN_OUT + 1))
    assert [found[tile] for tile in (9, 16, 17)] == [8, 8, 7]
    deep = {0: 0}
    for tile, source in found.items():
        deep[tile] = deep[source] + 1
    assert max(deep.values()) == 3 and sum(one == 3 for one in deep.values()) == 1  # 8 + 64 readers fit above the last
