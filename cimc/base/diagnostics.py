"""What a user is told when their input is wrong: what, where, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from cimc.base.names import printable, printable_lines

LIST = "\n    "
"""What parts the lines of a list in a diagnostic; no other line break is its own."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a diagnostic points: a file with an optional line and column (both from 1), or a thing in it."""

    file: str = ""
    line: int = 0
    column: int = 0
    item: str = ""

    def __str__(self) -> str:
        position = ":".join(printable(str(part)) for part in (self.file, self.line, self.column) if part)
        return ", ".join(part for part in (position, printable(self.item)) if part)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake: a stable code such as "onnx.unsupported", what is wrong, where, and what to do.

    The texts may hold names as a file has them; they are made fit to print when they are printed.
    """

    code: str
    what: str
    where: Place = Place()
    todo: str = ""

    def __str__(self) -> str:
        place = str(self.where)
        text = f"error[{self.code}]: {printable_lines(self.what, LIST)}"
        if place:
            text += f"\n  at {place}"
        if self.todo:
            text += f"\n  help: {printable(self.todo)}"
        return text


class CimcError(Exception):
    """Everything that is wrong with a user's input, all at once. Never raised for a fault of our own."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        assert self.diagnostics, "a CimcError needs at least one diagnostic"
        super().__init__("\n".join(str(diagnostic) for diagnostic in self.diagnostics))


class CimcWarning(UserWarning):
    """What a user of the Python API should know, though it stops nothing. diagnostic: the same as data."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic
        super().__init__(warning_text(diagnostic))


def warning_text(diagnostic: Diagnostic) -> str:
    """A diagnostic that stops nothing, as it is printed."""
    return str(diagnostic).replace("error[", "warning[", 1)


def fail(code: str, what: str, where: Place | None = None, todo: str = "") -> CimcError:
    """The error for one single mistake: `raise fail(...)`."""
    return CimcError([Diagnostic(code, what, where or Place(), todo)])


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint naming the known word nearest to a misspelt one, or the empty string."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else ""
