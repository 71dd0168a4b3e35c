"""The Graph of an ONNX file without its weights: numbers that are not there, or too many to read, stand in as ones.

Shapes and operations are those of the file; small constants (axes, shapes, biases, scales) keep their values.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np
from onnx import ModelProto
from onnx.helper import tensor_dtype_to_np_dtype

from cimc.base.diagnostics import fail
from cimc.frontends.graph_builder import ELEMENTS_LIMIT, SMALL
from cimc.frontends.onnx_fold import FOLDABLE
from cimc.frontends.onnx_loader import load_onnx
from cimc.frontends.structure_shapes import Shapes, has_data
from cimc.ir.graph import Array, Graph


def load_outline(model: ModelProto, bind: Mapping[str, int], shapes: Shapes, constants: Collection[str]) -> Graph:
    """The Graph of a model as read_structure gives it. constants: its tensors that do not depend on an input.

    Arrays that stand in take no memory, whatever their shape. Raises CimcError for what cannot be translated.
    """
    return load_onnx(model, bind, _stand_ins(model, shapes, constants))


def _stand_ins(model: ModelProto, shapes: Shapes, constants: Collection[str]) -> dict[str, Array]:
    """Ones for weights without data, for weights that are inputs, and for large constants that nodes compute."""
    types = {info.name: info.type.tensor_type.elem_type for info in model.graph.input}
    found: dict[str, Array] = {}
    held: set[str] = set()
    for tensor in model.graph.initializer:
        types[tensor.name] = tensor.data_type
        held.add(tensor.name)
        if not has_data(tensor):
            found[tensor.name] = _ones(tuple(tensor.dims), tensor.data_type)
    for info in model.graph.input:
        if info.name in constants and info.name in shapes and info.name not in held:
            found[info.name] = _ones(shapes[info.name], types[info.name])
    for sparse in model.graph.sparse_initializer:
        found[sparse.values.name] = _ones(tuple(sparse.dims), sparse.values.data_type)
    for node in model.graph.node:
        large = any(math.prod(shapes.get(name, ())) > SMALL for name in node.output)
        if large and node.op_type in FOLDABLE | {"Constant"} and all(name in constants for name in node.output):
            kind = next((types[name] for name in node.input if name in types and name in found), 1)
            found.update((name, _ones(shapes[name], kind)) for name in node.output if name in shapes)
            types.update((name, kind) for name in node.output)
    return found


def _ones(shape: tuple[int, ...], kind: int) -> Array:
    """Ones of one of onnx's types. Floats are float32, as everywhere in a Graph. Raises CimcError (onnx.invalid) for
    a shape that no constant can have."""
    if min(shape, default=0) < 0 or math.prod(shape) > ELEMENTS_LIMIT * 16:
        raise fail("onnx.invalid", f"a constant of shape {shape} is none that a network can have")
    dtype = np.dtype(tensor_dtype_to_np_dtype(kind))
    if dtype.kind not in "iub":
        dtype = np.dtype(np.float32)
    return np.broadcast_to(np.ones((), dtype), shape)
