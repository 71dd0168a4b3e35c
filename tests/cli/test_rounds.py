"""A network larger than its chip through every command; what does not work there says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import cimc as api
from cimc.isa.text.parser import parse
from tests.cli.commands import CALIBRATION, DIGITS, TEST, cimc, compiled

TINY = ("--set", "chip.tiles=1", "--set", "tile.cores=2")


def in_rounds(folder: Path, *more: str) -> Path:
    done = cimc("compile", DIGITS, "--calibration", CALIBRATION, *TINY, "--rounds", *more, "-o", folder)
    assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return in_rounds(tmp_path_factory.mktemp("rounds") / "net", "--images-per-round", "4")


def test_run_gives_the_resident_programs_outputs(folder: Path, tmp_path: Path) -> None:
    """All inputs at once, or one after the other, and with a batch of one of the API."""
    resident = compiled(tmp_path / "resident")
    found = []
    for number, (net, more) in enumerate([(resident, ()), (folder, ()), (folder, ("--max-memory", "100k"))]):
        out = tmp_path / f"{number}.npz"
        done = cimc("run", net, "--input", TEST, "--limit", "9", *more, "-o", out)
        assert done.code == 0, done.err
        found.append(np.load(out)["logits"])
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])
    one = api.load(folder).run({"input": np.load(TEST)["input"][3:4]})["logits"]
    assert np.array_equal(one, found[0][3:4])


def test_verify_is_exact_on_every_stored_map(tmp_path: Path) -> None:
    options = ("--target", "atomlayer", "--calibration", CALIBRATION, "--data", TEST, "--limit", "5")
    done = cimc("verify", DIGITS, *options, "--json", "-")
    found = json.loads(done.out)
    assert done.code == 0 and found["bit_exact"] and found["mismatches"] == 0
    assert found["crossbars"] < 4, "the network has four, and holds one layer's at a time"


def test_an_edited_round_is_found_wrong(folder: Path, tmp_path: Path) -> None:
    """The second input of the pool of the second round is left out: the difference is named with its phase and line."""
    text = (folder / "program.casm").read_text(encoding="utf-8")
    edited = tmp_path / "edited.casm"
    wanted = "maxi    " if "maxi    " in text else "rmax    "
    line = next(n for n, one in enumerate(text.split("\n"), 1) if one.lstrip().startswith(wanted))
    lines = text.split("\n")
    d = lines[line - 1].split()[1].rstrip(",")
    lines[line - 1] = f"          set     {d}, 5"
    edited.write_text("\n".join(lines), encoding="utf-8")
    done = cimc("verify", DIGITS, *TINY, "--rounds", "--images-per-round", "4", "--calibration", CALIBRATION,
                "--data", TEST, "--limit", "2", "--program", edited)  # fmt: skip
    assert done.code == 1 and "WRONG" in done.out and "stored by phase 1, tile 0, core" in done.out


def test_report_and_time_say_the_same(folder: Path) -> None:
    report, time = (json.loads(cimc(one, folder, "--json", "-").out) for one in ("report", "time"))
    assert report["rounds"] == {name: value for name, value in time.items() if name != "joules_by_layer"}
    rounds = report["rounds"]
    assert rounds["shared"] == 4 and report["cost"] is None and report["unpriced"] == ""
    assert [name for one in rounds["rounds"] for name in one["layers"]] == [one["name"] for one in report["layers"]]
    assert sum(time["joules_by_layer"].values()) == pytest.approx(time["joules"])
    assert sum(share["joules"] for share in rounds["by_component"]) == pytest.approx(time["joules"])
    assert report["writing"]["cells"] == sum(one["cells"] for one in rounds["rounds"]) == 30272
    assert {tile["round"] for tile in report["tiles"]} == set(range(len(rounds["rounds"])))
    for command in ("report", "time"):
        shown = cimc(command, folder)
        assert shown.code == 0
        for text in ("4 inputs through each", "off-chip traffic", "worn out", "of the most written cell"):
            assert text in shown.out, (command, text)


def test_sharing_a_round_saves_writing(folder: Path, tmp_path: Path) -> None:
    alone = json.loads(cimc("time", in_rounds(tmp_path / "net"), "--json", "-").out)
    shared = json.loads(cimc("time", folder, "--json", "-").out)
    assert shared["writing_joules"] == pytest.approx(alone["writing_joules"] / 4)
    assert shared["writing_seconds"] == alone["writing_seconds"] and shared["worn_after"] == 4 * alone["worn_after"]


def test_disassembly(folder: Path, tmp_path: Path) -> None:
    whole = cimc("disasm", folder / "program.cimb").out
    assert whole == (folder / "program.casm").read_text(encoding="utf-8")
    assert parse(whole).phases
    only = cimc("disasm", folder / "program.cimb", "--layer", "conv2").out
    assert ".phase" in only and "relu2_out" in only and ".string" in only and "loop    row" in only
    assert "logits[" not in only


@pytest.mark.parametrize("command", [("inspect",), ("trace", "-o", "t.json"), ("report", "--html", "r.html")])
def test_what_does_not_work_says_so(
    folder: Path, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cimc(command[0], folder, *command[1:])
    assert done.code == 2 and done.err.count("error[rounds.view]") == 1 and not list(tmp_path.iterdir())


def test_options_that_do_not_go_together(tmp_path: Path) -> None:
    done = cimc("compile", DIGITS, "--rounds", "--objective", "area", "--rate", "100", "-o", tmp_path / "net")
    assert done.code == 2 and "error[options.rounds]: --rate" in done.err
    done = cimc("compile", DIGITS, "--images-per-round", "2", "-o", tmp_path / "net")
    assert done.code == 2 and "error[options.rounds]: --images-per-round" in done.err and "add --rounds" in done.err


def test_a_network_too_large_for_the_chip_is_told_of_rounds(tmp_path: Path) -> None:
    done = cimc("compile", DIGITS, *TINY, "-o", tmp_path / "net")
    assert done.code == 2 and "--rounds" in done.err


def test_copies_and_packing_within_rounds(tmp_path: Path) -> None:
    """MVMUs are those of a round. Bits stay as they are."""
    x = {"input": np.load(TEST)["input"][:4]}
    options = {"calibration": CALIBRATION, "rounds": True, "set": {"chip.tiles": "1", "tile.cores": "4"}}
    plain = api.compile(DIGITS, **options).run(x)["logits"]
    for more in ({"mvmus": 6}, {"pack": True}):
        made = api.compile(DIGITS, **options, **more)
        assert np.array_equal(made.run(x)["logits"], plain)
    assert any(
        layer.matrix.copies > 1 for layer in api.compile(DIGITS, **options, mvmus=6).report().layers if layer.matrix
    )
