"""`cimc report --html`: the report of a compiled program as a page."""

from __future__ import annotations

from pathlib import Path

from cimc.cli.console import new_console, steps
from cimc.report.files import write_whole
from cimc.report.folder import load_report
from cimc.report.html import html_page
from cimc.runtime.package import load_package
from cimc.runtime.timing.engine import time_program


def page_job(folder: Path, file: Path) -> None:
    """Write the page, whole or not at all."""
    with steps() as progress:
        progress("reading the program")
        package = load_package(folder)
        report = load_report(folder, package.program)
        timing = None
        if report.cost is not None:
            progress(f"timing {report.cost.inputs} inputs")
            timing = time_program(package.program, package.target, report.cost.inputs, record=True)
        progress("drawing the page")
        data = html_page(report, package.program, package.target, timing).encode("utf-8")
        write_whole(file, data)
    new_console().print(f"{file}: {len(data):,} bytes", soft_wrap=True)
