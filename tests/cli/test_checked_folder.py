"""Every command on a folder, and cimc.load, refuses one that cannot run: its digests fit, its program does not."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

import cimc as api
from tests.cli.commands import TEST, cimc, compiled

COMMANDS = {
    "run": ("run", "DIR", "--input", TEST, "--limit", "2", "-o", "OUT/out.npz"),
    "time": ("time", "DIR"),
    "trace": ("trace", "DIR", "-o", "OUT/trace.json"),
    "report": ("report", "DIR"),
    "report as JSON": ("report", "DIR", "--json", "OUT/report.json"),
    "report as a page": ("report", "DIR", "--html", "OUT/report.html"),
    "compare": ("compare", "WHOLE", "DIR"),
    "inspect": ("inspect", "DIR"),
    "inspect a weight": ("inspect", "DIR", "--weight", "logits,0,0"),
    "inspect a run": ("inspect", "DIR", "--input", TEST, "--stop", "0,0,6"),
}
WRONG = {
    "a ring of no segments": (r"segments=1", "segments=0", 2),
    "an endless loop": (r"^( *)mvm +0b1$", r"\1loop w, 1000000000000\n\1mvm 0b1\n\1end", 2),
    "a wait that is gone": (r"^ *wait .*\n", "", 2),
    "registers outside": (r"\br\[0:8\]", "r[600:608]", 2),
    "a deadlock": (r"pixels=56", "pixels=8", 1),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("whole") / "net")


@pytest.fixture(scope="module", params=WRONG)
def wrong(request: pytest.FixtureRequest, whole: Path) -> tuple[Path, int]:
    """A copy of the folder with one change in its text, and how commands on it end."""
    old, new, code = WRONG[request.param]
    folder = whole.with_name("changed")
    folder.mkdir(exist_ok=True)
    for file in whole.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "program.cimb").unlink()
    text, count = re.subn(old, new, (whole / "program.casm").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert count
    (folder / "program.casm").write_text(text, encoding="utf-8")
    manifest = json.loads((whole / "manifest.json").read_text(encoding="utf-8"))
    del manifest["files"]["program.cimb"]
    manifest["files"]["program.casm"] = hashlib.sha256((folder / "program.casm").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder, code


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_that_cannot_run_is_refused(name: str, wrong: tuple[Path, int], whole: Path, tmp_path: Path) -> None:
    folder, code = wrong
    known = {"DIR": str(folder), "WHOLE": str(whole)}
    done = cimc(*(known.get(word, word.replace("OUT", str(tmp_path))) for word in COMMANDS[name]))
    assert done.code == code, done.err
    assert "error[verify." in done.err and not done.out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_folder_without_the_change_is_not(name: str, whole: Path, tmp_path: Path) -> None:
    known = {"DIR": str(whole), "WHOLE": str(whole)}
    done = cimc(*(known.get(word, word.replace("OUT", str(tmp_path))) for word in COMMANDS[name]))
    assert done.code == 0, done.err


def test_python_refuses_it_too(wrong: tuple[Path, int]) -> None:
    with pytest.raises(api.CimcError, match=r"verify\."):
        api.load(wrong[0])
