"""Outputs take their place whole, wherever the process is killed, and never the place of what is not ours."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from cimc.base import exchange
from cimc.base.diagnostics import CimcError
from cimc.base.exchange import NEW, OLD, beside, heal
from cimc.base.outputs import check_file, check_folder, write_file, write_folder
from cimc.base.reading import noting_inputs, read_bytes

PLACES = ("exchange.py", "outputs.py", "shutil.py", "tempfile.py")
"""Files of which every line is a place to be killed at: all system calls of a writer are made from them."""
OLDER, NEWER = {"a": b"old", "b": b"old too"}, {"a": b"new", "c": b"new too"}


def nothing_strange(folder: Path) -> str:
    others = {path.name for path in folder.iterdir()} - OLDER.keys() - NEWER.keys()
    return f"the folder holds other files: {', '.join(sorted(others))}" if others else ""


def save(folder: Path, files: dict[str, bytes]) -> None:
    def fill(new: Path) -> None:
        for name, data in files.items():
            (new / name).write_bytes(data)

    write_folder(folder, nothing_strange, fill)


def held(folder: Path) -> dict[str, bytes] | None:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else None


def killed_at(step: int, action: Callable[[], None]) -> bool:
    """Run in a process of its own that is killed at the `step`-th line of PLACES; False where it ended before."""
    process = os.fork()
    if not process:
        left = step

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal left
            if not frame.f_code.co_filename.endswith(PLACES):
                return None
            if event == "line":
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        try:
            action()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(process, 0)[1])


def kills(folder: Path, action: Callable[[], None], prepare: Callable[[], None]) -> Iterator[int]:
    """Every step at which an action can be killed, once it was."""
    step = 0
    while True:
        prepare()
        if not killed_at(step, action):
            assert step > 30, "the tracer saw no line"
            return
        yield step
        step += 1


def test_a_folder_is_the_old_or_the_new_one_wherever_its_writer_is_killed(tmp_path: Path) -> None:
    place = tmp_path / "net"
    seen = set()
    for step in kills(place, lambda: save(place, NEWER), lambda: save(place, OLDER)):
        found = held(place)
        assert found in (OLDER, NEWER), step
        seen.add(found == NEWER)
    assert seen == {False, True}
    assert os.listdir(tmp_path) == ["net"], "what was left is removed by the next one"


def test_without_an_exchange_the_next_command_heals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "exchange", lambda a, b: False)
    place = tmp_path / "net"
    gone = 0
    for step in kills(place, lambda: save(place, NEWER), lambda: save(place, OLDER)):
        gone += not place.exists()
        heal(place)
        assert held(place) in (OLDER, NEWER), step
    assert gone, "no kill fell between the two renames"
    assert os.listdir(tmp_path) == ["net"]


def test_a_new_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "net"

    def nothing() -> None:
        save(place, NEWER)
        for path in place.iterdir():
            path.unlink()
        place.rmdir()

    assert all(held(place) in (None, NEWER) for _ in kills(place, lambda: save(place, NEWER), nothing))
    assert os.listdir(tmp_path) == ["net"]


def test_a_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    place = tmp_path / "out.npz"
    action, prepare = (lambda: write_file(place, b"new"), lambda: write_file(place, b"old"))
    assert {place.read_bytes() for _ in kills(place, action, prepare)} == {b"old", b"new"}
    assert os.listdir(tmp_path) == ["out.npz"]


@pytest.mark.parametrize("number", range(8))
def test_an_error_of_the_system_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The n-th of fsync and the renames fails."""
    place = tmp_path / "net"
    save(place, OLDER)
    calls = 0

    def failing(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number + 1:
                raise OSError(5, "Input/output error")
            return original(*arguments)

        return call

    for module, name in ((os, "fsync"), (exchange, "exchange"), (os, "rename")):
        monkeypatch.setattr(module, name, failing(getattr(module, name)))
    try:
        save(place, NEWER)
    except CimcError as error:
        assert "input/output error" in str(error)
    assert held(place) in (OLDER, NEWER)
    assert os.listdir(tmp_path) == ["net"]


def test_everything_is_on_the_disk_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, on_disk, moved = tmp_path / "net", set[int](), list[set[int]]()
    save(place, OLDER)
    sync, swap = os.fsync, exchange.exchange

    def fsync(handle: int) -> None:
        on_disk.add(os.fstat(handle).st_ino)
        sync(handle)

    def move(new: Path, old: Path) -> bool:
        assert {path.stat().st_ino for path in [new, *new.iterdir()]} <= on_disk
        moved.append(set(on_disk))
        return swap(new, old)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(exchange, "exchange", move)
    save(place, NEWER)
    assert len(moved) == 1
    assert tmp_path.stat().st_ino in on_disk - moved[0], "the move itself is brought to the disk last"


@contextmanager
def left_over(place: Path) -> Iterator[Path]:
    """A hidden folder of a writer that is still at work."""
    with beside(place) as hidden:
        (hidden / NEW).mkdir()
        yield hidden


def test_what_a_living_writer_holds_is_not_removed(tmp_path: Path) -> None:
    place = tmp_path / "net"
    with left_over(place) as hidden:
        save(place, NEWER)
        assert (hidden / NEW).exists()
    assert os.listdir(tmp_path) == ["net"]


def test_only_our_own_left_overs_of_the_same_place_are_removed(tmp_path: Path) -> None:
    with left_over(tmp_path / "net") as hidden:
        ours = hidden.name
    mine = [f"{ours}x", f".{ours}", ".cimc-0123456789ab-abcdefgh", ".net.backup", ".cimc-mine"]
    for name in mine:
        (tmp_path / name / "letters").mkdir(parents=True)
    other = "p" if ours.endswith("q") else "q"
    (tmp_path / f"{ours[:-1]}{other}").write_text("a file of such a name")
    (tmp_path / ours / NEW).mkdir(parents=True)
    before = set(os.listdir(tmp_path))
    save(tmp_path / "net", NEWER)
    assert set(os.listdir(tmp_path)) == before - {ours} | {"net"}


def test_an_older_folder_is_never_swept_while_its_place_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(hidden: Path, place: Path) -> None:
        raise PermissionError

    with left_over(tmp_path / "net") as hidden:
        ours = hidden
    (ours / OLD).mkdir(parents=True)
    (ours / OLD / "a").write_bytes(b"old")
    with monkeypatch.context() as patched:
        patched.setattr(exchange, "_restore", cannot)
        heal(tmp_path / "net", sweep=True)
    assert (ours / OLD / "a").exists()
    heal(tmp_path / "net")
    assert held(tmp_path / "net") == {"a": b"old"}


def test_a_writer_leaves_nothing_of_one_that_was_killed_between_two_renames(tmp_path: Path) -> None:
    with left_over(tmp_path / "net") as hidden:
        ours = hidden
    for name in (NEW, OLD):
        (ours / name).mkdir(parents=True)
    save(tmp_path / "net", NEWER)
    assert held(tmp_path / "net") == NEWER
    assert os.listdir(tmp_path) == ["net"]


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(CimcError) as caught:
        action()
    assert [d.code for d in caught.value.diagnostics] == ["output.write"]
    return caught.value.diagnostics[0].what


def other_things(tmp_path: Path) -> dict[str, Path]:
    """What is no regular file, by kind."""
    os.mkfifo(tmp_path / "pipe")
    socket.socket(socket.AF_UNIX).bind(str(tmp_path / "socket"))
    (tmp_path / "link to a device").symlink_to("/dev/null")
    (tmp_path / "link to itself").symlink_to("link to itself")
    (tmp_path / "folder").mkdir()
    return {name: tmp_path / name for name in ("pipe", "socket", "link to a device", "link to itself", "folder")}


def test_nothing_but_a_regular_file_is_replaced(tmp_path: Path) -> None:
    kinds = {name: path.lstat() for name, path in other_things(tmp_path).items()}
    for name, before in kinds.items():
        for action in (check_file, lambda path: write_file(path, b"x")):
            assert refusal(lambda do=action, at=tmp_path / name: do(at)).startswith("this cannot be written: ")  # type: ignore[misc]
        if name != "folder":
            refusal(lambda at=tmp_path / name: check_folder(at, nothing_strange))  # type: ignore[misc]
            refusal(lambda at=tmp_path / name: save(at, NEWER))  # type: ignore[misc]
        after = (tmp_path / name).lstat()
        assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert set(os.listdir(tmp_path)) == kinds.keys()


def test_through_a_link_the_file_behind_it_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "out").write_bytes(b"old")
    (tmp_path / "far" / "out").chmod(0o600)
    for name, to in (("link", "far/out"), ("dangling", "far/more")):
        (tmp_path / name).symlink_to(to)
        write_file(tmp_path / name, b"new")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / to).read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "far" / "out").stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path / "far")) == ["more", "out"]


def test_new_files_have_the_permissions_of_the_users_mask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "out", b"new")
        save(tmp_path / "net", NEWER)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {"out": 0o640, "net": 0o750, "a": 0o640, "c": 0o640}


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "x" * 300 + "/y", "\ud800", "y/" + "x" * 256])
def test_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    (tmp_path / "y").mkdir()
    for action in (
        lambda: check_file(tmp_path / name),
        lambda: write_file(tmp_path / name, b""),
        lambda: check_folder(tmp_path / name, nothing_strange),
        lambda: save(tmp_path / name, NEWER),
    ):
        refusal(action)
    assert os.listdir(tmp_path) == ["y"]


def test_the_longest_name_that_can_be(tmp_path: Path) -> None:
    write_file(tmp_path / ("x" * 255), b"new")
    save(tmp_path / ("y" * 255), NEWER)
    assert sorted(os.listdir(tmp_path)) == ["x" * 255, "y" * 255]


def same_file(tmp_path: Path) -> dict[str, Path]:
    """A file by all the names that a user may give it."""
    source = tmp_path / "in"
    source.write_bytes(b"mine")
    (tmp_path / "sub").mkdir()
    os.link(source, tmp_path / "hard")
    (tmp_path / "soft").symlink_to("in")
    (tmp_path / "sub" / "far").symlink_to("../soft")
    (tmp_path / "way").symlink_to(".")
    return {
        "itself": source,
        "relative": Path(os.path.relpath(source)),
        "around": tmp_path / "sub" / ".." / "in",
        "hard link": tmp_path / "hard",
        "symbolic link": tmp_path / "soft",
        "link to a link": tmp_path / "sub" / "far",
        "through a linked folder": tmp_path / "way" / "in",
    }


def test_an_input_is_never_an_output_whatever_its_name(tmp_path: Path) -> None:
    names = same_file(tmp_path)
    for output in names.values():
        for given in names.values():
            assert "this is an input of the same command" in refusal(lambda o=output, i=given: check_file(o, [None, i]))  # type: ignore[misc]
            with noting_inputs():
                read_bytes(given, 100)
                assert "this is an input" in refusal(lambda o=output: write_file(o, b"new"))  # type: ignore[misc]
    assert (tmp_path / "in").read_bytes() == b"mine"


def test_a_folder_with_an_input_in_it_is_not_replaced(tmp_path: Path) -> None:
    place = tmp_path / "net"
    save(place, OLDER)
    (tmp_path / "link").symlink_to("net/b")
    for given in (place / "b", tmp_path / "link"):
        assert "b in it is an input" in refusal(lambda i=given: check_folder(place, nothing_strange, [i]))  # type: ignore[misc]
        with noting_inputs():
            read_bytes(given, 100)
            assert "b in it is an input" in refusal(lambda: save(place, NEWER))
    assert held(place) == OLDER


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_protected_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"mine")
    (tmp_path / "out").chmod(0o444)
    assert "protected" in refusal(lambda: write_file(tmp_path / "out", b"new"))
