"""How the networks of this package are made, and the table of all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

Floats = npt.NDArray[np.float32]


class Net:
    """A network in the making: constants are seeded, names count up, `x` is the input unless told."""

    def __init__(self, *shape: int, seed: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, npt.NDArray[Any]] = {}
        self.inputs: dict[str, tuple[int, ...]] = {"x": shape} if shape else {}

    def input(self, name: str, *shape: int) -> str:
        """A further input."""
        self.inputs[name] = shape
        return name

    def constant(self, value: Any, dtype: type = np.float32) -> str:
        """An initialiser."""
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype)
        return name

    def random(self, *shape: int, scale: float = 1.0) -> Floats:
        """Seeded normal values."""
        return (self.rng.standard_normal(shape) * scale).astype(np.float32)

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """A node with one result; its name is the result's."""
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def conv(self, x: str, channels: int, outputs: int, kernel: Sequence[int] = (3, 3), **attributes: Any) -> str:
        """A convolution with weights that keep the size of the values, and a bias."""
        group = attributes.get("group", 1)
        fan = channels // group * int(np.prod(kernel))
        weight = self.constant(self.random(outputs, channels // group, *kernel, scale=fan**-0.5))
        return self.node("Conv", x, weight, self.constant(self.random(outputs, scale=0.3)), **attributes)

    def same(self, x: str, channels: int, outputs: int, **attributes: Any) -> str:
        """A 3x3 convolution that keeps the map's size."""
        return self.conv(x, channels, outputs, pads=[1, 1, 1, 1], **attributes)

    def gemm(self, x: str, inputs: int, outputs: int) -> str:
        """A fully connected layer."""
        weight = self.constant(self.random(outputs, inputs, scale=inputs**-0.5))
        return self.node("Gemm", x, weight, self.constant(self.random(outputs, scale=0.3)), transB=1)

    def model(self, *outputs: str) -> ModelProto:
        """The finished model."""
        graph = helper.make_graph(
            self.nodes,
            "case",
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(s)) for n, s in self.inputs.items()],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


CASES: dict[str, Callable[[], ModelProto]] = {}
"""Every network by name."""


def case(make: Callable[[], ModelProto]) -> Callable[[], ModelProto]:
    """Registers a network under its function's name."""
    CASES[make.__name__] = make
    return make


def ints(*values: int) -> npt.NDArray[np.int64]:
    """An int64 vector."""
    return np.asarray(values, np.int64)
