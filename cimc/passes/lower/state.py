"""What lowering knows on its walk over a Graph: where every tensor's elements are, and the layers in the making."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, count
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.ir import graph as g
from cimc.ir.layers import FeatureMap, Floats, Layer, Operand, Reals
from cimc.layer_kinds.vector import VectorLayer
from cimc.numerics.quant import Quant
from cimc.passes.lower.fusion_group import FusionGroup
from cimc.passes.lower.index_map import IndexMap
from cimc.passes.lower.layout import Layout, layout_on
from cimc.passes.lower.operands import operand_of


class Refusal(Exception):
    """A node that can't be lowered: the reason, for the user."""


class Lowering:
    """Where every tensor seen so far lies, the maps, real constants, and the layers made. weightless: constants that
    are weights have a shape and no values."""

    def __init__(self, graph: g.Graph, weightless: bool) -> None:
        self.graph = graph
        self.weightless = weightless
        self.maps: list[FeatureMap] = []
        self.tensors: dict[str, IndexMap] = {}
        self.groups: list[FusionGroup] = []
        self.group_of: dict[str, FusionGroup] = {}
        self.reads = {name: len(nodes) for name, nodes in graph.uses_of().items()}
        for name in graph.outputs:
            self.reads[name] = self.reads.get(name, 0) + 1
        self.dequantised: dict[str, g.Dequantize] = {}

    # maps and groups

    def add_map(self, name: str, layout: Layout, quant: Quant | None = None) -> None:
        """Register a map that holds a tensor of the Graph in this layout, or a copy that has no other shape."""
        tensor = self.graph.tensors.get(name)
        self.tensors[name] = layout.tensor_of(len(self.maps), layout.shape if tensor is None else tensor.shape)
        self.maps.append(FeatureMap(name, *layout.shape, quant))

    def fresh(self, name: str) -> str:
        """A name like this one that no map and no tensor has."""
        taken = {m.name for m in self.maps} | self.graph.tensors.keys()
        return next(one for one in chain((name,), (f"{name}.{k}" for k in count())) if one not in taken)

    def formats_of(self, tensor: IndexMap) -> set[Quant | None]:
        """The number formats that the network fixes for the maps of a tensor."""
        return {self.maps[number].quant for number in tensor.maps}

    def set_format(self, number: int, quant: Quant | None) -> None:
        """Fix the number format of a map."""
        self.maps[number] = replace(self.maps[number], quant=quant)

    def open_group(self, tensor: str) -> FusionGroup | None:
        """The group that stands for a tensor and may still absorb, or None."""
        group = self.group_of.get(tensor)
        return group if group is not None and group.open and self.reads.get(tensor, 0) == 1 else None

    def absorb(self, group: FusionGroup, node: g.Node) -> None:
        """The group now stands for the node's result."""
        self.tensors[node.output] = self.tensors[group.tensor]
        group.tensor = node.output
        group.origins.append(node.origin)
        self.maps[group.map] = replace(self.maps[group.map], name=node.output)
        self.group_of[node.output] = group

    def add_layer(self, layer: Layer, node: g.Node, layout: Layout, linear: bool, tensor: str = "") -> FusionGroup:
        """Register a layer that makes node.output, or a tensor that is not the Graph's, in this layout."""
        tensor = tensor or node.output
        self.add_map(tensor, layout)
        group = FusionGroup(layer, len(self.maps) - 1, tensor, linear, origins=[node.origin])
        self.groups.append(group)
        self.group_of[tensor] = group
        return group

    def add_vector(
        self,
        node: g.Node,
        kind: str,
        operands: tuple[Operand, ...],
        layout: Layout,
        linear: bool,
        gains: tuple[Floats, ...] = (),
        bias: Floats | None = None,
        tensor: str = "",
    ) -> FusionGroup:
        """Register an elementwise layer; without gains they are 1, without a bias it is 0."""
        ones = tuple(np.ones(operands[0].channels) for _ in operands)
        bias = np.zeros(operands[0].channels) if bias is None else bias
        layer = VectorLayer(name="", output="", origin="", kind=kind, operands=operands, gains=gains or ones, bias=bias)
        return self.add_layer(layer, node, layout, linear, tensor)

    # what layers read

    def operand(self, tensor: IndexMap) -> Operand:
        """The Operand for a tensor (H, W, C); refused where no strided view reads it. Nothing more is absorbed by the
        layers that make it."""
        self.close(tensor)
        operand = operand_of(tensor, self.maps)
        if operand is not None and not operand.maps:
            raise Refusal("its input is nothing but padding, which is not built yet")
        if operand is None:
            raise Refusal(
                "its input is rearranged in a way that is not built yet (no strided view of rows, columns and channels)"
            )
        return operand

    def close(self, tensor: IndexMap) -> None:
        """Nothing more is absorbed by the layers whose results are read here."""
        read = set(tensor.maps)
        for group in self.groups:
            group.open = group.open and group.map not in read

    def image(self, tensor: str) -> IndexMap:
        """A (1, C, H, W) tensor as (H, W, C)."""
        seen = self.tensors[tensor]
        if len(seen.shape) != 4 or seen.shape[0] != 1:
            raise Refusal(f"its input has shape {seen.shape}; a fixed batch of more than 1 is not built yet")
        _, channels, height, width = seen.shape
        return seen.transpose((0, 2, 3, 1)).reshape((height, width, channels))

    def layout_of(self, tensor: str) -> Layout:
        """How a tensor is arranged: as its map, where it is one whole map."""
        return layout_on(self.tensors[tensor], self.maps)

    def per_channel(self, constant: Floats, shape: tuple[int, ...], layout: Layout) -> Floats:
        """A constant operand as one number a channel, (C,)."""
        found = layout.per_channel(constant, shape)
        if found is None:
            raise Refusal("a constant that differs from pixel to pixel is not built yet")
        return found

    def materialise(self, tensor: str) -> None:
        """Copy a tensor into a map of its own, so that plain windows can slide over it."""
        layout = self.layout_of(tensor)
        seen = self.tensors[tensor]
        operand = self.operand(layout.of(seen))
        producer = self.graph.producer_of().get(tensor)
        copy = g.Reshape(inputs=(tensor,), outputs=(tensor,), origin=producer.origin if producer else tensor)
        name = self.fresh(f"{tensor}.copy") if tensor in {m.name for m in self.maps} else tensor
        group = self.add_vector(copy, "sum", (operand,), layout, linear=True, tensor=name)
        group.open = False
        formats = self.formats_of(seen)
        if len(formats) == 1:
            self.set_format(group.map, formats.pop())
        self.tensors[tensor] = layout.tensor_of(group.map, seen.shape)

    def windowed(self, tensor: str, pads: tuple[int, int, int, int]) -> Operand:
        """The operand of a sliding window; copied first where padding would meet a view's inside."""
        operand = self.operand(self.image(tensor))
        if any(pads) and not self.is_plain(operand):
            self.materialise(tensor)
            operand = self.operand(self.image(tensor))
        return operand

    def is_plain(self, operand: Operand) -> bool:
        """Whether an operand covers its maps pixel for pixel."""
        sizes = {(m.height, m.width) for m in self.maps if m.name in operand.maps}
        unit = operand.step[0] in (1, 0 if operand.height == 1 else 1) and operand.step[1] == 1
        return operand.offset == (0, 0) and unit and sizes == {(operand.height, operand.width)}

    # constants

    def is_constant(self, name: str) -> bool:
        """Whether a tensor is a constant, quantised or not."""
        return name in self.dequantised or name in self.graph.constants

    def real(self, name: str) -> Floats:
        """A constant in real numbers."""
        return np.asarray(self._constant(name), np.float64)

    def weight(self, name: str) -> Reals:
        """A constant in real numbers, of single precision where the network has it so."""
        value = self._constant(name)
        return np.asarray(value, np.float32) if value.dtype == np.float32 else np.asarray(value, np.float64)

    def _constant(self, name: str) -> npt.NDArray[Any]:
        constants = self.graph.constants
        if name in self.dequantised:
            node = self.dequantised[name]
            integers = np.asarray(constants[node.inputs[0]], np.int64)
            scale = np.asarray(constants[node.inputs[1]], np.float32).astype(np.float64)
            zero = np.asarray(constants[node.inputs[2]], np.int64)
            if scale.size > 1:
                shape = [1] * integers.ndim
                shape[node.axis] = -1
                scale, zero = scale.reshape(shape), zero.reshape(shape) if zero.size > 1 else zero
            return np.asarray((integers - zero) * scale)
        if name not in constants:
            raise Refusal(f'"{name}" must be a constant here')
        return np.asarray(constants[name])
