"""Builds a Graph node by node: shapes and types from the rules, unique names, constants folded on the way.

A value is *known* when it is a constant, or the Dequantize of one. Operations on known values alone are computed at
once, so they never become nodes; only a Dequantize of a constant stays, because later passes need its exact integers.
Reshapes and transposes of such a value move to its integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from cimc.ir.evaluate import results_of as computed_by
from cimc.ir.graph import Array, Dequantize, Graph, Node, Reshape, Tensor, Transpose
from cimc.ir.infer_shapes import Shape, ShapeError, results_of
from cimc.numerics.integers import NARROW, storage_of

ELEMENTS_LIMIT = 1 << 28
"""The most elements one tensor may have (1 GiB of float32); more is refused."""
SMALL = 1024
"""Elements up to which a constant is shown to onnx's inference: shapes, axes, split sizes."""

REVISE = "the file contradicts itself, or needs another --bind"
INVALID = "onnx.checker.check_model tells more"


class Unsupported(Exception):
    """A node that cannot be translated: the reason, and the diagnostic's code."""

    def __init__(self, reason: str, code: str = "onnx.unsupported", todo: str = "") -> None:
        super().__init__(reason)
        self.reason, self.code, self.todo = reason, code, todo


class GraphBuilder:
    """The Graph under construction. All names given and returned are Graph tensor names."""

    def __init__(self, reserved: Iterable[str]) -> None:
        """reserved: names that helper tensors must not take (every tensor name of the ONNX graph)."""
        self.nodes: list[Node] = []
        self.tensors: dict[str, Tensor] = {}
        self.constants: dict[str, Array] = {}
        self.dequantised: dict[str, Dequantize] = {}
        self._taken = set(reserved)
        self._transposed: dict[tuple[str, object], str] = {}

    def fresh(self, base: str) -> str:
        """An unused name, `base` itself where it is free."""
        name, count = base, 1
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name

    def shape(self, name: str) -> Shape:
        """The shape of one lane."""
        return self.tensors[name].shape

    def is_known(self, name: str) -> bool:
        """Whether the value is fixed: a constant or the Dequantize of one."""
        return name in self.constants or name in self.dequantised

    def array(self, name: str) -> Array | None:
        """The value of a known tensor, dequantised; None of any other."""
        if name in self.dequantised:
            node = self.dequantised[name]
            return self._computed(node, [self.constants[operand] for operand in node.inputs], [self.tensors[name]])[0]
        return self.constants.get(name)

    def input(self, tensor: Tensor) -> None:
        """Declares an input of the network."""
        _bound(tensor)
        self.tensors[tensor.name] = tensor

    def constant(self, name: str, array: Array, dtype: str = "") -> str:
        """Registers a constant under a name that is already reserved for it; floats become float32. dtype: of integers
        that are stored as bytes but are narrower."""
        dtype = dtype or (array.dtype.name if array.dtype.name in NARROW else "")
        array = normalised(np.asarray(array))
        tensor = Tensor(name, array.shape, dtype or array.dtype.name)
        if array.size:  # an empty constant is a value that is not given, such as the roi of Resize
            _bound(tensor)
        self.tensors[name] = tensor
        self.constants[name] = array
        return name

    def add(self, node: Node, shape: Shape | None = None) -> str:
        """Adds a node (shape: the result's, for a Reshape) or folds it; returns the first result's name."""
        try:
            tensors = results_of(node, [self.tensors[name] for name in node.inputs], shape)
        except ShapeError as error:
            raise Unsupported(str(error), "onnx.shape", REVISE) from None
        for tensor in (*tensors, *(self.tensors[name] for name in node.inputs)):
            _bound(tensor)
        if isinstance(node, Dequantize):
            if all(name in self.constants for name in node.inputs):
                self.dequantised[node.output] = node
        elif all(self.is_known(name) for name in node.inputs):
            moved = self._moved(node, tensors[0])
            if moved is None:
                for tensor, array in zip(tensors, self._folded(node, tensors), strict=True):
                    self.constant(tensor.name, array, tensor.dtype)
                return node.outputs[0]
            node = moved
            self.dequantised[node.output] = moved
        self.tensors.update((tensor.name, tensor) for tensor in tensors)
        self.nodes.append(node)
        return node.outputs[0]

    def transpose_known(self, name: str, perm: tuple[int, ...], origin: str) -> str:
        """A known tensor with its axes permuted; made once for all its users."""
        if perm == tuple(range(len(perm))):
            return name
        if (name, perm) not in self._transposed:
            node = Transpose(inputs=(name,), outputs=(self.fresh(f"{name}/transposed"),), origin=origin, perm=perm)
            self._transposed[name, perm] = self.add(node)
        return self._transposed[name, perm]

    def reshape(self, name: str, shape: Shape, output: str, origin: str) -> str:
        """A Reshape of `name` to `shape`; known values move with it."""
        return self.add(Reshape(inputs=(name,), outputs=(output,), origin=origin), shape)

    def reshape_known(self, name: str, shape: Shape, origin: str) -> str:
        """A known tensor in another shape, `name` itself where it has that shape; made once for all its users."""
        if self.shape(name) == shape:
            return name
        key = (name, ("shape", shape))
        if key not in self._transposed:
            self._transposed[key] = self.reshape(name, shape, self.fresh(f"{name}/reshaped"), origin)
        return self._transposed[key]

    def _folded(self, node: Node, tensors: Sequence[Tensor]) -> list[Array]:
        operands = []
        for name in node.inputs:
            array = self.array(name)
            assert array is not None, name
            operands.append(array)
        return self._computed(node, operands, tensors)

    def _computed(self, node: Node, operands: list[Array], tensors: Sequence[Tensor]) -> list[Array]:
        with np.errstate(all="ignore"):
            made = computed_by(node, [operand[None] for operand in operands], tensors)
        return [np.asarray(array[0]) for array in made]

    def _moved(self, node: Node, tensor: Tensor) -> Dequantize | None:
        """A layout operation on the Dequantize of a constant, done on its integers; None where that is impossible."""
        if not isinstance(node, Reshape | Transpose) or node.inputs[0] not in self.dequantised:
            return None
        source = self.dequantised[node.inputs[0]]
        axis = moved_axis(node, source.axis, self.shape(node.inputs[0]), tensor.shape)
        if axis is None:
            return None
        integers, scale, zero_point = source.inputs
        name = self.fresh(f"{integers}/{'transposed' if isinstance(node, Transpose) else 'reshaped'}")
        whole = Tensor(name, tensor.shape, self.tensors[integers].dtype)
        value = self._computed(replace(node, inputs=(integers,), outputs=(name,)), [self.constants[integers]], [whole])[
            0
        ]
        self.constant(name, np.ascontiguousarray(value), whole.dtype)
        return Dequantize(inputs=(name, scale, zero_point), outputs=node.outputs, origin=source.origin, axis=axis)

    def finish(self, name: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Graph:
        """The Graph of what the outputs need; the inputs are all kept."""
        needed, nodes = set(outputs), []
        for node in reversed(self.nodes):
            if not needed.isdisjoint(node.outputs):
                nodes.append(node)
                needed.update(node.inputs)
        needed.update(inputs)
        return Graph(
            name=name,
            nodes=tuple(reversed(nodes)),
            tensors={key: tensor for key, tensor in self.tensors.items() if key in needed},
            constants={key: array for key, array in self.constants.items() if key in needed},
            inputs=inputs,
            outputs=outputs,
        )


def moved_axis(node: Reshape | Transpose, axis: int, before: Shape, after: Shape) -> int | None:
    """Where the quantisation axis lies after a Reshape or Transpose; None where a Reshape breaks it up."""
    if axis == -1:
        return -1
    if isinstance(node, Transpose):
        return node.perm.index(axis)
    ahead = math.prod(before[:axis])
    for candidate, dim in enumerate(after):
        if dim == before[axis] and math.prod(after[:candidate]) == ahead:
            return candidate
    return None


def normalised(array: Array) -> Array:
    """Floating types as float32, integers narrower than a byte as bytes; everything else as it is."""
    if array.dtype.name in ("float16", "float64", "bfloat16"):
        with np.errstate(over="ignore"):
            return array.astype(np.float32)
    if array.dtype.name in NARROW:
        return array.astype(storage_of(array.dtype.name))
    return array


def _bound(tensor: Tensor) -> None:
    if math.prod(tensor.shape) == 0:
        raise Unsupported(f'"{tensor.name}" has the empty shape {tensor.shape}', "onnx.shape")
    if math.prod(tensor.shape) > ELEMENTS_LIMIT:
        raise Unsupported(f'"{tensor.name}" of shape {tensor.shape} has more than 2^28 elements', "onnx.shape")
