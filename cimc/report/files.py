"""Where a command may write: nowhere over its inputs, and nowhere into the folder of a compiled program."""

from __future__ import annotations

import os
from pathlib import Path

from cimc.base.outputs import check_file, check_folder, unwritable, write_file
from cimc.base.reading import FilePath, is_path, noting_inputs
from cimc.runtime.package import MANIFEST, digests_in, strange_in


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
