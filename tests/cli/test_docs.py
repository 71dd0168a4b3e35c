from __future__ import annotations

import doctest
import json
import re
import shutil
import warnings
from pathlib import Path

import pytest

from cimc.runtime.package import MANIFEST
from tests.cli.commands import DIGITS, TEST, cimc, compiled, tree
from tests.cli.documented import PAGE, outputs, without_times

DOCS = PAGE.parent


def test_commands_print_what_the_page_says(tmp_path: Path) -> None:
    assert without_times(outputs(tmp_path)) == without_times(PAGE.read_text(encoding="utf-8"))


def test_the_examples_in_python_give_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(PAGE.parents[1] / "cimc" / "examples", tmp_path / "cimc" / "examples")
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        page = re.sub("^```.*$", "", (DOCS / "python.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
        examples = doctest.DocTestParser().get_doctest(page, {}, "docs/python.md", None, 0)
        done = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples)
    assert done.attempted > 20 and done.failed == 0


def test_every_field_of_verify_is_explained() -> None:
    page = (DOCS / "verify.md").read_text(encoding="utf-8")
    table = page.split("<!-- fields")[1].split("<!-- end -->")[0]
    printed = json.loads(cimc("verify", DIGITS, "--data", TEST, "--limit", "1", "--json", "-").out)
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(printed)


def test_every_file_of_a_program_is_explained(tmp_path: Path) -> None:
    page = (DOCS / "program.md").read_text(encoding="utf-8")
    folder = compiled(tmp_path / "net")
    assert set(re.findall(r"^\| `(\S+)` \|", page.split("## ")[0], re.MULTILINE)) == set(tree(folder))
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    assert all(f"`{key}`" in page for key in manifest)
