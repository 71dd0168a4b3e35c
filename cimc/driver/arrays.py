"""A user's arrays, from and to .npz and .npy files (cimc.base.npz), with what is wrong as diagnostics."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from cimc.base.diagnostics import Diagnostic, Place, fail
from cimc.base.npz import Damaged, Member, members_of, read_array, read_header, write_npz
from cimc.base.options import require, shown
from cimc.base.reading import FilePath, open_regular
from cimc.report.folder import write_whole

if TYPE_CHECKING:
    from cimc.frontends.onnx_file import ModelLike

Arrays = dict[str, npt.NDArray[Any]]
Data = Mapping[str, npt.NDArray[Any]] | FilePath
"""Arrays by name, or the file that holds them."""
Read = TypeVar("Read")

LIMIT = 16 << 30
"""Bytes that the arrays of one file may take in memory, where the machine has as much."""

ONLY = ""
"""The name of the array of a .npy file, which has none."""


def read_arrays(path: str, first: int | None = None) -> Arrays:
    """The arrays of an .npz file by name; of an .npy file the one array, under the name ONLY.

    first: lanes to read, of all arrays alike; no more of the file is unpacked. Raises CimcError with everything that is
    wrong: no such file, another format, pickled objects, a file cut short, more than the memory holds.
    """
    place = Place(path)
    try:
        with open_regular(path) as stream:
            if stream.read(6) == np.lib.format.MAGIC_PREFIX:
                return {ONLY: _single(stream, first, place)}
            with members_of(stream) as members:
                return _unpacked(members, first, place)
    except Damaged as error:
        raise fail("data.file", str(error), place, error.todo) from None
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "there is no such file" if missing else f"it can't be read: {error.strerror}"
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


def data_for(model: ModelLike, data: Data, first: int | None = None) -> Arrays:
    """The arrays for a network, by name: those of a file, one for each of its inputs at least, or as they are. That of
    an .npy file gets its name. first: as for read_arrays."""
    if not isinstance(data, str | os.PathLike):
        return arrays_of(data)
    from cimc.frontends.onnx_file import read_model  # onnx is loaded only for this

    file = os.fspath(data)
    graph = read_model(model).graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = tuple(info.name for info in graph.input if info.name not in constants)
    arrays = named(read_arrays(file, first), inputs, file)
    todo = f"name it so; the file holds: {', '.join(arrays)}"
    require(
        Diagnostic("input.name", f'there is no array for the input "{name}"', Place(file), todo)
        for name in inputs
        if name not in arrays
    )
    return arrays


def arrays_of(data: object) -> Arrays:
    """Arrays by name, as a Python program has them."""
    if not isinstance(data, Mapping):
        todo = "give a dict of numpy arrays, named as the inputs, or the path of an .npz file"
        raise fail("data.type", f"the data are {shown(data)}, neither arrays by name nor a file", todo=todo)
    return {name: _array(name, values) for name, values in data.items()}


def _array(name: str, values: object) -> npt.NDArray[Any]:
    """What is an array, or of another library that hands its numbers over as one."""
    if not hasattr(values, "__array__"):
        what = f'the values of "{name}" are {shown(values)}, not an array'
        raise fail("data.type", what, Place(item=str(name)), "make one of them: numpy.asarray(values)")
    return np.asarray(values)


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write an .npz file, whole or not at all; the same arrays give the same bytes."""
    packed = io.BytesIO()
    write_npz(packed, {name: np.asarray(array, order="C") for name, array in arrays.items()}, pack=False)
    write_whole(path, packed.getvalue())


def _single(stream: io.BufferedReader, first: int | None, place: Place) -> npt.NDArray[Any]:
    """The array of an .npy file."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    header = read_header(stream)
    _require_room(header.kept(first), place)
    header.check(size - header.size)
    return read_array(stream, header, first)


def _unpacked(members: Mapping[str, Member], first: int | None, place: Place) -> Arrays:
    """The arrays of an archive, once all heads are looked at."""
    if not members:
        raise fail("data.file", "the file holds no arrays", place, "write it with numpy.savez(file, name=array)")
    heads = _each(members, Member.header, place)
    counts = {name: head.shape[0] for name, head in heads.items() if head.shape}
    if first is not None and len(set(counts.values())) > 1:
        held = ", ".join(f'"{name}" holds {count}' for name, count in counts.items())
        what = f"the arrays do not agree on the number of lanes: {held}"
        raise fail("input.shape", what, place, "axis 0 is the lane, one independent run each")
    _require_room(sum(head.kept(first) for head in heads.values()), place)
    return _each(members, lambda member: member.read(first), place)


def _each(members: Mapping[str, Member], read: Callable[[Member], Read], place: Place) -> dict[str, Read]:
    """What is read of each member; CimcError with all that are damaged."""
    found: dict[str, Read] = {}
    wrong: list[Diagnostic] = []
    for name, member in members.items():
        try:
            found[name] = read(member)
        except Damaged as error:
            where = Place(place.file, item=f'array "{name}"')
            wrong.append(Diagnostic("data.file", str(error), where, error.todo))
    require(wrong)
    return found


def _require_room(needed: int, place: Place) -> None:
    """Refuse arrays that memory does not hold, before it is taken."""
    most = min(LIMIT, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) if hasattr(os, "sysconf") else LIMIT
    if needed > most:
        what = f"the arrays would take {needed} bytes of memory; at most {most} are read"
        raise fail("data.size", what, place, "give fewer lanes (--limit N), or a file with fewer")
