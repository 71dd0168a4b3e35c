"""Keeps a process that runs examples inside of its folder: nothing else is written, and no device is read."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {
    "os.remove": (0,), "os.rename": (0, 1), "os.mkdir": (0,), "os.rmdir": (0,), "os.symlink": (1,), "os.link": (1,),
    "os.truncate": (0,), "os.chmod": (0,), "os.chown": (0,), "os.utime": (0,), "shutil.rmtree": (0,),
}  # fmt: skip
"""Events of Python's audit that change files, and which of their arguments are the files. A name below an open folder
counts as one below the working folder."""
HARMLESS = ("/dev/null", "/dev/urandom", "/dev/random")


class Outside(BaseException):
    """An example reached out of its folder. No `except Exception` may swallow that."""


def fence(folder: Path) -> None:
    """Raise Outside from now on, in this process and for good, where Python code leaves the folder."""
    real = os.path.realpath(folder)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            name = _name(path)
            if name is None or not isinstance(flags, int):
                return
            if flags & WRITES and not _is_inside(name, real):
                raise Outside(f"{name!r} is opened to be written")
            if not flags & WRITES and _is_device(name):
                raise Outside(f"{name!r} is a device or a pipe, and is read")
        for index in CHANGES.get(event, ()):
            name = _name(arguments[index])
            if name is not None and not _is_inside(name, real):
                raise Outside(f"{event} of {name!r}")

    sys.addaudithook(hook)


def _name(path: Any) -> str | None:
    """A path as the system sees it; None for an open file, and for what no file can be called."""
    if not isinstance(path, str | bytes | os.PathLike):
        return None
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        return None
    return None if b"\0" in encoded else os.path.realpath(os.fsdecode(encoded))


def _is_inside(name: str, folder: str) -> bool:
    return name == folder or name.startswith(folder + os.sep) or name in HARMLESS


def _is_device(name: str) -> bool:
    try:
        mode = os.stat(name).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or name in HARMLESS)
