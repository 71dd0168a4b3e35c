"""`cimc report --html`: the report of a compiled program as a page."""

from __future__ import annotations

from pathlib import Path

from cimc.base.diagnostics import CimcError
from cimc.cli.console import new_console, steps
from cimc.report.files import check_writable, write_whole
from cimc.report.folder import load_report
from cimc.report.html import html_page
from cimc.runtime.package import Package, load_package
from cimc.runtime.timing import time_program
from cimc.runtime.timing_result import Timing

INPUTS = 2
"""Inputs that the page's timing streams through: enough for a time between them."""


def page_job(folder: Path, file: Path) -> None:
    """Write the page, whole or not at all."""
    check_writable(file)
    with steps() as progress:
        progress("reading the program")
        package = load_package(folder)
        report = load_report(folder, package.program)
        progress(f"timing {INPUTS} inputs")
        timing = timing_or_reason(package)
        progress("drawing the page")
        data = html_page(report, package.program, package.target, timing).encode("utf-8")
        write_whole(file, data)
    new_console().print(f"{file}: {len(data):,} bytes", soft_wrap=True, markup=False)


def timing_or_reason(package: Package) -> Timing | str:
    """The timing of a program, or what its target lacks for one."""
    try:
        return time_program(package.program, package.target, INPUTS, record=True)
    except CimcError as error:
        if any(diagnostic.code != "time.price" for diagnostic in error.diagnostics):
            raise
        return "; ".join(diagnostic.what for diagnostic in error.diagnostics)
