"""What lowering knows on its walk over a Graph: where every tensor's elements are, and the layers in the making."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.ir import graph as g
from cimc.ir.layers import FeatureMap, Floats, Layer, Operand, Reals, VectorLayer
from cimc.passes.draft import Draft
from cimc.passes.places import PlaceBook, Places


class Refusal(Exception):
    """A node that can't be lowered: the reason, for the user."""


class Lowering:
    """Places of every tensor seen so far, real constants, and the layers made."""

    def __init__(self, graph: g.Graph) -> None:
        self.graph = graph
        self.book = PlaceBook()
        self.places: dict[str, Places] = {}
        self.drafts: list[Draft] = []
        self.draft_of: dict[str, Draft] = {}
        self.reads = {name: len(nodes) for name, nodes in graph.uses_of().items()}
        for name in graph.outputs:
            self.reads[name] = self.reads.get(name, 0) + 1
        self.real_constants: dict[str, npt.NDArray[Any]] = {
            name: np.asarray(value) for name, value in graph.constants.items() if value.dtype.kind in "fiub"
        }
        self.dequantised: dict[str, g.Dequantize] = {}

    def open_draft(self, tensor: str) -> Draft | None:
        """The draft that stands for a tensor and may still absorb, or None."""
        draft = self.draft_of.get(tensor)
        return draft if draft is not None and draft.open and self.reads.get(tensor, 0) == 1 else None

    def absorb(self, draft: Draft, node: g.Node, places: Places | None = None) -> None:
        """The draft now stands for the node's result."""
        old = draft.tensor
        draft.tensor = node.output
        draft.origins.append(node.origin)
        self.book.maps[draft.map_index] = replace(self.book.maps[draft.map_index], name=node.output)
        self.places[node.output] = self.places[old] if places is None else places
        self.draft_of[node.output] = draft

    def add_layer(self, layer: Layer, node: g.Node, layout: Places, linear: bool, tensor: str = "") -> Draft:
        """Register a layer that makes node.output; layout: (H, W, C) flat tensor index of every map element."""
        tensor = tensor or node.output
        height, width, channels = layout.shape
        numbers = self.book.add(FeatureMap(tensor, height, width, channels))
        shape = self.graph.tensors[node.output].shape if tensor == node.output else None
        places = np.empty(layout.size, np.int64)
        places[layout.ravel()] = numbers.ravel()
        self.places[tensor] = places.reshape(shape) if shape is not None else places
        draft = Draft(layer, len(self.book.maps) - 1, tensor, linear, origins=[node.origin])
        self.drafts.append(draft)
        self.draft_of[tensor] = draft
        return draft

    def close(self, places: Places) -> None:
        """Nothing more is absorbed by the layers whose results are read here."""
        read = set(self.book.maps_in(places))
        for draft in self.drafts:
            if draft.map_index in read:
                draft.open = False

    def operand(self, places: Places) -> Operand:
        """The Operand for places (H, W, C); refused where no strided view reads them."""
        self.close(places)
        operand = self.book.read_as(places)
        if operand is not None and not operand.maps:
            raise Refusal("its input is nothing but padding, which is not built yet")
        if operand is None:
            raise Refusal(
                "its input is rearranged in a way that is not built yet (no strided view of rows, columns and channels)"
            )
        return operand

    def image(self, tensor: str) -> Places:
        """Places of an (1, C, H, W) tensor as (H, W, C)."""
        places = self.places[tensor]
        if places.ndim != 4 or places.shape[0] != 1:
            raise Refusal(f"its input has shape {places.shape}; a fixed batch of more than 1 is not built yet")
        return np.ascontiguousarray(places[0].transpose(1, 2, 0))

    def layout_of(self, places: Places) -> Places:
        """An (H, W, C) arrangement of a tensor's flat indices: that of its map, where it is one whole map."""
        maps = self.book.maps_in(places)
        flat = places.ravel()
        if len(maps) == 1 and flat.size == self.book.maps[maps[0]].words and flat.min() >= 0:
            m = self.book.maps[maps[0]]
            if np.unique(flat).size == flat.size:
                return np.argsort(flat, kind="stable").reshape(m.height, m.width, m.channels)
        indices = np.arange(places.size).reshape(places.shape)
        if places.ndim == 4 and places.shape[0] == 1:
            return np.asarray(indices[0].transpose(1, 2, 0))
        return indices.reshape(-1, 1, places.shape[-1] if places.ndim else 1)

    def per_channel(self, constant: Floats, shape: tuple[int, ...], layout: Places) -> Floats:
        """A constant operand as one number a channel, (C,)."""
        arranged = np.broadcast_to(constant, shape).reshape(-1)[layout]
        first = arranged[0, 0]
        if not (arranged == first).all():
            raise Refusal("a constant that differs from pixel to pixel is not built yet")
        return np.asarray(first, np.float64)

    def materialise(self, tensor: str, name: str) -> None:
        """Copy a tensor into a map of its own, so that plain windows can slide over it."""
        places = self.places[tensor]
        layout = self.layout_of(places)
        operand = self.operand(places.ravel()[layout])
        channels = operand.channels
        layer = VectorLayer(name="", output="", origin="", kind="sum", operands=(operand,),
                            gains=(np.ones(channels),), bias=np.zeros(channels))  # fmt: skip
        producer = self.graph.producer_of().get(tensor)
        origin = producer.origin if producer else tensor
        copy = g.Reshape(inputs=(tensor,), output=tensor, origin=origin)
        taken = {m.name for m in self.book.maps}
        unique = name if name not in taken else f"{name}.copy"
        formats = {m.quant for m in self.book.maps if m.name in operand.maps}
        draft = self.add_layer(layer, copy, layout, linear=True, tensor=unique)
        draft.open = False
        if len(formats) == 1:
            self.book.maps[draft.map_index] = replace(self.book.maps[draft.map_index], quant=formats.pop())
        self.places[tensor] = self.places[unique].reshape(places.shape)

    def windowed(self, tensor: str, pads: tuple[int, int, int, int]) -> Operand:
        """The operand of a sliding window; copied first where padding would meet a view's inside."""
        operand = self.operand(self.image(tensor))
        if any(pads) and not self.is_plain(operand):
            self.materialise(tensor, tensor)
            operand = self.operand(self.image(tensor))
        return operand

    def is_plain(self, operand: Operand) -> bool:
        """Whether an operand covers its maps pixel for pixel."""
        sizes = {(m.height, m.width) for m in self.book.maps if m.name in operand.maps}
        unit = operand.step[0] in (1, 0 if operand.height == 1 else 1) and operand.step[1] == 1
        return operand.offset == (0, 0) and unit and sizes == {(operand.height, operand.width)}

    def real(self, name: str) -> Floats:
        """A constant in real numbers."""
        return np.asarray(self._constant(name), np.float64)

    def weight(self, name: str) -> Reals:
        """A constant in real numbers, of single precision where the network has it so."""
        value = self._constant(name)
        return np.asarray(value, np.float32) if value.dtype == np.float32 else np.asarray(value, np.float64)

    def _constant(self, name: str) -> npt.NDArray[Any]:
        if name not in self.real_constants:
            raise Refusal(f'"{name}" must be a constant here')
        return self.real_constants[name]
