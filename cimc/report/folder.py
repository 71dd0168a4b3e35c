"""The folder of a compiled program: the package that the emulator reads (cimc.runtime.package), and report.json.

No command writes over its inputs, and none but `cimc compile` into such a folder.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from cimc.base.diagnostics import Place, fail
from cimc.base.outputs import check_file, check_folder, unwritable, write_file
from cimc.base.reading import REPORT_LIMIT, FilePath, is_path, noting_inputs, read_text
from cimc.isa.binary.file import encode
from cimc.isa.program import Program
from cimc.report.json_text import json_text, read_report
from cimc.report.model import Report
from cimc.runtime.package import MANIFEST, digests_in, load_package, save_package, strange_in
from cimc.target.model import Target
from cimc.target.write import write_target

REPORT = "report.json"


def program_digest(program: Program) -> str:
    """sha256 (hex) of a program's binary form, the same whichever form it was read from."""
    return hashlib.sha256(encode(program)).hexdigest()


def save_folder(
    folder: Path, program: Program, weights: Mapping[str, npt.NDArray[Any]], target: Target, report: Report
) -> None:
    """Write a compiled program with its report, whole or not at all; an older one in its place is replaced."""
    check_outside(folder)
    save_package(folder, program, weights, write_target(target), beside={REPORT: json_text(report).encode("utf-8")})


def load_report(folder: Path, program: Program) -> Report:
    """The report in a program's folder. Raises CimcError where there is none or it is another program's."""
    path = folder / REPORT
    report = _read(path, "compile the network again")
    if report.program != program_digest(program):
        what = f'the report is not of the program "{program.name}" in this folder'
        raise fail("report.program", what, Place(str(path)), "compile the network again")
    return report


def report_at(place: Path) -> Report:
    """The report of a compiled program, or one that `cimc report --json` wrote."""
    if os.path.isdir(place) or not os.path.lexists(place):
        return load_report(place, load_package(place).program)
    return _read(place, "give a folder that `cimc compile` wrote, or a report as JSON")


def _read(path: Path, todo: str) -> Report:
    """The report in a file. todo: what to do where it cannot be read."""
    try:
        text = read_text(path, REPORT_LIMIT)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise fail("report.file", f"the report cannot be read: {reason}", Place(str(path)), todo) from None
    return read_report(text, str(path))


def check_writable(path: Path, *inputs: FilePath | None) -> None:
    """Refuse a file that could not be written, that is an input, or that lies in a compiled program's folder."""
    check_file(path, inputs)
    check_outside(path)


def check_place(folder: Path, *inputs: FilePath | None) -> None:
    """Refuse a folder that a compiled program could not be saved to, before the work is done."""
    check_folder(folder, strange_in, inputs)
    check_outside(folder)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all."""
    check_outside(path)
    write_file(path, data)


def check_outside(path: Path) -> None:
    """A file more, or another one, and the program there could not be loaded or replaced."""
    if not is_path(path):
        return  # it is refused where it is to be written
    for parent in Path(os.path.realpath(path)).parents:
        if os.path.lexists(parent / MANIFEST) and _is_program(parent):
            raise unwritable(path, f"{parent} is a compiled program", "name a place outside of it")


def _is_program(folder: Path) -> bool:
    try:
        with noting_inputs():  # what is looked at here is no input
            return bool(digests_in(folder))
    except OSError:
        return False  # a manifest that cannot be read is not ours
