"""Shapes of every tensor of an ONNX file whose weights are not needed: onnx's inference on the graph without data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import onnx.shape_inference
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper

from cimc.base.diagnostics import CimcError, Diagnostic, Place, fail
from cimc.frontends.foreign import ForeignError, foreign_apart
from cimc.frontends.graph_builder import INVALID, SMALL
from cimc.frontends.onnx_file import ModelLike, parse_model, place_of, prepare_model
from cimc.frontends.onnx_inputs import graph_inputs

Shapes = Mapping[str, tuple[int, ...]]

_OPERANDS = {
    "Conv": (0, 1),
    "ConvInteger": (0, 1),
    "Gemm": (0, 1),
    "MatMul": (0, 1),
    "MatMulInteger": (0, 1),
    "QGemm": (0, 3),
    "QLinearConv": (0, 3),
    "QLinearMatMul": (0, 3),
}
"""Operators with a matrix: which operands are the activation and the weight."""

_ALIKE: dict[str, tuple[str, tuple[int, ...]]] = {
    "BiasGelu": ("Identity", (0,)),
    "DequantizeLinear": ("Identity", (0,)),
    "FastGelu": ("Identity", (0,)),
    "Gelu": ("Identity", (0,)),
    "QGemm": ("Gemm", (0, 3)),
    "QLinearAdd": ("Add", (0, 3)),
    "QLinearAveragePool": ("AveragePool", (0,)),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", (0,)),
    "QLinearLeakyRelu": ("Identity", (0,)),
    "QLinearMul": ("Mul", (0, 3)),
    "QLinearSigmoid": ("Identity", (0,)),
    "QLinearSoftmax": ("Identity", (0,)),
    "QuantizeLinear": ("Identity", (0,)),
}
"""com.microsoft's operators, which onnx does not know: one of onnx's whose result has the same shape, its operands."""


def read_structure(source: ModelLike, bind: Mapping[str, int]) -> tuple[ModelProto, Shapes]:
    """The model without its weights' data, and the shape of every tensor that has a static one."""
    place, model = place_of(source), parse_model(source)
    for tensor in _tensors(model):
        _forget_data(tensor)
    model = prepare_model(model, None, place)
    inputs, wrong = graph_inputs(model, bind, place)
    if wrong:
        raise CimcError(wrong)
    bare = ModelProto(ir_version=max(model.ir_version, 4), opset_import=model.opset_import)
    bare.graph.name = model.graph.name or "network"
    bare.graph.output.extend(model.graph.output)
    for output in bare.graph.output:
        output.type.tensor_type.ClearField("shape")
    shapes = {tensor.name: tensor.shape for tensor in inputs}
    types = {info.name: info.type.tensor_type.elem_type for info in model.graph.input}
    for sparse in model.graph.sparse_initializer:
        shapes[sparse.values.name], types[sparse.values.name] = tuple(sparse.dims), sparse.values.data_type
    for tensor in model.graph.initializer:
        if has_data(tensor):
            bare.graph.initializer.append(tensor)
        else:
            shapes[tensor.name], types[tensor.name] = tuple(tensor.dims), tensor.data_type
    bare.graph.input.extend(helper.make_tensor_value_info(n, types[n], shape) for n, shape in shapes.items())
    bare.graph.node.extend(_understood(node) for node in model.graph.node)
    for tensor in model.graph.initializer:
        shapes[tensor.name] = tuple(tensor.dims)
    _check_order(model, set(shapes), place)
    return model, {**_inferred(bare, place), **shapes}


def weight_operand(node: NodeProto) -> tuple[int, int] | None:
    """(activation, weight): the operands of an operator that multiplies by a matrix, or None."""
    if node.domain not in ("", "com.microsoft"):
        return None
    return _OPERANDS.get(node.op_type)


def node_name(node: NodeProto, index: int) -> str:
    """The name of a node, or its operator and number."""
    return node.name or f"{node.op_type}_{index}"


def integers_of(node: NodeProto, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """An attribute of one or more integers."""
    for attribute in node.attribute:
        if attribute.name == name:
            return tuple(attribute.ints) if attribute.type == AttributeProto.INTS else (attribute.i,)
    return default


def _check_order(model: ModelProto, made: set[str], place: Place) -> None:
    """Every tensor is made once, before it is read; so no walk from a tensor to its makers can go round."""
    wrong = []
    for index, node in enumerate(model.graph.node):
        undefined = [name for name in node.input if name and name not in made]
        again = [name for name in node.output if name and name in made]
        if undefined or again:
            what = f'reads "{undefined[0]}", which nothing before it makes' if undefined else ""
            what = what or f'makes "{again[0]}", which is made already'
            where = Place(place.file, item=f'node "{node_name(node, index)}"')
            wrong.append(Diagnostic("onnx.invalid", f"{node.op_type} {what}", where, INVALID))
        made.update(node.output)
    if wrong:
        raise CimcError(wrong)


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                yield attribute.t


def _forget_data(tensor: TensorProto) -> None:
    """Drop the elements of a large tensor, and of every one that lies in another file."""
    external = tensor.data_location == TensorProto.EXTERNAL
    if external or math.prod(tensor.dims) > SMALL:
        bare = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
        tensor.CopyFrom(bare)


def has_data(tensor: TensorProto) -> bool:
    """Whether a tensor's elements are in the file."""
    return math.prod(tensor.dims) == 0 or any(
        (tensor.raw_data, tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data)
    )


def _understood(node: NodeProto) -> NodeProto:
    """A node that onnx's inference knows."""
    if node.domain != "com.microsoft":
        return node
    if node.op_type == "QLinearConcat":
        return _as(node, "Concat", tuple(range(2, len(node.input), 3)))
    operator, operands = _ALIKE.get(node.op_type, ("", ()))
    return _as(node, operator, operands) if operator else node


def _as(node: NodeProto, operator: str, operands: tuple[int, ...]) -> NodeProto:
    made = helper.make_node(operator, [node.input[i] for i in operands], node.output[:1], name=node.name)
    if operator != "Identity":
        made.attribute.extend(a for a in node.attribute if a.name not in ("channels_last", "alpha"))
    return made


def _with_shapes(model: ModelProto) -> bytes:
    known = onnx.shape_inference.infer_shapes(model, check_type=False, strict_mode=True, data_prop=True)
    return bytes(known.SerializeToString())


def _inferred(model: ModelProto, place: Place) -> dict[str, tuple[int, ...]]:
    try:
        known = ModelProto.FromString(foreign_apart(_with_shapes, model))
    except ForeignError as error:
        raise fail("onnx.shape", f"shapes do not fit: {error}", place, INVALID) from None
    shapes = {}
    for info in (*known.graph.value_info, *known.graph.output):
        dims = info.type.tensor_type.shape.dim
        if info.type.tensor_type.HasField("shape") and all(dim.dim_value > 0 for dim in dims):
            shapes[info.name] = tuple(dim.dim_value for dim in dims)
    return shapes
