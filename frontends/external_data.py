"""Weights beside an .onnx file: only the bytes that a tensor declares, and only from regular files in its folder."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import onnx.helper
from onnx import GraphProto, ModelProto, TensorProto

from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.base.reading import open_regular

EXTERNAL_LIMIT = 1 << 34
"""Bytes of external weights in all (16 GiB)."""


class _Outside(Exception):
    """What is wrong with the external data of a tensor."""


def with_external_data(
    model: ModelProto, tensors: Callable[[GraphProto], list[TensorProto]], folder: Path | None, place: Place
) -> ModelProto:
    """A copy of the model with every external tensor in memory. tensors: lists all of a graph; folder: where their
    files may lie (None: nowhere)."""
    loaded = ModelProto()
    loaded.CopyFrom(model)
    wrong: list[Diagnostic] = []
    total = 0
    for tensor in tensors(loaded.graph):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        where = Place(file=place.file, item=f'tensor "{tensor.name}"')
        entries = {entry.key: entry.value for entry in tensor.external_data}
        try:
            data = _external_data(folder, entries, tensor, EXTERNAL_LIMIT - total)
        except _Outside as error:
            wrong.append(
                Diagnostic("onnx.file", str(error), where, "keep the whole weights file beside the .onnx file")
            )
            continue
        total += len(data)
        tensor.raw_data = data
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]
    if wrong:
        raise CimcError(wrong)
    return loaded


def _external_data(folder: Path | None, entries: Mapping[str, str], tensor: TensorProto, limit: int) -> bytes:
    """The bytes of an external tensor; _Outside where they are not in the model's own folder, or not as declared."""
    location = entries.get("location", "")
    if folder is None:
        raise _Outside(f'the weights lie in "{location}", but a model given as an object has no folder')
    if not location or "\0" in location:
        raise _Outside("the external data has no location")
    try:
        base = Path(os.path.realpath(folder))
        file = Path(os.path.realpath(base / location))
        if not file.is_relative_to(base):
            raise _Outside(f'the external data "{location}" lies outside the model\'s folder')
        with open_regular(file) as stream:
            size = os.fstat(stream.fileno()).st_size
            offset, length = _extent(entries, size)
            if offset < 0 or length < 0 or offset + length > size:
                what = f'bytes {entries.get("offset", "0")} + {entries.get("length", "?")} lie outside "{location}"'
                raise _Outside(f"{what}, which holds {size}")
            if length > min(most := _most_bytes(tensor), limit):
                what = f'{length} bytes of "{location}" are declared; the shape takes {most} at most'
                raise _Outside(what if length > most else f"{what}, and 16 GiB in all are the most that is read")
            stream.seek(offset)
            return stream.read(length)
    except OSError as error:
        raise _Outside(f'the external data "{location}" cannot be read: {error.strerror}') from None


def _extent(entries: Mapping[str, str], size: int) -> tuple[int, int]:
    """(offset, length) of external data in a file of so many bytes; a length below 0 where they are no numbers."""
    try:
        offset = int(entries.get("offset", "0"))
        return offset, int(entries.get("length", str(size - offset)))
    except ValueError:
        return 0, -1


def _most_bytes(tensor: TensorProto) -> int:
    """Bytes that a tensor's elements take at most; those of less than a byte may be packed."""
    try:
        itemsize = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except KeyError:
        return 0  # no type that there is
    return int(max(0, math.prod(tensor.dims)) * itemsize)
