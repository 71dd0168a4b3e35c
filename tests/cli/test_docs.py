from __future__ import annotations

import json
import re
from pathlib import Path

from cimc.runtime.package import MANIFEST
from tests.cli.commands import DIGITS, TEST, cimc, compiled, tree
from tests.cli.documented import PAGE, outputs, without_times

DOCS = PAGE.parent


def test_commands_print_what_the_page_says(tmp_path: Path) -> None:
    assert without_times(outputs(tmp_path)) == without_times(PAGE.read_text(encoding="utf-8"))


def test_every_field_of_verify_is_explained() -> None:
    page = (DOCS / "verify.md").read_text(encoding="utf-8")
    table = page.split("<!-- fields")[1].split("<!-- end -->")[0]
    printed = json.loads(cimc("verify", DIGITS, "--data", TEST, "--limit", "1", "--json").out)
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(printed)


def test_every_file_of_a_program_is_explained(tmp_path: Path) -> None:
    page = (DOCS / "program.md").read_text(encoding="utf-8")
    folder = compiled(tmp_path / "net")
    assert set(re.findall(r"^\| `(\S+)` \|", page.split("## ")[0], re.MULTILINE)) == set(tree(folder))
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    assert all(f"`{key}`" in page for key in manifest)
