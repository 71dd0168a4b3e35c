"""Arrays from and to .npz and .npy files. Nothing in a file is believed before it is checked against its size."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from cimc.base.diagnostics import CimcError, Diagnostic, Place, fail
from cimc.report.files import write_whole

Arrays = dict[str, npt.NDArray[Any]]

LIMIT = 16 << 30
"""Bytes that the arrays of one file may have, unpacked."""

ONLY = ""
"""The name of the array of a .npy file, which has none."""


class _Damaged(Exception):
    """What is wrong with the bytes of one array."""


def read_arrays(path: str) -> Arrays:
    """The arrays of an .npz file by name; of an .npy file the one array, under the name ONLY.

    Raises CimcError with everything that is wrong: no such file, another format, pickled objects, a file cut short, an
    archive that would unpack to more than LIMIT.
    """
    place = Place(path)
    try:
        with Path(path).open("rb") as stream:
            head = stream.read(6)
            stream.seek(0)
            if head == np.lib.format.MAGIC_PREFIX:
                return {ONLY: _array(stream, Path(path).stat().st_size)}
            return _archive(stream, place)
    except _Damaged as error:
        raise fail("data.file", str(error), place) from None
    except OSError as error:
        reason = (
            "there is no such file" if isinstance(error, FileNotFoundError) else f"it can't be read: {error.strerror}"
        )
        raise fail("data.file", reason, place, "check the path") from None


def named(arrays: Arrays, inputs: tuple[str, ...], path: str) -> Arrays:
    """The arrays with the array of an .npy file under the name of the network's single input."""
    if ONLY not in arrays:
        return arrays
    if len(inputs) != 1:
        what = f"an .npy file holds one array; the network has {len(inputs)} inputs"
        call = ", ".join(f"{name}=..." for name in inputs)
        raise fail("data.file", what, Place(path), f"save them in one file: numpy.savez(file, {call})")
    return {inputs[0]: arrays[ONLY]}


def data_for(model: str, file: str) -> Arrays:
    """The arrays of a file for a network, one for each of its inputs at least; that of an .npy file gets its name."""
    from cimc.frontends.onnx_file import read_model  # onnx is loaded only for this

    graph = read_model(model).graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = tuple(info.name for info in graph.input if info.name not in constants)
    arrays = named(read_arrays(file), inputs, file)
    wrong = []
    for name in inputs:
        if name not in arrays:
            todo = f"name it so; the file holds: {', '.join(arrays)}"
            wrong.append(Diagnostic("input.name", f'there is no array for the input "{name}"', Place(file), todo))
    if wrong:
        raise CimcError(wrong)
    return arrays


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write an .npz file, whole or not at all; the same arrays give the same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")  # of 1980, whatever the clock says
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)
    write_whole(path, packed.getvalue())


def _archive(stream: IO[bytes], place: Place) -> Arrays:
    try:
        archive = zipfile.ZipFile(stream)
    except zipfile.BadZipFile:
        raise fail(
            "data.file",
            "this is neither an .npz nor an .npy file, or it is cut short",
            place,
            "write it with numpy.savez(file, name=array)",
        ) from None
    with archive:
        members = archive.infolist()
        total = sum(member.file_size for member in members)
        if total > LIMIT:
            raise fail(
                "data.size",
                f"the arrays would take {total} bytes unpacked; at most {LIMIT} are read",
                place,
                "give fewer lanes",
            )
        found: Arrays = {}
        wrong: list[Diagnostic] = []
        for member in members:
            name = member.filename.removesuffix(".npy")
            try:
                with archive.open(member) as content:
                    found[name] = _array(content, member.file_size)
            except _Damaged as error:
                wrong.append(Diagnostic("data.file", str(error), Place(place.file, item=f'array "{name}"')))
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
                what = "the array cannot be unpacked; the file is damaged or cut short"
                wrong.append(
                    Diagnostic("data.file", what, Place(place.file, item=f'array "{name}"'), "copy the file again")
                )
        if wrong:
            raise CimcError(wrong)
    if not found:
        raise fail("data.file", "the file holds no arrays", place, "write it with numpy.savez(file, name=array)")
    return found


def _array(stream: IO[bytes], size: int) -> npt.NDArray[Any]:
    """The array of `size` bytes in .npy format; _Damaged where the header does not agree with the size."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        version = np.lib.format.read_magic(stream)
        if version not in readers:
            raise _Damaged(f"version {version[0]}.{version[1]} of the .npy format is not read")
        shape, fortran, dtype = readers[version](stream)
    except ValueError:
        raise _Damaged("this is not an array in .npy format, or it is cut short") from None
    if dtype.hasobject:
        raise _Damaged("it holds pickled Python objects, which are not read: they could run code")
    expected = math.prod(shape) * dtype.itemsize
    there = size - stream.tell()
    if expected > LIMIT:
        raise _Damaged(f"the array would take {expected} bytes; at most {LIMIT} are read")
    if expected != there:
        raise _Damaged(f"its header announces {expected} bytes and {there} are there: it is damaged or cut short")
    data = stream.read(expected)
    if len(data) != expected:
        raise _Damaged(f"its header announces {expected} bytes and {len(data)} are there: it is damaged or cut short")
    flat = np.frombuffer(bytearray(data), dtype)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
