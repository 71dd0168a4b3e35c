"""A few seconds of fuzzing, the same every time; and that each way to fail is noticed.

By hand: python -m tests.fuzz --seed N --minutes M --keep FOLDER.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import Ran
from tests.fuzz import judge as judging
from tests.fuzz.__main__ import fuzz
from tests.fuzz.example import Example
from tests.fuzz.judge import judge
from tests.fuzz.kinds import KINDS, made
from tests.fuzz.naughty import Naughty
from tests.fuzz.watch import Watched

QUICK, LONG = 7, 60
"""Examples of each kind, and seconds in all."""


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    with Watched(seconds=60) as one:
        yield one


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_examples(kind: str, watched: Watched) -> None:
    for number in range(QUICK):
        findings, codes = watched.run(made(kind, 0, number))
        assert codes and not findings, f"python -m tests.fuzz --seed 0 --kind {kind}, example {number}"


@pytest.mark.slow
def test_a_minute() -> None:
    session = fuzz(1, LONG, tuple(KINDS))
    print(session.summary())
    assert not session.found
    assert session.examples.keys() == KINDS.keys()
    assert {code for _, code in session.codes} >= {0, 2}, "all is refused, or nothing"


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_is_the_same_every_time(kind: str) -> None:
    for number in (0, 5):
        assert made(kind, 3, number) == made(kind, 3, number)
        assert made(kind, 3, number) != made(kind, 4, number)


SAYS = {
    "exit code 3": Ran(3, "", "error[internal]: cimc failed"),
    "traceback": Ran(2, "", "error[x]: y\nTraceback (most recent call last):"),
    "memory": Ran(2, "", "error[memory]: there is not enough memory"),
    "wrong number": Ran(1, "WRONG: 1 value", ""),
    "silent": Ran(2, "", "no"),
    "printed and refused": Ran(2, "half", "error[x]: y"),
    "python's warning": Ran(0, "", "/a/b.py:3: RuntimeWarning: overflow"),
    "unprintable": Ran(0, "\x1b[31m", ""),
}


@pytest.mark.parametrize("what", SAYS)
def test_what_a_command_says_is_judged(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(judging, "cimc", lambda *words: SAYS[what])
    findings, codes = judge(Example((("verify", "m"),)), tmp_path)
    assert [finding.what for finding in findings] == [what]
    assert codes == [SAYS[what].code]


def test_a_deadlock_that_is_proved_is_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(judging, "cimc", lambda *words: Ran(1, "", "error[verify.deadlock]: so"))
    assert judge(Example((("asm", "p"),)), tmp_path)[0] == []


@pytest.mark.parametrize(("edited", "found"), [((), ["wrong number"]), (("--program", "p"), [])])
def test_an_edited_program_may_be_wrong_and_no_other_one(
    edited: tuple[str, ...], found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(judging, "cimc", lambda *words: SAYS["wrong number"])
    findings, _ = judge(Example((("verify", "m", *edited),)), tmp_path)
    assert [finding.what for finding in findings] == found


def test_files_that_must_be_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for content, wrong in (("a", []), ("b", ["unequal"])):
        (tmp_path / "x").write_text("a")
        (tmp_path / "y").write_text(content)
        findings, _ = judge(Example((), equal=(("x", "y"), ("x", "z"))), tmp_path)
        assert [finding.what for finding in findings] == wrong


@pytest.mark.parametrize(
    ("code", "writes", "fine"), [(0, "out", True), (2, "out", False), (0, "other", False), (0, ".cimc-x", False)]
)
def test_files_that_are_left_are_noticed(
    code: int, writes: str, fine: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(*words: str) -> Ran:
        (tmp_path / writes).mkdir()
        return Ran(code, "", "error[x]: y" if code else "")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(judging, "cimc", command)
    findings, _ = judge(Example((("compile", "m", "-o", "out"),)), tmp_path)
    assert [finding.what for finding in findings] == ([] if fine else ["files"])


def test_a_process_is_watched_and_fenced() -> None:
    with Watched(seconds=3, gibibytes=1) as watched:
        for way, what in (("leave", "outside"), ("grow", "died"), ("die", "died"), ("hang", "hang")):
            findings, _ = watched.run(Naughty((("disasm", "x"),), way=way))
            assert [finding.what for finding in findings] == [what]
        assert watched.run(Naughty((("disasm", "x"),)))[1] == [2], "the next example has a fresh process"


def test_a_device_is_not_read(watched: Watched) -> None:
    """cimc refuses a link to a device by itself, before the fence does."""
    assert watched.run(Naughty((("disasm", "x"),), way="link")) == ([], [2])
