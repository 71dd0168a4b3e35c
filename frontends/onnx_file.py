"""ONNX files as bytes: read once, checked for size, external data brought in, functions inlined, tensors decoded."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx.inliner
import onnx.numpy_helper
import onnx.version_converter
from onnx import AttributeProto, GraphProto, ModelProto, SparseTensorProto, TensorProto

from cimc.base.diagnostics import CimcError, Diagnostic, Place, fail
from cimc.frontends.foreign import ForeignError, foreign
from cimc.frontends.graph_builder import ELEMENTS_LIMIT
from cimc.frontends.onnx_names import with_plain_domains
from cimc.ir.graph import Array

FILE_LIMIT = 1 << 31
"""Bytes of an .onnx file: protobuf itself cannot hold more."""

EXTERNAL_LIMIT = 1 << 34
"""Bytes of external weights in all (16 GiB)."""

OLDEST_OPSET = 7
"""The oldest opset whose operators are translated as they are; models of before are converted to it."""


def read_model(path: str | os.PathLike[str]) -> ModelProto:
    """The model in a file, with external data in memory and functions inlined; CimcError(onnx.file) otherwise."""
    return prepare_model(parse_model(path), Path(path).parent, Place(file=str(path)))


def parse_model(path: str | os.PathLike[str]) -> ModelProto:
    """The model in a file as it stands there; CimcError(onnx.file) where there is none."""
    file = Path(path)
    place = Place(file=str(file))
    try:
        size = file.stat().st_size
        if file.is_dir():
            raise fail("onnx.file", "this is a folder, not an ONNX file", place, "name the .onnx file in it")
        if size >= FILE_LIMIT:
            raise fail("onnx.file", f"the file holds {size} bytes, more than protobuf's 2 GiB", place)
        data = file.read_bytes()
    except FileNotFoundError:
        raise fail("onnx.file", "there is no such file", place, "check the path") from None
    except (OSError, ValueError) as error:
        raise fail("onnx.file", f"the file cannot be read: {error}", place) from None
    try:
        model: ModelProto = foreign(ModelProto.FromString, data)
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
    model = with_plain_domains(model)
    opset, newest = opset_of(model), onnx.defs.onnx_opset_version()
    if opset > newest:
        what = f"the model uses opset {opset}; this onnx package knows opsets up to {newest}"
        raise fail("onnx.file", what, place, "install a newer onnx package, or export with an older opset")
    if 0 < opset < OLDEST_OPSET:
        model = _upgraded(model, opset, place)
    if model.functions:
        model = _inlined(model, place)
    tensors = [tensor for tensor in _tensors(model.graph) if tensor.data_location == TensorProto.EXTERNAL]
    if tensors:
        model = _with_external_data(model, folder, place)
    return model


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


def _tensors(graph: GraphProto) -> list[TensorProto]:
    """Every dense tensor held by the graph and its subgraphs."""
    found = list(graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                found.append(attribute.t)
            found += attribute.tensors
            for subgraph in (attribute.g, *attribute.graphs) if attribute.type >= AttributeProto.GRAPH else ():
                found += _tensors(subgraph)
    return found


def _with_external_data(model: ModelProto, folder: Path | None, place: Place) -> ModelProto:
    """A copy of the model with every external tensor in memory; each file is read once."""
    loaded = ModelProto()
    loaded.CopyFrom(model)
    wrong: list[Diagnostic] = []
    total, files = 0, dict[str, bytes]()
    for tensor in _tensors(loaded.graph):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        where = Place(file=place.file, item=f'tensor "{tensor.name}"')
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        if location not in files:
            problem, data = _external_file(folder, location, EXTERNAL_LIMIT - total)
            if problem:
                wrong.append(Diagnostic("onnx.file", problem, where, "keep the weights file beside the .onnx file"))
                continue
            files[location] = data
            total += len(data)
        data = files[location]
        try:
            offset = int(entries.get("offset", "0"))
            length = int(entries.get("length", str(len(data) - offset)))
        except ValueError:
            offset, length = 0, -1
        if offset < 0 or length < 0 or offset + length > len(data):
            what = f'bytes {entries.get("offset", "0")} + {entries.get("length", "?")} lie outside "{location}"'
            wrong.append(Diagnostic("onnx.file", f"{what}, which holds {len(data)}", where, "was it cut short?"))
            continue
        tensor.raw_data = data[offset : offset + length]
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]
    if wrong:
        raise CimcError(wrong)
    return loaded


def _external_file(folder: Path | None, location: str, limit: int) -> tuple[str, bytes]:
    """What is wrong with an external file, or its bytes. It must lie in the model's own folder."""
    if folder is None:
        return f'the weights lie in "{location}", but a model given as an object has no folder', b""
    if not location or "\0" in location:
        return "the external data has no location", b""
    base = folder.resolve()
    file = (base / location).resolve()
    if not file.is_relative_to(base):
        return f'the external data "{location}" lies outside the model\'s folder', b""
    try:
        size = file.stat().st_size
        if size > limit:
            return f'the external data "{location}" holds {size} bytes; more than 16 GiB in all is refused', b""
        return "", file.read_bytes()
    except OSError as error:
        return f'the external data "{location}" cannot be read: {error.strerror}', b""
