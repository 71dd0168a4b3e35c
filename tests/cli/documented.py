"""The commands in docs/cli.md with what they print: `python -m tests.cli.documented write` writes the page anew."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Literal, get_args, get_origin

from cimc.base.options import options_of
from cimc.driver import options
from tests.cli.commands import cimc

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cli.md"

_BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
_TABLE = re.compile(r"(<!-- options: (\w+), from \S+ -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_SECONDS = re.compile(r"\d+\.\d+ s\b")


def outputs(folder: Path) -> str:
    """The page with the outputs that its commands have now. folder: an empty one to run them in."""
    (folder / "cimc").mkdir()
    shutil.copytree(ROOT / "cimc" / "examples", folder / "cimc" / "examples")
    before = Path.cwd()
    os.chdir(folder)
    try:
        page = _TABLE.sub(lambda found: found[1] + _options(found[2]) + found[4], PAGE.read_text(encoding="utf-8"))
        return _BLOCK.sub(lambda block: _with_outputs(block[0]), page)
    finally:
        os.chdir(before)


def without_times(page: str) -> str:
    """A page in which times, which differ from run to run, are all the same."""
    return _SECONDS.sub("0.0 s", page)


def _options(kind: str) -> str:
    """The options of a class as a table."""
    shown: type = getattr(options, kind)
    text = "| option | default | what it does |\n|---|---|---|\n"
    for name, (hint, option) in options_of(shown).items():
        default = getattr(shown(), name)
        words = "\\|".join(get_args(hint)) if get_origin(hint) is Literal else ""
        value = option.metavar.replace("|", "\\|") or words or ("" if hint is bool else "N")
        plain = f"`{default}`" if isinstance(default, str | int) and not isinstance(default, bool) else ""
        text += f"| `--{name.replace('_', '-')} {value}".rstrip() + f"` | {plain} | {option.help} |\n"
    return text


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
