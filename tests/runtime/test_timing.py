"""The timing engine against closed forms, each derived by hand beside its test.

Prices are round: fetching takes 1 ns, a product 1000 ns, a word of memory 2 ns or nothing; times below are in ns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest

from cimc.base.diagnostics import CimcError
from cimc.isa.cost.prices import PriceList, count_actions
from cimc.isa.cost.products import Setting, full_product
from cimc.isa.operands import Affine, Name, Port, Reg, Window
from cimc.isa.program import CoreCode, Instruction, Matrix, Program, Ring, TileCode
from cimc.isa.verify.counts import count_instructions
from cimc.runtime.timing.engine import time_program
from cimc.runtime.timing.operations import cost_stream
from cimc.runtime.timing.result import Timing
from cimc.target import load_target
from cimc.target.keys import ACTIONS
from cimc.target.model import Price, Target
from tests.runtime.programs import affine, axis, i, pixel, plug, relay_program, vector_program

PUMA = load_target("puma")
NS = 1e-9


def priced(nanoseconds: Mapping[str, float]) -> Target:
    """PUMA with these times; all others 0, and no energy."""
    prices = {action: Price(nanoseconds.get(action, 0.0) * NS, 0.0, "test") for action in ACTIONS}
    del prices["crossbar_step"]
    return replace(PUMA, prices=prices)


FETCH = {"core_instruction": 1.0, "tile_instruction": 1.0, "mvm": 1000.0}
FREE_MEMORY = priced(FETCH | {"xin_write": 2.0, "register_word": 2.0})
SLOW_MEMORY = priced(FETCH | {"memory_word": 2.0})
W = Matrix(0, "w", 4, 3, 16, 16, True, 0, "w", 0, 0)


def bare(*bodies: tuple[Instruction, ...], rings: tuple[Ring, ...] = ()) -> Program:
    """A tile of cores without host, each doing its body for every input."""
    cores = tuple(
        CoreCode(number, (W,), (i("loop", "image", -1), *body, i("end"), i("hlt")))
        for number, body in enumerate(bodies)
    )
    return Program("bare", "puma", "", tiles=(TileCode(0, rings, cores=cores),))


def in_ns(seconds: float | None) -> float:
    assert seconds is not None
    return seconds / NS


def test_one_mvm() -> None:
    # loop 1, then for each input mvm 1 + 1000 and end 1.
    timing = time_program(bare((i("mvm", 1),)), FREE_MEMORY, inputs=3)
    assert in_ns(timing.latency) == pytest.approx(1 + 1002)
    assert in_ns(timing.interval) == pytest.approx(1002)
    assert timing.rate == pytest.approx(1e9 / 1002)
    assert timing.bottleneck.name == "tile 0 core 0"
    assert "products on crossbars" in timing.bottleneck.why


def test_a_narrow_input_takes_fewer_steps() -> None:
    # PUMA: 100 ns x (steps + 2): 1800 for 16 bits, 1000 for 8. And the fetch and the end, 1 each.
    narrow = replace(W, input_bits=8)
    for matrix, product in ((W, 1800), (narrow, 1000)):
        program = bare((i("mvm", 1),))
        core = replace(program.tiles[0].cores[0], matrices=(matrix,))
        program = replace(program, tiles=(replace(program.tiles[0], cores=(core,)),))
        assert in_ns(time_program(program, PUMA, inputs=2).interval) == pytest.approx(product + 2)


def test_one_fc_layer() -> None:
    # 4 inputs, 3 outputs. The host's 4 words take the memory until 8. The core: loop 1, wait 2 and on to 8, space 9;
    # load: fetch 10, 4 words 18; mvm: fetch 19, product 1019; store: fetch 1020, 3 words 1026; release 1027, signal
    # 1028. At 1027 the host asks first, for the next input's 4 words, until 1035; then it reads the 3 words: 1041.
    # The core is at its wait from 1030 and goes on at 1035; its space, from 1036 on, is granted at 1041, where the
    # first input's was at 9: 1032 later. Behind the last input the host asks for nothing: it is out 7 sooner.
    body = (
        i("load", Reg("xin", 0, 4), pixel("x", 4), 0),
        i("mvm", 1),
        i("store", pixel("y", 3), Reg("xout", 0, 3)),
    )
    timing = time_program(vector_program(4, 3, body, (W,)), SLOW_MEMORY, inputs=3)
    assert in_ns(timing.latency) == pytest.approx(1041)
    assert in_ns(timing.interval) == pytest.approx(1032)
    assert in_ns(timing.completions[2] - timing.completions[1]) == pytest.approx(1032 - 7)


def layer(source: str, target: str, words: int, rows: int, pixels: int, port: int = 0) -> tuple[Instruction, ...]:
    """A 1x1 convolution of `words` channels, row by row; each pixel loads, multiplies and stores."""
    ticket = affine(1, oy=1)
    place = affine(oy=1), affine(ox=1)
    return (
        i("loop", "image", -1),
        i("loop", "oy", rows),
        i("wait", Port(source, port), ticket),
        i("space", Name(target), ticket),
        i("loop", "ox", pixels),
        i("load", Reg("xin", 0, words), pixel(source, words, *place), 0),
        i("mvm", 1),
        i("store", pixel(target, words, *place), Reg("xout", 0, words)),
        i("end"),
        i("release", Port(source, port), ticket),
        i("signal", Name(target), ticket),
        i("end"),
        i("end"),
        i("hlt"),
    )


def convolutions(*words: int, rows: int = 4, width: int = 5, held: int = 8) -> Program:
    """Layers one behind the other, of so many channels each; rings hold `held` rows."""
    names = [f"m{number}" for number in range(len(words) + 1)]
    channels = (*words, words[-1])
    rings = tuple(
        Ring(name, 0, rows, width, count, 1, held * width, 1, name) for name, count in zip(names, channels, strict=True)
    )
    cores = tuple(
        CoreCode(number, (W,), layer(names[number], names[number + 1], count, rows, width))
        for number, count in enumerate(words)
    )
    plugs = plug("x", rings[0], -1), plug("y", rings[-1], 0)
    return Program("convolutions", "puma", "", (), plugs[:1], plugs[1:], (TileCode(0, rings, cores=cores),))


def row(words: int, width: int = 5) -> int:
    """A row: wait, space, loop, release, signal, end; each pixel a load (1 + 2 a word, into XbarIn), an mvm (1001), a
    store (1 + 2 a word, out of a register) and an end."""
    return 6 + width * (1 + 2 * words + 1001 + 1 + 2 * words + 1)


def test_one_conv_layer() -> None:
    # The memory costs nothing, so the host's rows are there at once. Loops over inputs and rows 2, four rows; the last
    # row is signalled, and read by the host at once, before its end. From input to input: four rows, loop and end.
    timing = time_program(convolutions(4), FREE_MEMORY, inputs=3)
    assert in_ns(timing.latency) == pytest.approx(2 + 4 * row(4) - 1)
    assert in_ns(timing.interval) == pytest.approx(4 * row(4) + 2)
    assert in_ns(timing.streams[0].by_unit["mvmu"]) == pytest.approx(20 * 1000)


def test_a_pipeline_of_two_layers() -> None:
    # The second layer (6 words) is the slower one. It starts its first row's work when the first layer (2 words) has
    # signalled its first row - at 2 + row(2) - 1, as the second has then reached its wait - and then never waits again:
    # its four rows follow without a gap, the first from its space on, the last to its signal.
    program = convolutions(2, 6)
    timing = time_program(program, FREE_MEMORY, inputs=4)
    assert in_ns(timing.latency) == pytest.approx((2 + row(2) - 1) + (4 * row(6) - 1 - 1))
    assert in_ns(timing.interval) == pytest.approx(4 * row(6) + 2)
    slow = timing.streams[1]
    assert (in_ns(slow.waited), in_ns(slow.busy)) == pytest.approx((0, 4 * row(6) + 2))
    assert timing.bottleneck.name == "tile 0 core 1"
    assert timing.bottleneck.share == pytest.approx(1)


def test_a_ring_of_one_row_makes_layers_take_turns() -> None:
    # One row in the ring between: the first layer starts a row when the second has released the one before (its signal
    # and end still to come), the second when it is signalled. So a row takes, without what overlaps: of the first layer
    # from its space (granted at the release, so its loop on) to its signal, of the second from its wait (granted at the
    # signal, so its space on) to its release.
    timing = time_program(convolutions(3, 3, held=1), FREE_MEMORY, inputs=4)
    work = row(3) - 6
    first = 1 + work + 2  # loop, pixels, release, signal
    second = 2 + work + 1  # space, loop, pixels, release
    assert in_ns(timing.interval) == pytest.approx(4 * (first + second))
    assert "no stream works all the time" in timing.bottleneck.why


def loads(count: int, words: int) -> tuple[Instruction, ...]:
    window = Window("m", axis(), axis(), axis(0, words))
    return (i("loop", "n", count), i("load", Reg("r", 0, words), window, 0), i("end"))


def test_a_contended_bus() -> None:
    # Two cores load 10 words (20 ns of memory) five times. Both ask first at 3 (loop, loop, fetch); the memory then
    # serves them in turn without a gap, as each asks again 2 after it was served: ten loads end at 203. The core that
    # comes second ends there, and the ends of its two loops take 2. It has stood in the queue for 20 at first, and then
    # 20 - 2 four times.
    ring = Ring("m", 0, 1, 1, 10, 1, 1, 0, "m")
    timing = time_program(bare(loads(5, 10), loads(5, 10), rings=(ring,)), SLOW_MEMORY, inputs=1)
    assert in_ns(timing.latency) == pytest.approx(3 + 10 * 20 + 2)
    assert in_ns(timing.streams[1].queued) == pytest.approx(20 + 4 * 18)
    assert in_ns(timing.streams[0].queued) == pytest.approx(4 * 18)
    assert timing.bottleneck.name == "tile 0 memory"
    alone = time_program(bare(loads(5, 10), rings=(ring,)), SLOW_MEMORY, inputs=1)
    assert in_ns(alone.latency) == pytest.approx(2 + 5 * (1 + 20 + 1) + 1)


def test_a_message_between_tiles() -> None:
    # One row of 4 pixels x 2 channels, so 8 words = 4 flits; a flit keeps a link as long as a FIFO takes its two words,
    # 2 x 3, so the message 24. Tiles 0 and 1 share a router, a hop of 10. Sender: loop 1, wait 2 until the core has
    # signalled at t; send: fetch t + 1, the head is at the tile at t + 11 and the tail at t + 35. Receiver: there since
    # long; takes 8 words out, 24: t + 59; signal t + 60, and the host has it.
    target = priced(FETCH | {"network_hop": 10.0, "fifo_word": 3.0})
    program = relay_program(height=1, pixels=4)
    core = program.tiles[0].cores[0]
    # The core: loops over inputs, rows and segments 3, wait and space 2, loop 1, four pixels of load, set, sub, store
    # and end, 1 each; release, signal.
    signalled = 3 + 2 + 1 + 4 * 5 + 2
    assert [instruction.mnemonic for instruction in core.stream].count("loop") == 4
    timing = time_program(program, target, inputs=1)
    assert in_ns(timing.latency) == pytest.approx(signalled + 60)
    links = {unit.name: in_ns(unit.seconds) for unit in timing.units if unit.kind == "link" and unit.seconds}
    assert links == {"tile 0 to router 0/0,0": pytest.approx(24), "router 0/0,0 to tile 1": pytest.approx(24)}


def test_pieces_of_many_iterations_take_as_long() -> None:
    program = convolutions(2, 6)
    fine, coarse = (time_program(program, SLOW_MEMORY, inputs=3, grain=grain) for grain in (1, 3))
    assert (fine.pieces, coarse.pieces) == (1, 3)
    assert coarse.latency == pytest.approx(fine.latency, rel=0.01)  # they queue for the memory at other moments
    assert coarse.interval == pytest.approx(fine.interval or 0, rel=0.01)


def test_energy_is_the_sum_of_the_actions() -> None:
    # A full product on PUMA: 19.09 mW x 1800 ns; 128 words out of XbarIn (1.7 mW, 1 ns each) and 128 into XbarOut (a
    # register, 0.477 mW); two instructions (mvm, end) of 1.77 mW x 1 ns.
    full = replace(W, rows=128, columns=128)
    program = bare((i("mvm", 1),))
    tile = replace(program.tiles[0], cores=(replace(program.tiles[0].cores[0], matrices=(full,)),))
    timing = time_program(replace(program, tiles=(tile,)), PUMA, inputs=1)
    expected = 19.09e-3 * 1800e-9 + 128 * (1.7e-3 + 0.477e-3) * 1e-9 + 2 * 1.77e-3 * 1e-9
    assert timing.joules == pytest.approx(expected)
    for sums in (timing.joules_by_component, timing.joules_by_layer):
        assert sum(sums.values()) == pytest.approx(timing.joules)
    assert timing.joules_by_component["ADCs"] == pytest.approx(4 * 1.8e-3 * 1600e-9)  # 4 ADCs through 16 steps


def test_parts_of_isaacs_product_are_its_whole() -> None:
    # ISAAC's table: ADC 16 + DAC 4 + crossbars 2.4 + shift-and-add 0.2 of an IMA's 22.61 mW; 0.01 is sample and hold.
    isaac = load_target("isaac")
    parts = sum(count * isaac.prices[action].joules for action, count in full_product(isaac).items())
    assert parts == pytest.approx(isaac.prices["mvm"].joules * (22.6 / 22.61))


def test_actions_of_a_load_and_of_an_mvm() -> None:
    core = CoreCode(0, (W,), ())
    setting = Setting(PUMA, TileCode(0, cores=(core,)), core)
    load = i("load", Reg("xin", 0, 4), Window("x", axis(0, 2), axis(0, 1), axis(0, 2)), 0)
    words = {"memory_word": 4, "memory_bus_word": 4, "xin_write": 4, "core_instruction": 1}
    assert count_actions(load, setting) == words
    # 4 rows x 3 columns, 8 slices, 16 steps.
    product = {
        "mvm": 1, "crossbar_step": 16 * 8, "dac_conversion": 16 * 4 * 8, "adc_conversion": 16 * 3 * 8,
        "shift_add": 16 * 3 * 8, "xin_read": 4, "register_word": 3, "core_instruction": 1,
    }  # fmt: skip
    assert count_actions(i("mvm", 1), setting) == product


def test_same_program_same_result() -> None:
    program = convolutions(2, 6)
    runs: list[Timing] = [time_program(program, PUMA, inputs=3, record=True) for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0].intervals


def test_streams_work_as_long_as_their_instructions_take() -> None:
    timing = time_program(convolutions(2, 6), SLOW_MEMORY, inputs=4)
    for stream in timing.streams[:2]:
        assert stream.busy == pytest.approx(sum(stream.by_unit.values()))


def test_instructions_run_as_often_as_on_the_emulator() -> None:
    program = convolutions(2, 6)
    prices = PriceList(SLOW_MEMORY)
    counts: Counter[str] = Counter()
    for core in program.tiles[0].cores:
        for instruction, _, once, each in cost_stream(program.tiles[0], core, prices).executions():
            counts[instruction.mnemonic] += once + 3 * each
    assert counts == count_instructions(program, 3)


def test_a_target_without_prices() -> None:
    with pytest.raises(CimcError) as caught:
        time_program(convolutions(4), load_target("ideal"))
    assert str(caught.value) == (
        "error[time.price]: target ideal has no prices: it says nothing about time and energy\n"
        "  at target ideal, prices\n"
        '  help: compile for puma, or for a file of your own with [prices] (docs/targets.md, "Prices")'
    )


def test_every_missing_price_is_named() -> None:
    absent = {"core_instruction", "off_chip_word", "register_word", "xin_read", "xin_write"}
    prices = {action: price for action, price in PUMA.prices.items() if action not in absent}
    with pytest.raises(CimcError) as caught:
        time_program(convolutions(4), replace(PUMA, prices=prices))
    assert {d.code for d in caught.value.diagnostics} == {"time.price"}
    named = {d.where.item.removeprefix("prices.") for d in caught.value.diagnostics}
    assert named == absent
    assert str(caught.value.diagnostics[0]) == (
        'error[time.price]: target puma has no price for "core_instruction": one instruction of a core fetched and '
        "decoded\n  at target puma, prices.core_instruction\n"
        "  help: give [prices.core_instruction] seconds and joules (or watts), with their source, in a file that "
        "extends it"
    )


def test_parts_that_cost_more_than_the_product() -> None:
    prices = dict(PUMA.prices) | {"adc_conversion": Price(1e-7, 1.8e-10, "one for a step of all columns")}
    with pytest.raises(CimcError) as caught:
        time_program(convolutions(4), replace(PUMA, prices=prices))
    assert "a product takes 3.436e-08 J by [prices.mvm], and its parts 2.95e-06 J by theirs" in str(caught.value)


def test_a_deadlock_is_named() -> None:
    ring = Ring("m", 0, 1, 1, 1, 1, 1, 1, "m")
    body = (i("wait", Port("m", 0), Affine(1)), i("space", Name("m"), Affine(1)), i("signal", Name("m"), Affine(1)))
    with pytest.raises(CimcError) as caught:
        time_program(bare(body, rings=(ring,)), FREE_MEMORY)
    assert "error[time.deadlock]: 1 streams wait for each other for ever" in str(caught.value)
