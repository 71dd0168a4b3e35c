"""What is known on the walk of cimc.passes.outline: a view of every tensor, the maps, and the layers in the making."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cimc.ir import graph as g
from cimc.ir.layers import (
    Binding,
    FeatureMap,
    Floats,
    Layer,
    LayerGraph,
    MatrixLayer,
    Operand,
    Part,
    VectorLayer,
)
from cimc.numerics.integers import storage_of
from cimc.passes.draft import Draft
from cimc.passes.input_layout import input_layout
from cimc.passes.lower_quantised import format_of, input_format
from cimc.passes.lowering import Refusal
from cimc.passes.outline_views import UNKNOWN, View, whole

NO_INDEX = np.zeros(0, np.int64)


class Outline:
    """The state of the walk. shapes: of a matrix layer's weights, by map; in the making they are (O, 1, 1, 1)."""

    def __init__(self, graph: g.Graph) -> None:
        self.graph = graph
        self.maps: list[FeatureMap] = []
        self.views: dict[str, View] = {}
        self.drafts: list[Draft] = []
        self.draft_of: dict[str, Draft] = {}
        self.shapes: dict[int, tuple[int, ...]] = {}
        self.dequantised: set[str] = set()
        self.reads = {name: len(nodes) for name, nodes in graph.uses_of().items()}
        for name in graph.outputs:
            self.reads[name] = self.reads.get(name, 0) + 1

    def input(self, name: str) -> None:
        """A map for a network input, as its first consumer wants it."""
        shape = self.graph.tensors[name].shape
        height, width, channels = (layout := input_layout(self.graph, name)).shape
        flat = np.arange(layout.size).reshape(shape)
        axes: tuple[str, ...] = UNKNOWN
        for perm, letters in (((2, 3, 1), ("", "c", "h", "w")), ((1, 2, 3), ("", "h", "w", "c"))):
            if len(shape) == 4 and shape[0] == 1 and np.array_equal(flat[0].transpose([p - 1 for p in perm]), layout):
                axes = letters
                break
        else:
            leading = [axis for axis, dim in enumerate(shape[:-1]) if dim > 1]
            if np.array_equal(layout.ravel(), flat.ravel()) and len(leading) <= 1 and width == 1:
                axes = (*("h" if axis in leading else "" for axis in range(len(shape) - 1)), "c")
        self.maps.append(FeatureMap(name, height, width, channels, input_format(self.graph, name)))
        self.views[name] = whole(len(self.maps) - 1, height, width, channels, axes)

    def layers(self) -> LayerGraph:
        """The end of the walk."""
        inputs = tuple(self._binding(name, (name,)) for name in self.graph.inputs)
        outputs = []
        for name in self.graph.outputs:
            view = self.views[name]
            if any(number < 0 or self.maps[number].name in self.graph.inputs for number, _, _ in view.runs):
                self.materialise(name)
            outputs.append(self._binding(name, tuple(self.maps[number].name for number in self.views[name].maps)))
        found = tuple(self._finished(draft) for draft in self.drafts)
        return LayerGraph(self.graph.name, found, {m.name: m for m in self.maps}, inputs, tuple(outputs))

    def _binding(self, name: str, maps: tuple[str, ...]) -> Binding:
        tensor = self.graph.tensors[name]
        return Binding(name, tensor.shape, storage_of(tensor.dtype), maps, NO_INDEX)

    def _finished(self, draft: Draft) -> Layer:
        name = self.maps[draft.map_index].name
        origin = ", ".join(dict.fromkeys(o for o in draft.origins if o))
        layer = replace(draft.layer, name=name, output=name, origin=origin)
        if isinstance(layer, MatrixLayer):
            layer = replace(layer, weight=np.broadcast_to(np.ones(()), self.shapes[draft.map_index]))
        return layer

    def constant(self, name: str) -> Floats:
        """A constant that is no weight, in real numbers; a quantised one stands in as ones."""
        if name in self.graph.constants:
            return np.asarray(self.graph.constants[name], np.float64)
        return np.ones(self.graph.tensors[name].shape)

    def is_constant(self, name: str) -> bool:
        """Whether a tensor is a constant, quantised or not."""
        return name in self.graph.constants or name in self.dequantised

    def open_draft(self, tensor: str) -> Draft | None:
        """The draft that stands for a tensor and may still absorb, or None."""
        draft = self.draft_of.get(tensor)
        return draft if draft is not None and draft.open and self.reads.get(tensor, 0) == 1 else None

    def absorb(self, draft: Draft, node: g.Node) -> None:
        """The draft now stands for the node's result."""
        old = draft.tensor
        draft.tensor = node.output
        draft.origins.append(node.origin)
        self.maps[draft.map_index] = replace(self.maps[draft.map_index], name=node.output)
        self.views[node.output] = self.views[old]
        self.draft_of[node.output] = draft

    def operand(self, view: View) -> Operand:
        """What a layer reads; nothing more is absorbed by the layers that make it."""
        for draft in self.drafts:
            if draft.map_index in view.maps:
                draft.open = False
        parts = tuple(Part(self.maps[n].name if n >= 0 else "", c, count) for n, c, count in view.runs)
        if not view.maps:
            raise Refusal("its input is nothing but padding, which is not built yet")
        return Operand(parts, view.height, view.width, view.offset, view.step)

    def add(self, layer: Layer, node: g.Node, size: tuple[int, int, int], axes: tuple[str, ...], linear: bool) -> Draft:
        """Register a layer that makes node.output as a map of this (height, width, channels)."""
        self.maps.append(FeatureMap(node.output, *size))
        self.views[node.output] = whole(len(self.maps) - 1, *size, axes)
        draft = Draft(layer, len(self.maps) - 1, node.output, linear, origins=[node.origin])
        self.drafts.append(draft)
        self.draft_of[node.output] = draft
        return draft

    def vector(self, node: g.Node, kind: str, views: tuple[View, ...], linear: bool,
               gains: tuple[Floats, ...] = (), bias: Floats | None = None) -> Draft:  # fmt: skip
        """Add an elementwise layer."""
        lead = views[0]
        ones = tuple(np.ones(lead.channels) for _ in views)
        layer = VectorLayer(
            name="", output="", origin="", kind=kind, operands=tuple(self.operand(view) for view in views),
            gains=gains or ones, bias=np.zeros(lead.channels) if bias is None else bias,
        )  # fmt: skip
        return self.add(layer, node, (lead.height, lead.width, lead.channels), lead.axes, linear)

    def materialise(self, tensor: str) -> None:
        """Copy a tensor into a map of its own."""
        taken = {m.name for m in self.maps}
        name = f"{tensor}.copy" if tensor in taken else tensor
        producer = self.graph.producer_of().get(tensor)
        node = g.Reshape(inputs=(tensor,), output=name, origin=producer.origin if producer else tensor)
        copy = self.vector(node, "sum", (self.views[tensor],), True)
        copy.open = False
        formats = {self.maps[number].quant for number in self.views[tensor].maps}
        if len(formats) == 1:
            self.maps[copy.map_index] = replace(self.maps[copy.map_index], quant=formats.pop())
        self.views[tensor] = self.views[name]

    def windowed(self, tensor: str, pads: tuple[int, int, int, int]) -> Operand:
        """The operand of a sliding window, copied first where padding would meet a view's inside."""
        if not self.views[tensor].is_image():
            raise Refusal("its input is rearranged in a way that is not outlined")
        view = self.views[tensor]
        sizes = {(self.maps[number].height, self.maps[number].width) for number in view.maps}
        plain = view.offset == (0, 0) and view.step == (1, 1) and sizes == {(view.height, view.width)}
        if any(pads) and not plain:
            self.materialise(tensor)
        return self.operand(self.views[tensor])

    def set_quant(self, number: int, node: g.Quantize | g.Dequantize) -> None:
        """The number format that a node gives a map."""
        self.maps[number] = replace(self.maps[number], quant=format_of(self.graph, node))
