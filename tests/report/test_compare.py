"""Two mappings side by side."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import cimc
from cimc.report.compare import compare
from cimc.report.model import Report
from cimc.report.view_compare import comparison_view
from tests.cli.commands import CALIBRATION, DIGITS, RESIDUAL, compiled
from tests.cli.commands import cimc as command


@pytest.fixture(scope="module")
def one() -> Report:
    return cimc.compile(DIGITS, "puma", CALIBRATION).report()


@pytest.fixture(scope="module")
def more() -> Report:
    return cimc.compile(DIGITS, "puma", CALIBRATION, mvmus=7).report()


def shown(a: Report, b: Report, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    for part in comparison_view(compare(a, b, "a", "b")):
        console.print(part, markup=False)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_figures_with_difference_and_ratio(one: Report, more: Report) -> None:
    found = {figure.name: figure for figure in compare(one, more, "a", "b").figures}
    mvmus = found["MVMUs"]
    assert (mvmus.a, mvmus.b, mvmus.difference, mvmus.ratio) == (4, 7, 3, 1.75)
    rate = found["inputs a second"]
    assert one.cost is not None and more.cost is not None
    assert rate.ratio == more.cost.rate / one.cost.rate > 1
    assert found["writing: energy"].difference == pytest.approx((more.writing.joules or 0) - (one.writing.joules or 0))


def test_the_same_report_twice_differs_in_nothing(one: Report) -> None:
    found = compare(one, one, "a", "a")
    assert {figure.difference for figure in found.figures} == {0}
    assert {figure.ratio for figure in found.figures} <= {1, None}  # None of zeros
    assert {pair.side for pair in found.layers} == {"both"}


def test_layers_are_matched_by_name(one: Report) -> None:
    first, second, *others = one.layers
    other = replace(one, layers=(second, replace(first, name="new"), *others, replace(second, cores=9)))
    found = compare(one, other, "a", "b")
    assert [(pair.name, pair.side) for pair in found.layers] == [
        (first.name, "A"),
        (second.name, "both"),
        *((layer.name, "both") for layer in others),
        ("new", "B"),
        (second.name, "B"),
    ]
    alone = {figure.name: figure for figure in found.layers[0].figures}["MVMUs"]
    assert (alone.a, alone.b, alone.difference, alone.ratio) == (1, None, None, None)
    text = shown(one, other)
    assert f"only in A: {first.name}" in text and f"only in B: new, {second.name}" in text


def test_without_prices_on_one_side(one: Report) -> None:
    ideal = cimc.compile(DIGITS, "ideal", CALIBRATION).report()
    latency = {figure.name: figure for figure in compare(one, ideal, "a", "b").figures}["latency"]
    assert latency.a is not None and (latency.b, latency.ratio) == (None, None)
    text = shown(one, ideal)
    assert "B lacks prices: target ideal has no prices" in text and "A is limited by: tile 0 core 0" in text
    assert "latency" not in shown(ideal, ideal)


@pytest.mark.parametrize("width", [80, 120])
def test_it_keeps_within_the_terminal(one: Report, width: int) -> None:
    residual = cimc.compile(RESIDUAL, "puma", CALIBRATION).report()
    text = shown(one, residual, width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "…" not in text


def test_the_command(tmp_path: Path, one: Report) -> None:
    folder = compiled(tmp_path / "net")
    file = tmp_path / "report.json"
    assert command("report", folder, "--json", file).code == 0
    done = command("compare", folder, file)
    assert (done.code, done.err) == (0, "")
    assert "MVMUs" in done.out and str(file) in done.out.replace("\n", "")
    found = json.loads(command("compare", folder, file, "--json", "-").out)
    assert (found["format"], found["a"]["network"], found["b"]["program"]) == (1, "digits_plain", one.program)
    assert len(found["layers"]) == len(one.layers)


def test_what_cannot_be_compared_is_said_for_both(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{}", encoding="utf-8")
    done = command("compare", tmp_path / "nowhere", bad)
    assert (done.code, done.out) == (2, "")
    assert "error[package.file]" in done.err and "error[report.version]" in done.err and "2 errors" in done.err
    raw = tmp_path / "raw"
    raw.write_bytes(b"\xff\xfe\x00")
    assert "error[report.file]: the report cannot be read: it is not UTF-8" in command("compare", raw, raw).err
