"""A user's files are safe: no command hangs on what is no file, writes over what it reads, or into a program."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import cimc as api
from cimc.base.diagnostics import CimcError
from cimc.base.exchange import OLD, beside
from tests.cli.commands import CALIBRATION, DIGITS, INPUTS, cimc, compiled, tree


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("program") / "net")


@pytest.fixture
def here(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a program, data and a target; a command that hangs in it is stopped."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(program, "net")
    shutil.copy("net/program.casm", "p.casm")
    shutil.copy("net/program.cimb", "p.cimb")
    shutil.copy(DIGITS, "net.onnx")
    shutil.copy(CALIBRATION, "cal.npz")
    np.save("x.npy", INPUTS)
    Path("base.toml").write_text('extends = "puma"\n')
    Path("chip.toml").write_text('extends = "base.toml"\n')
    Path("bits.toml").write_text("")
    before = signal.signal(signal.SIGALRM, _hangs)
    signal.alarm(60)
    yield tmp_path
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _hangs(*_: object) -> None:
    raise AssertionError("the command hangs")


def refused(here: Path, *arguments: str | Path) -> str:
    """What a command says when it refuses; it must leave everything as it was."""
    before = tree(here), sorted(here.rglob("*"))
    done = cimc(*arguments)
    assert (done.code, done.out) == (2, ""), (arguments, done)
    assert (tree(here), sorted(here.rglob("*"))) == before
    return done.err


RUN = ("run", "net", "--input", "x.npy")
COMPILE = ("compile", "net.onnx", "--target", "chip.toml", "--calibration", "cal.npz", "--precision", "bits.toml")
OVER_INPUTS: list[tuple[tuple[str, ...], str]] = [
    ((*RUN, "-o"), "x.npy"),
    ((*RUN, "--program", "p.casm", "-o"), "p.casm"),
    (("asm", "p.casm", "-o"), "p.casm"),
    (("asm", "p.casm", "--target", "chip.toml", "-o"), "chip.toml"),
    (("asm", "p.casm", "--target", "chip.toml", "-o"), "base.toml"),
    (("disasm", "p.cimb", "-o"), "p.cimb"),
]


@pytest.mark.parametrize("way", ["itself", "around", "hard", "soft"])
@pytest.mark.parametrize(("command", "output"), OVER_INPUTS)
def test_an_output_never_takes_the_place_of_an_input(
    here: Path, command: tuple[str, ...], output: str, way: str
) -> None:
    names = {"itself": output, "around": f"net/../{output}", "hard": "hard", "soft": "soft"}
    os.link(output, "hard")
    os.symlink(output, "soft")
    assert "this is an input of the same command" in refused(here, *command, names[way])


@pytest.mark.parametrize(
    "command",
    [
        ("run", "nowhere", "--input", "x.npy", "-o", "x.npy"),
        ("run", "nowhere", "--input", "no.npy", "--program", "p.casm", "-o", "p.casm"),
        ("asm", "p.cimb", "-o", "p.cimb"),
        ("asm", "p.cimb", "--target", "chip.toml", "-o", "chip.toml"),
        ("disasm", "p.casm", "-o", "p.casm"),
        ("compile", "nowhere.onnx", "--target", "net/target.toml", "-o", "net"),
    ],
)
def test_that_is_seen_before_any_work(here: Path, command: tuple[str, ...]) -> None:
    assert "an input of the same command" in refused(here, *command)


INTO_PROGRAMS: list[tuple[str, ...]] = [
    (*RUN, "-o"),
    (*RUN, "--program", "p.casm", "-o"),
    ("trace", "net", "-o"),
    ("report", "net", "--json"),
    ("report", "net", "--html"),
    ("asm", "p.casm", "-o"),
    ("disasm", "p.cimb", "-o"),
    (*COMPILE, "-o"),
]


@pytest.mark.parametrize(
    "name", ["weights.npz", "manifest.json", "program.casm", "report.json", "new", "link/weights.npz"]
)
@pytest.mark.parametrize("command", INTO_PROGRAMS)
def test_an_output_never_lies_in_a_program(here: Path, command: tuple[str, ...], name: str) -> None:
    os.symlink("net", "link")
    place = name if name.startswith("link") else f"net/{name}"
    said = refused(here, *command, place)
    assert "error[output.write]: this cannot be written: " in said
    assert cimc(*RUN, "-o", "out.npz").code == 0


def test_a_program_is_not_compiled_over_its_own_inputs(here: Path) -> None:
    said = refused(here, "compile", "net.onnx", "--target", "net/target.toml", "--calibration", "cal.npz", "-o", "net")
    assert "target.toml in it is an input of the same command" in said
    for output in ("net.onnx", "cal.npz", "chip.toml", "bits.toml"):
        assert "this is not a folder" in refused(here, *COMPILE, "-o", output)


def test_two_outputs_are_not_one_file(here: Path) -> None:
    Path("a").write_text("mine")
    os.link("a", "b")
    os.symlink("a", "c")
    for one, other in (("a", "a"), ("a", "./a"), ("a", "b"), ("a", "c"), ("new", "net/../new")):
        assert "name the same file" in refused(here, "report", "net", "--json", one, "--html", other)


CHANGES = {
    "a file more": lambda net: (net / "notes.txt").write_text("mine"),
    "an edited program": lambda net: (net / "program.casm").write_text("mine"),
    "an edited report": lambda net: (net / "report.json").write_text("mine"),
    "other weights": lambda net: np.savez(net / "weights.npz", mine=INPUTS),
    "a manifest of something else": lambda net: (net / "manifest.json").write_text(
        '{"name": "a web page", "files": []}'
    ),
    "an empty manifest": lambda net: (net / "manifest.json").write_text(""),
    "a list as manifest": lambda net: (net / "manifest.json").write_text("[]"),
    "no manifest": lambda net: (net / "manifest.json").unlink(),
    "a folder for the report": lambda net: ((net / "report.json").unlink(), (net / "report.json").mkdir()),
    "a folder for the manifest": lambda net: ((net / "manifest.json").unlink(), (net / "manifest.json").mkdir()),
    "a link for the report": lambda net: (
        shutil.move(net / "report.json", net.parent / "far.json"),
        (net / "report.json").symlink_to("../far.json"),
    ),
    "a pipe for the weights": lambda net: ((net / "weights.npz").unlink(), os.mkfifo(net / "weights.npz")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_only_a_program_as_it_was_written_is_replaced(here: Path, change: str) -> None:
    CHANGES[change](here / "net")
    assert "[output.write]" in refused(here, *COMPILE, "-o", "net")
    for name in ("weights.npz", "manifest.json", "report.json"):  # each alone, in a folder of the user's
        (here / "mine" / name).mkdir(parents=True)
        assert "[output.write]" in refused(here, *COMPILE, "-o", "mine")
        shutil.rmtree(here / "mine")
        (here / "mine").mkdir()
        (here / "mine" / name).write_text("{}")
        assert "[output.write]" in refused(here, *COMPILE, "-o", "mine")
        shutil.rmtree(here / "mine")


def test_a_program_without_change_is_replaced(here: Path) -> None:
    assert cimc(*COMPILE, "-o", "net").code == 0
    assert cimc(*COMPILE, "-o", "net").code == 0
    assert not list(here.glob(".*"))


INPUT_PLACES: list[tuple[str, ...]] = [
    ("compile", "@", "-o", "out"),
    ("verify", "@", "--data", "x.npy"),
    ("estimate", "@"),
    ("compile", "net.onnx", "--target", "./@", "-o", "out"),
    ("estimate", "net.onnx", "--target", "./@"),
    ("targets", "show", "./@"),
    ("compile", "net.onnx", "--calibration", "@", "-o", "out"),
    ("compile", "net.onnx", "--precision", "@", "-o", "out"),
    ("verify", "net.onnx", "--data", "@"),
    ("run", "net", "--input", "@", "-o", "out.npz"),
    ("run", "net", "--input", "x.npy", "--program", "@", "-o", "out.npz"),
    ("inspect", "net", "--input", "@", "--stop", "0,0,1"),
    ("asm", "@", "-o", "out"),
    ("asm", "p.casm", "--target", "./@", "-o", "out"),
    ("disasm", "@"),
    ("compare", "@", "net"),
    ("run", "@", "--input", "x.npy", "-o", "out.npz"),
    ("time", "@"),
    ("report", "@"),
    ("trace", "@", "-o", "out"),
    ("inspect", "@"),
]
ODD = ["pipe", "socket", "device", "folder", "endless", "nothing", "x" * 300]


def odd_files(here: Path) -> None:
    os.mkfifo("pipe")
    socket.socket(socket.AF_UNIX).bind("socket")
    os.symlink("/dev/zero", "endless")
    os.symlink("/dev/null", "device")
    (here / "folder").mkdir()


@pytest.mark.parametrize("command", INPUT_PLACES, ids=" ".join)
def test_what_is_no_regular_file_is_refused_at_once(here: Path, command: tuple[str, ...]) -> None:
    odd_files(here)
    for odd in ODD:
        refused(here, *(part.replace("@", odd) for part in command))


@pytest.mark.parametrize("name", ["manifest.json", "program.cimb", "weights.npz", "target.toml", "report.json"])
@pytest.mark.parametrize("odd", ["pipe", "socket", "endless", "folder"])
def test_so_it_is_in_the_folder_of_a_program(here: Path, name: str, odd: str) -> None:
    (here / "net" / name).unlink()
    odd_files(here)
    os.rename(odd, f"net/{name}")
    assert "error[" in refused(here, "report", "net")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("large.onnx", ("compile", "large.onnx", "-o", "out")),
        ("large.onnx", ("estimate", "large.onnx")),
        ("large.toml", ("targets", "show", "large.toml")),
        ("large.toml", ("compile", "net.onnx", "--precision", "large.toml", "-o", "out")),
        ("large.casm", ("asm", "large.casm", "-o", "out")),
        ("large.cimb", ("disasm", "large.cimb")),
        ("large.json", ("compare", "large.json", "net")),
    ],
)
def test_files_beyond_all_size_are_not_read(here: Path, name: str, command: tuple[str, ...]) -> None:
    with Path(name).open("wb") as file:
        file.truncate(1 << 40)  # a file with a hole, which takes no room
    done = cimc(*command)
    Path(name).unlink()
    assert done.code == 2
    assert f"it holds {1 << 40} bytes; at most " in done.err


def test_a_limit_bounds_what_is_unpacked(here: Path) -> None:
    np.savez_compressed("many.npz", input=np.zeros((50_000, 1, 8, 8), np.float32), labels=np.zeros(50_000, np.int64))
    done = cimc("run", "net", "--input", "many.npz", "--limit", "3", "-o", "out.npz")
    assert (done.code, done.out) == (0, "out.npz: logits 3x10; 3 inputs, 621 instructions for each\n")
    done = cimc("verify", "net.onnx", "--target", "puma", "--data", "many.npz", "--limit", "3", "--json", "-")
    assert done.code == 0
    assert '"inputs": 3' in done.out


def test_names_that_no_file_can_have(here: Path) -> None:
    """In a target, in a manifest, and from Python."""
    Path("odd.toml").write_text('extends = "a\\u0000b.toml"\n')
    assert "no file can have such a name" in refused(here, "targets", "show", "odd.toml")
    program = api.load("net")
    manifest = json.loads(Path("net/manifest.json").read_text())
    for name in ("a\0b", "\ud800"):
        manifest["files"] = {name: ""}
        Path("net/manifest.json").write_text(json.dumps(manifest))
        assert "which is not inside of the folder" in refused(here, "report", "net")
        for action in (
            lambda path: api.load(path),
            lambda path: api.compile(path),
            lambda path: api.compile(DIGITS, target=f"{path}.toml"),
            lambda path: api.compile(DIGITS, precision=path),
            lambda path: api.verify(DIGITS, path),
            lambda path: program.save(path),
        ):
            with pytest.raises(CimcError, match="no file can have such a name"):
                action(name)


def test_a_link_to_itself_in_a_program(here: Path) -> None:
    Path("net/weights.npz").unlink()
    Path("net/weights.npz").symlink_to("weights.npz")
    assert "Too many levels of symbolic links" in refused(here, "report", "net")


def test_a_program_that_a_killed_command_moved_aside_is_brought_back_when_it_is_read(here: Path) -> None:
    with beside(here / "net") as hidden:
        left = hidden
    left.mkdir()
    shutil.move("net", left / OLD)
    assert cimc("report", "net").code == 0
    assert not left.joinpath(OLD).exists()
