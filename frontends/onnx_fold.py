"""What onnx itself computes: nodes on constants alone, and the shapes of what a rejected node would make."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import onnx.defs
import onnx.shape_inference
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto
from onnx.helper import (
    get_attribute_value,
    make_graph,
    make_model,
    make_opsetid,
    make_tensor_type_proto,
    np_dtype_to_tensor_dtype,
    tensor_dtype_to_np_dtype,
)
from onnx.numpy_helper import from_array
from onnx.reference import ReferenceEvaluator

from cimc.frontends.foreign import ForeignError, foreign
from cimc.frontends.graph_builder import ELEMENTS_LIMIT, SMALL, GraphBuilder, Unsupported
from cimc.frontends.onnx_file import array_of, dense_of, opset_of
from cimc.ir.graph import Array, Tensor

_FOLDABLE = """
    Abs Add And Cast CastLike Ceil Compress Concat ConstantOfShape CumSum Div Equal Exp Expand EyeLike Flatten Floor
    Gather GatherElements GatherND Greater GreaterOrEqual Identity IsInf IsNaN Less LessOrEqual Log Max Min Mod Mul Neg
    NonZero Not OneHot Or Pad Pow Range Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Reshape Round
    ScatterElements ScatterND Shape Sign Size Slice Split Sqrt Squeeze Sub Sum Tile Transpose Trilu Unsqueeze Where
    Xor"""

FOLDABLE = frozenset(_FOLDABLE.split())
"""Operators that are computed at once where all their operands are constants."""


_BROADCASTING = frozenset(("Where", "Add", "Sub", "Mul", "Div", "Mod", "Pow", "Max", "Min", "Sum", "And", "Or", "Xor"))
_BROADCASTING |= frozenset(("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"))


def constant_value(node: NodeProto) -> Array:
    """The value of a Constant node, in whichever attribute it lies."""
    for attribute in node.attribute:
        name = node.output[0]
        if attribute.name == "value" and attribute.type == AttributeProto.TENSOR:
            return array_of(attribute.t, name)
        if attribute.name == "sparse_value":
            return dense_of(attribute.sparse_tensor)
        if attribute.name in ("value_float", "value_floats", "value_int", "value_ints"):
            kind = np.float32 if "float" in attribute.name else np.int64
            return np.asarray(get_attribute_value(attribute), kind)
    raise Unsupported("a Constant without a numeric value")


def shape_value(node: NodeProto, shape: tuple[int, ...]) -> Array:
    """Shape (from `start` to `end`, opset 15) or Size of a tensor of static shape."""
    if node.op_type == "Size":
        return np.asarray(math.prod(shape), np.int64)
    bounds = {attribute.name: attribute.i for attribute in node.attribute}
    return np.asarray(shape[slice(bounds.get("start"), bounds.get("end"))], np.int64)


def folded(node: NodeProto, operands: list[Array | None], model: ModelProto) -> list[Array]:
    """The results of a node on constant operands (None: not given), by onnx's reference evaluator."""
    _check_size(node, operands)
    feeds = {name: value for name, value in zip(node.input, operands, strict=True) if value is not None}
    graph = make_graph([node], "fold", [], [])
    graph.input.extend(ValueInfoProto(name=name) for name in feeds)
    graph.output.extend(ValueInfoProto(name=name) for name in node.output if name)
    opsets = [make_opsetid(entry.domain, entry.version) for entry in model.opset_import]
    try:
        with np.errstate(all="ignore"):
            evaluator = foreign(ReferenceEvaluator, make_model(graph, opset_imports=opsets))
            results = foreign(evaluator.run, None, feeds)
    except (ForeignError, MemoryError) as error:
        raise Unsupported(f"it cannot be computed from its constants: {error}") from None
    assert isinstance(results, list), type(results)
    return [np.asarray(result) for result in results]


def _check_size(node: NodeProto, operands: list[Array | None]) -> None:
    """Refuses what would fill the memory: operators whose result's size is a number in the file."""
    value = operands[0] if operands else None
    if value is None:
        return
    second = operands[1] if len(operands) > 1 else None
    elements = 0.0
    if node.op_type == "ConstantOfShape":
        elements = _product(value)
    elif node.op_type == "Expand" and second is not None:
        elements = _product(second) * max(value.size, 1)
    elif node.op_type == "Tile" and second is not None:
        elements = _product(second) * value.size
    elif node.op_type == "Range" and second is not None and operands[2] is not None:
        step = float(operands[2].reshape(-1)[0]) if operands[2].size else 0.0
        elements = abs(float(second.reshape(-1)[0]) - float(value.reshape(-1)[0])) / abs(step) if step else math.inf
    elif node.op_type == "Pad" and second is not None:
        elements = _product(np.asarray(value.shape) + np.abs(second).sum())
    elif node.op_type == "OneHot" and second is not None:
        elements = value.size * float(second.reshape(-1)[0])
    elif node.op_type == "Gather" and second is not None and value.ndim:
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
        elements = second.size * value.size / max(1, value.shape[axis % value.ndim])
    elif node.op_type in _BROADCASTING:
        ranks = max(operand.ndim for operand in operands if operand is not None)
        shapes = [(1,) * (ranks - operand.ndim) + operand.shape for operand in operands if operand is not None]
        elements = math.prod(float(max(dims)) for dims in zip(*shapes, strict=True))
    if not elements <= ELEMENTS_LIMIT:
        raise Unsupported(f"its result would have {elements:.3g} elements", "onnx.shape")


def _product(array: Array) -> float:
    return math.prod(float(value) for value in array.reshape(-1))


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
