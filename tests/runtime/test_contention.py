"""Streams that meet at what they share - links, a tile's memory, FIFOs, rings, the host's bus - in closed forms.

Times are in ns: an instruction takes 1 to fetch, a product 1000. A message of 8 words is 4 flits of 32 bits, so 8 words
on a link, and a word takes 3 there and out of a FIFO: 24. A router takes 10, where a test lets it take any time.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from cimc.isa.operands import Affine, Name, Port, Reg, Window
from cimc.isa.program import ChannelCode, CoreCode, Instruction, Program, Ring, TileCode
from cimc.runtime.timing.account import HOST
from cimc.runtime.timing.engine import time_program
from cimc.runtime.timing.result import StreamTime, Timing
from cimc.target.keys import ACTIONS
from cimc.target.model import Price, Target
from tests.runtime.programs import affine, axis, i, pixel, vector_program
from tests.runtime.test_timing import FETCH, NS, PUMA, W, in_ns, priced

LINKS = FETCH | {"fifo_word": 3.0}
MEMORY = 2.0
"""A word of memory, where it takes time."""
NEXT_CHIP = PUMA.chip.tiles

M = Ring("m", 0, 1, 1, 16, 1, 1, 0, "m")
"""A ring without ports: nobody waits for its slots."""


def once(*body: Instruction) -> tuple[Instruction, ...]:
    return (i("loop", "image", -1), *body, i("end"), i("hlt"))


def words(count: int) -> Window:
    return Window("m", axis(), axis(), axis(0, count))


def send(to: int, fifo: int, count: int = 8) -> Instruction:
    return i("send", words(count), to, fifo)


def receive(fifo: int, count: int = 8) -> Instruction:
    return i("receive", words(count), fifo)


def tile(number: int, *channels: tuple[Instruction, ...], core: tuple[Instruction, ...] = ()) -> TileCode:
    """A tile with the ring m, these channels and perhaps a core."""
    cores = (CoreCode(0, (W,), once(*core)),) if core else ()
    return TileCode(
        number, (M,), cores=cores, channels=tuple(ChannelCode(n, once(*body)) for n, body in enumerate(channels))
    )


def timed(target: Target, *tiles: TileCode) -> Timing:
    return time_program(Program("contention", "puma", "", tiles=tiles), target, inputs=1)


def stream(timing: Timing, tile: int, unit: str = "channel", number: int = 0) -> StreamTime:
    return next(s for s in timing.streams if (s.tile, s.unit, s.number) == (tile, unit, number))


def link_time(timing: Timing, name: str) -> float:
    return in_ns(next(unit.seconds for unit in timing.units if unit.name == name))


def test_two_messages_over_one_link_follow_each_other() -> None:
    # Tiles 0 and 1 send to tile 2, all at one router; both ask at 2 (loop, fetch). Each has a link of its own to the
    # router, heads are there at 12. The link to tile 2 takes the first until 36 and the second until 60. Taken out of
    # their FIFOs by two channels, 24 each: 60 and 84; and the ends.
    timing = timed(
        priced(LINKS | {"network_hop": 10.0}),
        tile(0, (send(2, 0),)),
        tile(1, (send(2, 1),)),
        tile(2, (receive(0),), (receive(1),)),
    )
    first, second = stream(timing, 2, number=0), stream(timing, 2, number=1)
    assert (in_ns(first.waited), in_ns(second.waited)) == pytest.approx((36 - 2, 60 - 2))
    assert in_ns(timing.latency) == pytest.approx(60 + 24 + 1)
    assert link_time(timing, "router 0/0,0 to tile 2") == pytest.approx(2 * 24)
    # Neither sender has stood for it: a message is off its hands when its own link has it.
    assert [in_ns(stream(timing, number).queued) for number in (0, 1)] == pytest.approx([0, 0])


def test_two_channels_of_a_tile_share_its_link() -> None:
    # Both ask at 2. The link to the router takes the first message until 26 and the second until 50, and with it its
    # sender, which stood 24 of that. To tiles 1 and 2 each has a link: heads there at 12 and 36, tails at 36 and 60.
    timing = timed(
        priced(LINKS | {"network_hop": 10.0}),
        tile(0, (send(1, 0),), (send(2, 0),)),
        tile(1, (receive(0),)),
        tile(2, (receive(0),)),
    )
    assert [in_ns(stream(timing, 0, number=n).queued) for n in (0, 1)] == pytest.approx([0, 24])
    assert [in_ns(stream(timing, n).waited) for n in (1, 2)] == pytest.approx([36 - 2, 60 - 2])
    assert in_ns(timing.latency) == pytest.approx(60 + 24 + 1)


def test_a_sender_goes_on_when_its_link_has_the_message() -> None:
    # Asks at 2, has the link until 26; the next fetch to 27, until 51, and the end.
    timing = timed(priced(LINKS), tile(0, (send(1, 0), send(1, 1))), tile(1, (receive(0),), (receive(1),)))
    sender = stream(timing, 0)
    assert in_ns(sender.busy) == pytest.approx(51 + 1)
    assert (sender.queued, sender.waited) == (0, 0)


@pytest.mark.parametrize(("count", "flits"), [(1, 1), (2, 1), (3, 2), (7, 4)])
def test_half_a_flit_takes_a_whole_one(count: int, flits: int) -> None:
    # A word has 16 bits and a flit 32: `flits` of them keep a link for two words' time, 6, each; words leave the FIFO
    # one by one. Asks at 2, there at 2 + 6 flits, out 3 words later, and the end.
    timing = timed(priced(LINKS), tile(0, (send(1, 0, count),)), tile(1, (receive(0, count),)))
    assert link_time(timing, "tile 0 to router 0/0,0") == pytest.approx(6 * flits)
    assert in_ns(timing.latency) == pytest.approx(2 + 6 * flits + 3 * count + 1)


@pytest.mark.parametrize(("to", "routers"), [(1, 1), (4, 2), (8, 3)])
def test_every_router_of_a_way_takes_its_time(to: int, routers: int) -> None:
    # Four tiles a router; the tail is 24 behind the head.
    timing = timed(priced(LINKS | {"network_hop": 10.0}), tile(0, (send(to, 0),)), tile(to, (receive(0),)))
    assert in_ns(timing.latency) == pytest.approx(2 + 10 * routers + 24 + 24 + 1)


def test_the_way_to_another_chip_takes_as_long_as_its_slowest_link() -> None:
    # 8 words at 7 keep the chips' links for 56 each. The head asks at 2, is past the router of chip 0 at 12 and past
    # that of chip 1 at 22; the tail is 56 behind. 24 out of the FIFO, and the end.
    timing = timed(
        priced(LINKS | {"network_hop": 10.0, "off_chip_word": 7.0}),
        tile(0, (send(NEXT_CHIP, 0),)),
        tile(NEXT_CHIP, (receive(0),)),
    )
    assert in_ns(timing.latency) == pytest.approx(2 + 20 + 56 + 24 + 1)
    assert link_time(timing, "link out of chip 0") == link_time(timing, "link into chip 1") == pytest.approx(56)
    assert in_ns(stream(timing, 0).busy) == pytest.approx(2 + 24 + 1)


def delayed_load(fetches: int, count: int = 10) -> tuple[Instruction, ...]:
    """A load that asks for the memory at 2 + fetches."""
    return (*(i("set", Reg("r", 0, 1), 0) for _ in range(fetches)), i("load", Reg("r", 0, count), words(count), 0))


def test_a_receive_takes_the_memory() -> None:
    # The message is there at 26: asked for at 2, its 8 words out of memory by 18, 24 on the links. Its receiver writes
    # them, 16 of its 24, until 42. The core's load asks at 30, stands 12, reads 10 words until 62, and its end.
    target = priced(LINKS | {"memory_word": MEMORY})
    timing = timed(target, tile(0, (send(1, 0),)), tile(1, (receive(0),), core=delayed_load(28)))
    core = stream(timing, 1, "core")
    assert in_ns(core.queued) == pytest.approx(42 - 30)
    assert in_ns(core.busy + core.queued) == pytest.approx(62 + 1)


def test_a_receive_waits_for_the_memory() -> None:
    # The other way round: the core reads from 20 to 40, the message of 26 is written from 40 on and done at 64.
    target = priced(LINKS | {"memory_word": MEMORY})
    timing = timed(target, tile(0, (send(1, 0),)), tile(1, (receive(0),), core=delayed_load(18)))
    receiver = stream(timing, 1)
    assert in_ns(receiver.queued) == pytest.approx(40 - 26)
    assert in_ns(timing.latency) == pytest.approx(40 + 24 + 1)


def test_a_send_waits_for_the_memory_and_takes_it() -> None:
    # Core and channel ask at 2; the core is served first, until 22. The message leaves then, and keeps the memory until
    # 38 and its sender until 46. So a core that asks at 3 stands until 18.
    target = priced(LINKS | {"memory_word": MEMORY})
    behind = timed(target, tile(0, (send(1, 0),), core=delayed_load(0)), tile(1, (receive(0),)))
    assert in_ns(stream(behind, 0).queued) == pytest.approx(22 - 2)
    assert in_ns(stream(behind, 1).waited) == pytest.approx(22 + 24 - 2)
    ahead = timed(target, tile(0, (send(1, 0),), core=delayed_load(1)), tile(1, (receive(0),)))
    assert in_ns(stream(ahead, 0).queued) == 0
    assert in_ns(stream(ahead, 0, "core").queued) == pytest.approx(2 + 16 - 3)


def test_a_send_of_many_words_is_as_slow_as_the_memory() -> None:
    # Words at 5: 40 in memory, 24 on the link. The message cannot be there before its last word has left the memory.
    target = priced(LINKS | {"memory_word": 5.0})
    timing = timed(target, tile(0, (send(1, 0),)), tile(1, (receive(0),)))
    assert in_ns(stream(timing, 1).waited) == pytest.approx(2 + 40 - 2)
    assert in_ns(timing.latency) == pytest.approx(42 + 40 + 1)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_fifo_holds_as_many_messages_as_it_is_deep(depth: int) -> None:
    # The receiver pauses for 1001 (a loop and its 1000 ends) and a fetch before each message that it takes, 24, and an
    # end: message n of 0 .. is out at 2 + 1002 + 24 + n * (1002 + 24 + 1). The sender has no pause: message n leaves at
    # 3 + n * (24 + 1 + 1), or, from `depth` on, when number n - depth is out; then 24, an end and a fetch to the next.
    deep = replace(priced(LINKS), tile=replace(PUMA.tile, fifo_depth=depth))
    four = (i("loop", "n", 4), send(1, 0), i("end"))
    pauses = (i("loop", "n", 4), i("loop", "pause", 1000), i("end"), receive(0), i("end"))
    timing = timed(deep, tile(0, four), tile(1, pauses))
    out = [2 + 1002 + 24 + n * (1002 + 24 + 1) for n in range(4)]
    asked, stood = 3, 0
    for n in range(4):
        leaves = max(asked, out[n - depth]) if n >= depth else asked
        stood += leaves - asked
        asked = leaves + 24 + 1 + 1
    assert in_ns(stream(timing, 0).waited) == pytest.approx(stood)
    assert stood > 900 * (4 - depth)
    assert in_ns(timing.latency) == pytest.approx(out[3] + 1 + 1)


RING = Ring("m", 0, 2, 1, 16, 1, 1, 2, "m")
"""Two rows an input, room for one, two consumers."""


def rows(*body: Instruction) -> tuple[Instruction, ...]:
    return (i("loop", "oy", 2), *body, i("end"))


PRODUCE = rows(i("space", Name("m"), affine(1, oy=1)), i("signal", Name("m"), affine(1, oy=1)))


def consume(port: int, *work: Instruction) -> tuple[Instruction, ...]:
    ticket = affine(1, oy=1)
    return rows(i("wait", Port("m", port), ticket), *work, i("release", Port("m", port), ticket))


@pytest.mark.parametrize("slow", [0, 1])
def test_a_slot_is_free_when_the_last_consumer_has_released_it(slow: int) -> None:
    # Row 0 is signalled at 4. The slow consumer multiplies for 1001 and has released it at 1006 (one fetch more); the
    # other at 5. The producer asks for row 1 at 6 (end, fetch), so it stands 1000, and signals at 1007; the slow one,
    # which asks from 1008 on, goes on at once: 1001 and 1 to its release, and two ends.
    bodies = [consume(0), consume(1)]
    bodies[slow] = consume(slow, i("mvm", 1))
    cores = tuple(CoreCode(n, (W,), once(*body)) for n, body in enumerate((PRODUCE, *bodies)))
    timing = timed(priced(FETCH), TileCode(0, (RING,), cores=cores))
    assert in_ns(stream(timing, 0, "core", 0).waited) == pytest.approx(1000)
    assert in_ns(timing.latency) == pytest.approx(1008 + 1001 + 1 + 2)


@pytest.mark.parametrize("slow", [0, 1])
def test_a_row_is_there_when_its_last_producer_has_signalled(slow: int) -> None:
    # Two producers of one row each way: loop, space 2; the slow one multiplies, 1001; signal 3 and 1004. The consumer
    # asks at 2, so it stands 1002; its release and its end.
    ring = Ring("m", 0, 1, 1, 16, 1, 1, 1, "m", producers=2)
    quick = (i("space", Name("m"), Affine(1)), i("signal", Name("m"), Affine(1)))
    bodies = [quick, quick]
    bodies[slow] = (quick[0], i("mvm", 1), quick[1])
    last = (i("wait", Port("m", 0), Affine(1)), i("release", Port("m", 0), Affine(1)))
    cores = tuple(CoreCode(n, (W,), once(*body)) for n, body in enumerate((*bodies, last)))
    timing = timed(priced(FETCH), TileCode(0, (ring,), cores=cores))
    assert in_ns(stream(timing, 0, "core", 2).waited) == pytest.approx(1004 - 2)
    assert in_ns(timing.latency) == pytest.approx(1004 + 1 + 1)


@pytest.mark.parametrize("inner", [1, 3])
def test_a_piece_keeps_the_memory_for_all_its_loads(inner: int) -> None:
    # An iteration is one piece: two loads of 10 words, or a loop of three such pairs: 40 or 120 of memory at once. Both
    # cores ask at 3 or 4; the second stands for as long as the first one's piece keeps the memory.
    pair = (i("load", Reg("r", 0, 10), words(10), 0),) * 2
    body = pair if inner == 1 else (i("loop", "k", inner), *pair, i("end"))
    loop = once(i("loop", "n", 1), *body, i("end"))
    cores = tuple(CoreCode(number, (W,), loop) for number in range(2))
    timing = timed(priced(FETCH | {"memory_word": MEMORY}), TileCode(0, (M,), cores=cores))
    queued = [in_ns(stream(timing, 0, "core", n).queued) for n in (0, 1)]
    assert queued == pytest.approx([0, inner * 40])
    # Fetches: the loops and their ends, and of each pass two loads and an end.
    fetched = 4 + inner * 2 + (0 if inner == 1 else 1 + inner)
    assert in_ns(timing.latency) == pytest.approx(fetched + 2 * inner * 40)


def test_the_host_pays_for_link_memory_and_bus() -> None:
    # 4 words in and 3 out, each over the chip's link, 100 J, and between memory, 10 J, and bus, 1 J.
    joules = {"off_chip_word": 100.0, "memory_word": 10.0, "memory_bus_word": 1.0}
    target = replace(PUMA, prices={action: Price(NS, joules.get(action, 0.0), "test") for action in ACTIONS})
    body = (i("load", Reg("xin", 0, 4), pixel("x", 4), 0), i("mvm", 1), i("store", pixel("y", 3), Reg("xout", 0, 3)))
    timing = time_program(vector_program(4, 3, body, (W,)), target, inputs=2)
    assert timing.joules_by_layer[HOST] == pytest.approx((4 + 3) * 111)
    assert timing.joules_by_component["memory bus"] == pytest.approx(2 * (4 + 3))  # and the core's load and store
    memory = next(unit for unit in timing.units if unit.kind == "memory")
    assert in_ns(memory.seconds) == pytest.approx(2 * (4 + 3))  # memory and bus at the same time
