"""What passes make is verified where a user asks for it, and in every test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cimc.frontends import load_onnx
from cimc.ir.layers import LayerGraph
from cimc.passes.lower.layers import lower
from cimc.passes.pipelines import VERIFY_EACH, Context, Pass, run_passes
from tests.cli.commands import CALIBRATION, RESIDUAL, cimc
from tests.passes.end_to_end import PUMA

GRAPH = load_onnx(RESIDUAL)
FAULTY = (
    Pass("lower", lambda graph, _: lower(graph)),
    Pass("forget", lambda layers, _: replace(layers, layers=layers.layers[1:])),
)


@pytest.mark.parametrize(("asked", "variable"), [(True, False), (False, True)])
def test_a_faulty_pass_is_caught(asked: bool, variable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not variable:
        monkeypatch.delenv(VERIFY_EACH)
    with pytest.raises(AssertionError, match="before it is made"):
        run_passes(GRAPH, Context(PUMA, GRAPH, verify=asked), FAULTY)


def test_users_do_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VERIFY_EACH)
    assert isinstance(run_passes(GRAPH, Context(PUMA, GRAPH), FAULTY), LayerGraph)


@pytest.mark.parametrize("command", ["compile", "verify"])
def test_the_option(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault is one of ours: exit code 3."""
    monkeypatch.delenv(VERIFY_EACH)
    monkeypatch.setattr("cimc.driver.compile.PASSES", FAULTY)
    data = ["--calibration", CALIBRATION, "-o", tmp_path / "out"] if command == "compile" else ["--data", CALIBRATION]
    told = cimc(command, RESIDUAL, *data, "--verify-each")
    assert told.code == 3 and "before it is made" in told.err
