"""The same input gives the same bytes: program, report, page, trace - in other processes with other hash seeds too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.cli.commands import CALIBRATION, RESIDUAL, tree

ROOT = Path(__file__).parents[2]
COMMANDS = (
    ("compile", RESIDUAL, "--target", "puma", "--calibration", CALIBRATION, "--mvmus", "16", "-o", "net"),
    ("report", "net", "--json", "report.json"),
    ("report", "net", "--html", "report.html"),
    ("compare", "net", "report.json", "--json", "-"),
    ("trace", "net", "-o", "trace.json", "--slices", "30"),
    ("time", "net", "--json", "-"),
)
"""What is run, in a folder of its own; standard output is kept too."""


def made(folder: Path, seed: str) -> dict[str, bytes]:
    """Every file and output of the commands, run in processes with this hash seed."""
    folder.mkdir()
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
    code = f"from cimc.cli.guard import run; assert [run(command) for command in {COMMANDS!r}] == [0] * {len(COMMANDS)}"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return {**tree(folder), "standard output": done.stdout}


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a", "1"), made(tmp_path / "b", "2")
    assert {"report.html", "trace.json", "net/program.casm", "net/report.json"} <= set(first)
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []
