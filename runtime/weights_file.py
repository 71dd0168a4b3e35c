"""The weights file of a program: arrays by name in a NumPy .npz, the same bytes for the same arrays."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from cimc.base.diagnostics import CimcError, Diagnostic, Place, fail
from cimc.base.names import member_name
from cimc.base.npz import Damaged, Member, members_of, write_npz
from cimc.base.reading import open_regular
from cimc.isa.program import Program
from cimc.runtime.check_arrays import arrays_of
from cimc.runtime.machine import AnyArray

_KINDS = "biuf"
_HEADER_BYTES = 4096
_LARGEST_ENTRY = 8
_HELP = "use the folder as `cimc compile` wrote it, or compile the model again"


def weights_digest(arrays: Mapping[str, AnyArray]) -> str:
    """sha256, in hex, over names, types, shapes and values; the order of the mapping does not matter."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = _plain(arrays[name])
        shape = ",".join(map(str, array.shape))
        digest.update(f"{len(name.encode())}:{name}|{array.dtype.str}|{shape}|".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def named_arrays(program: Program) -> Mapping[str, int]:
    """The arrays that a program names, with the entries that each has at most."""
    sizes: dict[str, int] = {}
    for array in arrays_of(program):
        sizes[array.name] = max(math.prod(array.shape), sizes.get(array.name, 0))
    return sizes


def write_weights(arrays: Mapping[str, AnyArray], file: IO[bytes]) -> None:
    """Write arrays of numbers as an .npz."""
    plain = {name: _plain(arrays[name]) for name in sorted(arrays)}
    kinds = {name: array.dtype for name, array in plain.items() if array.dtype.kind not in _KINDS}
    assert not kinds, f"arrays of {kinds}"
    write_npz(file, plain, pack=True)


def read_weights(path: Path, program: Program) -> dict[str, AnyArray]:
    """The arrays of a program from its weights file.

    Nothing larger than the program says is unpacked. Raises CimcError where the file is broken or is another
    program's.
    """
    try:
        with open_regular(path) as stream, members_of(stream) as members:
            arrays = _read_members(members, path, named_arrays(program))
    except OSError as error:
        what = f"the weights file cannot be read: {error.strerror or error}"
        raise fail("package.file", what, Place(str(path)), _HELP) from error
    except Damaged as error:
        raise fail("package.file", f"the weights file is broken: {error}", Place(str(path)), _HELP) from error
    if weights_digest(arrays) != program.weights:
        what = f'the weights file does not belong to the program "{program.name}": its sha256 is not the program\'s'
        raise fail("package.weights", what, Place(str(path)), _HELP)
    return arrays


def _read_members(members: Mapping[str, Member], path: Path, sizes: Mapping[str, int]) -> dict[str, AnyArray]:
    there = {member_name(name): name for name in sizes}
    found = [
        Diagnostic("package.weights", f'array "{name}" is not named by the program', Place(str(path)), _HELP)
        for name in sorted(members.keys() - there.keys())
    ]
    found += [
        Diagnostic("package.weights", f'array "{name}", which the program names, is missing', Place(str(path)), _HELP)
        for member, name in sorted(there.items())
        if member not in members
    ]
    for member, name in sorted(there.items()):
        most = sizes[name] * _LARGEST_ENTRY + _HEADER_BYTES
        if member in members and members[member].file_size > most:
            size = members[member].file_size
            what = f'array "{name}" takes {size} bytes; {sizes[name]} entries take {most} at most'
            found.append(Diagnostic("package.weights", what, Place(str(path)), _HELP))
    if found:
        raise CimcError(found)
    return {name: _read_array(members[member], name) for member, name in sorted(there.items())}


def _read_array(member: Member, name: str) -> AnyArray:
    try:
        header = member.header()
        if header.dtype.kind not in _KINDS or header.fortran:
            raise Damaged("it is not as `cimc compile` writes it")
        return member.read()
    except Damaged as error:
        raise Damaged(f'array "{name}": {error}') from None


def _plain(array: AnyArray) -> AnyArray:
    """The same array, rows first and little-endian."""
    array = np.asarray(array, order="C")
    return array.astype(array.dtype.newbyteorder("<"), copy=False)
