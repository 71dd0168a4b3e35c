"""Changes of a model's graph: its nodes, names, attributes, inputs, outputs and versions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from tests.fuzz.draw import Draw
from tests.fuzz.values import FLOATS, INTS, NAMES

Change = Callable[[Draw, ModelProto], None]
OPERATORS = (
    "Conv", "Gemm", "MatMul", "Relu", "Add", "Sub", "Mul", "Div", "MaxPool", "AveragePool", "GlobalAveragePool",
    "Concat", "Flatten", "Reshape", "Transpose", "Softmax", "Sigmoid", "Clip", "Pad", "Slice", "Split", "Identity",
    "Cast", "BatchNormalization", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv",
    "MatMulInteger", "ReduceMean", "Squeeze", "Unsqueeze", "Gather", "Expand", "Resize", "Shape", "Constant", "Dropout",
    "If", "Loop", "LSTM", "Einsum", "Where", "Pow", "Sqrt", "Erf", "LayerNormalization", "PRelu", "DepthToSpace",
    "Upsample", "Sum", "Max", "Bogus",
)  # fmt: skip
ATTRIBUTES = (
    "kernel_shape", "pads", "strides", "dilations", "group", "auto_pad", "axis", "axes", "perm", "alpha", "beta",
    "transA", "transB", "epsilon", "ceil_mode", "count_include_pad", "keepdims", "to", "value", "mode", "allowzero",
    "block_size", "num_outputs", "block_size", "storage_order", "momentum", "training_mode", "broadcast", "noop",
    "body",
)  # fmt: skip
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "custom", "\0", "ai.onnx.training")


def _names(model: ModelProto) -> list[str]:
    """Every tensor that the graph names."""
    graph = model.graph
    found = [value.name for value in graph.input] + [tensor.name for tensor in graph.initializer]
    return found + [name for node in graph.node for name in node.output] or ["x"]


def _node(draw: Draw, model: ModelProto) -> NodeProto:
    """A node of the graph; a new one where there is none."""
    node: NodeProto = draw.choice(model.graph.node) if model.graph.node else model.graph.node.add(op_type="Relu")
    return node


def _name(draw: Draw, model: ModelProto) -> str:
    return draw.choice(_names(model)) if draw.random() < 0.6 else draw.choice(NAMES)


def delete_node(draw: Draw, model: ModelProto) -> None:
    model.graph.node.remove(_node(draw, model))


def duplicate_node(draw: Draw, model: ModelProto) -> None:
    node = NodeProto()
    node.CopyFrom(_node(draw, model))
    if draw.random() < 0.5:
        node.output[:] = [f"{name}_again" for name in node.output]
    model.graph.node.insert(draw.randrange(len(model.graph.node) + 1), node)


def swap_nodes(draw: Draw, model: ModelProto) -> None:
    a, b = _node(draw, model), _node(draw, model)
    kept = NodeProto()
    kept.CopyFrom(a)
    a.CopyFrom(b)
    b.CopyFrom(kept)


def other_operand(draw: Draw, model: ModelProto) -> None:
    node = _node(draw, model)
    match draw.randrange(4):
        case 0:
            node.input.append(_name(draw, model))
        case 1 if node.input:
            del node.input[draw.randrange(len(node.input))]
        case _ if node.input:
            node.input[draw.randrange(len(node.input))] = _name(draw, model)


def other_result(draw: Draw, model: ModelProto) -> None:
    node = _node(draw, model)
    if node.output and draw.random() < 0.7:
        node.output[draw.randrange(len(node.output))] = _name(draw, model)
    else:
        node.output.append(_name(draw, model))


def other_operator(draw: Draw, model: ModelProto) -> None:
    _node(draw, model).op_type = draw.choice((*OPERATORS, *NAMES[:8]))


def insert_node(draw: Draw, model: ModelProto) -> None:
    """A node between a node and what it reads."""
    node = _node(draw, model)
    if not node.input:
        return
    at = draw.randrange(len(node.input))
    made = helper.make_node(draw.choice(OPERATORS), [node.input[at]], [f"inserted{len(model.graph.node)}"])
    if draw.random() < 0.5:
        made.input.append(_name(draw, model))
    if draw.random() < 0.5:
        made.attribute.append(_attribute(draw))
    index = list(model.graph.node).index(node)
    node.input[at] = made.output[0]
    model.graph.node.insert(index, made)


def _attribute(draw: Draw) -> AttributeProto:
    name = draw.choice((*ATTRIBUTES, *NAMES[:6]))
    match draw.randrange(6):
        case 0:
            return helper.make_attribute(name, draw.choice(FLOATS))
        case 1:
            return helper.make_attribute(name, draw.choice(NAMES[1:]).encode("utf-8", "replace"))
        case 2:
            values = [draw.choice(INTS) for _ in range(draw.randint(1, 6))]
            return helper.make_attribute(name, values)
        case 3:
            shape: tuple[int, ...] = draw.choice(((), (1,), (2, 2), (0,)))
            values_of = [1.5] * math.prod(shape)
            return helper.make_attribute(name, helper.make_tensor("", TensorProto.FLOAT, shape, values_of))
        case 4:
            relu = helper.make_node("Relu", ["x"], ["y"])
            out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
            return helper.make_attribute(name, helper.make_graph([relu], "sub", [], [out]))
        case _:
            return helper.make_attribute(name, draw.choice(INTS))


def other_attribute(draw: Draw, model: ModelProto) -> None:
    """A new attribute, one less, or an extreme value of one that is there."""
    node = _node(draw, model)
    if not node.attribute or draw.random() < 0.25:
        node.attribute.append(_attribute(draw))
        return
    old = draw.choice(node.attribute)
    match draw.randrange(8):
        case 0:
            node.attribute.remove(old)
        case 1:
            name = old.name
            old.CopyFrom(_attribute(draw))
            old.name = name
        case 2:
            old.type = draw.choice(AttributeProto.AttributeType.values())
        case _ if old.ints:
            change = draw.choice((0, 1, 2))
            if change == 0:
                old.ints.append(draw.choice(INTS))
            elif change == 1:
                del old.ints[-1]
            else:
                at = draw.randrange(len(old.ints))
                old.ints[at] = draw.choice(INTS) if draw.random() < 0.5 else old.ints[at] + draw.choice((-2, -1, 1, 2))
        case _ if old.type == AttributeProto.INT:
            old.i = draw.choice(INTS)
        case _ if old.type == AttributeProto.FLOAT:
            old.f = draw.choice([value for value in FLOATS if abs(value) < 3.5e38 or value != value])
        case _ if old.type == AttributeProto.STRING:
            old.s = draw.choice((b"SAME_UPPER", b"SAME_LOWER", b"VALID", b"NOTSET", b"", b"\xff\xfe", b"constant"))


def rename(draw: Draw, model: ModelProto) -> None:
    """A tensor with another name, everywhere or in one place; or a node, the graph or a dimension."""
    graph = model.graph
    new = draw.choice(NAMES).replace("\ud7ff", "?")
    match draw.randrange(6):
        case 0:
            _node(draw, model).name = new
        case 1:
            graph.name = new
        case 2 if graph.input and graph.input[0].type.tensor_type.shape.dim:
            draw.choice(draw.choice(graph.input).type.tensor_type.shape.dim or [_dim()]).dim_param = new
        case 3 if len(graph.node) > 1:
            _node(draw, model).name = _node(draw, model).name
        case _:
            old = draw.choice(_names(model))
            for node in graph.node:
                node.input[:] = [new if name == old else name for name in node.input]
                node.output[:] = [new if name == old else name for name in node.output]
            for named in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
                if named.name == old:
                    named.name = new


def _dim() -> object:
    return ValueInfoProto().type.tensor_type.shape.dim.add()


def _values(draw: Draw, model: ModelProto) -> Iterator[ValueInfoProto]:
    """An input or an output, if there is one."""
    values = (*model.graph.input, *model.graph.output)
    if values:
        yield draw.choice(values)


def other_shape(draw: Draw, model: ModelProto) -> None:
    for value in _values(draw, model):
        shape = value.type.tensor_type.shape
        match draw.randrange(6):
            case 0:
                shape.dim.add().dim_value = draw.choice(INTS)
            case 1 if shape.dim:
                del shape.dim[draw.randrange(len(shape.dim))]
            case 2:
                value.type.tensor_type.ClearField("shape")
            case 3 if shape.dim:
                draw.choice(shape.dim).dim_param = draw.choice(("N", "N", "batch", "height", *NAMES[:3]))
            case 4 if shape.dim:
                dim = draw.choice(shape.dim)
                dim.dim_value += draw.choice((-1, 1, 2))
            case _ if shape.dim:
                draw.choice(shape.dim).dim_value = draw.choice(INTS)


def other_type(draw: Draw, model: ModelProto) -> None:
    for value in _values(draw, model):
        if draw.random() < 0.1:
            value.type.sequence_type.elem_type.tensor_type.elem_type = TensorProto.FLOAT
        else:
            value.type.tensor_type.elem_type = draw.choice((*TensorProto.DataType.values(), 99))


def other_border(draw: Draw, model: ModelProto) -> None:
    """An input or output twice, gone, or of another name."""
    values = draw.choice((model.graph.input, model.graph.output))
    match draw.randrange(4):
        case 0 if values:
            values.append(draw.choice(values))
        case 1 if values:
            del values[draw.randrange(len(values))]
        case 2:
            name = draw.choice(_names(model))
            values.append(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, draw.choice((None, [1], [1, 3, 4, 4])))
            )
        case _ if values:
            draw.choice(values).name = _name(draw, model)


def other_version(draw: Draw, model: ModelProto) -> None:
    match draw.randrange(5):
        case 0:
            model.ir_version = draw.choice((0, 1, 2, 3, 4, 7, 10, 13, 14, 99, (1 << 31) - 1, -1))
        case 1:
            model.opset_import.add(domain=draw.choice(DOMAINS), version=draw.choice((0, 1, 5, 22, -1)))
        case 2:
            _node(draw, model).domain = draw.choice(DOMAINS)
        case 3:
            del model.opset_import[:]
        case _ if model.opset_import:
            draw.choice(model.opset_import).version = draw.choice(
                (0, 1, 5, 6, 7, 9, 11, 12, 13, 18, 21, 23, 26, 27, 99, -1)
            )


def add_function(draw: Draw, model: ModelProto) -> None:
    """A function of the model, called in place of a node; sometimes by itself."""
    node = _node(draw, model)
    inner = helper.make_node(draw.choice(("Relu", "Twice", "Neg")), ["a"], ["b"])
    inner.domain = draw.choice(("", "custom"))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("custom", 1)]
    model.functions.append(helper.make_function("custom", "Twice", ["a"], ["b"], [inner], opsets))
    model.opset_import.add(domain="custom", version=1)
    node.op_type, node.domain = "Twice", "custom"
    if draw.random() < 0.7:
        del node.attribute[:]
        del node.input[1:]


GRAPH_CHANGES: tuple[Change, ...] = (
    delete_node, duplicate_node, swap_nodes, other_operand, other_operand, other_result, other_operator, insert_node,
    insert_node, other_attribute, other_attribute, other_attribute, rename, rename, other_shape, other_shape,
    other_type,
    other_border, other_version, add_function,
)  # fmt: skip
