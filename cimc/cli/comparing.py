"""The command compare: two mappings side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cimc.base.diagnostics import CimcError, Diagnostic, Place, fail
from cimc.base.reading import REPORT_LIMIT, read_text
from cimc.cli.console import new_console, steps, write_out
from cimc.report.compare import compare
from cimc.report.folder import load_report
from cimc.report.json_text import json_text, read_report
from cimc.report.model import Report
from cimc.report.view_compare import comparison_view
from cimc.runtime.package import load_package


def compare_job(a: Path, b: Path, as_json: bool) -> None:
    """`cimc compare`."""
    with steps() as progress:
        progress("reading the reports")
        one, other = _both((a, b))
    found = compare(one, other, str(a), str(b))
    if as_json:
        write_out(json_text(found))
        return
    console = new_console()
    for part in comparison_view(found):
        console.print(part)


def _both(places: Sequence[Path]) -> list[Report]:
    """The reports at these places; CimcError with what is wrong with any of them."""
    reports: list[Report] = []
    wrong: list[Diagnostic] = []
    for place in places:
        try:
            reports.append(report_at(place))
        except CimcError as error:
            wrong += error.diagnostics
    if wrong:
        raise CimcError(list(dict.fromkeys(wrong)))
    return reports


def report_at(place: Path) -> Report:
    """The report of a compiled program, or one that `cimc report --json` wrote."""
    if os.path.isdir(place) or not os.path.lexists(place):
        return load_report(place, load_package(place).program)
    try:
        text = read_text(place, REPORT_LIMIT)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        todo = "give a folder that `cimc compile` wrote, or a report as JSON"
        raise fail("report.file", f"the report cannot be read: {reason}", Place(str(place)), todo) from None
    return read_report(text, str(place))
