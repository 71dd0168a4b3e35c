"""A timing run that calls layers as the report does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cimc.isa.program import Program
from cimc.report.model import Report
from cimc.runtime.timing.engine import time_program
from cimc.runtime.timing.result import Timing
from cimc.target.model import Target


def timed(
    program: Program, names: Iterable[tuple[str, str]], target: Target, inputs: int, record: bool = False
) -> Timing:
    """Time a program. names: the origin and the name of every layer; instructions carry the origin."""
    by_origin: dict[str, str] = {}
    for origin, name in names:
        by_origin.setdefault(origin, name)
    called = replace(program, strings=tuple(by_origin.get(text, text) for text in program.strings))
    return time_program(called, target, inputs, record)


def names_in(report: Report) -> Iterable[tuple[str, str]]:
    """The origin and the name of every layer of a report."""
    return ((layer.origin, layer.name) for layer in report.layers)
