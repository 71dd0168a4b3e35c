"""What the commands say when a check fails, and when cimc itself does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import cimc as api
from cimc.cli import building
from cimc.driver.verification import Mismatch, Verification
from cimc.runtime.sites import BlockedStream, Deadlock
from tests.cli.commands import CALIBRATION, DIGITS, TEST, cimc

ARGUMENTS = ("verify", DIGITS, "--target", "puma", "--calibration", CALIBRATION, "--data", TEST, "--limit", "4")


def answer(monkeypatch: pytest.MonkeyPatch, result: Verification | Exception) -> None:
    """Let the verify job give this result."""

    def job(*arguments: object, **more: object) -> Verification:
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(building, "verify_network", job)


@pytest.fixture(scope="module")
def wrong() -> Verification:
    found = api.verify(DIGITS, TEST, "puma", CALIBRATION, limit=4)
    first = Mismatch("relu1_out", (0, 1, 2, 3), 17, 16, "tile 0, core 0, instruction 10", 35)
    return replace(found, mismatches=2, bit_exact=False, first_mismatch=first)


def test_a_mismatch_is_named_and_exits_with_1(monkeypatch: pytest.MonkeyPatch, wrong: Verification) -> None:
    answer(monkeypatch, wrong)
    done = cimc(*ARGUMENTS)
    assert done.code == 1
    assert (
        "\nWRONG: 2 values of 4 inputs differ from the quantised reference\n"
        "  first: relu1_out[0, 1, 2, 3] is 16, should be 17\n"
        "  stored by tile 0, core 0, instruction 10, line 35 of the program\n"
        "faithful: against onnxruntime "
    ) in done.out


def test_a_mismatch_in_json(monkeypatch: pytest.MonkeyPatch, wrong: Verification) -> None:
    answer(monkeypatch, replace(wrong, snr_db=None, max_abs_error=float("inf")))
    done = cimc(*ARGUMENTS, "--json", "-")
    assert done.code == 1
    found: Mapping[str, Any] = json.loads(done.out)
    assert found["first_mismatch"] == {
        "tensor": "relu1_out", "element": [0, 1, 2, 3], "expected": 17, "got": 16,
        "instruction": "tile 0, core 0, instruction 10", "line": 35,
    }  # fmt: skip
    assert (found["snr_db"], found["max_abs_error"]) == (None, None)


def test_a_deadlock_exits_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = BlockedStream(0, "core", 1, 4, 30, "wait x.0, 3", 0, "wait", "ring x of tile 0", 3, 2)
    answer(monkeypatch, Deadlock("net", [blocked]))
    done = cimc(*ARGUMENTS)
    assert done.code == 1
    assert done.err.startswith(
        'error[run.deadlock]: deadlock in program "net": 1 streams wait\n  tile 0 core 1, line 30'
    )


def test_a_fault_of_ours_exits_with_3_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, ZeroDivisionError("division by zero"))
    monkeypatch.delenv("CIMC_DEBUG", raising=False)
    done = cimc(*ARGUMENTS)
    assert done.code == 3
    first, version, todo = done.err.splitlines()
    assert first.startswith(
        "error[internal]: cimc failed, and that is a mistake in cimc: ZeroDivisionError: division by zero ("
    )
    assert f"cimc {api.__version__}" in version
    assert "CIMC_DEBUG=1" in todo


def test_the_traceback_is_there_for_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, ZeroDivisionError("division by zero"))
    monkeypatch.setenv("CIMC_DEBUG", "1")
    done = cimc(*ARGUMENTS)
    assert done.code == 3
    assert done.err.startswith("Traceback (most recent call last):\n")


def test_too_little_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, MemoryError())
    done = cimc(*ARGUMENTS)
    assert (done.code, done.err.splitlines()[0]) == (2, "error[memory]: there is not enough memory")


def test_the_version_is_that_of_the_package() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{api.__version__}"\n' in text


def into(words: str, output: str, cwd: Path) -> tuple[int, str]:
    """Exit code and messages of a command whose standard output goes through `output` in a shell."""
    shell = f"{sys.executable} -m cimc {words} {output}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


TEXT = f"verify {DIGITS} --data {TEST} --limit 2"


@pytest.mark.parametrize(
    ("more", "code"), [("", 0), ("--json -", 0), ("--min-snr 300", 1), ("--min-snr 300 --json -", 1)]
)
def test_a_verdict_is_the_same_where_nobody_reads_it(more: str, code: int, tmp_path: Path) -> None:
    """Standard output is closed before anything is written."""
    got, messages = into(f"{TEXT} {more}", "| true", tmp_path)
    assert got == code
    assert "Traceback" not in messages and "ignored" not in messages


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("more", ["", "--json -"])
def test_output_without_room_is_no_mistake_of_cimc(more: str, tmp_path: Path) -> None:
    got, messages = into(f"{TEXT} {more}", "> /dev/full", tmp_path)
    assert got == 2
    assert "error[output.write]" in messages and "ignored" not in messages
