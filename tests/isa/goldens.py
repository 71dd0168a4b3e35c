"""Messages that tests compare with, in golden files of sections: "## name", then the text."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def golden(file: str, name: str) -> str:
    """The text of a section, or a word that nothing equals."""
    sections = re.split(r"^## (.*)\n", (FOLDER / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(sections[1::2], sections[2::2], strict=True)).get(name, "missing").strip("\n")


def write(file: str, cases: Mapping[str, Callable[[], str]]) -> None:
    """Write the sections anew; then read what has changed."""
    text = "\n".join(f"## {name}\n{make()}\n" for name, make in cases.items())
    (FOLDER / file).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    from tests.isa import test_mistakes, test_refusals

    assert sys.argv[1:] == ["write"], "python -m tests.isa.goldens write"
    for module in (test_mistakes, test_refusals):
        write(module.GOLDEN, {name: (lambda name=name, module=module: module.message(name)) for name in module.CASES})
