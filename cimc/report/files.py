"""Outputs are written whole or not at all, and a place that cannot be written is found before long work."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from cimc.base.diagnostics import CimcError, Place, fail


def check_writable(path: Path) -> None:
    """Refuse a file that could not be written; nothing is left behind."""
    if path.is_dir():
        raise _unwritable(path, "this is a folder", "name a file in it")
    if not path.parent.is_dir():
        raise _unwritable(path, f"there is no folder {path.parent}", "make the folder first")
    _try_folder(path.parent, path)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file through a temporary one beside it."""
    check_writable(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, _reason(error), "free some space or name another place") from None


def check_folder_writable(folder: Path, own: frozenset[str]) -> None:
    """Refuse a folder that could not be made or that holds other files than `own`; nothing is left behind."""
    todo = "name a folder that is new, empty, or a compiled program"
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise _unwritable(folder, "this is not a folder", todo)
    if folder.is_dir():
        others = sorted({entry.name for entry in folder.iterdir()} - own)
        if others:
            shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
            raise _unwritable(folder, f"the folder holds other files: {shown}", todo)
    parents = folder.resolve().parents
    existing = next(parent for parent in parents if parent.exists())
    if not existing.is_dir():
        raise _unwritable(folder, f"{existing} is a file, not a folder", "name another place")
    _try_folder(existing, folder)


def write_folder(folder: Path, own: frozenset[str], fill: Callable[[Path], None]) -> None:
    """Make or replace a folder, whole or not at all: `fill` writes into a new one beside it, which takes its place."""
    check_folder_writable(folder, own)
    folder = Path(os.path.abspath(folder))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            new, old = temporary / "new", temporary / "old"
            new.mkdir()
            fill(new)
            if folder.exists():
                folder.rename(old)
            try:
                new.rename(folder)
            except OSError:
                if old.exists():
                    old.rename(folder)
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise _unwritable(folder, _reason(error), "free some space or name another place") from None


def _try_folder(folder: Path, path: Path) -> None:
    """Refuse where no file can be made in the folder."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(path, _reason(error), "name another place, or change who may write there") from None


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _unwritable(path: Path, reason: str, todo: str) -> CimcError:
    return fail("output.write", f"this cannot be written: {reason}", Place(str(path)), todo)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
