"""The commands on a compiled program: run, report and compare."""

from __future__ import annotations

import os
from pathlib import Path

from cimc import api
from cimc.base.diagnostics import Place, fail
from cimc.base.names import printable
from cimc.base.quantities import counted
from cimc.base.reading import identity
from cimc.cli.console import answer, check_json, new_console, steps, write_out
from cimc.driver.arrays import write_arrays
from cimc.driver.chips import specimen_of
from cimc.driver.options import ChipOptions
from cimc.driver.running import lanes_in, package_of, run_program
from cimc.report.folder import check_writable
from cimc.report.schema import schema_text
from cimc.report.view import report_view
from cimc.report.view_compare import comparison_view
from cimc.runtime.engines import engine_for


def run_job(
    folder: Path,
    data: str,
    out: Path,
    program: Path | None,
    limit: int | None,
    max_memory: int | None,
    chip: ChipOptions,
) -> None:
    """`cimc run`."""
    check_writable(out, data, program, chip.conductances, chip.faults)
    with steps("reading the program") as progress:
        package = package_of(folder, program)
        lanes = lanes_in(package.program, data, limit)
        count = len(next(iter(lanes.values())))
        progress(f"running {counted(count, 'input')}")
        parts = package.program, package.weights, package.target
        engine = engine_for(*parts, specimen=specimen_of(chip, *parts))
        outputs, execution = run_program(engine, package.program, package.target, lanes, max_memory)
        write_arrays(out, outputs)
    shapes = ", ".join(f"{printable(name)} {'x'.join(map(str, values.shape))}" for name, values in outputs.items())
    executed = sum(execution.counts.values())
    text = f"{out}: {shapes}; {counted(count, 'input')}, {executed:,} instructions for each"
    new_console().print(text, soft_wrap=True)


def schema_job() -> None:
    """`cimc report --schema`."""
    write_out(schema_text())


def report_job(folder: Path, json: Path | None, html: Path | None, all_tiles: bool) -> None:
    """`cimc report`. json, html: where it goes, once it is known that both can be written."""
    if json is not None and html is not None:
        one, other = identity(json), identity(html)  # one file may have several names
        if os.path.realpath(json) == os.path.realpath(html) or (one is not None and one == other):
            raise fail("options.report", "--json and --html name the same file", Place(str(json)), "name two files")
    check_json(json)
    if html is not None:
        check_writable(html)
        with steps("timing the program and drawing the page"):
            api.page(folder, html)
        new_console().print(f"{html}: {os.path.getsize(html):,} bytes", soft_wrap=True)
    if html is None or json is not None:
        report = api.load(folder).report()
        answer(report, json, report_view(report, all_tiles))


def compare_job(a: Path, b: Path, json: Path | None) -> None:
    """`cimc compare`."""
    check_json(json, a, b)
    with steps("reading the reports"):
        found = api.compare(a, b)
    answer(found, json, comparison_view(found))
