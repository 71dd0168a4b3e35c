"""The commands on a compiled program: run and report."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from cimc.base.diagnostics import CimcError, Place, fail
from cimc.base.names import printable
from cimc.base.reading import identity
from cimc.cli.arrays import Arrays, named, read_arrays, write_arrays
from cimc.cli.console import new_console, steps, write_out
from cimc.ir.graph import Graph, Tensor
from cimc.ir.lanes import lanes_of
from cimc.isa.program import Plug, Program
from cimc.isa.verify.checked import read_checked
from cimc.report.files import check_writable, write_whole
from cimc.report.folder import load_report
from cimc.report.json_text import json_text
from cimc.report.schema import schema_text
from cimc.report.view import report_view
from cimc.runtime.engines import engine_for
from cimc.runtime.execution import MOST_STATE
from cimc.runtime.machine import bytes_per_lane
from cimc.runtime.package import Package, load_package

LABELS = "labels"


def lanes_in(program: Program, file: str, limit: int | None = None) -> Arrays:
    """The inputs in a file as the program takes them, (lanes, *shape); CimcError with everything that is wrong."""
    arrays = named(read_arrays(file, limit), tuple(plug.name for plug in program.inputs), file)
    try:
        return lanes_for(program, arrays)
    except CimcError as error:
        places = [replace(d, where=replace(d.where, file=file)) for d in error.diagnostics]
        raise CimcError(places) from None


def lanes_for(program: Program, arrays: Arrays) -> Arrays:
    """A user's arrays as the program takes them, (lanes, *shape). "labels" may be among them."""
    names = tuple(plug.name for plug in program.inputs)
    tensors = {plug.name: Tensor(plug.name, plug.shape, plug.dtype) for plug in program.inputs}
    kept = {name: array for name, array in arrays.items() if name != LABELS or name in names}
    return lanes_of(Graph(program.name, (), tensors, {}, names, ()), kept)


def without_batch(plug: Plug, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An output, (lanes, *shape), as users give inputs: a batch axis of 1 is the lane axis."""
    return values.reshape(len(values), *plug.shape[1:]) if plug.shape[:1] == (1,) else values


def package_of(folder: Path, program: Path | None = None) -> Package:
    """A compiled program; with `program`, that text or binary in place of the folder's own, once it is checked."""
    package = load_package(folder)
    if program is None:
        return package
    other = read_checked(program, package.target)
    if other.weights != package.program.weights:
        what = f"the program is not of the weights in {folder}: their sha256 differ"
        raise fail("package.weights", what, Place(str(program)), "give an edited copy of the program in that folder")
    return Package(other, package.weights, package.target, package.extra)


def run_job(
    folder: Path, data: str, out: Path, program: Path | None, limit: int | None, max_memory: int | None
) -> None:
    """`cimc run`."""
    check_writable(out, data, program)
    with steps() as progress:
        progress("reading the program")
        package = package_of(folder, program)
        lanes = lanes_in(package.program, data, limit)
        count = len(next(iter(lanes.values())))
        needed = bytes_per_lane(package.program, package.target)
        if max_memory is not None and needed > max_memory:
            raise fail(
                "run.memory",
                f"one input takes {needed} bytes of emulated state; {max_memory} are allowed",
                Place(item="--max-memory"),
                "allow more",
            )
        progress(f"running {count} input{'s' if count != 1 else ''}")
        engine = engine_for(package.program, package.weights, package.target, max_memory=max_memory or MOST_STATE)
        execution = engine.run(lanes)
        plugs = {plug.name: plug for plug in package.program.outputs}
        outputs = {name: without_batch(plugs[name], values) for name, values in execution.outputs.items()}
        write_arrays(out, outputs)
    shapes = ", ".join(f"{printable(name)} {'x'.join(map(str, values.shape))}" for name, values in outputs.items())
    executed = sum(execution.counts.values())
    text = f"{out}: {shapes}; {count} input{'s' if count != 1 else ''}, {executed:,} instructions for each"
    new_console().print(text, soft_wrap=True)


def schema_job() -> None:
    """`cimc report --schema`."""
    write_out(schema_text())


def check_report_files(json: Path | None, html: Path | None) -> None:
    """Refuse files of which one could not be written before the other is. json, html: None where not asked for."""
    if json is not None and html is not None and _same_place(json, html):
        raise fail("options.report", "--json and --html name the same file", Place(str(json)), "name two files")
    for file in (json, html):
        if file is not None:
            check_writable(file)


def _same_place(a: Path, b: Path) -> bool:
    """Whether two outputs would be one file, by whatever names."""
    there = identity(a)
    return os.path.realpath(a) == os.path.realpath(b) or (there is not None and there == identity(b))


def report_job(folder: Path, file: Path | None, all_tiles: bool) -> None:
    """`cimc report`."""
    report = load_report(folder, load_package(folder).program)
    if file is not None:
        write_whole(file, json_text(report).encode("utf-8"))
        return
    console = new_console()
    for part in report_view(report, all_tiles):
        console.print(part)
