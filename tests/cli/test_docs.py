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
from tests.cli.documented import DOCS, PAGES, ROOT, outputs, without_times
from tests.test_import_floors import FLOORS, ROOMS_OF_PASSES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    assert without_times(outputs(page, tmp_path)) == without_times(page.read_text(encoding="utf-8"))


def test_the_newcomers_page_names_every_room_and_files_that_are_there() -> None:
    page = (DOCS / "internals.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:cimc|isa|frontends|backends|runtime|tests)/?[\w./]*)`", page))
    rooms = {name.replace(".", "/") for name in FLOORS if name not in ("cimc", "cimc.__main__")}
    rooms |= {f"cimc/passes/{name}" for name in ROOMS_OF_PASSES}
    there = {path for path in named if (ROOT / path).exists()}
    assert named - there == set()
    assert {room for room in rooms if not {room, room.removeprefix("cimc/"), f"{room}.py"} & named} == set()


def test_the_examples_in_python_give_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "cimc" / "examples", tmp_path / "cimc" / "examples")
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
