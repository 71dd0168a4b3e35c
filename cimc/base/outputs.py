"""Outputs: written whole or not at all, never over what is not ours to replace, and refused before long work.

A file may take the place of a regular file only; through a symbolic link, of the file that it leads to. A folder may
take the place of an empty one, or of one in which the caller finds nothing strange. Neither takes the place of an
input.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from cimc.base.diagnostics import CimcError, Place, fail
from cimc.base.exchange import NEW, beside, take_file, take_folder
from cimc.base.reading import NO_PATH, FilePath, Identity, identity, inputs_read, is_path, noting_inputs

Strange = Callable[[Path], str]
"""What in a folder is not of the kind that may be replaced, in words; "" for nothing."""

_ELSEWHERE = "name another place"


def check_file(path: Path, inputs: Iterable[FilePath | None] = ()) -> tuple[Path, int | None]:
    """Refuse a file that could not be written or that is an input, one of these or read already.

    Where it is to be written, behind all links, and the mode of the one that is there.
    """
    _check_path(path)
    try:
        real = Path(os.path.realpath(path))
        there = os.stat(real) if os.path.lexists(real) else None
    except OSError as error:
        raise unwritable(path, reason_of(error), _ELSEWHERE) from None
    if there is None:
        _check_parent(real.parent, path)
    elif stat.S_ISDIR(there.st_mode):
        raise unwritable(path, "this is a folder", "name a file in it")
    elif not stat.S_ISREG(there.st_mode):
        raise unwritable(path, "this is no regular file, and only such are replaced", "name a file")
    elif (there.st_dev, there.st_ino) in _identities(inputs):
        raise unwritable(path, "this is an input of the same command", _ELSEWHERE)
    elif not os.access(real, os.W_OK):
        raise unwritable(path, "the file there is protected", _ELSEWHERE)
    _try_folder(real.parent, path)
    return real, None if there is None else stat.S_IMODE(there.st_mode)


def write_file(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all. Raises CimcError(output.write)."""
    real, mode = check_file(path)
    try:
        with beside(real) as hidden:
            (hidden / NEW).write_bytes(data)
            if mode is not None:
                (hidden / NEW).chmod(mode)
            take_file(hidden, real)
    except OSError as error:
        raise unwritable(path, reason_of(error), f"free some space or {_ELSEWHERE}") from None


def check_folder(folder: Path, strange: Strange, inputs: Iterable[FilePath | None] = ()) -> None:
    """Refuse a folder that could not be made, that holds something strange or an input."""
    todo = "name a folder that is new, empty, or a compiled program"
    _check_path(folder)
    try:
        if folder.is_symlink() or (os.path.lexists(folder) and not folder.is_dir()):
            raise unwritable(folder, "this is not a folder", todo)
        taken = _identities(inputs)
        if folder.is_dir():
            with noting_inputs():  # what is looked at here is no input
                found = strange(folder)
            if found:
                raise unwritable(folder, found, todo)
            for entry in sorted(folder.iterdir()):
                if identity(entry) in taken:
                    what = f"{entry.name} in it is an input of the same command"
                    raise unwritable(folder, what, _ELSEWHERE)
        existing = next(parent for parent in Path(os.path.realpath(folder)).parents if parent.exists())
    except OSError as error:
        raise unwritable(folder, reason_of(error), _ELSEWHERE) from None
    if not existing.is_dir():
        raise unwritable(folder, f"{existing} is a file, not a folder", _ELSEWHERE)
    _try_folder(existing, folder)


def write_folder(folder: Path, strange: Strange, fill: Callable[[Path], None]) -> None:
    """Make or replace a folder, whole or not at all. fill: writes files into a new one. Raises CimcError."""
    check_folder(folder, strange)
    place = Path(os.path.abspath(folder))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with beside(place) as hidden:
            (hidden / NEW).mkdir()
            fill(hidden / NEW)
            take_folder(hidden, place)
    except OSError as error:
        raise unwritable(folder, reason_of(error), f"free some space or {_ELSEWHERE}") from None


def reason_of(error: OSError) -> str:
    """Why the system refuses, in words."""
    return (error.strerror or type(error).__name__).lower()


def unwritable(path: Path, reason: str, todo: str) -> CimcError:
    """The refusal of an output."""
    return fail("output.write", f"this cannot be written: {reason}", Place(str(path)), todo)


def _identities(inputs: Iterable[FilePath | None]) -> set[Identity]:
    """These files, and those that were read already."""
    return {found for path in inputs if path is not None and (found := identity(path)) is not None} | inputs_read()


def _check_path(path: Path) -> None:
    if not is_path(path):
        raise unwritable(path, NO_PATH, _ELSEWHERE)


def _check_parent(parent: Path, path: Path) -> None:
    try:
        is_folder = stat.S_ISDIR(os.stat(parent).st_mode)
    except FileNotFoundError:
        is_folder = False
    except OSError as error:
        raise unwritable(path, reason_of(error), _ELSEWHERE) from None
    if not is_folder:
        raise unwritable(path, f"there is no folder {path.parent}", "make the folder first")


def _try_folder(folder: Path, path: Path) -> None:
    """Refuse where no entry of the name can be made in the folder."""
    try:
        with tempfile.TemporaryFile(dir=folder), suppress(FileNotFoundError):
            os.lstat(folder / path.name)  # a name can be too long
    except OSError as error:
        raise unwritable(path, reason_of(error), f"{_ELSEWHERE}, or change who may write there") from None
