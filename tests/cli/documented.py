"""The commands in docs/cli.md with what they print: `python -m tests.cli.documented write` writes the page anew."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from tests.cli.commands import cimc

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cli.md"

_BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
_SECONDS = re.compile(r"\d+\.\d+ s\b")


def outputs(folder: Path) -> str:
    """The page with the outputs that its commands have now. folder: an empty one to run them in."""
    (folder / "cimc").mkdir()
    shutil.copytree(ROOT / "cimc" / "examples", folder / "cimc" / "examples")
    before = Path.cwd()
    os.chdir(folder)
    try:
        return _BLOCK.sub(lambda block: _with_outputs(block[0]), PAGE.read_text(encoding="utf-8"))
    finally:
        os.chdir(before)


def without_times(page: str) -> str:
    """A page in which times, which differ from run to run, are all the same."""
    return _SECONDS.sub("0.0 s", page)


def _with_outputs(block: str) -> str:
    text = ""
    for line in (line for line in block.splitlines() if line.startswith("$ cimc ")):
        ran = cimc(*shlex.split(line)[2:])
        assert ran.code != 3, f"{line}\n{ran.err}"
        printed = (ran.err + ran.out).splitlines()
        text += "\n".join([line, *(part.rstrip() for part in printed)]) + "\n"
    return text


if __name__ == "__main__":
    assert sys.argv[1:] == ["write"], "python -m tests.cli.documented write"
    with tempfile.TemporaryDirectory() as empty:
        PAGE.write_text(outputs(Path(empty)), encoding="utf-8", newline="\n")
