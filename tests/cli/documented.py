"""The commands of some pages with what they print: `python -m tests.cli.documented write` writes the pages anew.

Blocks "console" hold commands `$ cimc ...`, whose output may go through a shell: `| head -3`. Blocks "pycon" hold
examples in Python. A page's blocks run in order, in one folder.
"""

from __future__ import annotations

import doctest
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from cimc.base.options import options_of
from cimc.driver import options
from tests.cli.commands import cimc

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (DOCS / "cli.md", DOCS / "devices.md", DOCS / "internals.md", DOCS / "rounds.md")

_BLOCK = re.compile(r"(```(console|pycon)\n)(.*?)(?=```)", re.DOTALL)
_TABLE = re.compile(r"(<!-- options: (\w+), from \S+ -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_SECONDS = re.compile(r"\d+\.\d+ s\b")


def outputs(page: Path, folder: Path) -> str:
    """A page with the outputs that its commands have now. folder: an empty one to run them in."""
    (folder / "cimc").mkdir()
    shutil.copytree(ROOT / "cimc" / "examples", folder / "cimc" / "examples")
    names: dict[str, Any] = {}
    before = Path.cwd()
    os.chdir(folder)
    try:
        text = _TABLE.sub(lambda found: found[1] + _options(found[2]) + found[4], page.read_text(encoding="utf-8"))
        return _BLOCK.sub(
            lambda found: found[1] + (_commands(found[3]) if found[2] == "console" else _examples(found[3], names)),
            text,
        )
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


def _commands(block: str) -> str:
    """Commands with what they print."""
    text = ""
    for line in (line for line in block.splitlines() if line.startswith("$ cimc ")):
        command, _, filters = line.removeprefix("$ ").partition(" | ")
        ran = cimc(*shlex.split(command)[1:])
        assert ran.code != 3, f"{line}\n{ran.err}"
        printed = (ran.err + (_filtered(ran.out, filters) if filters else ran.out)).splitlines()
        text += "\n".join([line, *(part.rstrip() for part in printed)]) + "\n"
    return text


def _filtered(text: str, filters: str) -> str:
    """What a text is behind `filters`, commands of the shell."""
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    ran = subprocess.run(
        ["bash", "-c", filters], input=text, stdout=subprocess.PIPE, env=environment, encoding="utf-8", check=True
    )
    return ran.stdout


def _examples(block: str, names: dict[str, Any]) -> str:
    """Statements of Python with what they give. names: what they share with the examples before."""
    text = ""
    for part in doctest.DocTestParser().parse(block):
        if isinstance(part, str):
            text += part
            continue
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile(part.source, "<example>", "single"), names)
        first, *more = part.source.splitlines()
        text += "\n".join([f">>> {first}", *(f"... {line}".rstrip() for line in more)]) + "\n" + printed.getvalue()
    return text


if __name__ == "__main__":
    assert sys.argv[1:] == ["write"], "python -m tests.cli.documented write"
    for shown in PAGES:
        with tempfile.TemporaryDirectory() as empty:
            shown.write_text(outputs(shown, Path(empty)), encoding="utf-8", newline="\n")
