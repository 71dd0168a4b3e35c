from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cimc.cli.inspecting import cells_of, find_cell, find_weight, matrices_of
from cimc.report.folder import load_report
from cimc.runtime.package import Package, load_package
from cimc.runtime.sites import Probe, Stopped
from cimc.runtime.step import StepEngine
from tests.cli.commands import INPUTS, TEST, cimc, compiled
from tests.crossbar.small import stands_for


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("program") / "digits")


@pytest.fixture(scope="module")
def package(folder: Path) -> Package:
    return load_package(folder)


def test_every_matrix_is_listed(folder: Path, package: Package) -> None:
    done = cimc("inspect", folder)
    assert done.code == 0
    listed = [line.split()[0] for line in done.out.splitlines()[3:]]
    assert listed == ["conv1", "conv2", "fc", "fc"]
    assert len(listed) == len(matrices_of(package.program))


def test_the_cells_hold_the_weights(package: Package) -> None:
    for stored in matrices_of(package.program):
        m = stored.matrix
        assert np.array_equal(stands_for(cells_of(package, stored)), package.weights[m.array].reshape(m.rows, -1))


def test_a_weight_and_its_cell_are_one(folder: Path, package: Package) -> None:
    stored, row, column = find_weight(package.program, load_report(folder, package.program), "fc,130,3")
    assert (stored.matrix.row, row, column) == (128, 2, 3)
    place = f"{stored.tile},{stored.core},{stored.matrix.mvmu},{row},{column}"
    assert find_cell(package.program, place) == (stored, row, column)
    by_weight, by_cell = cimc("inspect", folder, "--weight", "fc,130,3"), cimc("inspect", folder, "--cell", place)
    assert by_weight == by_cell
    value = int(package.weights[stored.matrix.array].reshape(stored.matrix.rows, -1)[row, column])
    assert by_weight.out.startswith(f"fc[130, 3] = {value}\n")


def test_what_the_cells_are_worth_adds_up(folder: Path) -> None:
    lines = cimc("inspect", folder, "--weight", "fc,130,3").out.splitlines()
    value = int(lines[0].split("=")[1])
    worth = [int(line.split()[-1]) for line in lines if line.strip() and line.split()[0].isdigit()]
    assert len(worth) == 8
    assert sum(worth) - 32768 == value


def test_stop_at_an_instruction(folder: Path, package: Package) -> None:
    (core,) = (
        c for t in package.program.tiles for c in t.cores if c.matrices[:1] and c.matrices[0].layer == "relu2_out"
    )
    index = [instruction.mnemonic for instruction in core.stream].index("mvm")
    done = cimc("inspect", folder, "--input", TEST, "--stop", f"0,{core.number},{index},6")
    assert done.code == 0
    assert f"stopped on tile 0, core {core.number}, before instruction {index}, reached 6 times\n" in done.out
    assert "loops: image = 0, row = 1, pixel = 1\n" in done.out  # the sixth of rows of four
    assert "\n->" in done.out
    for heading in ("rings of tile 0", "xin[0:72]", "xout[0:16]"):
        assert heading in done.out


def test_stop_at_a_layer(folder: Path) -> None:
    done = cimc("inspect", folder, "--input", TEST, "--stop", "relu2", "--lane", "3")
    assert done.code == 0
    assert "->" in done.out and "mvm" in done.out.split("->")[1].splitlines()[0]
    pool = cimc("inspect", folder, "--input", TEST, "--stop", "pool1_out")
    assert "window of pool1_out: 1x1x8 words from row 0, column 0, channel 0 on" in pool.out


def test_a_probe_shows_what_the_product_is_made_of(package: Package) -> None:
    """xin and xout around the first mvm of the first layer: a window of the quantised image times the matrix."""
    core = package.program.tiles[0].cores[0]
    index = [instruction.mnemonic for instruction in core.stream].index("mvm")
    engine = StepEngine(package.program, package.weights, package.target)
    states = []
    for at in (index, index + 1):
        with pytest.raises(Stopped) as stopped:
            engine.run({"input": INPUTS[:, None]}, probe=Probe((0, "core", 0, at)))
        states.append(stopped.value.machine.tiles[0].cores[0].files)
    m = core.matrices[0]
    x = states[0]["xin"][: m.rows].astype(np.int64)
    assert x.any()
    sums = package.weights[m.array].reshape(m.rows, m.columns).astype(np.int64).T @ x
    assert np.array_equal(states[1]["xout"][: m.columns], (sums + (1 << (m.shift - 1))) >> m.shift)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--weight", "logit,0,0"],
            'error[layer.unknown]: there is no layer "logit"\n  at --weight\n  help: did you mean "logits"?\n',
        ),
        (
            ["--weight", "logits,256,0"],
            'error[inspect.weight]: "fc" has 256 rows x 10 columns; there is no [256, 0]\n',
        ),
        (
            ["--weight", "pool1,0,0"],
            'error[inspect.layer]: no MVMU holds weights of the layer "pool1": it is a max pool\n  at --weight\n',
        ),
        (["--weight", "logits"], 'error[options.place]: "logits" is not LAYER,ROW,COLUMN\n'),
        (
            ["--cell", "0,0,0,9,0"],
            "error[inspect.cell]: tile 0, core 0, MVMU 0 holds 9 rows x 8 columns; [9, 0] is empty\n",
        ),
        (["--cell", "7,0,0,0,0"], "error[inspect.cell]: tile 7, core 0, MVMU 0 holds no matrix\n"),
        (["--stop", "0,0,1"], "error[options.inspect]: --stop and --input belong together\n"),
        (
            ["--weight", "logits,0,0", "--cell", "0,0,0,0,0"],
            "error[options.inspect]: --weight, --cell and --stop are three questions\n",
        ),
        (["--input", TEST, "--stop", "0,9,1"], "error[inspect.stop]: the program has no core 9 on tile 0\n"),
        (["--input", TEST, "--stop", "0,0,99"], "error[inspect.stop]: the stream has instructions 0 to "),
        (
            ["--input", TEST, "--stop", "0,0,1"],
            "error[inspect.stop]: instruction 1 is `loop image, *`, which only steers\n",
        ),
        (
            ["--input", TEST, "--stop", "0,0,7,99999"],
            "error[inspect.stop]: the run ended before the instruction was reached 99,999 times\n",
        ),
        (
            ["--input", TEST, "--stop", "relu3_out"],
            'error[layer.unknown]: there is no layer "relu3_out"\n  at --stop\n  help: did you mean "relu',
        ),
        (
            ["--input", TEST, "--stop", "logits", "--lane", "600"],
            "error[options.lane]: the file holds 600 inputs; number 600 is not among them\n",
        ),
    ],
)
def test_questions_without_an_answer(folder: Path, arguments: list[str], message: str) -> None:
    done = cimc("inspect", folder, *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(message)


@pytest.mark.parametrize("name", ["conv2", "relu2", "relu2_out"])
def test_a_layer_has_many_names(folder: Path, name: str) -> None:
    stop = cimc("inspect", folder, "--input", TEST, "--stop", name)
    assert stop == cimc("inspect", folder, "--input", TEST, "--stop", "conv2")
    assert stop.code == 0
    weight = cimc("inspect", folder, "--weight", f"{name},3,1")
    assert weight.out.startswith("conv2[3, 1] = ")
