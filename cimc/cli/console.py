"""What goes to the terminal: results on standard output; progress, warnings and errors on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from cimc.base.diagnostics import Diagnostic, warning_text
from cimc.base.names import printable_lines
from cimc.base.reading import FilePath
from cimc.report.folder import check_writable, write_whole
from cimc.report.json_text import json_text

Progress = Callable[[str], None]
"""Told what is being done."""

WIDE = 120
"""Columns where output goes to a file or a pipe, which have none of their own."""


def write_out(text: str) -> None:
    """A result as it stands, on standard output. Where nobody reads on, the command still comes to its verdict."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()


def is_printed(file: Path) -> bool:
    """Whether a file to write is standard output."""
    return str(file) == "-"


def check_json(file: Path | None, *inputs: FilePath | None) -> None:
    """Refuse a place for JSON that could not be written, before any work."""
    if file is not None and not is_printed(file):
        check_writable(file, *inputs)


def put_json(text: str, file: Path) -> None:
    """JSON where it was asked for."""
    if is_printed(file):
        write_out(text)
    else:
        write_whole(file, text.encode("utf-8"))


def answer(record: object, file: Path | None, view: Iterable[RenderableType]) -> None:
    """A result: as JSON where a file is named for that, else part after part to read. A str, and Text that has
    no_wrap, keeps its lines however narrow the terminal is."""
    if file is not None:
        put_json(json_text(record), file)
        return
    console = new_console()
    for part in view:
        console.print(part, soft_wrap=isinstance(part, str) or (isinstance(part, Text) and part.no_wrap is True))


def drop_output() -> None:
    """What is still to be written to standard output goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


class _Plain(Console):
    """A console on which text from files steers nothing: see cimc.base.names."""

    def on_broken_pipe(self) -> None:
        """Nobody reads on: the command still comes to its verdict."""
        drop_output()

    def render_str(self, text: str, **options: Any) -> Text:
        """Text as it is printed."""
        return super().render_str(printable_lines(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The pieces of what is printed."""
        if isinstance(renderable, Text) and not renderable.plain.isprintable():
            renderable = renderable.copy()
            renderable.plain = printable_lines(renderable.plain)
        return super().render(renderable, options)


def new_console() -> Console:
    """A console for results. It takes text as it is: names from a network may have brackets and colons."""
    console = _Plain(highlight=False, markup=False, emoji=False)
    return console if console.is_terminal else _Plain(highlight=False, markup=False, emoji=False, width=WIDE)


@contextmanager
def steps(first: str) -> Iterator[Progress]:
    """A line on standard error that says what is being done, this first; nothing where that is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda step: None
        return
    with console.status(first) as status:
        yield lambda step: status.update(step)


def warn(warnings: Iterable[Diagnostic]) -> None:
    """Print warnings on standard error."""
    for warning in warnings:
        print(warning_text(warning), file=sys.stderr)
