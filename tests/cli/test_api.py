from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import cimc
from cimc.base.shown import Facts, Shown
from cimc.target.write import write_target
from tests.cli.commands import CALIBRATION, DIGITS, INPUTS, RESIDUAL, TEST, tree
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


def test_models_and_targets_in_memory() -> None:
    model = onnx.load(DIGITS)
    before = model.SerializeToString()
    programs = [
        cimc.compile(source, target, CALIBRATION)
        for source, target in ((DIGITS, "puma"), (model, cimc.load_target("puma")), (before, "puma"))
    ]
    assert len({program.text() for program in programs}) == 1
    assert len({write_target(program.target).count("source") for program in programs}) == 1
    assert model.SerializeToString() == before
    assert cimc.verify(model, TEST, limit=2, calibration=CALIBRATION).bit_exact
    assert cimc.estimate(model) == cimc.estimate(before) == cimc.estimate(DIGITS)


def test_a_target_that_cannot_be_is_refused() -> None:
    puma = cimc.load_target("puma")
    with pytest.raises(cimc.CimcError, match="not a whole number of bytes"):
        cimc.compile(DIGITS, replace(puma, numbers=replace(puma.numbers, word=12)))


WRONG: list[tuple[str, Callable[[], object]]] = [
    ("the model is a int, not a network", lambda: cimc.compile(3)),  # type: ignore[arg-type]
    ("the data are None", lambda: cimc.verify(DIGITS, None)),  # type: ignore[arg-type]
    ('the values of "labels" are', lambda: cimc.verify(DIGITS, {"input": INPUTS, "labels": [1] * 8})),
    ("label 1 is 10", lambda: cimc.verify(DIGITS, {"input": INPUTS, "labels": np.array([9, 10] * 4)})),
    ("label 0 is -1", lambda: cimc.verify(DIGITS, {"input": INPUTS, "labels": np.array([-1] * 8)})),
    ("labels are int64 of shape", lambda: cimc.verify(DIGITS, {"input": INPUTS, "labels": np.array([1])})),
    ("limit is 2.5", lambda: cimc.verify(DIGITS, TEST, limit=2.5)),  # type: ignore[arg-type]
    ("inputs is 0", lambda: cimc.time(cimc.compile(DIGITS), 0)),
    ("slices is -1", lambda: cimc.trace(cimc.compile(DIGITS), "t.json", slices=-1)),
    ("max_memory is 0", lambda: cimc.compile(DIGITS).run({"input": INPUTS}, max_memory=0)),
    ("the data are None", lambda: cimc.compile(DIGITS).run(None)),  # type: ignore[arg-type]
    ("None is no path", lambda: cimc.load(None)),  # type: ignore[arg-type]
    ("there is no option", lambda: cimc.estimate(DIGITS, chips=2)),
]


@pytest.mark.parametrize(("what", "call"), WRONG, ids=[what for what, _ in WRONG])
def test_what_is_wrong_is_said_and_not_raised_by_python(what: str, call: Callable[[], object]) -> None:
    with pytest.raises(cimc.CimcError, match=re.escape(what)):
        call()


def test_warnings_are_those_of_python() -> None:
    with pytest.warns(cimc.CimcWarning, match="no calibration data") as caught:
        cimc.compile(DIGITS)
    assert caught[0].filename == __file__
    with pytest.warns(cimc.CimcWarning, match="the program takes"):
        cimc.compile(RESIDUAL, calibration=CALIBRATION, objective="area", rate=32_000)  # see test_copies


def test_results_show_themselves_in_a_line_and_in_a_table(tmp_path: Path) -> None:
    program = cimc.compile(DIGITS, calibration=CALIBRATION)
    results = [
        program,
        program.report(),
        cimc.verify(DIGITS, TEST, calibration=CALIBRATION, limit=2),
        cimc.estimate(DIGITS),
        cimc.estimate(DIGITS, "atomlayer"),
        cimc.time(program),
        cimc.compare(program, program),
    ]
    for result in results:
        assert repr(result).startswith(f"<{type(result).__name__}: ") and "digits_plain" in repr(result)
        assert "\n" not in repr(result) and len(repr(result)) < 400
        assert result._repr_html_().count("<tr>") == len(result.facts())
    assert "&lt;b&gt;" in Named("<b>")._repr_html_()


class Named(Shown):
    def __init__(self, name: str) -> None:
        self.name = name

    def facts(self) -> Facts:
        return [("name", self.name)]
