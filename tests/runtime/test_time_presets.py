"""A compiled network is timed on every chip that has the prices for it, alone and through several tiles."""

from __future__ import annotations

import pytest

from cimc.driver.compile import compile_network
from cimc.driver.options import CompileOptions
from cimc.runtime.timing.engine import time_program
from cimc.runtime.timing.result import StreamTime, Timing
from tests.cli.commands import DIGITS


def busiest(timing: Timing) -> StreamTime:
    """The core of the first layer, which never waits: all of the time between inputs is its own, or its queueing."""
    stream = max(timing.streams, key=lambda stream: stream.busy)
    assert timing.interval is not None and stream.waited == 0
    assert sum(stream.by_unit.values()) + stream.queued == pytest.approx(timing.interval)
    return stream


def test_isaac_takes_a_product_for_each_window() -> None:
    # The first layer has 64 windows, and every product takes 16 steps of 100 ns. A window is loaded, 9 words, and its 8
    # results are stored; a requant2 with the bias takes 4 passes for each. A word takes a cycle of 1.2 GHz. What is
    # left is fetches.
    compiled = compile_network(DIGITS, CompileOptions(target="isaac"))
    stream = busiest(time_program(compiled.program, compiled.target, inputs=3))
    assert stream.by_unit["mvmu"] == pytest.approx(64 * 1.6e-6)
    assert stream.by_unit["memory"] == pytest.approx(64 * (9 + 8) / 1.2e9)
    assert stream.by_unit["vfu"] == pytest.approx(64 * 4 * 8 / 1.2e9)
    assert set(name for name, seconds in stream.by_unit.items() if seconds) == {"mvmu", "memory", "vfu", "fetch"}
    assert stream.queued == 0


@pytest.mark.parametrize(("base", "nanojoules"), [("bram-soc", 2.66), ("bram-256", 2.93)])
def test_bram_takes_a_cycle_a_word(base: str, nanojoules: float) -> None:
    # 64 windows of 0.72 us, and the core's words at 100 MHz: 9 + 8 through memory, and for each of 8 results the 4
    # passes of a requant2 with the bias, as sums count in the converters' steps. For less than a tenth of the time its
    # loads queue behind other streams'.
    compiled = compile_network(DIGITS, CompileOptions(target=base))
    timing = time_program(compiled.program, compiled.target, inputs=3)
    stream = busiest(timing)
    assert stream.by_unit["mvmu"] == pytest.approx(64 * 0.72e-6)
    assert stream.by_unit["memory"] == pytest.approx(64 * (9 + 8) * 10e-9)
    assert stream.by_unit["vfu"] == pytest.approx(64 * 4 * 8 * 10e-9)
    assert timing.interval is not None and stream.queued < 0.1 * timing.interval
    # Products: 64, 16 and 1 windows on 1, ceil(72 / rows) and ceil(256 / rows) crossbars.
    rows = compiled.target.crossbar.rows
    products = 64 + 16 * -(-72 // rows) + -(-256 // rows)
    assert timing.joules_by_component["MVMU, other"] == pytest.approx(products * nanojoules * 1e-9)
