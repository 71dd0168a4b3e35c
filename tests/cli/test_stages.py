"""What passes make, printed by `cimc compile`."""

from __future__ import annotations

from pathlib import Path

import pytest

from cimc.passes.pipelines import PASSES
from tests.cli.commands import CALIBRATION, RESIDUAL, cimc

NEEDED = ("lower", "quantise", "split_matrices", "choose_shifts", "mark_lossy", "choose_segments", "place",
          "deepen_rings", "schedule", "seat_tiles")  # fmt: skip
FIRST = {
    "lower": "LayerGraph(", "place": "PlacedGraph(", "deepen_rings": "PlacedGraph(", "schedule": "ScheduledGraph(",
    "seat_tiles": "ScheduledGraph(",
}  # fmt: skip


@pytest.mark.parametrize("name", NEEDED)
def test_a_stage_is_printed_and_nothing_is_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = cimc("compile", RESIDUAL, "--calibration", CALIBRATION, "--stop-after", name)
    assert told.code == 0, told.err
    assert told.out.splitlines()[0] == FIRST.get(name, "MappedGraph(") and told.out.endswith("\n)\n")
    assert not list(tmp_path.iterdir())


def test_stages_are_printed_beside_a_compile(tmp_path: Path) -> None:
    folder = tmp_path / "net"
    told = cimc("compile", RESIDUAL, "--calibration", CALIBRATION, "-o", folder, "--print-after", "lower",
                "--print-after", "place", "--print-after", "seat_tiles", "--mvmus", "200")  # fmt: skip
    assert told.code == 0, told.err
    assert [line for line in told.out.splitlines() if line.endswith("Graph(")] == [
        "LayerGraph(", "PlacedGraph(", "  mapped=MappedGraph(", "ScheduledGraph(", "  mapped=MappedGraph("
    ]  # fmt: skip
    assert (folder / "manifest.json").is_file() and "layers for puma" in told.out


def test_what_cannot_be_printed_says_why(tmp_path: Path) -> None:
    assert 'did you mean "lower"?' in cimc("compile", RESIDUAL, "--print-after", "lowr").err
    told = cimc("compile", RESIDUAL, "--print-after", "fuse", "--stop-after", "emit")
    assert told.code == 2 and told.err.count("no pass is called") == 2
    assert all(one.name in told.err for one in PASSES)
    unneeded = cimc("compile", RESIDUAL, "--print-after", "pack")
    assert unneeded.code == 0 and 'the pass "pack" was not needed' in unneeded.err and not unneeded.out
    assert cimc("compile", RESIDUAL).code == 2
