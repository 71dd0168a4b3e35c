"""A user's files, all opened here: regular files only, and no more of them than the caller can hold.

Whatever is wrong is an OSError whose `strerror` says it in words; each caller makes its own diagnostic of it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import BufferedReader

MODEL_LIMIT = 1 << 31
"""Bytes of an .onnx file: protobuf itself cannot hold more."""
PROGRAM_LIMIT = 1 << 30
"""Bytes of a program, as text or binary."""
REPORT_LIMIT = 1 << 28
"""Bytes of a report as JSON."""
TEXT_LIMIT = 1 << 24
"""Bytes of a target, a precision file or a manifest."""

FilePath = str | os.PathLike[str]
Identity = tuple[int, int]
"""Device and number of a file, the same for all its names."""

NO_PATH = "no file can have such a name"

_OTHER = {
    stat.S_IFIFO: "it is a pipe, not a file",
    stat.S_IFSOCK: "it is a socket, not a file",
    stat.S_IFCHR: "it is a device, not a file",
    stat.S_IFBLK: "it is a device, not a file",
}
_noted: ContextVar[set[Identity] | None] = ContextVar("files read by this command", default=None)


class Unreadable(OSError):
    """A file that is there and is not read."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EINVAL, reason)


@contextmanager
def noting_inputs() -> Iterator[None]:
    """Note every file that is read inside, so that no output takes its place (cimc.base.outputs)."""
    token = _noted.set(set())
    try:
        yield
    finally:
        _noted.reset(token)


def inputs_read() -> frozenset[Identity]:
    """The files that were read inside of noting_inputs; none outside of it."""
    return frozenset(_noted.get() or ())


def is_path(path: FilePath) -> bool:
    """Whether the system can have a file of this name: not with a NUL, or half a character, in it."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def identity(path: FilePath) -> Identity | None:
    """Which file a path leads to; None where to none."""
    if not is_path(path):
        return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def open_regular(path: FilePath) -> BufferedReader:
    """A regular file, to be read as bytes. Raises OSError; at once for a pipe, a device, a socket or a folder."""
    if not is_path(path):
        raise Unreadable(NO_PATH)
    _require_regular(os.stat(path))
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    stream = os.fdopen(handle, "rb")
    try:
        found = os.fstat(handle)
        _require_regular(found)
    except OSError:
        stream.close()
        raise
    noted = _noted.get()
    if noted is not None:
        noted.add((found.st_dev, found.st_ino))
    return stream


def read_bytes(path: FilePath, most: int) -> bytes:
    """A regular file of at most so many bytes, whole. Raises OSError."""
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > most:
            raise Unreadable(f"it holds {size} bytes; at most {most} are read")
        return stream.read(size)


def read_text(path: FilePath, most: int) -> str:
    """The same as text. Raises OSError, and UnicodeDecodeError where it is not UTF-8."""
    return read_bytes(path, most).decode("utf-8")


def _require_regular(found: os.stat_result) -> None:
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if kind != stat.S_IFREG:
        raise Unreadable(_OTHER.get(kind, "it is no regular file"))
