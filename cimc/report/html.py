"""The mapping report as one HTML page that needs nothing else: no network, no script, no font.

The same program gives the same bytes. Its parts stand in html_tables, html_floor, html_memory and html_gantt.
"""

from __future__ import annotations

from cimc.base.version import __version__
from cimc.isa.program import Program
from cimc.report.html_floor import floor_part
from cimc.report.html_markup import Markup, element, join
from cimc.report.html_memory import memory_part
from cimc.report.html_style import style_sheet
from cimc.report.html_tables import (
    instructions_part,
    layers_part,
    limits_part,
    summary_part,
    timing_part,
    warnings_part,
    work_part,
)
from cimc.report.model import Report
from cimc.runtime.timing.result import Timing
from cimc.target.model import Target

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What the page may load: nothing but the styles and the pictures in it."""
PARTS = (
    ("summary", "Summary"),
    ("limits", "What limits"),
    ("layers", "Layers"),
    ("work", "Work, time and energy"),
    ("floor", "Floor plan"),
    ("timing", "Pipeline"),
    ("memory", "Memory"),
    ("instructions", "Instructions"),
)
"""The id of every part that each page has, and its name in the list of contents."""


def html_page(report: Report, program: Program, target: Target, timing: Timing | None) -> str:
    """The page. timing: a run that was timed with record=True; None where the report has no cost."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{program.name} on {target.name}"),
        element("style", Markup(style_sheet(len(report.layers)))),
    )
    contents = element("nav", *(element("a", name, href=f"#{part}") for part, name in PARTS), aria_label="contents")
    parts = [
        element("h1", f"{program.name} on {target.name}"),
        contents,
        summary_part(report),
        warnings_part(report),
        limits_part(report),
        layers_part(report),
        work_part(report),
        floor_part(report, target),
        timing_part(report, timing),
        memory_part(report),
        instructions_part(program),
        element("p", f"cimc {__version__}, program {report.program}", class_="dim"),
    ]
    page = element("html", head, "\n", element("body", element("main", join(parts, "\n"))), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"
