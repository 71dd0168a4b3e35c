"""The weights file of a program: arrays by name in a NumPy .npz, the same bytes for the same arrays."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO

import numpy as np

from cimc.base.diagnostics import CimcError, Diagnostic, Place, fail
from cimc.isa.program import Program
from cimc.runtime.machine import AnyArray

_DATE = (1980, 1, 1, 0, 0, 0)
_KINDS = "biuf"
_HEADER_BYTES = 4096
_LARGEST_ENTRY = 8
_TODO = "use the folder as `cimc compile` wrote it, or compile the model again"


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

    def add(name: str, entries: int) -> None:
        sizes[name] = max(entries, sizes.get(name, 0))

    rings = {(tile.number, ring.name): ring for tile in program.tiles for ring in tile.rings}
    for plug in program.inputs + program.outputs:
        maps = [rings[ref.tile, ref.ring] for ref in plug.rings if (ref.tile, ref.ring) in rings]
        words = sum(ring.height * ring.width * ring.channels for ring in maps)
        elements = 1
        for size in plug.shape:
            elements *= size
        add(plug.index, words if plug in program.inputs else elements)
    for tile in program.tiles:
        for scale in tile.scales:
            add(scale.array, scale.rows * scale.entries)
        for vector in tile.vectors:
            add(vector.array, vector.entries)
        for table in tile.tables:
            add(table.array, table.entries)
        for core in tile.cores:
            for matrix in core.matrices:
                add(matrix.array, matrix.rows * matrix.columns)
    return MappingProxyType(sizes)


def write_weights(arrays: Mapping[str, AnyArray], file: IO[bytes]) -> None:
    """Write arrays of numbers as an .npz."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            array = _plain(arrays[name])
            assert array.dtype.kind in _KINDS, f"array {name} is of {array.dtype}"
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, member.getvalue())


def read_weights(path: Path, program: Program) -> dict[str, AnyArray]:
    """The arrays of a program from its weights file.

    Nothing larger than the program says is unpacked. Raises CimcError where the file is broken or is another
    program's.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = _read_members(archive, path, named_arrays(program))
    except OSError as error:
        what = f"the weights file cannot be read: {error.strerror or error}"
        raise fail("package.file", what, Place(str(path)), _TODO) from error
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise fail("package.file", f"the weights file is broken: {error}", Place(str(path)), _TODO) from error
    if weights_digest(arrays) != program.weights:
        what = f'the weights file does not belong to the program "{program.name}": its sha256 is not the program\'s'
        raise fail("package.weights", what, Place(str(path)), _TODO)
    return arrays


def _read_members(archive: zipfile.ZipFile, path: Path, sizes: Mapping[str, int]) -> dict[str, AnyArray]:
    infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    found = [
        Diagnostic("package.weights", f'array "{name}" is not named by the program', Place(str(path)), _TODO)
        for name in sorted(infos.keys() - sizes.keys())
    ]
    found += [
        Diagnostic("package.weights", f'array "{name}", which the program names, is missing', Place(str(path)), _TODO)
        for name in sorted(sizes.keys() - infos.keys())
    ]
    for name in sorted(infos.keys() & sizes.keys()):
        most = sizes[name] * _LARGEST_ENTRY + _HEADER_BYTES
        if infos[name].file_size > most:
            what = f'array "{name}" takes {infos[name].file_size} bytes; {sizes[name]} entries take {most} at most'
            found.append(Diagnostic("package.weights", what, Place(str(path)), _TODO))
    if found:
        raise CimcError(found)
    return {name: _read_array(archive.read(info), name) for name, info in sorted(infos.items())}


def _read_array(data: bytes, name: str) -> AnyArray:
    """An array from the bytes of an .npy file; its header may not promise more than follows."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(stream)
    count = 1
    for size in shape:
        count *= size
    if dtype.kind not in _KINDS or fortran or count * dtype.itemsize != len(data) - stream.tell():
        raise ValueError(f'array "{name}" is not what its header says')
    return np.frombuffer(data, dtype, count, stream.tell()).reshape(shape)


def _plain(array: AnyArray) -> AnyArray:
    """The same array, rows first and little-endian."""
    array = np.asarray(array, order="C")
    return array.astype(array.dtype.newbyteorder("<"), copy=False)
