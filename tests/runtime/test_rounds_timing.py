"""Time, energy and wear of tests/isa/two_rounds.cimasm against closed forms, each derived beside its test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from cimc.base.diagnostics import CimcError
from cimc.isa.cost.prices import PriceList
from cimc.isa.cost.products import Setting
from cimc.isa.text.parser import parse
from cimc.runtime.timing.engine import time_program
from cimc.runtime.timing.rounds import time_rounds, wear_of, work_of
from cimc.target.keys import ACTIONS
from cimc.target.model import Price, Target, Writing
from tests.isa.chip import CHIP

PROGRAM = parse((Path(__file__).parents[1] / "isa" / "two_rounds.cimasm").read_text(encoding="utf-8"))
NS, ROW, CELL = 1e-9, 100e-9, 3.0


def priced(nanoseconds: Mapping[str, float], joules: Mapping[str, float]) -> Target:
    """Round prices; all others are 0. A row of cells takes 100 ns, a cell 3 J, and bears 1001 writes."""
    prices = {action: Price(nanoseconds.get(action, 0.0) * NS, joules.get(action, 0.0), "test") for action in ACTIONS}
    return replace(CHIP, prices=prices, writing=Writing(ROW, CELL, 1001))


LINK = priced({"core_instruction": 1.0, "off_chip_word": 10.0}, {"off_chip_word": 1.0})


def test_writing_follows_the_link_and_the_rows() -> None:
    # Phase 0: the first row's word is there after 10 ns, the second, for which there is room, after 20. The core writes
    # for 1 + 100 ns from 10 on, releases (1), comes around (1), waits (1: it is there), writes again, releases, and
    # leaves both loops: 10 + 101 + 1 + 1 + 1 + 101 + 1 + 1 + 1 = 218.
    timing = time_rounds(PROGRAM, LINK)
    assert timing.rounds[0].write_seconds == pytest.approx(218 * NS, rel=1e-9)
    # Phase 2: two words a row, and room for one row. 20, write until 121, release until 122; then the next row comes,
    # until 142, and is written until 243; release and two ends: 246. Two MVMUs take no longer than one.
    assert timing.rounds[1].write_seconds == pytest.approx(246 * NS, rel=1e-9)
    assert timing.writing_seconds == pytest.approx((218 + 246) * NS, rel=1e-9)


def test_computing_is_that_of_each_phase() -> None:
    # Two inputs share a round. What waits in the area passes neither link nor host.
    timing = time_rounds(PROGRAM, LINK)
    runs = [time_program(PROGRAM.parts[number], LINK, 2) for number in (1, 3)]
    assert [one.run_seconds for one in timing.rounds] == [run.completions[-1] for run in runs]
    assert timing.seconds == pytest.approx(464 * NS + sum(run.completions[-1] for run in runs), rel=1e-9)
    assert timing.latency == pytest.approx(timing.seconds - runs[1].completions[1] + runs[1].completions[0], rel=1e-9)
    assert timing.interval == timing.seconds / 2


@pytest.mark.parametrize("shared", [1, 3, 7, 50])
def test_many_inputs_follow_at_the_steady_pace(shared: int) -> None:
    program = replace(PROGRAM, shared=shared)
    wanted = [time_program(program.parts[number], LINK, shared).completions[-1] for number in (1, 3)]
    found = [one.run_seconds for one in time_rounds(program, LINK).rounds]
    assert found == pytest.approx(wanted, rel=1e-9)


def test_energy_of_cells_and_words() -> None:
    # Cells: 2 rows x 2 columns x 4 slices of 8 bits, and 2 rows x (1 + 2) columns x 2 slices of 4 bits: 28, 3 J each.
    # Off-chip words, 1 J each: 2 + 4 of weights, shared by two inputs, and of each input 2 in and 5 out.
    timing = time_rounds(PROGRAM, LINK)
    assert timing.joules_by_component["writing"] == 28 * CELL / 2
    assert timing.joules_by_component["off-chip link"] == 6 / 2 + 7
    assert timing.joules == 28 * CELL / 2 + 6 / 2 + 7 == sum(timing.joules_by_layer.values())
    assert timing.writing_joules == (28 * CELL + 6) / 2
    assert timing.off_chip_words == 10
    assert [one.write_joules for one in timing.rounds] == [16 * CELL + 2, 12 * CELL + 4]


def test_words_through_tile_memory() -> None:
    # 1 J a word of memory. Weights: 6 come, 6 are read: 12 for two inputs. Of an input: x 2 in and 2 loaded; m 2
    # stored, and from there 2 read and 2 written into the area; then 2 and 2 back, 4 loaded; y 5 stored and 5 out.
    timing = time_rounds(PROGRAM, priced({"core_instruction": 1.0}, {"memory_word": 1.0}))
    assert timing.joules_by_component["shared memory"] == 12 / 2 + 4 + 6 + 4 + 4 + 10


def test_a_map_off_the_chip_costs_the_link() -> None:
    # Without the area the map's two words go out and come back.
    phases = tuple(
        replace(
            phase,
            inputs=tuple(replace(plug, areas=()) for plug in phase.inputs),
            outputs=tuple(replace(plug, areas=()) for plug in phase.outputs),
        )
        for phase in PROGRAM.phases
    )
    timing = time_rounds(replace(PROGRAM, phases=phases), LINK)
    assert timing.off_chip_words == 14 and timing.joules_by_component["off-chip link"] == 14
    assert [(one.words_in, one.words_out, one.kept_words) for one in timing.work] == [(2, 2, 0), (2, 5, 0)]


def test_work_and_wear() -> None:
    first, second = work_of(PROGRAM, LINK)
    assert (first.mvmus, first.cells, first.weight_words, first.words_in, first.words_out) == (1, 16, 2, 2, 0)
    assert (second.mvmus, second.cells, second.weight_words, second.words_in, second.words_out) == (2, 12, 4, 0, 5)
    assert first.kept_words == second.kept_words == 2
    # MVMU 0 is written twice for two inputs, and bears 1001 writes: 500 times, 1000 inputs.
    wear = wear_of(PROGRAM, LINK)
    assert (wear.writes, wear.endurance, wear.worn_after) == (2, 1001, 1000)
    timing = time_rounds(PROGRAM, LINK)
    assert timing.worn_seconds == pytest.approx(500 * timing.seconds, rel=1e-12)


def test_reading_back_is_a_step_of_one_row() -> None:
    # mvm: 8 steps of 100 ns of 1000; a readback one: 300. Two columns of two slices each are converted, 5 J each, and
    # two crossbars read, 7 J each, one row of each driven, 11 J.
    target = priced({"mvm": 1000.0, "crossbar_step": 100.0}, {"adc_conversion": 5.0, "crossbar_step": 7.0,
                    "dac_conversion": 11.0, "mvm": 1e9})  # fmt: skip
    tile = PROGRAM.parts[3].tiles[0]
    cost = PriceList(target).cost(tile.cores[0].stream[0], Setting(target, tile, tile.cores[0]))
    assert cost.own == pytest.approx(300 * NS)
    assert sum(PriceList(target).joules(cost.counts).values()) == 4 * 5 + 2 * 7 + 2 * 11


def test_a_target_without_writing_has_no_time() -> None:
    with pytest.raises(CimcError, match="does not say what writing a row of cells takes"):
        time_rounds(PROGRAM, replace(LINK, writing=None))
