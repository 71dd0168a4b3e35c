"""The command compare: two mappings side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cimc.base.diagnostics import CimcError, Diagnostic
from cimc.cli.console import check_json, new_console, put_json, steps
from cimc.report.compare import compare
from cimc.report.folder import report_at
from cimc.report.json_text import json_text
from cimc.report.model import Report
from cimc.report.view_compare import comparison_view


def compare_job(a: Path, b: Path, json: Path | None) -> None:
    """`cimc compare`."""
    check_json(json, a, b)
    with steps() as progress:
        progress("reading the reports")
        one, other = _both((a, b))
    found = compare(one, other, str(a), str(b))
    if json is not None:
        put_json(json_text(found), json)
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
