"""One ONNX node as its translation sees it: typed attributes, operands, results, and the builder they go to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import AttributeProto, NodeProto, TensorProto

from cimc.frontends.graph_builder import GraphBuilder, Unsupported
from cimc.frontends.onnx_file import array_of
from cimc.ir.graph import Array, Binary, Node, Reshape, Transpose, Unary
from cimc.ir.infer_shapes import Shape

Names = tuple[str, ...]


@dataclass(slots=True)
class OnnxNode:
    """A node to translate. `values` maps ONNX tensor names to Graph tensor names."""

    proto: NodeProto
    origin: str
    opset: int
    build: GraphBuilder
    values: dict[str, str]
    used: frozenset[str]
    attributes: dict[str, AttributeProto] = field(init=False)

    def __post_init__(self) -> None:
        self.attributes = {attribute.name: attribute for attribute in self.proto.attribute}

    @property
    def output(self) -> str:
        """The ONNX name of the first result."""
        return str(self.proto.output[0])

    def has(self, index: int) -> bool:
        """Whether operand `index` is given."""
        return index < len(self.proto.input) and bool(self.proto.input[index])

    def operand(self, index: int) -> str:
        """The Graph name of operand `index`."""
        if not self.has(index):
            raise Unsupported(f"operand {index} is missing", "onnx.invalid")
        return self.values[self.proto.input[index]]

    def shape(self, index: int) -> Shape:
        """The shape of operand `index`."""
        return self.build.shape(self.operand(index))

    def known(self, index: int, what: str) -> Array:
        """The value of operand `index`, refused where it is computed at run time."""
        array = self.build.array(self.operand(index))
        if array is None:
            raise Unsupported(f'{what} "{self.proto.input[index]}" is computed at run time; it must be a constant')
        return array

    def integers(self, name: str, index: int | None = None) -> tuple[int, ...] | None:
        """Integers from attribute `name` or, in later opsets, from operand `index`; None where not given."""
        if name in self.attributes:
            return tuple(self._attribute(name, AttributeProto.INTS).ints)
        if index is None or not self.has(index):
            return None
        array = self.known(index, name)
        if array.dtype.kind not in "iu":
            raise Unsupported(f"{name} is {array.dtype}, not an integer", "onnx.invalid")
        return tuple(int(value) for value in array.reshape(-1))

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        return int(self._attribute(name, AttributeProto.INT).i) if name in self.attributes else default

    def real(self, name: str, default: float) -> float:
        """A float attribute."""
        return float(self._attribute(name, AttributeProto.FLOAT).f) if name in self.attributes else default

    def reals(self, defaults: Mapping[str, float]) -> list[float]:
        """Float attributes by their default values."""
        return [self.real(name, default) for name, default in defaults.items()]

    def real_operand(self, name: str, index: int, default: float) -> float:
        """A float from attribute `name` or, in later opsets, from operand `index`, which holds one element."""
        if name in self.attributes or not self.has(index):
            return self.real(name, default)
        array = self.known(index, name)
        if array.size != 1:
            raise Unsupported(f"{name} has shape {array.shape}, not one element", "onnx.invalid")
        return float(np.asarray(array, np.float64).reshape(()))

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        if name not in self.attributes:
            return default
        return self._attribute(name, AttributeProto.STRING).s.decode("utf-8", "replace")

    def tensor(self, name: str) -> Array:
        """A tensor attribute."""
        return array_of(self._attribute(name, AttributeProto.TENSOR).t, name)

    def type_attribute(self, name: str, default: int) -> str:
        """An attribute that holds an ONNX type number, as that type's name in lower case."""
        number = self.integer(name, default)
        return TensorProto.DataType.Name(number).lower() if number in TensorProto.DataType.values() else str(number)

    def axis(self, default: int, rank: int, name: str = "axis") -> int:
        """The axis attribute as one >= 0; `rank` itself is allowed for Flatten only, which checks on its own."""
        return positive_axis(self.integer(name, default), rank)

    def only_first_result(self) -> None:
        """Refuses a node of which another result than the first is read."""
        for name in self.proto.output[1:]:
            if name in self.used:
                raise Unsupported(f'its result "{name}" is read; only the first result is supported')

    def fresh(self, suffix: str) -> str:
        """A name for a helper tensor of this node."""
        return self.build.fresh(f"{self.output}/{suffix}")

    def result(self, name: str, index: int = 0) -> None:
        """Makes the Graph tensor `name` the value of result `index` (without a node, where the names differ)."""
        self.values[self.proto.output[index]] = name

    def emit(
        self, kind: Callable[..., Node], inputs: Names, output: str, shape: Shape | None = None, /, **fields: Any
    ) -> str:
        """Adds a node of the Graph, of this kind; where it makes result 0 of this ONNX node, records that."""
        name = self.build.add(kind(inputs=inputs, outputs=(output,), origin=self.origin, **fields), shape)
        if name == self.output:
            self.result(name)
        return name

    def unary(self, function: str, x: str, output: str, a: float = 0.0, b: float = 0.0) -> str:
        """Emits a Unary node."""
        return self.emit(Unary, (x,), output, function=function, a=a, b=b)

    def binary(self, function: str, x: str, y: str, output: str) -> str:
        """Emits a Binary node."""
        return self.emit(Binary, (x, y), output, function=function)

    def reshape(self, x: str, shape: Shape, output: str) -> str:
        """Emits a Reshape node."""
        return self.emit(Reshape, (x,), output, shape)

    def transpose(self, x: str, perm: tuple[int, ...], output: str) -> str:
        """Emits a Transpose node."""
        return self.emit(Transpose, (x,), output, perm=perm)

    def scalar(self, value: float, suffix: str) -> str:
        """A float32 constant of one element, shape ()."""
        return self.build.constant(self.fresh(suffix), np.asarray(value, np.float32))

    def vector(self, array: npt.NDArray[np.generic], suffix: str, dtype: str = "") -> str:
        """A constant with a name derived from this node's. dtype: see GraphBuilder.constant."""
        return self.build.constant(self.fresh(suffix), array, dtype)

    def _attribute(self, name: str, kind: AttributeProto.AttributeType) -> AttributeProto:
        attribute = self.attributes[name]
        if attribute.type != kind:
            wanted, got = (AttributeProto.AttributeType.Name(number) for number in (kind, attribute.type))
            raise Unsupported(f"attribute {name} is of type {got}, not {wanted}", "onnx.invalid")
        return attribute


def positive_axis(axis: int, rank: int) -> int:
    """An axis counted from the front; refused outside the rank."""
    if not -rank <= axis < rank:
        raise Unsupported(f"axis {axis} lies outside {rank} axes", "onnx.invalid")
    return axis % rank
