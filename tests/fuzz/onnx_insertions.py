"""Changes that leave a model in order, mostly: something sound, with odd constants, in front of what a node reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tests.fuzz.draw import Draw
from tests.fuzz.onnx_graphs import Change

NUMBERS = (0.0, -0.0, 1.0, -1.0, 0.5, 3.0, 6.0, -6.0, 1e-45, 1e-39, 1e-20, 1e-6, 255.0, 1e4, 65504.0, 1e10, 1e20, 3e38)
ELEMENTWISE = (
    "Relu", "Sigmoid", "Tanh", "Abs", "Neg", "Identity", "HardSwish", "HardSigmoid", "LeakyRelu", "Elu", "Selu", "Exp",
    "Sqrt", "Reciprocal", "Log", "Erf", "Softplus", "Softsign", "Floor", "Ceil", "Round", "Sign", "Sin", "Cos", "Mish",
    "ThresholdedRelu", "Celu", "Softmax", "LogSoftmax", "Hardmax", "Flatten", "GlobalAveragePool", "GlobalMaxPool",
    "Dropout", "Shape", "Not", "IsNaN",
)  # fmt: skip
PAIRS = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "PRelu", "Sum", "Mean", "Mod")


class Inserted:
    """Nodes in the making, in front of the operand of a node."""

    def __init__(self, draw: Draw, model: ModelProto) -> None:
        self.draw, self.model = draw, model
        self.nodes: list[NodeProto] = []

    def constant(self, value: Any, dtype: type = np.float32) -> str:
        """An initialiser."""
        name = f"put{len(self.model.graph.initializer)}"
        with np.errstate(all="ignore"):
            self.model.graph.initializer.append(numpy_helper.from_array(np.asarray(value).astype(dtype), name))
        return name

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """A node; the name of its result."""
        name = f"put{len(self.model.graph.node)}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def number(self) -> float:
        """A constant, often an odd one."""
        return self.draw.choice(NUMBERS) if self.draw.random() < 0.7 else self.draw.gauss(0, 2)


def function(put: Inserted, x: str) -> str:
    return put.node(put.draw.choice(ELEMENTWISE), x)


def with_constant(put: Inserted, x: str) -> str:
    """A constant on either side: a scalar, or of any shape that may or may not broadcast."""
    shape = put.draw.choice(
        ((), (), (1,), (1, 1, 1, 1), (8, 1, 1), (1, 1, 8), (4, 1, 1), (8, 8), (10,), (2, 1, 1, 1, 1))
    )
    value = np.full(shape, put.number())
    if value.size > 1:
        value.flat[put.draw.randrange(value.size)] = put.number()
    operands = [x, put.constant(value)]
    if put.draw.random() < 0.3:
        operands.reverse()
    return put.node(put.draw.choice(PAIRS), *operands)


def with_itself(put: Inserted, x: str) -> str:
    return put.node(put.draw.choice((*PAIRS, "MatMul")), x, x)


def clip(put: Inserted, x: str) -> str:
    low, high = (put.constant(put.number()) if put.draw.random() < 0.7 else "" for _ in range(2))
    return put.node("Clip", x, low, high)


def quantise(put: Inserted, x: str) -> str:
    """Through integers and back, with odd scales."""
    dtype = put.draw.choice((np.uint8, np.int8, np.uint8, np.int8, np.int16, np.uint16))
    limits = np.iinfo(dtype)
    zero = put.constant(put.draw.choice((0, 0, limits.min, limits.max, 1)), dtype)
    scale = put.constant(abs(put.number()) if put.draw.random() < 0.5 else put.draw.choice((0.01, 0.1, 2.0**-7)))
    back = scale if put.draw.random() < 0.8 else put.constant(abs(put.number()))
    return put.node("DequantizeLinear", put.node("QuantizeLinear", x, scale, zero), back, zero)


def cast(put: Inserted, x: str) -> str:
    kinds = (TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.INT32, TensorProto.INT8, TensorProto.BOOL)
    return put.node("Cast", put.node("Cast", x, to=put.draw.choice(kinds)), to=TensorProto.FLOAT)


def pad(put: Inserted, x: str) -> str:
    pads = [put.draw.choice((0, 0, 1, 2, -1)) for _ in range(put.draw.choice((8, 8, 4)))]
    mode = put.draw.choice(("constant", "constant", "edge", "reflect"))
    return put.node("Pad", x, put.constant(pads, np.int64), put.constant(put.number()), mode=mode)


def cut(put: Inserted, x: str) -> str:
    """Slices, also backwards, empty, and beyond the end."""
    axes = put.draw.sample((1, 2, 3, -1), put.draw.choice((1, 2)))
    bounds = [[put.draw.choice((0, 1, 2, -1, 100, -100)) for _ in axes] for _ in range(2)]
    steps = [put.draw.choice((1, 1, 2, -1)) for _ in axes]
    return put.node("Slice", x, *(put.constant(value, np.int64) for value in (*bounds, axes, steps)))


def reshape(put: Inserted, x: str) -> str:
    shapes = ((0, -1), (1, -1, 1, 1), (0, 0, -1), (0, -1, 1, 1), (0, 1, -1, 2), (-1,), (0, 2, -1, 1), (1, 0, -1))
    return put.node("Reshape", x, put.constant(put.draw.choice(shapes), np.int64))


def transpose(put: Inserted, x: str) -> str:
    perm = put.draw.choice(((0, 2, 3, 1), (0, 3, 1, 2), (0, 1, 3, 2), (1, 0, 2, 3), (1, 0), (0, 1)))
    return put.node("Transpose", x, perm=perm)


def join(put: Inserted, x: str) -> str:
    return put.node("Concat", *[x] * put.draw.choice((1, 2, 3)), axis=put.draw.choice((1, 1, 2, -1, 0)))


def pool(put: Inserted, x: str) -> str:
    kernel = [put.draw.choice((1, 2, 3, 5)) for _ in range(2)]
    more: dict[str, Any] = {}
    if put.draw.random() < 0.5:
        more["pads"] = [put.draw.randrange(2) for _ in range(4)]
    if put.draw.random() < 0.3:
        more["ceil_mode"] = 1
    strides = [put.draw.choice((1, 2, 3)) for _ in range(2)]
    return put.node(
        put.draw.choice(("MaxPool", "AveragePool", "LpPool")), x, kernel_shape=kernel, strides=strides, **more
    )


def reduce(put: Inserted, x: str) -> str:
    op = put.draw.choice(("ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2"))
    axes = put.draw.choice(((1,), (2, 3), (-1,), (1, 2, 3)))
    return put.node(op, x, axes=axes, keepdims=put.draw.choice((1, 1, 0)))


def normalise(put: Inserted, x: str) -> str:
    channels = put.draw.choice((1, 2, 3, 4, 8, 16))
    parts = [put.constant([put.number() for _ in range(channels)]) for _ in range(3)]
    parts.append(put.constant([abs(put.number()) for _ in range(channels)]))
    return put.node("BatchNormalization", x, *parts, epsilon=put.draw.choice((1e-5, 0.0, 1.0)))


INSERTIONS = (
    function, function, with_constant, with_constant, with_constant, with_itself, clip, quantise, quantise, cast,
    pad, cut,
    reshape, transpose, join, pool, reduce, normalise,
)  # fmt: skip


def insert_sound(draw: Draw, model: ModelProto) -> None:
    """One or two of INSERTIONS in front of an operand, or behind the last node."""
    nodes = model.graph.node
    put = Inserted(draw, model)
    node = draw.choice(nodes) if nodes else nodes.add(op_type="Relu", input=["x"])
    if node.output and draw.random() < 0.25:
        name, index = node.output[0], list(nodes).index(node) + 1
        node.output[0] = f"{name}_before"
        put.nodes.append(helper.make_node("Identity", [_chain(draw, put, node.output[0])], [name]))
    elif node.input:
        at, index = draw.choice((0, 0, 0, draw.randrange(len(node.input)))), list(nodes).index(node)
        node.input[at] = _chain(draw, put, node.input[at])
    else:
        return
    for made in reversed(put.nodes):
        nodes.insert(index, made)


def _chain(draw: Draw, put: Inserted, x: str) -> str:
    for _ in range(draw.choice((1, 1, 2))):
        x = draw.choice(INSERTIONS)(put, x)
    return x


SOUND_CHANGES: tuple[Change, ...] = (insert_sound,)
