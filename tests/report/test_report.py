from __future__ import annotations

import io
import json
import math
import re
from pathlib import Path

import pytest
from rich.console import Console

import cimc
from cimc.base.diagnostics import CimcError
from cimc.driver.compile import compile_network
from cimc.driver.options import CompileOptions
from cimc.report.build import build_report
from cimc.report.json_text import json_text, read_report, to_json
from cimc.report.model import Report
from cimc.report.view import report_view
from cimc.target import load_target
from tests.cli.commands import CALIBRATION, DIGITS, RESIDUAL
from tests.cli.commands import cimc as command


@pytest.fixture(scope="module")
def report() -> Report:
    return cimc.compile(DIGITS, "puma", CALIBRATION).report()


def test_the_numbers_of_digits_plain_by_hand(report: Report) -> None:
    """conv 1->8 3x3 on 8x8, pool 2, conv 8->16 3x3 on 4x4, 256->10; puma: MVMUs of 128 rows x 128 columns, each of
    eight crossbars with 128 x 128 cells of 2 bits; 16-bit weights in eight slices."""
    conv1, pool, conv2, fc = report.layers
    assert (conv1.kind, pool.kind, conv2.kind, fc.kind) == ("matrix", "max pool", "matrix", "matrix")
    assert conv1.matrix is not None and conv2.matrix is not None and fc.matrix is not None
    assert [
        (m.rows, m.columns, m.row_split, m.column_split, m.mvmus) for m in (conv1.matrix, conv2.matrix, fc.matrix)
    ] == [
        (9, 8, 1, 1, 1),
        (72, 16, 1, 1, 1),
        (256, 10, 2, 1, 2),
    ]
    assert [m.vectors for m in (conv1.matrix, conv2.matrix, fc.matrix)] == [64, 16, 1]
    assert conv2.matrix.slices == 8
    assert conv2.matrix.rows_percent == round(100 * 72 / 128, 2)
    assert conv2.matrix.columns_percent == round(100 * 16 / 128, 2)
    assert conv2.matrix.cells_percent == round(100 * 72 * 16 * 8 / (8 * 128 * 128), 2)
    assert fc.matrix.rows_percent == 100
    products, pooled = 64 * 72 + 16 * 1152 + 2560, 4 * 4 * 8 * 4
    s = report.summary
    assert (s.memory_operations, s.vector_operations) == (products, pooled)
    assert s.in_memory_percent == round(100 * products / (products + pooled), 2)
    assert (s.weights, s.mvmus, s.tiles) == (72 + 1152 + 2560, 4, 1)


def test_a_tile_says_what_it_holds_of_what_it_could(report: Report) -> None:
    puma = load_target("puma")
    (tile,) = report.tiles
    assert tile.memory_capacity == puma.tile.memory_words
    assert 0 < tile.memory_words <= tile.memory_capacity
    assert tile.largest is not None
    assert (tile.largest.kind, tile.largest.tensor) == ("ring", tile.largest.name)
    assert tile.largest.words <= tile.memory_words
    assert sum(core.mvmus for core in tile.cores) == report.summary.mvmus
    assert sum(core.code_bytes for core in tile.cores) + tile.channel_bytes == report.summary.code_bytes
    assert [core.layers for core in tile.cores] == [(layer.name,) for layer in report.layers]


def test_json_and_back(report: Report) -> None:
    text = json_text(report)
    assert read_report(text, "report.json") == report
    assert json.loads(text) == to_json(report)
    assert text == json_text(report)


def test_infinities_are_null() -> None:
    assert to_json((1.5, math.inf, math.nan)) == [1.5, None, None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-10], "this is not JSON"),
        (lambda text: "[]", "report of version None"),
        (lambda text: text.replace('"format": 4,\n  "inputs"', '"format": 9,\n  "inputs"'), "report of version 9; "),
        (lambda text: text.replace('"cores": 4', '"cores": "4"'), "this is not a mapping report: summary.cores is '4'"),
        (lambda text: text.replace('"cores": 4', f'"cores": {10**40}'), "summary.cores is too large"),
        (lambda text: text.replace('"inputs": 4', '"inputs": NaN'), "cost.inputs is nan"),
        (lambda text: re.sub('"latency": [^,]+', f'"latency": {10**400}', text), "cost.latency is too large"),
        (lambda text: re.sub('"latency": [^,]+', '"latency": 1e999', text), "cost.latency is inf"),
        (lambda text: text.replace('"target": "puma"', '"target": "\\ud800"'), r"summary.target is '\ud800'"),
        (lambda text: text.replace('"origin"', '"source"'), "must have the keys"),
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused(report: Report, change: object, message: str) -> None:
    assert callable(change)
    with pytest.raises(CimcError) as caught:
        read_report(change(json_text(report)), "report.json")
    assert message in str(caught.value)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("model", [DIGITS, RESIDUAL])
def test_tables_keep_within_the_terminal_and_lose_nothing(model: str, width: int) -> None:
    report = cimc.compile(model, "puma", CALIBRATION).report()
    console = Console(file=io.StringIO(), width=width)
    for part in report_view(report):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert all(len(line) <= width for line in text.splitlines())
    assert "…" not in text
    for layer in report.layers:
        assert layer.name in text


def test_the_command_prints_what_was_compiled(tmp_path: Path, report: Report) -> None:
    command("compile", DIGITS, "--target", "puma", "--calibration", CALIBRATION, "-o", tmp_path / "out")
    shown = command("report", tmp_path / "out")
    assert shown.code == 0
    assert "4 of 16 on these tiles" in shown.out
    assert command("report", tmp_path / "out", "--json", tmp_path / "r.json").code == 0
    assert (tmp_path / "r.json").read_text(encoding="utf-8") == json_text(report)
    assert (tmp_path / "out" / "report.json").read_bytes() == (tmp_path / "r.json").read_bytes()


def test_what_travels_is_that_of_the_schedule(tmp_path: Path) -> None:
    small = tmp_path / "small.toml"
    cores = 'cores = { value = 1, unit = "cores", source = "assumed: a test" }'
    small.write_text(f'name = "small"\nextends = "puma"\n[tile]\n{cores}\n', encoding="utf-8")
    compiled = compile_network(RESIDUAL, CompileOptions(str(small)))
    report = build_report(compiled)
    assert compiled.scheduled.travel is not None and report.travel is not None
    before, after = compiled.scheduled.travel
    assert (report.travel.hops, report.travel.hops_in_order) == (after.hops, before.hops)
    assert after.hops > 0
    console = Console(file=io.StringIO(), width=80)
    for part in report_view(report):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    assert f"{after.hops:,}" in console.file.getvalue()
