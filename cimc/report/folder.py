"""The folder of a compiled program: the package that the emulator reads (cimc.runtime.package), and report.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from cimc.base.diagnostics import Place, fail
from cimc.isa.program import Program
from cimc.report.build import program_digest
from cimc.report.files import check_folder_writable, write_folder
from cimc.report.json_text import json_text, read_report
from cimc.report.model import Report
from cimc.runtime.package import BINARY, MANIFEST, TARGET, TEXT, WEIGHTS, save_package

REPORT = "report.json"
OWN = frozenset({TEXT, BINARY, WEIGHTS, TARGET, MANIFEST, REPORT})
"""Every file that such a folder may have."""


def check_place(folder: Path) -> None:
    """Refuse a folder that save_folder could not write, before the work is done."""
    check_folder_writable(folder, OWN)


def save_folder(
    folder: Path, program: Program, weights: Mapping[str, npt.NDArray[Any]], target_toml: str, report: Report
) -> None:
    """Write a compiled program with its report, whole or not at all; an older one in its place is replaced."""

    def fill(new: Path) -> None:
        save_package(new, program, weights, target_toml)
        (new / REPORT).write_text(json_text(report), encoding="utf-8", newline="\n")

    write_folder(folder, OWN, fill)


def load_report(folder: Path, program: Program) -> Report:
    """The report in a program's folder. Raises CimcError where there is none or it is another program's."""
    path = folder / REPORT
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise fail(
            "report.file", f"the report cannot be read: {reason}", Place(str(path)), "compile the network again"
        ) from None
    report = read_report(text, str(path))
    if report.program != program_digest(program):
        what = f'the report is not of the program "{program.name}" in this folder'
        raise fail("report.program", what, Place(str(path)), "compile the network again")
    return report
