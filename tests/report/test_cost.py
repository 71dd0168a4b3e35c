"""Time and energy in the report: sums that must hold, writing by hand, and whether the advice comes true."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cimc
from cimc.report.limits import LayerLoad, limit_of
from cimc.runtime.timing.result import Bottleneck, Timing
from cimc.target import load_target
from tests.cli.commands import CALIBRATION, DIGITS, RESIDUAL, node, write_network


@pytest.fixture(scope="module")
def program() -> cimc.CompiledProgram:
    return cimc.compile(RESIDUAL, "puma", CALIBRATION)


@pytest.fixture(scope="module")
def timing(program: cimc.CompiledProgram) -> Timing:
    return cimc.time(program, 4)


def test_the_figures_are_those_of_the_timing(program: cimc.CompiledProgram, timing: Timing) -> None:
    cost = program.report().cost
    assert cost is not None
    assert (cost.inputs, cost.latency, cost.interval, cost.rate) == (4, timing.latency, timing.interval, timing.rate)
    assert (cost.joules, cost.setup_joules) == (timing.joules, timing.setup_joules)
    assert {s.name: s.joules for s in cost.by_component} == {n: j for n, j in timing.joules_by_component.items() if j}
    assert (cost.limit.name, cost.limit.why) == (timing.bottleneck.name, timing.bottleneck.why)


@pytest.mark.parametrize("options", [{}, {"pack": True}, {"mvmus": 16}])
def test_layers_and_the_rest_take_all_the_energy(options: dict[str, int]) -> None:
    report = cimc.compile(RESIDUAL, "puma", CALIBRATION, **options).report()
    cost = report.cost
    assert cost is not None
    layers = sum(layer.cost.joules for layer in report.layers if layer.cost is not None)
    elsewhere = sum(share.joules for share in cost.elsewhere)
    assert layers + elsewhere == pytest.approx(cost.joules, rel=1e-9)
    tiles = sum(tile.joules or 0.0 for tile in report.tiles)
    (host,) = [share.joules for share in cost.elsewhere if share.name == "host"]
    assert tiles + host == pytest.approx(cost.joules, rel=1e-9)
    percents = [layer.cost.joules_percent for layer in report.layers if layer.cost is not None]
    assert sum(percents) + sum(share.percent for share in cost.elsewhere) == pytest.approx(100, abs=0.1)  # two places
    for tile in report.tiles:
        assert sum(core.joules or 0.0 for core in tile.cores) <= (tile.joules or 0.0) * (1 + 1e-9)


def test_energy_by_layer_is_that_of_the_timing(program: cimc.CompiledProgram, timing: Timing) -> None:
    for number, layer in enumerate(program.report().layers):
        assert layer.cost is not None
        assert layer.cost.joules == pytest.approx(timing.joules_by_layer[number], rel=1e-9)
        assert timing.layers[number] == layer.name


def test_a_layer_is_as_busy_as_its_busiest_core(program: cimc.CompiledProgram, timing: Timing) -> None:
    report = program.report()
    busy = {(s.tile, s.number): s.busy for s in timing.streams if s.unit == "core"}
    cores = [(tile.tile, core) for tile in report.tiles for core in tile.cores]
    for layer in report.layers:
        own = [busy[tile, core.core] for tile, core in cores if core.layers == (layer.name,)]
        assert layer.cost is not None
        assert layer.cost.seconds == pytest.approx(max(own), rel=1e-6)


def test_without_prices_there_is_no_cost_and_the_report_says_why() -> None:
    report = cimc.compile(DIGITS, "ideal", CALIBRATION).report()
    assert report.cost is None
    assert report.unpriced == "target ideal has no prices: it says nothing about time and energy"
    assert all(layer.cost is None for layer in report.layers)
    assert all(tile.joules is None and core.seconds is None for tile in report.tiles for core in tile.cores)
    assert (report.writing.seconds, report.writing.joules) == (None, None)
    assert "no price for writing" in report.writing.unpriced


def test_a_price_that_lacks_is_named() -> None:
    from cimc.driver.compile import compile_network
    from cimc.driver.options import CompileOptions
    from cimc.report.pricing import price

    compiled = compile_network(DIGITS, CompileOptions("puma"))
    prices = {name: value for name, value in compiled.target.prices.items() if name != "alu"}
    found = price(replace(compiled, target=replace(compiled.target, prices=prices)))
    assert found.report is None and 'no price for "alu"' in found.unpriced


def test_what_is_written_by_hand() -> None:
    """digits_plain on puma: 9x8, 72x16 and 256x10 weights of 16 bits in eight cells each; 256 rows take two MVMUs."""
    plain = cimc.compile(DIGITS, "puma", CALIBRATION)
    writing = plain.report().writing
    assert writing.cells == 8 * (9 * 8 + 72 * 16 + 256 * 10)
    assert writing.rows == 128
    puma = load_target("puma")
    assert puma.writing is not None
    assert writing.seconds == 128 * puma.writing.row_seconds
    assert writing.joules == writing.cells * puma.writing.cell_joules
    assert cimc.compile(DIGITS, "ideal", CALIBRATION).report().writing.cells == 2 * 4 * (9 * 8 + 72 * 16 + 256 * 10)


def test_copies_are_written_too() -> None:
    more = cimc.compile(DIGITS, "puma", CALIBRATION, mvmus=7)
    copies = {layer.name: layer.matrix for layer in more.report().layers if layer.matrix is not None}
    first, second, last = (copies[name] for name in ("conv1", "conv2", "fc"))
    assert (first.copies > 1, first.beside, second.beside, last.beside) == (True, 8, 1, 1)
    cells = first.copies * (8 * 9) * (8 * 8) + second.copies * 72 * 16 + last.copies * 256 * 10
    assert more.report().writing.cells == 8 * cells


def test_an_mvmu_that_is_shared_is_written_as_the_rectangle_around_its_matrices() -> None:
    """ideal puts 9x8 and 72x16 corner to corner into one MVMU; 8-bit weights take 4 slices of two cells."""
    packed = cimc.compile(DIGITS, "ideal", CALIBRATION, pack=True)
    writing = packed.report().writing
    assert packed.report().summary.mvmus == 2
    assert writing.cells == 2 * 4 * ((9 + 72) * (8 + 16) + 256 * 10)
    assert writing.rows == 256


def test_the_advice_comes_true() -> None:
    """The budget that is named raises the rate, and by no more than is said."""
    before = cimc.compile(DIGITS, "puma", CALIBRATION).report().cost
    assert before is not None and before.limit.layer == "conv1"
    (advice,) = before.limit.help
    budget = re.search(r"--mvmus (\d+)", advice)
    most = re.search(r"at most ([\d.]+) times", advice)
    assert budget is not None and most is not None
    after = cimc.compile(DIGITS, "puma", CALIBRATION, mvmus=int(budget[1])).report().cost
    assert after is not None
    assert 1.5 < after.rate / before.rate <= float(most[1]) * 1.005  # three digits are printed


def _limit(timing: Timing, name: str, loads: list[LayerLoad], share: float = 1.0) -> tuple[str, str, str]:
    found = limit_of(replace(timing, bottleneck=Bottleneck(name, "why", share)), loads, load_target("puma"))
    return found.kind, found.layer, " ".join(found.help)


def test_each_kind_of_limit_has_its_advice(timing: Timing) -> None:
    conv = LayerLoad("conv", {(0, 0): 2.0}, 2, 1, ((1, 8), (2, 4), (8, 1)))
    full = LayerLoad("full", {(0, 0): 2.0}, 2, 1, ((1, 9),))
    pool = LayerLoad("pool", {(0, 0): 1.0}, 0, 1, ())
    kind, layer, text = _limit(timing, "tile 0 core 0", [conv, pool])
    assert (kind, layer) == ("core", "conv")
    assert '"conv" 2 instead of 1 take 2 more MVMUs (--mvmus 4, or more). That raises the rate at most 2 times' in text
    kind, layer, text = _limit(timing, "tile 0 core 0", [full])
    assert "tile.memory_words" in text and "--mvmus" not in text
    assert "no work left" in _limit(timing, "tile 0 core 0", [replace(full, copies=9, offers=((1, 9), (9, 1)))])[2]
    slow = [replace(conv, name=f"conv{n}", copies=2, mvmus=4) for n in range(5)]
    text = _limit(timing, "tile 0 core 0", slow)[2]
    assert '"conv0" 8 instead of 2, "conv1" 8 instead of 2, "conv2" 8 instead of 2 and 2 more layers take 60' in text
    assert "(--mvmus 80, or more). That raises the rate at most 4 times" in text
    text = _limit(timing, "tile 0 core 0", [conv, replace(pool, cores={(0, 1): 1.95})])[2]
    assert "--mvmus" not in text and '"pool" takes 1.95 s with all the copies' in text
    kind, layer, text = _limit(timing, "tile 0 core 0", [pool])
    assert (kind, layer) == ("core", "pool") and "no matrix" in text
    assert "cimc trace" in _limit(timing, "tile 0 core 0", [conv], 0.4)[2]
    kind, layer, text = _limit(timing, "tile 0 memory", [conv, pool])
    assert (kind, layer) == ("memory", "conv") and "prices.memory_bus_word" in text
    kind, _, text = _limit(timing, "link into chip 0", [conv])
    assert kind == "link" and "prices.off_chip_word" in text
    kind, _, text = _limit(timing, 'tile 0 input "input"', [conv])
    assert kind == "host" and "prices.off_chip_word" in text


def test_layers_of_one_onnx_node_have_an_account_each(tmp_path: Path) -> None:
    """An average over 6x6 pixels is one along rows and one along columns, which reads a sixth as much."""
    file = tmp_path / "average.onnx"
    write_network(file, [node("GlobalAveragePool", ["x"], name="mean")], (1, 4, 6, 6), (1, 4, 1, 1))
    program = cimc.compile(file, "puma", {"x": np.ones((2, 4, 6, 6), np.float32)})
    assert program.program.strings == ("mean", "mean#2")
    rows, columns = (layer.cost for layer in program.report().layers)
    assert rows is not None and columns is not None
    assert 4 < rows.joules / columns.joules < 8 and 4 < rows.seconds / columns.seconds < 8
    timing = cimc.time(program)
    assert [timing.joules_by_layer[number] for number in (0, 1)] == pytest.approx([rows.joules, columns.joules])
    cores = [stream for stream in timing.streams if stream.unit == "core"]
    assert sorted(timing.layers[stream.layer] for stream in cores) == ["mean", "mean#2"]
