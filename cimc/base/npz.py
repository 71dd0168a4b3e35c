"""NumPy's .npy and .npz formats, read with distrust and written the same each time.

Nothing is believed before it is checked against the file's size, nothing is unpacked that is not asked for, and
pickled objects are never read. Whatever is wrong with the bytes is a Damaged, with the reason in words.
"""

from __future__ import annotations

import ast
import io
import math
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from cimc.base.names import member_name

Array = npt.NDArray[Any]

_HEADER_BYTES = 10_000
"""NumPy itself reads no longer header without being told to."""
_AXES, _ELEMENTS = 32, 1 << 48
_DIRECTORY_BYTES = 16 << 20
"""Bytes of an archive's list of members: some 200,000 of them."""
_PIECE = 1 << 20
_DATE = (1980, 1, 1, 0, 0, 0)
_LENGTH = {1: "<H", 2: "<I", 3: "<I"}
_PLAIN = re.compile(r"[<>|=]?(?:[biufc][1-9]\d?|[SUV][1-9]\d*|[mM]8(?:\[\w+\])?)")
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError, OverflowError, OSError,
)  # fmt: skip
"""What zipfile raises for archives that are damaged."""


class Damaged(Exception):
    """What is wrong with an archive or an array, and what to do about it."""

    def __init__(self, what: str, todo: str = "") -> None:
        super().__init__(what)
        self.todo = todo


@dataclass(frozen=True, slots=True)
class Header:
    """The head of an array in .npy format. size: its own bytes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    size: int

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return math.prod(self.shape) * self.dtype.itemsize

    def rows(self, first: int | None) -> int:
        """Entries of axis 0 that are kept of it: all, or the first."""
        return self.shape[0] if first is None else min(first, self.shape[0])

    def kept(self, first: int | None) -> int:
        """Bytes in memory of what is kept of it."""
        if first is None or not self.shape or self.in_columns or not self.shape[0]:
            return self.nbytes
        return self.nbytes // self.shape[0] * self.rows(first)

    @property
    def in_columns(self) -> bool:
        """Whether the first entries of axis 0 do not stand first."""
        return self.fortran and len(self.shape) > 1

    def check(self, there: int) -> None:
        """Refuse an array that has not the `there` bytes that follow the header."""
        if self.nbytes != there:
            what = f"its header announces {self.nbytes} bytes and {there} are there: it is damaged or cut short"
            raise Damaged(what)


@dataclass(frozen=True, slots=True)
class Member:
    """An array in an archive. file_size: unpacked, with its header."""

    archive: zipfile.ZipFile
    info: zipfile.ZipInfo

    @property
    def file_size(self) -> int:
        """Bytes, unpacked and with the header."""
        return self.info.file_size

    def header(self) -> Header:
        """Its head, checked against its size."""
        with self._open() as stream:
            return self._header(stream)

    def read(self, first: int | None = None) -> Array:
        """The array, or its first entries along axis 0."""
        with self._open() as stream:
            return read_array(stream, self._header(stream), first)

    def _header(self, stream: IO[bytes]) -> Header:
        header = read_header(stream)
        header.check(self.info.file_size - header.size)
        return header

    @contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        if self.info.flag_bits & 1:
            raise Damaged("it is encrypted, which is not read")
        if self.info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Damaged("it is packed in a way that numpy.savez does not use")
        try:
            with self.archive.open(self.info) as stream:
                yield stream
        except _BROKEN:
            what = "the array cannot be unpacked; the file is damaged or cut short"
            raise Damaged(what, "copy the file again") from None


class _Bounded(io.BufferedReader):
    """A file of which nothing large is read at once, whatever the file says."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _DIRECTORY_BYTES:
            raise zipfile.BadZipFile("a list of members without end")
        return super().read(size)


@contextmanager
def members_of(stream: io.BufferedReader) -> Iterator[dict[str, Member]]:
    """The arrays of an archive by the names of its members, without ".npy"; none is unpacked yet. Raises Damaged."""
    bounded = _Bounded(io.FileIO(stream.fileno(), closefd=False))
    try:
        archive = zipfile.ZipFile(bounded)
    except _BROKEN:
        what = "this is neither an .npz nor an .npy file, or it is cut short"
        raise Damaged(what, "write it with numpy.savez(file, name=array)") from None
    with archive:
        names = [info.filename.removesuffix(".npy") for info in archive.infolist()]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise Damaged(f"the file holds more than one array of the name {', '.join(map(repr, twice[:3]))}")
        yield {name: Member(archive, info) for name, info in zip(names, archive.infolist(), strict=True)}


def read_header(stream: IO[bytes]) -> Header:
    """The head of an .npy file, up to its elements. Raises Damaged."""
    start = stream.read(8)
    if len(start) < 8 or start[:6] != np.lib.format.MAGIC_PREFIX:
        raise Damaged("this is not an array in .npy format, or it is cut short")
    if start[6] not in _LENGTH or start[7]:
        raise Damaged(f"version {start[6]}.{start[7]} of the .npy format is not read")
    form = _LENGTH[start[6]]
    length = stream.read(struct.calcsize(form))
    size = struct.unpack(form, length)[0] if len(length) == struct.calcsize(form) else _HEADER_BYTES + 1
    text = stream.read(size) if size <= _HEADER_BYTES else b""
    if len(text) != size:
        raise Damaged("this is not an array in .npy format, or it is cut short")
    shape, dtype, fortran = _fields(text.decode("utf-8" if start[6] == 3 else "latin1", "replace"))
    return Header(shape, dtype, fortran, 8 + len(length) + size)


def read_array(stream: IO[bytes], header: Header, first: int | None = None) -> Array:
    """The elements behind a header, or those of the first entries along axis 0. Raises Damaged."""
    flat = np.empty(header.kept(first) // header.dtype.itemsize, header.dtype)
    room, at = flat.view(np.uint8).data, 0
    while at < len(room):
        data = stream.read(min(_PIECE, len(room) - at))
        if not data:
            raise Damaged(f"its header announces {header.nbytes} bytes and fewer are there: it is cut short")
        room[at : at + len(data)] = data
        at += len(data)
    if first is None or not header.shape:
        return flat.reshape(header.shape[::-1]).T if header.fortran else flat.reshape(header.shape)
    if header.in_columns:
        return np.ascontiguousarray(flat.reshape(header.shape[::-1]).T[:first])
    return flat.reshape(header.rows(first), *header.shape[1:])


def write_npz(file: IO[bytes], arrays: Mapping[str, Array], pack: bool) -> None:
    """Write arrays of numbers as an archive, in the mapping's order; the same bytes for the same arrays."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(f"{member_name(name)}.npy", _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED if pack else zipfile.ZIP_STORED
            info.create_system = 3
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=array.nbytes >= 1 << 30) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)


def _fields(text: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Shape, type and order from a header's text, a Python dictionary; NumPy for Python 2 wrote 3L for 3."""
    try:
        found = ast.literal_eval(re.sub(r"(?<=\d)L(?=[,)])", "", text).strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict) or set(found) != {"descr", "fortran_order", "shape"}:
        raise Damaged("the header of the array is damaged")
    shape, fortran, descr = found["shape"], found["fortran_order"], found["descr"]
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise Damaged("the array has a shape that is none")
    if len(shape) > _AXES or math.prod(size or 1 for size in shape) > _ELEMENTS:
        raise Damaged(f"the array has too many axes or elements; at most {_AXES} and {_ELEMENTS} are read")
    if not isinstance(fortran, bool):
        raise Damaged("the header of the array is damaged")
    if isinstance(descr, str) and re.fullmatch(r"[<>|=]?O\d*", descr):
        raise Damaged("it holds pickled Python objects, which are not read: they could run code")
    if not isinstance(descr, str) or not _PLAIN.fullmatch(descr):
        raise Damaged("its elements are no plain numbers")
    try:
        return shape, np.dtype(descr), fortran
    except (TypeError, ValueError):
        raise Damaged("its elements are of a type that NumPy does not know") from None
