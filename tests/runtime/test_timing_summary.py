"""What a timing run is summed up to: the bottleneck, the layer of a stream, what is paid once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cimc.isa.operands import Reg
from cimc.isa.program import CoreCode, Instruction, Program, Ring, TileCode
from cimc.runtime.timing.account import HOST, NO_LAYER
from cimc.runtime.timing.engine import time_program
from cimc.target.keys import ACTIONS
from cimc.target.model import Price
from tests.runtime.programs import i, pixel
from tests.runtime.test_timing import FETCH, NS, PUMA, W, convolutions, in_ns, priced


def test_what_comes_before_the_first_input_is_paid_once() -> None:
    # Three instructions before the loop over inputs (and the loop's own fetch), two for each input, and the halt, which
    # runs after the last. 1 J a fetch.
    prices = {action: Price(NS, float(action == "core_instruction"), "test") for action in ACTIONS}
    setup = (i("set", Reg("r", 0, 1), 0),) * 3
    core = CoreCode(0, (W,), (*setup, i("loop", "image", -1), i("set", Reg("r", 0, 1), 0), i("end"), i("hlt")))
    program = Program("setup", "puma", "", tiles=(TileCode(0, cores=(core,)),))
    timing = time_program(program, replace(PUMA, prices=prices), inputs=2)
    assert timing.joules == pytest.approx(2)
    assert timing.setup_joules == pytest.approx(3 + 1 + 1)


def test_a_memory_that_is_busy_two_thirds_of_the_time_is_no_bottleneck() -> None:
    # 4 words in and 4 out a pixel, for the core and for the host: 20 pixels, 16 words, 80 each. The core's own work,
    # 20 x (1000 + 8 x 80) and fetches, is more than that, and it works or queues all the time.
    timing = time_program(convolutions(4), priced(FETCH | {"memory_word": 80.0}), inputs=8)
    memory = next(unit for unit in timing.units if unit.kind == "memory")
    assert in_ns(memory.seconds) == pytest.approx(20 * 16 * 80)
    assert 0.6 < memory.utilisation < 0.7
    assert timing.bottleneck.name == "tile 0 core 0"


def test_a_stream_counts_for_the_layer_that_takes_most_of_its_time() -> None:
    # Five instructions for "many" take a fetch each, 5; one load for "long" takes a fetch and 2 of memory.
    ring = Ring("m", 0, 1, 1, 1, 1, 1, 0, "m")
    many = (Instruction("set", (Reg("r", 0, 1), 0), 0),) * 5
    long = Instruction("load", (Reg("r", 0, 1), pixel("m", 1), 0), 1)
    core = CoreCode(0, (), (i("loop", "image", -1), *many, long, i("end"), i("hlt")))
    program = Program("two", "puma", "", ("many", "long"), tiles=(TileCode(0, (ring,), cores=(core,)),))
    timing = time_program(program, priced(FETCH | {"memory_word": 2.0}), inputs=2)
    assert timing.layers[timing.streams[0].layer] == "many"
    assert in_ns(timing.streams[0].by_unit["memory"]) == pytest.approx(2)


def test_accounts_go_by_the_number_of_a_layer_and_not_by_its_name() -> None:
    # One fetch for layer 0, two for layer 1, which an edited program calls the same, and three for none; 1 J each, the
    # end of the loop included.
    prices = {action: Price(NS, float(action == "core_instruction"), "test") for action in ACTIONS}
    zero = Reg("r", 0, 1), 0
    body = [Instruction("set", zero, layer) for layer in (0, 1, 1, -1, -1)]
    core = CoreCode(0, (), (i("loop", "image", -1), *body, Instruction("end", (), -1), i("hlt")))
    program = Program("names", "puma", "", ("host", "host"), tiles=(TileCode(0, cores=(core,)),))
    timing = time_program(program, replace(PUMA, prices=prices), inputs=2)
    assert timing.joules_by_layer == pytest.approx({0: 1, 1: 2, NO_LAYER: 3})
    assert timing.layers == ("host", "host#2", "host#3", "none") and timing.layers[HOST] == "host#3"
    assert timing.streams[0].layer == NO_LAYER
