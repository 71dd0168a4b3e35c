"""Conductances of all cells, written out and read back; a crossbar of a compiled program as a netlist."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import cimc as api
from cimc.base.diagnostics import CimcError
from cimc.crossbar.device.wires import exact
from cimc.driver.conductances import read_conductances
from cimc.target.device import WireKeys
from tests.cli.commands import CALIBRATION, DIGITS, TEST, cimc, compiled

WIRES = {"wires.row_segment": "2 ohm", "wires.column_segment": "3 ohm", "wires.sense": "10 ohm"}
with np.load(TEST) as _file:
    X = {"input": _file["input"][:6]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("net") / "net")


def written(folder: Path, file: Path) -> dict[str, npt.NDArray[Any]]:
    done = cimc("inspect", folder, "--conductances", file)
    assert done.code == 0, done.err
    with np.load(file) as arrays:
        return dict(arrays)


def test_what_is_written_is_what_levels_conduct(folder: Path, tmp_path: Path) -> None:
    """Of puma's cells, 0 to 100 uS at four levels: the weight in the middle of conv1's kernel of channel 2, 6722, whose
    levels `cimc inspect --weight` shows."""
    arrays = written(folder, tmp_path / "cells.npz")
    cells = arrays["t0.c0.m0"]
    assert cells.shape == (1, 8, 9, 8)
    levels = [2, 0, 0, 2, 2, 1, 1, 1]
    assert cells[0, :, 4, 2] == pytest.approx([level * 1e-4 / 3 for level in levels])
    assert arrays["t0.c0.m0.unit"] == pytest.approx(np.full((9, 1), 1e-4 / 3))
    assert set(np.unique(np.round(cells / 1e-4 * 3, 9))) == {0, 1, 2, 3}


def test_what_was_written_runs_as_ideal_cells(folder: Path, tmp_path: Path) -> None:
    """As .npz and as .csv; and once a cell conducts something else, it does not."""
    program = api.load(folder)
    plain = program.run(X)["logits"]
    arrays = written(folder, tmp_path / "cells.npz")
    done = cimc("inspect", folder, "--conductances", tmp_path / "cells.csv")
    assert done.code == 0, done.err
    for name in ("cells.npz", "cells.csv"):
        assert np.array_equal(program.run(X, conductances=tmp_path / name)["logits"], plain)
    shapes = {name: array.shape for name, array in arrays.items()}
    a, b = (read_conductances(tmp_path / name, shapes) for name in ("cells.npz", "cells.csv"))
    assert a.keys() == b.keys()
    for place, one in a.items():
        assert one.cells is not None and one.unit is not None
        assert np.array_equal(one.cells, b[place].cells) and np.array_equal(one.unit, b[place].unit)
    arrays["t0.c0.m0"][0, 7] *= 0.9
    np.savez(tmp_path / "other.npz", **arrays)
    assert not np.array_equal(program.run(X, conductances=tmp_path / "other.npz")["logits"], plain)
    np.savez(tmp_path / "one.npz", **{"t0.c0.m0": arrays["t0.c0.m0"]})  # the others are written as always
    assert not np.array_equal(program.run(X, conductances=tmp_path / "one.npz")["logits"], plain)


def test_a_map_of_faults_is_the_conductances_with_these_cells(folder: Path, tmp_path: Path) -> None:
    program, arrays = api.load(folder), written(folder, tmp_path / "cells.npz")
    states = np.random.default_rng(1).choice([-1, 0, 1], arrays["t0.c2.m0"].shape, p=[0.05, 0.9, 0.05])
    np.savez(tmp_path / "faults.npz", **{"t0.c2.m0": states})
    cells = arrays["t0.c2.m0"]
    arrays["t0.c2.m0"] = np.where(states == 1, 1e-4, np.where(states == -1, 0.0, cells))
    np.savez(tmp_path / "stuck.npz", **arrays)
    stuck = program.run(X, faults=tmp_path / "faults.npz")["logits"]
    assert np.array_equal(stuck, program.run(X, conductances=tmp_path / "stuck.npz")["logits"])
    assert not np.array_equal(stuck, program.run(X)["logits"])


def test_cells_that_are_written_in_rounds_are_not_written_out(tmp_path: Path) -> None:
    arguments = (
        "--calibration",
        CALIBRATION,
        "--target",
        "atomlayer",
        "--set",
        "chip.tiles=1",
        "--set",
        "tile.cores=2",
    )
    done = cimc("compile", DIGITS, *arguments, "-o", tmp_path / "net")
    assert done.code == 0, done.err
    done = cimc("inspect", tmp_path / "net", "--conductances", tmp_path / "cells.npz")
    assert done.code == 2 and "writes them while it runs" in done.err
    assert not (tmp_path / "cells.npz").exists()


HEAD = "tile,core,mvmu,sign,slice,row,column,siemens\n"


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.npz", {"x": np.zeros((1, 1))}, "no MVMU of the program is called so"),
        ("a.npz", {"t0.c0.m0": np.zeros((1, 8, 9, 7))}, r"its shape is \(1, 8, 9, 7\)"),
        ("a.npz", {"t0.c0.m0": np.full((1, 8, 9, 8), -1e-6)}, "conductances go from 0 to 1 S"),
        ("a.npz", {"t0.c0.m0": np.full((1, 8, 9, 8), np.nan)}, "conductances go from 0 to 1 S"),
        ("a.npz", {"t0.c0.m0": np.full((1, 8, 9, 8), "x")}, "conductances are numbers"),
        ("a.npz", {"t0.c0.m0": np.full((1, 8, 9, 8), None)}, "pickle"),
        ("a.csv", "tile,core\n", "it has no header"),
        ("a.csv", HEAD + "0,0,0,0,0,0,0\n", "is no cell"),
        ("a.csv", HEAD + "0,0,0,0,0,0,8,1e-6\n", "is no cell of the program"),
        ("a.csv", HEAD + "0,0,0,0,0,-1,0,1e-6\n", "is no cell of the program"),
        ("a.csv", HEAD + "0,0,9,0,0,0,0,1e-6\n", "is no cell of the program"),
        ("a.csv", HEAD + "0,0,0,0,0,0,0,much\n", "is no number"),
        ("a.csv", HEAD + "0,0,0,0,0,0,0,1e-6\n", "575 cells of t0.c0.m0 are missing"),
        ("b.csv", None, "can't be read"),
    ],
)
def test_conductances_that_cannot_be(
    name: str, content: dict[str, npt.NDArray[Any]] | str | None, what: str, folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / name
    if isinstance(content, str):
        file.write_text(content)
    elif content is not None:
        np.savez(file, allow_pickle=True, **content)  # type: ignore[arg-type]
    with pytest.raises(CimcError, match=what):
        api.load(folder).run(X, conductances=file)


@pytest.mark.parametrize("values", [np.full((1, 8, 9, 8), 2), np.zeros((1, 8, 9, 8)), np.zeros((1, 8, 9, 7), int)])
def test_faults_that_cannot_be(values: npt.NDArray[Any], folder: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "faults.npz", **{"t0.c0.m0": values})
    with pytest.raises(CimcError, match=r"faults are whole numbers|its shape is"):
        api.load(folder).run(X, faults=tmp_path / "faults.npz")


@pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")
@pytest.mark.parametrize("crossbar", [0, 3])
def test_a_crossbar_of_a_program_through_ngspice(crossbar: int, tmp_path: Path) -> None:
    """Its currents are those of the exact solution within a thousandth; the first crossbar has the unit column too."""
    settings = [part for key, value in WIRES.items() for part in ("--set", f"{key}={value}")]
    done = cimc("compile", DIGITS, "--calibration", CALIBRATION, *settings, "-o", tmp_path / "net")
    assert done.code == 0, done.err
    place = "0,2,0" if crossbar == 0 else f"0,2,0,{crossbar}"
    done = cimc("inspect", tmp_path / "net", "--spice", place, "-o", tmp_path / "array.cir")
    assert done.code == 0, done.err
    printed = subprocess.run(["ngspice", "-b", tmp_path / "array.cir"], capture_output=True, text=True, check=False)
    found = [float(value) for value in re.findall(r"i\(vout\d+\) = (\S+)", printed.stdout)]
    arrays = written(tmp_path / "net", tmp_path / "cells.npz")
    cells = arrays["t0.c2.m0"][0, crossbar]
    if crossbar == 0:
        cells = np.concatenate([cells, arrays["t0.c2.m0.unit"]], axis=1)
    wires = WireKeys(row_segment=2, column_segment=3, sense=10)
    assert len(found) == 16 + (crossbar == 0)
    assert found == pytest.approx(list(0.2 * exact(cells, wires, 128).sum(axis=0)), rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--spice", "0,0,0"), "--spice and -o belong together"),
        (("-o", "a.cir"), "--spice and -o belong together"),
        (("--spice", "0,0", "-o", "a.cir"), '"0,0" is not TILE,CORE,MVMU'),
        (("--spice", "0,0,7", "-o", "a.cir"), "tile 0, core 0, MVMU 7 holds no matrix"),
        (("--spice", "0,0,0,8", "-o", "a.cir"), "in 8 crossbars; there is no number 8"),
        (("--spice", "0,0,0", "-o", "a.cir", "--conductances", "a.npz"), "questions of their own"),
        (("--conductances", "a.npz", "--weight", "conv1,0,0"), "questions of their own"),
    ],
)
def test_questions_that_cannot_be(
    arguments: tuple[str, ...], what: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cimc("inspect", folder, *arguments)
    assert done.code == 2 and what in done.err
    assert list(tmp_path.iterdir()) == []
