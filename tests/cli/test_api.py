from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cimc
from tests.cli.commands import CALIBRATION, DIGITS, INPUTS, TEST, tree
from tests.cli.commands import cimc as command

HEAVY = ("numpy", "onnx", "onnxruntime", "scipy", "networkx", "matplotlib", "typer", "rich", "lark")


def test_import_loads_nothing_heavy() -> None:
    code = f"import sys, cimc; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout == "[]\n"


def test_compile_run_save_load(tmp_path: Path) -> None:
    program = cimc.compile(DIGITS, target="puma", calibration=CALIBRATION)
    outputs = program.run({"input": INPUTS})
    assert outputs["logits"].shape == (8, 10)
    program.save(tmp_path / "saved")
    loaded = cimc.load(tmp_path / "saved")
    assert np.array_equal(loaded.run({"input": INPUTS}, max_memory=40_000)["logits"], outputs["logits"])
    assert loaded.report() == program.report()
    assert loaded.text() == program.text()
    assert loaded.text().startswith(".isa ")


def test_a_saved_program_is_that_of_the_command(tmp_path: Path) -> None:
    with np.load(CALIBRATION) as data:
        cimc.compile(DIGITS, "puma", dict(data)).save(tmp_path / "a")
    command("compile", DIGITS, "--target", "puma", "--calibration", CALIBRATION, "-o", tmp_path / "b")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_verify() -> None:
    found = cimc.verify(DIGITS, TEST, "puma", CALIBRATION, limit=8)
    assert (found.inputs, found.bit_exact) == (8, True)
    assert found.snr_db is not None
    assert found.snr_db > 60  # 16-bit words: some 78 dB; a wrong scale or shift costs tens of them


@pytest.mark.parametrize("options", [{"rows": "some"}, {"calibration_method": "guess"}])
def test_values_are_checked(options: dict[str, str]) -> None:
    with pytest.raises(cimc.CimcError, match="choose one of"):
        cimc.compile(DIGITS, **options)  # type: ignore[arg-type]


def test_wrong_inputs_are_refused() -> None:
    program = cimc.compile(DIGITS, calibration=CALIBRATION)
    with pytest.raises(cimc.CimcError, match="expects shape"):
        program.run({"input": INPUTS[:, 0]})
