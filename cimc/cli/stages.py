"""What passes make, printed while a network is compiled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cimc.base.diagnostics import CimcError, Diagnostic, Place, did_you_mean
from cimc.cli.console import write_out
from cimc.ir.text import print_stage
from cimc.passes.pipelines import PASSES


class Stopped(Exception):
    """The last stage that was asked for is printed."""


class Stages:
    """Prints stages. after: passes whose results are printed; last: one behind which nothing more is done, or None.

    Raises CimcError for names that no pass has.
    """

    def __init__(self, after: Sequence[str], last: str | None) -> None:
        self.after, self.last = tuple(after), last
        self._seen: set[str] = set()
        names = [one.name for one in PASSES]
        asked = [("--print-after", name) for name in after] + ([] if last is None else [("--stop-after", last)])
        wrong = [
            Diagnostic("options.pass", f'no pass is called "{name}"', Place(item=option),
                       did_you_mean(name, names) or f"passes: {', '.join(names)}")
            for option, name in asked if name not in names
        ]  # fmt: skip
        if wrong:
            raise CimcError(wrong)

    @property
    def wanted(self) -> bool:
        """Whether anything is to be printed."""
        return bool(self.after) or self.last is not None

    def observe(self, name: str, stage: Any) -> None:
        """A pass has made a stage. Raises Stopped behind the last one."""
        self._seen.add(name)
        if name in self.after or name == self.last:
            write_out(print_stage(stage)[0])
        if name == self.last:
            raise Stopped

    def missed(self) -> Iterator[Diagnostic]:
        """A warning for each pass that was not needed, so that nothing was printed."""
        for name in (*self.after, *(() if self.last is None else (self.last,))):
            if name not in self._seen:
                what = f'the pass "{name}" was not needed for this network, target and options'
                yield Diagnostic(
                    "options.pass", what, Place(item=name), "see `cimc compile --help` for what asks for it"
                )
