"""ONNX files as bytes: read once, checked for size, external data brought in, functions inlined, tensors decoded."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx.helper
import onnx.inliner
import onnx.numpy_helper
import onnx.version_converter
from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    OperatorSetIdProto,
    SparseTensorProto,
    TensorProto,
)

from cimc.base.diagnostics import CimcError, Diagnostic, Place, fail
from cimc.base.reading import MODEL_LIMIT, open_regular, read_bytes
from cimc.frontends.foreign import ForeignError, foreign
from cimc.frontends.graph_builder import ELEMENTS_LIMIT
from cimc.ir.graph import Array

OLDEST_OPSET = 7
"""The oldest opset whose operators are translated as they are; models of before are converted to it."""
LONG_DOMAIN = "ai.onnx"
"""Another way to write onnx's own domain, ""."""
EXTERNAL_LIMIT = 1 << 34
"""Bytes of external weights in all (16 GiB)."""

ModelLike = str | os.PathLike[str] | bytes | ModelProto
"""The path of an ONNX file, its bytes, or a model in memory. The last two have no folder for external data."""


def read_model(model: ModelLike) -> ModelProto:
    """A model of its own, with external data in memory and functions inlined; CimcError(onnx.file) otherwise."""
    folder = Path(model).parent if isinstance(model, str | os.PathLike) else None
    return prepare_model(parse_model(model), folder, place_of(model))


def place_of(model: ModelLike) -> Place:
    """The file of a model, for messages; no place in memory."""
    return Place(file=os.fspath(model)) if isinstance(model, str | os.PathLike) else Place()


def parse_model(source: ModelLike) -> ModelProto:
    """The model as it stands in a file, or a copy of it; CimcError(onnx.file) where there is none."""
    place = place_of(source)
    if isinstance(source, ModelProto):
        copy = ModelProto()
        copy.CopyFrom(source)
        return copy
    if not isinstance(source, str | os.PathLike | bytes):
        what = f"the model is a {type(source).__name__}, not a network"
        raise fail("onnx.file", what, todo="give the path of an ONNX file, its bytes, or an onnx.ModelProto")
    try:
        data = source if isinstance(source, bytes) else read_bytes(source, MODEL_LIMIT - 1)
        model: ModelProto = foreign(ModelProto.FromString, data)
    except FileNotFoundError:
        raise fail("onnx.file", "there is no such file", place, "check the path") from None
    except IsADirectoryError:
        raise fail("onnx.file", "this is a folder, not an ONNX file", place, "name the .onnx file in it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise fail("onnx.file", f"the file cannot be read: {reason}", place) from None
    except ForeignError:
        todo = "it may be truncated, or another format; onnx.checker.check_model tells more"
        raise fail("onnx.file", "this is not an ONNX file", place, todo) from None
    return model


def prepare_model(model: ModelProto, folder: Path | None, place: Place) -> ModelProto:
    """A model ready to translate; `folder` is where its external data may lie (None: nowhere)."""
    if not model.opset_import or not (model.graph.node or model.graph.output):
        todo = "an ONNX file has an opset_import and a graph; was this one written completely?"
        raise fail("onnx.file", "this is not an ONNX file: it holds no graph", place, todo)
    if any(isinstance(name, bytes) for name in _names(model)):
        raise fail("onnx.file", "the file holds names that are no text", place, "it is damaged; export it again")
    model = _with_plain_domains(model)
    opset, newest = opset_of(model), onnx.defs.onnx_opset_version()
    if opset > newest:
        what = f"the model uses opset {opset}; this onnx package knows opsets up to {newest}"
        raise fail("onnx.file", what, place, "install a newer onnx package, or export with an older opset")
    if 0 < opset < OLDEST_OPSET:
        model = _upgraded(model, opset, place)
    if model.functions:
        model = _inlined(model, place)
    external = any(tensor.data_location == TensorProto.EXTERNAL for tensor in _tensors(model.graph))
    return _with_external_data(model, folder, place) if external else model


def opset_of(model: ModelProto, domain: str = "") -> int:
    """The opset of a domain, 0 where the model does not import it."""
    return max((entry.version for entry in model.opset_import if entry.domain == domain), default=0)


def array_of(tensor: TensorProto, name: str) -> Array:
    """The elements of a tensor; CimcError(onnx.file) where its bytes do not fit its shape."""
    try:
        if any(dim < 0 for dim in tensor.dims):
            raise ForeignError(f"shape {tuple(tensor.dims)}")
        return np.asarray(foreign(onnx.numpy_helper.to_array, tensor))
    except (ForeignError, MemoryError) as error:
        raise fail("onnx.file", f'the tensor "{name}" is damaged: {error}', Place(item=name)) from None


def dense_of(sparse: SparseTensorProto) -> Array:
    """A sparse tensor written out. indices are linear, (n,), or one row of coordinates for each value, (n, rank)."""
    name = sparse.values.name
    values, indices = array_of(sparse.values, name), array_of(sparse.indices, name)
    shape = tuple(sparse.dims)
    if math.prod(shape) > ELEMENTS_LIMIT:
        raise fail("onnx.shape", f'the sparse tensor "{name}" has more than 2^28 elements', Place(item=name))
    try:
        dense = np.zeros(shape, values.dtype)
        if indices.ndim == 1:
            dense.reshape(-1)[indices] = values
        else:
            dense[tuple(indices.T)] = values
    except (IndexError, ValueError, MemoryError) as error:
        raise fail("onnx.file", f'the sparse tensor "{name}" is damaged: {error}', Place(item=name)) from None
    return dense


def _upgraded(model: ModelProto, opset: int, place: Place) -> ModelProto:
    """A model of before opset 7, where broadcasting had other rules, converted to it."""
    try:
        return foreign(onnx.version_converter.convert_version, model, OLDEST_OPSET)
    except ForeignError as error:
        what = f"the model uses opset {opset} and cannot be converted to {OLDEST_OPSET}: {error}"
        raise fail("onnx.file", what, place, "export it again with a newer opset") from None


def _inlined(model: ModelProto, place: Place) -> ModelProto:
    try:
        return foreign(onnx.inliner.inline_local_functions, model)
    except ForeignError as error:
        raise fail("onnx.file", f"the model's functions cannot be inlined: {error}", place) from None


def _names(model: ModelProto) -> Iterator[object]:
    """Every name in the model; protobuf gives those that are no UTF-8 as bytes."""
    graph = model.graph
    yield from (graph.name, *(entry.domain for entry in model.opset_import))
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
    yield from (tensor.name for tensor in graph.initializer)
    yield from (sparse.values.name for sparse in graph.sparse_initializer)
    for info in (*graph.input, *graph.output):
        yield info.name
        yield from (dim.dim_param for dim in info.type.tensor_type.shape.dim)


def _graphs(graph: GraphProto | FunctionProto) -> Iterator[GraphProto | FunctionProto]:
    """The graph, or function, and all subgraphs in it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for subgraph in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _graphs(subgraph)


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every dense tensor held by the graph and its subgraphs."""
    for one in _graphs(graph):
        yield from one.initializer if isinstance(one, GraphProto) else ()
        for attribute in (attribute for node in one.node for attribute in node.attribute):
            yield from ([attribute.t] if attribute.type == AttributeProto.TENSOR else attribute.tensors)


def _domain_holders(model: ModelProto) -> Iterator[OperatorSetIdProto | NodeProto | FunctionProto]:
    """Everything in a model that has a domain: opset imports, functions, nodes."""
    yield from model.opset_import
    for function in model.functions:
        yield function
        yield from function.opset_import
    for graph in (*model.functions, model.graph):
        yield from (node for one in _graphs(graph) for node in one.node)


def _with_plain_domains(model: ModelProto) -> ModelProto:
    """The model with onnx's own domain written "" everywhere; a copy, where it is written in the long way."""
    if LONG_DOMAIN not in {holder.domain for holder in _domain_holders(model)}:
        return model
    plain = ModelProto()
    plain.CopyFrom(model)
    for holder in _domain_holders(plain):
        if holder.domain == LONG_DOMAIN:
            holder.domain = ""
    return plain


class _Outside(Exception):
    """What is wrong with the external data of a tensor."""


def _with_external_data(model: ModelProto, folder: Path | None, place: Place) -> ModelProto:
    """A copy of the model with every external tensor in memory: only the bytes that it declares, and only from regular
    files in the folder (None: from nowhere)."""
    loaded = ModelProto()
    loaded.CopyFrom(model)
    wrong: list[Diagnostic] = []
    total = 0
    for tensor in _tensors(loaded.graph):
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
