"""A file or folder takes its place whole or not at all, whatever stops the process and when.

It is made in a hidden folder beside its place, brought to the disk, and moved in one step. The hidden folder is called
.cimc-DIGEST-RANDOM, where DIGEST is of the place's name, and is locked while its process lives; the next one that
writes to the same place removes those that nobody holds.

Linux exchanges two folders in one step. Where the system or file system cannot, an older folder is moved into the
hidden one first: a process that is killed right then leaves none in its place, and `heal` brings the older one back.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cimc.base.reading import is_path

NEW, OLD = "new", "old"
"""What a hidden folder may hold: what is being written, and what stood in its place."""

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)
_ATTEMPTS = 10


@contextmanager
def beside(place: Path) -> Iterator[Path]:
    """A hidden folder beside a place, to make NEW in; gone afterwards. Raises OSError."""
    heal(place, sweep=True)
    hidden, handle = _hidden(place)
    try:
        yield hidden
    finally:
        _restore(hidden, place)
        shutil.rmtree(hidden, ignore_errors=True)
        os.close(handle)


def take_file(hidden: Path, place: Path) -> None:
    """Move the file NEW into its place, over an older file."""
    _to_disk(hidden / NEW)
    (hidden / NEW).replace(place)
    _to_disk(place.parent)


def take_folder(hidden: Path, place: Path) -> None:
    """Move the folder NEW into its place, an older folder out of it."""
    new = hidden / NEW
    for path in [*sorted(new.iterdir()), new]:
        _to_disk(path)
    if not os.path.lexists(place):
        new.rename(place)
    elif not exchange(new, place):
        place.rename(hidden / OLD)
        new.rename(place)
    _to_disk(place.parent)


def heal(place: Path, sweep: bool = False) -> None:
    """Bring an older folder back that a killed process moved out of its place, if there is none now.

    sweep: remove what such processes left beside the place, too; what a living one holds stays.
    """
    if not is_path(place) or (os.path.lexists(place) and not sweep):
        return
    for hidden in _leftovers(place):
        with _held(hidden) as held:
            if held:
                with suppress(OSError):  # who may not write here may still be told that there is no folder
                    _restore(hidden, place)
                if sweep and _is_left_over(hidden, place):
                    shutil.rmtree(hidden, ignore_errors=True)


def exchange(a: Path, b: Path) -> bool:
    """Let two paths change places in one step; False where system or file system cannot."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number))


def _prefix(place: Path) -> str:
    return f".cimc-{hashlib.sha256(os.fsencode(place.name)).hexdigest()[:12]}-"


def _leftovers(place: Path) -> list[Path]:
    """Hidden folders of a place, held or not."""
    prefix = _prefix(place)
    try:
        with os.scandir(place.parent) as entries:
            found = [e.name for e in entries if e.name.startswith(prefix) and e.is_dir(follow_symlinks=False)]
    except OSError:
        return []  # it is not there or cannot be looked into: what follows will say so
    return [place.parent / name for name in sorted(found)]


def _is_left_over(hidden: Path, place: Path) -> bool:
    """Whether nothing in a hidden folder is needed, and all of it is ours."""
    there = set(os.listdir(hidden))
    return there <= {NEW, OLD} and (OLD not in there or os.path.lexists(place))


def _hidden(place: Path) -> tuple[Path, int]:
    """A new hidden folder and the handle that holds its lock."""
    for _ in range(_ATTEMPTS):
        hidden = Path(tempfile.mkdtemp(prefix=_prefix(place), dir=place.parent))
        with suppress(FileNotFoundError):  # one that sweeps took it before it was locked
            handle = os.open(hidden, os.O_RDONLY)
            if _lock(handle) is not False and hidden.exists():
                return hidden, handle
            os.close(handle)
    raise OSError(errno.EBUSY, "others write to the same place")


@contextmanager
def _held(hidden: Path) -> Iterator[bool]:
    """Hold a hidden folder that no living process holds; whether that is so."""
    try:
        handle = os.open(hidden, os.O_RDONLY)
    except OSError:
        yield False
        return
    try:
        yield _lock(handle) is True
    finally:
        os.close(handle)


if sys.platform == "win32":

    def _lock(handle: int) -> bool | None:
        """None: there are no such locks here, so nothing is swept."""
        return None
else:
    import fcntl

    def _lock(handle: int) -> bool | None:
        """Lock a file until its handle is closed; False where another process holds it, None where none can."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return None
        return True


def _restore(hidden: Path, place: Path) -> None:
    """The older folder back to its place, where none took it."""
    if (hidden / OLD).exists() and not os.path.lexists(place):
        (hidden / OLD).rename(place)


def _to_disk(path: Path) -> None:
    """Have the system write a file or a folder's entries to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT:  # some file systems do not bring folders to the disk
            raise
    finally:
        os.close(handle)
