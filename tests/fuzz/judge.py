"""Runs the commands of an example and says what is wrong with how they ended."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cli.commands import Ran, cimc
from tests.fuzz.example import Example, typed

OUTPUTS = ("-o", "--out", "--html", "--json")
"""Options whose word is a file or folder that a command may write."""
DEADLOCK = "verify.deadlock"
_CODE = re.compile(r"^error\[([^\]]+)\]", re.MULTILINE)
_PYTHON = re.compile(r"^.*\.py:\d+: \w*Warning: .*", re.MULTILINE)
_MEMORY = re.compile(r"error\[memory\]|MemoryError|bad_alloc|std::length_error", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, in a word; the command; and what it said."""

    what: str
    command: str
    said: str

    @property
    def key(self) -> str:
        """The same for findings that are probably one: without names and numbers, but for places in our code."""
        lines = [line for line in self.said.splitlines() if line.strip()]
        first = next((line for line in lines if line.startswith("error")), lines[0] if lines else "")
        place = re.search(r"\((\w+\.py:\d+)\)$", first)
        plain = re.sub(r'[0-9]+|".*?"', "", first)[:60]
        return f"{self.what}: {place[1] if place else plain}"


def judge(example: Example, folder: Path) -> tuple[list[Finding], list[int]]:
    """The findings and the exit codes of an example that is laid out in the folder, which is the working one."""
    assert os.path.samefile(folder, "."), "commands name files below the working folder"
    findings, codes = [], []
    before = _tree(folder)
    for command in example.commands:
        done = cimc(*typed(command))
        after = _tree(folder)
        codes.append(done.code)
        spelt = " ".join(command)
        findings += [Finding(what, spelt, said) for what, said in _wrong(command, done, before, after)]
        before = after
    for a, b in example.equal:
        if {a, b} <= before.keys() and before[a] != before[b]:
            findings.append(Finding("unequal", " / ".join(" ".join(c) for c in example.commands), f"{a} is not {b}"))
    return findings, codes


def _wrong(
    command: tuple[str, ...], done: Ran, before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Everything that is wrong with how a command ended."""
    said = f"{done.err}\n{done.out}"
    if done.code not in (0, 1, 2):
        yield "exit code 3", said
    if "Traceback (most recent" in said:
        yield "traceback", said
    if _MEMORY.search(said):
        yield "memory", said
    edited = command[0] == "verify" and "--program" in command  # a program of the user's own may be wrong
    if done.code == 1 and not edited and set(_CODE.findall(done.err)) != {DEADLOCK}:
        yield "wrong number" if command[0] == "verify" else "exit code 1", said
    if done.code == 2 and not (_CODE.search(done.err) or "Usage: cimc" in done.err):
        yield "silent", said
    if done.code == 2 and done.out:
        yield "printed and refused", said
    python = _PYTHON.search(said)
    if python:
        yield "python's warning", python[0]
    strange = sorted({char for char in said if not char.isprintable() and char != "\n"})
    if strange:
        yield "unprintable", f"{strange} in {said!r}"
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    allowed = _outputs(command) if done.code == 0 else set()
    beyond = [name for name in changed if name.split("/")[0] not in allowed]
    if beyond:
        yield "files", f"left, changed or gone: {', '.join(sorted(beyond))}\n{said}"


def _outputs(command: tuple[str, ...]) -> set[str]:
    """What a command may write."""
    return {word for option, word in itertools.pairwise(command) if option in OUTPUTS}


def _tree(folder: Path) -> dict[str, str]:
    """Digests of all files, and what else there is, by path."""
    found = {}
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        content = hashlib.sha1(path.read_bytes()).hexdigest() if stat.S_ISREG(mode) else stat.filemode(mode)
        found[str(path.relative_to(folder))] = content
    return found
