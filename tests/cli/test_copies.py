"""Options that spend MVMUs and chips: --mvmus, --objective, --rate, --chips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.commands import CALIBRATION, RESIDUAL, cimc


def compiled(folder: Path, *options: str) -> Path:
    """The bundled residual network on puma."""
    ran = cimc("compile", RESIDUAL, "--target", "puma", "--calibration", CALIBRATION, *options, "-o", folder)
    assert ran.code == 0, ran.err
    return folder


def timed(folder: Path) -> float:
    """Inputs a second."""
    return float(json.loads(cimc("time", folder, "--json", "-").out)["rate"])


def mvmus(folder: Path) -> int:
    """MVMUs in use."""
    return int(json.loads((folder / "report.json").read_text())["summary"]["mvmus"])


def test_a_rate_is_kept_with_fewer_mvmus_than_the_fastest_stream_takes(tmp_path: Path) -> None:
    plain = compiled(tmp_path / "plain")
    fast = compiled(tmp_path / "fast", "--mvmus", str(3 * mvmus(plain)))
    wanted = 1.5 * timed(plain)
    kept = compiled(tmp_path / "kept", "--objective", "area", "--rate", str(wanted))
    assert timed(kept) > 0.95 * wanted  # signals and waits of parts of rows come on top of the pace of one copy
    assert mvmus(plain) < mvmus(kept) < mvmus(fast)
    assert timed(fast) > 2 * timed(plain)


def test_copies_for_one_input_shorten_it(tmp_path: Path) -> None:
    plain = compiled(tmp_path / "plain")
    budget = str(2 * mvmus(plain))
    short = compiled(tmp_path / "short", "--mvmus", budget, "--objective", "latency")
    latency = {folder: json.loads(cimc("time", folder, "--json", "-").out)["latency"] for folder in (plain, short)}
    assert latency[short] < 0.8 * latency[plain]


def test_a_rate_that_is_missed_is_said(tmp_path: Path) -> None:
    """Layers wait for each other: 32,000 were asked for, and 31,762 came of it."""
    options = ["--target", "puma", "--objective", "area", "--rate", "32000", "--calibration", CALIBRATION]
    ran = cimc("compile", RESIDUAL, *options, "-o", tmp_path / "out")
    assert ran.code == 0
    reached = timed(tmp_path / "out")
    assert reached < 32_000
    assert f"warning[balance.rate]: 32,000 inputs a second were asked for; the program takes {reached:,.6g}" in ran.err
    more = str(round(32_000 * 32_000 / reached) + 1)
    assert timed(compiled(tmp_path / "more", "--objective", "area", "--rate", more)) > 32_000


REFUSED = {
    "latency without a budget": (
        ["--target", "puma", "--objective", "latency"],
        'error[options.copies]: objective "latency" chooses copies, and there is no budget for any\n'
        "  help: give --mvmus N\n",
    ),
    "area without a rate": (
        ["--target", "puma", "--objective", "area"],
        'error[options.copies]: objective "area" and --rate belong together\n'
        "  help: write --objective area --rate INPUTS_PER_SECOND\n",
    ),
    "a rate without area": (
        ["--target", "puma", "--rate", "100"],
        'error[options.copies]: objective "area" and --rate belong together\n'
        "  help: write --objective area --rate INPUTS_PER_SECOND\n",
    ),
    "a rate without prices": (
        ["--target", "ideal", "--objective", "area", "--rate", "100"],
        "error[options.copies]: ideal has no price for a product, so no rate can be kept\n"
        "  at target ideal, prices.mvm\n  help: take a target with prices, or give --mvmus\n",
    ),
    "an endless rate": (
        ["--target", "puma", "--objective", "area", "--rate", "inf"],
        "error[options.value]: rate is inf\n  at --rate\n  help: give a finite number\n",
    ),
    "packed and copied": (
        ["--target", "puma", "--pack", "--objective", "area", "--rate", "100"],
        "error[options.pack]: --pack and --rate exclude each other\n"
        "  help: packing saves crossbars and duplication spends them: choose one\n",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_options_that_do_not_go_together(name: str, tmp_path: Path) -> None:
    options, message = REFUSED[name]
    ran = cimc("compile", RESIDUAL, *options, "--calibration", CALIBRATION, "-o", tmp_path / "out")
    assert (ran.code, ran.err) == (2, message)
    assert not (tmp_path / "out").exists()
