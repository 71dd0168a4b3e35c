"""What onnx's own shape inference knows of a rejected node's results, so that the check can go on behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import onnx.defs
import onnx.shape_inference
from onnx import ModelProto, NodeProto, TensorProto, TypeProto
from onnx.helper import make_tensor_type_proto, np_dtype_to_tensor_dtype, tensor_dtype_to_np_dtype
from onnx.numpy_helper import from_array

from cimc.frontends.foreign import ForeignError, foreign
from cimc.frontends.graph_builder import ELEMENTS_LIMIT, SMALL, GraphBuilder
from cimc.frontends.onnx_file import opset_of
from cimc.ir.graph import Tensor


def stand_ins(proto: NodeProto, model: ModelProto, values: Mapping[str, str], build: GraphBuilder) -> dict[str, Tensor]:
    """A tensor for each result whose shape is found; none where nothing is known."""
    opset = opset_of(model, proto.domain)
    if not onnx.defs.has(proto.op_type, opset, proto.domain):
        return {}
    schema = onnx.defs.get_schema(proto.op_type, opset, proto.domain)
    types: dict[str, TypeProto] = {}
    data: dict[str, TensorProto] = {}
    for name in proto.input:
        if name and name not in values:
            return {}
        if name:
            tensor = build.tensors[values[name]]
            types[name] = make_tensor_type_proto(np_dtype_to_tensor_dtype(np.dtype(tensor.dtype)), tensor.shape)
            array = build.constants.get(values[name])
            if array is not None and array.size <= SMALL:
                data[name] = from_array(array, name)
    try:
        found = foreign(
            onnx.shape_inference.infer_node_outputs,
            schema, proto, types, data, opset_imports=list(model.opset_import), ir_version=model.ir_version,
        )  # fmt: skip
    except ForeignError:
        return {}
    results = {}
    for name, kind in found.items():
        dims = kind.tensor_type.shape.dim
        if kind.tensor_type.HasField("shape") and all(dim.dim_value > 0 for dim in dims):
            shape = tuple(int(dim.dim_value) for dim in dims)
            if math.prod(shape) > ELEMENTS_LIMIT:
                continue
            dtype = np.dtype(tensor_dtype_to_np_dtype(kind.tensor_type.elem_type)).name
            results[name] = Tensor(name, shape, dtype)
    return results
