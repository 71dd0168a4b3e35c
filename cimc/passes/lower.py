"""lower: Graph to LayerGraph. Layout operations become places, chains of operations become one layer each.

Needs: a verified Graph. Promises: every layer reads earlier maps (or inputs) through Operands, and the LayerGraph in
real numbers computes what the Graph computes. What can't be lowered is reported at once, each node with its reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.ir import graph as g
from cimc.ir.layers import (
    Binding,
    FeatureMap,
    Floats,
    Function,
    GivenWeights,
    Layer,
    LayerGraph,
    MatrixLayer,
    Operand,
    PoolLayer,
    SoftmaxLayer,
    VectorLayer,
)
from cimc.numerics.quant import Quant
from cimc.passes.draft import Draft
from cimc.passes.input_layout import input_layout
from cimc.passes.places import PlaceBook, Places


class Refusal(Exception):
    """A node that can't be lowered: the reason, for the user."""


class Lowering:
    """The walk over a Graph: places of every tensor seen so far, and the layers made."""

    def __init__(self, graph: g.Graph, separable_pools: bool) -> None:
        self.graph = graph
        self.separable_pools = separable_pools
        self.book = PlaceBook()
        self.places: dict[str, Places] = {}
        self.drafts: list[Draft] = []
        self.draft_of: dict[str, Draft] = {}
        self.reads = {name: len(nodes) for name, nodes in graph.uses_of().items()}
        for name in graph.outputs:
            self.reads[name] = self.reads.get(name, 0) + 1
        self.real_constants: dict[str, Floats] = {
            name: np.asarray(value, np.float64) for name, value in graph.constants.items() if value.dtype.kind in "fiub"
        }
        self.dequantised: dict[str, g.Dequantize] = {}
        self.problems: list[Diagnostic] = []
        self.handlers: dict[type[g.Node], Callable[..., None]] = {
            g.Conv: self.conv, g.MatMul: self.matmul, g.Pool: self.pool, g.Unary: self.unary, g.Binary: self.binary,
            g.BatchNorm: self.batch_norm, g.Softmax: self.softmax, g.Reduce: self.reduce, g.Concat: self.concat,
            g.Slice: self.slice, g.Pad: self.pad, g.Reshape: self.reshape, g.Transpose: self.transpose,
            g.Quantize: self.quantize, g.Dequantize: self.dequantize,
        }  # fmt: skip

    def run(self) -> LayerGraph:
        """Lower every node; a CimcError lists all that can't be."""
        inputs = tuple(self.input(name) for name in self.graph.inputs)
        for node in self.graph.nodes:
            missing = [x for x in node.inputs if x not in self.places and x not in self.real_constants]
            if missing:
                continue  # the node that should have made it is already reported
            handler = self.handlers.get(type(node))
            try:
                if handler is None:
                    raise Refusal("this operation is not built yet (activations times activations)")
                handler(node)
            except Refusal as refusal:
                self.problems.append(
                    Diagnostic("lower.unsupported", f"{type(node).__name__}: {refusal}", Place(item=node.origin))
                )
        if self.problems:
            raise CimcError(self.problems)
        outputs = tuple(self.output(name) for name in self.graph.outputs)
        layers = tuple(self.finish(draft) for draft in self.drafts)
        maps = {m.name: m for m in self.book.maps}
        assert len(maps) == len(self.book.maps), "two maps have one name"
        used = set(self.graph.inputs)
        inputs = tuple(binding for binding in inputs if binding.tensor in used)
        return LayerGraph(self.graph.name, layers, maps, inputs, outputs)

    # borders

    def input(self, name: str) -> Binding:
        """Give a network input a map, laid out as its first consumer wants it."""
        tensor = self.graph.tensors[name]
        layout = input_layout(self.graph, name)
        height, width, channels = layout.shape
        numbers = self.book.add(FeatureMap(name, height, width, channels))
        places = np.empty(layout.size, np.int64)
        places[layout.ravel()] = numbers.ravel()
        self.places[name] = places.reshape(tensor.shape)
        return Binding(name, tensor.shape, tensor.dtype, (name,), layout.ravel())

    def output(self, name: str) -> Binding:
        """Where a network output lies."""
        tensor = self.graph.tensors[name]
        if name in self.real_constants:
            raise CimcError([Diagnostic("lower.constant", f'output "{name}" does not depend on any input')])
        places = self.places[name]
        if (places < 0).any() or any(self.book.maps[i].name in self.graph.inputs for i in self.book.maps_in(places)):
            self.materialise(name, name)
            places = self.places[name]
        indices = self.book.maps_in(places)
        shift = np.zeros(len(self.book.maps), np.int64)
        start = 0
        for i in indices:
            shift[i] = start - self.book.starts[i]
            start += self.book.maps[i].words
        flat = places.ravel()
        index = flat + shift[self.book.index_of(flat)]
        return Binding(name, tensor.shape, tensor.dtype, tuple(self.book.maps[i].name for i in indices), index)

    # helpers

    def finish(self, draft: Draft) -> Layer:
        """The layer of a draft under its final names."""
        name = self.book.maps[draft.map_index].name
        origin = ", ".join(dict.fromkeys(o for o in draft.origins if o))
        return replace(draft.layer, name=name, output=name, origin=origin)

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
        if operand is None:
            raise Refusal("its input is rearranged in a way that is not built yet (no strided view of rows, columns and channels)")
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
            return indices[0].transpose(1, 2, 0)
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
        draft = self.add_layer(layer, copy, layout, linear=True, tensor=unique)
        draft.open = False
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
        if name not in self.real_constants:
            raise Refusal(f'"{name}" must be a constant here')
        return self.real_constants[name]

    # matrices

    def given(self, node: g.Conv | g.MatMul) -> tuple[GivenWeights | None, Floats]:
        """Integers that the network carries for this node's weight, (O, ...) first axis outputs, and the real ones."""
        weight = self.real(node.inputs[1])
        source = self.dequantised.get(node.inputs[1])
        if source is None:
            return None, weight
        constants = self.graph.constants
        outputs = weight.shape[0] if isinstance(node, g.Conv) else weight.shape[1]
        integers = np.asarray(constants[source.inputs[0]], np.int64)
        zero = np.asarray(constants[source.inputs[2]], np.int64)
        scale = np.asarray(constants[source.inputs[1]], np.float32)
        if zero.size > 1:
            shape = [1] * integers.ndim
            shape[source.axis] = -1
            zero = zero.reshape(shape)
        output_axis = 0 if isinstance(node, g.Conv) else 1
        if scale.size > 1 and source.axis % integers.ndim != output_axis:
            raise Refusal("its quantised weights have scales along an axis that is not the outputs'")
        bias = None
        if len(node.inputs) > 2 and node.inputs[2] in self.dequantised:
            bias = np.asarray(constants[self.dequantised[node.inputs[2]].inputs[0]], np.int64)
        return GivenWeights(integers - zero, np.broadcast_to(scale, (outputs,)), bias), weight

    def conv(self, node: g.Conv) -> None:
        """A convolution becomes a matrix layer."""
        given, weight = self.given(node)
        bias = self.real(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(weight.shape[0])
        operand = self.windowed(node.inputs[0], node.pads)
        layer = MatrixLayer(
            name="", output="", origin="", x=operand, weight=weight, bias=bias, strides=node.strides, pads=node.pads,
            dilations=node.dilations, groups=node.groups, given=given,
        )  # fmt: skip
        indices = np.arange(int(np.prod(self.graph.tensors[node.output].shape)))
        layout = indices.reshape(self.graph.tensors[node.output].shape)[0].transpose(1, 2, 0)
        self.add_layer(layer, node, layout, linear=True)

    def matmul(self, node: g.MatMul) -> None:
        """A product over the last axis becomes a convolution whose kernel is the map (or 1 x 1, token by token)."""
        given, weight = self.given(node)
        outputs = weight.shape[1]
        bias = self.real(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(outputs)
        bias = np.broadcast_to(bias, (outputs,)).astype(np.float64)
        places = self.places[node.inputs[0]]
        inputs = places.shape[-1]
        tokens = places.reshape(-1, inputs)
        self.close(places)
        if len(tokens) == 1:
            operand, rows = self.whole_maps(tokens[0])
            rearranged = self.spread(weight.T, rows)
            if given is not None:
                given = replace(given, weights=self.spread(given.weights.T, rows))
        else:
            maps = self.book.maps_in(places)
            m = self.book.maps[maps[0]]
            grid = (m.height, m.width) if m.height * m.width == len(tokens) else (len(tokens), 1)
            operand = self.operand(tokens.reshape(*grid, inputs))
            rearranged = weight.T[:, :, None, None]
            if given is not None:
                given = replace(given, weights=given.weights.T[:, :, None, None])
        height, width = (1, 1) if len(tokens) == 1 else (operand.height, operand.width)
        layer = MatrixLayer(
            name="", output="", origin="", x=operand, weight=rearranged, bias=bias, strides=(1, 1), pads=(0, 0, 0, 0),
            dilations=(1, 1), groups=1, given=given,
        )  # fmt: skip
        layout = np.arange(len(tokens) * outputs).reshape(height, width, outputs)
        self.add_layer(layer, node, layout, linear=True)

    def whole_maps(self, places: Places) -> tuple[Operand, Places]:
        """The maps that hold a vector, whole, and where in (C, H, W) of them each of its elements is (-1: nowhere)."""
        indices = self.book.maps_in(places)
        maps = [self.book.maps[i] for i in indices]
        sizes = {(m.height, m.width) for m in maps}
        if len(sizes) != 1:
            raise Refusal("its input joins maps of different sizes, which is not built yet")
        numbers = [
            np.arange(self.book.starts[i], self.book.starts[i] + m.words).reshape(m.height, m.width, m.channels)
            for i, m in zip(indices, maps, strict=True)
        ]
        operand = self.operand(np.concatenate(numbers, axis=2))
        wanted = self.book.places_of(operand).transpose(2, 0, 1)
        position = {}
        for flat, number in enumerate(wanted.ravel().tolist()):
            position[number] = flat
        rows = np.asarray([position.get(int(p), -1) for p in places], np.int64)
        shape = np.asarray(wanted.shape)
        return operand, np.concatenate([rows, shape])

    def spread(self, weight: Floats, rows: Places) -> Floats:
        """Weights (O, K) at the map positions of their inputs: (O, C, H, W)."""
        shape = tuple(int(n) for n in rows[-3:])
        out = np.zeros((weight.shape[0], int(np.prod(shape))), weight.dtype)
        at = rows[:-3]
        for k in np.flatnonzero(at >= 0):
            out[:, at[k]] += weight[:, k]
        return out.reshape(weight.shape[0], *shape)

    # vectors

    def vector(self, node: g.Node, kind: str, operands: tuple[Operand, ...], layout: Places, linear: bool,
               gains: tuple[Floats, ...] | None = None, bias: Floats | None = None) -> Draft:  # fmt: skip
        """Add an elementwise layer."""
        channels = operands[0].channels
        gains = gains or tuple(np.ones(channels) for _ in operands)
        bias = np.zeros(channels) if bias is None else bias
        layer = VectorLayer(name="", output="", origin="", kind=kind, operands=operands, gains=gains, bias=bias)
        return self.add_layer(layer, node, layout, linear)

    def affine(self, node: g.Node, tensor: str, gain: Floats, offset: Floats) -> None:
        """y = gain * x + offset; constants broadcast against the tensor."""
        places = self.places[tensor]
        layout = self.layout_of(places)
        per_gain = self.per_channel(gain, places.shape, layout)
        per_offset = self.per_channel(offset, places.shape, layout)
        draft = self.open_draft(tensor)
        if draft is not None and draft.scale_by(per_gain, per_offset):
            self.absorb(draft, node)
            return
        operand = self.operand(places.ravel()[layout])
        self.vector(node, "sum", (operand,), layout, True, (per_gain,), per_offset)

    def unary(self, node: g.Unary) -> None:
        """An elementwise function joins the layer before it, or becomes one."""
        tensor = node.inputs[0]
        if node.function == "neg":
            self.affine(node, tensor, np.asarray(-1.0), np.asarray(0.0))
            return
        function = Function(node.function, node.a, node.b)
        draft = self.open_draft(tensor)
        if draft is not None and draft.apply(function, tensor):
            self.absorb(draft, node)
            return
        places = self.places[tensor]
        layout = self.layout_of(places)
        draft = self.vector(node, "sum", (self.operand(places.ravel()[layout]),), layout, True)
        applied = draft.apply(function, tensor)
        assert applied, f"a fresh layer takes any function, not {function}"

    def binary(self, node: g.Binary) -> None:
        """Arithmetic with a constant folds; with another activation it joins a matrix layer or becomes a layer."""
        a, b = node.inputs
        if a in self.real_constants or b in self.real_constants:
            self.binary_constant(node)
            return
        if node.function in ("add", "sub") and self.join_residual(node):
            return
        shape = self.graph.tensors[node.output].shape
        both = [np.broadcast_to(self.places[name], shape) for name in (a, b)]
        kinds = {"add": "sum", "sub": "sum", "mul": "product", "max": "max", "min": "min"}
        if node.function not in kinds:
            raise Refusal(f"{node.function} of two activations is not built yet")
        lead = next((i for i in (0, 1) if self.places[node.inputs[i]].shape == shape), 0)
        layout = self.layout_of(both[lead])
        operands = tuple(self.operand(np.ascontiguousarray(p).ravel()[layout]) for p in both)
        channels = operands[0].channels
        gains = (np.ones(channels), np.full(channels, -1.0 if node.function == "sub" else 1.0))
        self.vector(node, kinds[node.function], operands, layout, kinds[node.function] == "sum", gains)

    def binary_constant(self, node: g.Binary) -> None:
        """Arithmetic of an activation with a constant."""
        a, b = node.inputs
        first = b in self.real_constants
        tensor, constant = (a, self.real_constants[b]) if first else (b, self.real_constants[a])
        if self.graph.tensors[node.output].shape != self.graph.tensors[tensor].shape:
            raise Refusal("a constant that broadcasts the activation is not built yet")
        one, zero = np.asarray(1.0), np.asarray(0.0)
        match node.function:
            case "add":
                self.affine(node, tensor, one, constant)
            case "sub":
                self.affine(node, tensor, one if first else -one, -constant if first else constant)
            case "mul":
                self.affine(node, tensor, constant, zero)
            case "div" if first:
                self.affine(node, tensor, 1.0 / constant, zero)
            case "max" | "min" if constant.size == 1:
                low, high = (constant.item(), np.inf) if node.function == "max" else (-np.inf, constant.item())
                self.unary(g.Unary(inputs=(tensor,), output=node.output, origin=node.origin, function="clip", a=low, b=high))
            case "prelu" if first:
                self.prelu(node, tensor, constant)
            case _:
                raise Refusal(f"{node.function} with this constant is not built yet")

    def prelu(self, node: g.Binary, tensor: str, slope: Floats) -> None:
        """PRelu with slopes of at most 1 is max(x, slope * x)."""
        places = self.places[tensor]
        layout = self.layout_of(places)
        slopes = self.per_channel(slope, places.shape, layout)
        if (slopes > 1).any():
            raise Refusal("PRelu slopes above 1 are not built yet")
        operand = self.operand(places.ravel()[layout])
        self.vector(node, "max", (operand, operand), layout, False, (np.ones(operand.channels), slopes))

    def join_residual(self, node: g.Binary) -> bool:
        """Add another map inside the later of the two matrix layers; whether that was possible."""
        shape = self.graph.tensors[node.output].shape
        candidates = []
        for i, name in enumerate(node.inputs):
            draft = self.open_draft(name)
            if draft is None or not draft.linear or not isinstance(draft.layer, MatrixLayer):
                continue
            if draft.layer.given is None and draft.layer.residual is None and self.places[name].shape == shape:
                candidates.append((self.drafts.index(draft), i, draft))
        if node.inputs[0] == node.inputs[1]:
            return False
        for position, i, draft in sorted(candidates, reverse=True, key=lambda entry: entry[0]):
            if node.function == "sub" and i == 1:
                continue
            other = node.inputs[1 - i]
            places = np.broadcast_to(self.places[other], shape)
            latest = max((self.made_by(m) for m in self.book.maps_in(places)), default=-1)
            if latest > position:
                continue
            layout = self.layout_of(self.places[draft.tensor])
            residual = self.operand(np.ascontiguousarray(places).ravel()[layout])
            gain = -1.0 if node.function == "sub" else 1.0
            draft.layer = replace(draft.layer, residual=residual, residual_gain=gain)
            draft.linear = False
            self.absorb(draft, node)
            return True
        return False

    def made_by(self, map_index: int) -> int:
        """Position of the draft that makes a map (-1: an input)."""
        return next((i for i, draft in enumerate(self.drafts) if draft.map_index == map_index), -1)

    def batch_norm(self, node: g.BatchNorm) -> None:
        """Batch normalisation is a gain and an offset a channel."""
        scale, shift, mean, variance = (self.real(name) for name in node.inputs[1:])
        gain = scale / np.sqrt(variance + node.epsilon)
        shape = [1] * len(self.graph.tensors[node.inputs[0]].shape)
        shape[1] = -1
        self.affine(node, node.inputs[0], gain.reshape(shape), (shift - mean * gain).reshape(shape))

    def softmax(self, node: g.Softmax) -> None:
        """Softmax over what the map holds as channels."""
        places = np.moveaxis(self.places[node.inputs[0]], node.axis, -1)
        indices = np.moveaxis(np.arange(places.size).reshape(self.places[node.inputs[0]].shape), node.axis, -1)
        rows = int(np.prod(places.shape[:-1]))
        maps = self.book.maps_in(places)
        m = self.book.maps[maps[0]]
        grid = (m.height, m.width) if m.height * m.width == rows else (rows, 1)
        operand = self.operand(places.reshape(*grid, places.shape[-1]))
        layer = SoftmaxLayer(name="", output="", origin="", x=operand)
        self.add_layer(layer, node, indices.reshape(*grid, places.shape[-1]), linear=False).open = False

    # windows

    def pool(self, node: g.Pool) -> None:
        """Pooling over windows."""
        if node.dilations != (1, 1):
            raise Refusal("dilated pooling is not built yet")
        if node.kind == "average" and any(node.pads) and not node.count_include_pad:
            raise Refusal("average pooling that does not count its padding is not built yet")
        self.pooling(node, node.inputs[0], node.kind, node.kernel, node.strides, node.pads)

    def pooling(self, node: g.Node, tensor: str, kind: str, kernel: tuple[int, int], strides: tuple[int, int],
                pads: tuple[int, int, int, int]) -> None:  # fmt: skip
        """One pooling layer, or two where a wide average must be taken in narrow words: along rows, then columns."""
        operand = self.windowed(tensor, pads)
        oh = (operand.height + pads[0] + pads[2] - kernel[0]) // strides[0] + 1
        ow = (operand.width + pads[1] + pads[3] - kernel[1]) // strides[1] + 1
        indices = np.arange(oh * ow * operand.channels)
        layout = indices.reshape(operand.channels, oh, ow).transpose(1, 2, 0)
        common = {"name": "", "output": "", "origin": ""}
        split = kind == "average" and self.separable_pools and min(kernel) > 1 and kernel[0] * kernel[1] > 16
        if split:
            first = PoolLayer(**common, x=operand, kind=kind, kernel=(1, kernel[1]), strides=(1, strides[1]),
                              pads=(0, pads[1], 0, pads[3]))  # fmt: skip
            middle = np.arange(operand.height * ow * operand.channels).reshape(operand.height, ow, operand.channels)
            draft = self.add_layer(first, node, middle, linear=False, tensor=f"{node.output}.rows")
            draft.open = False
            numbers = self.places[draft.tensor].reshape(middle.shape)
            operand, kernel, strides, pads = self.operand(numbers), (kernel[0], 1), (strides[0], 1), (pads[0], 0, pads[2], 0)
        layer = PoolLayer(**common, x=operand, kind=kind, kernel=kernel, strides=strides, pads=pads)
        self.add_layer(layer, node, layout, linear=False).open = self.feeds_quantize(node.output)

    def feeds_quantize(self, tensor: str) -> bool:
        """Whether the one reader of a tensor gives it a number format."""
        readers = self.graph.uses_of().get(tensor, [])
        return len(readers) == 1 and isinstance(readers[0], g.Quantize)

    def reduce(self, node: g.Reduce) -> None:
        """A mean or maximum over rows and columns is a pool over the whole map."""
        shape = self.places[node.inputs[0]].shape
        if node.kind not in ("mean", "max") or len(shape) != 4 or node.axes != (2, 3):
            raise Refusal(f"reduction ({node.kind}) over axes {node.axes} of shape {shape} is not built yet")
        kind = "average" if node.kind == "mean" else "max"
        self.pooling(node, node.inputs[0], kind, (shape[2], shape[3]), (1, 1), (0, 0, 0, 0))

    # layout

    def moved(self, node: g.Node, places: Places) -> None:
        """A layout operation: the same elements at other indices."""
        self.places[node.output] = places

    def concat(self, node: g.Concat) -> None:
        """Joined tensors."""
        if any(name in self.real_constants for name in node.inputs):
            raise Refusal("joining with a constant is not built yet")
        self.moved(node, np.concatenate([self.places[name] for name in node.inputs], axis=node.axis))

    def slice(self, node: g.Slice) -> None:
        """A part of a tensor."""
        ranges = tuple(slice(start, None if stop < 0 else stop, step) for start, stop, step in node.ranges)
        self.moved(node, self.places[node.inputs[0]][ranges])

    def pad(self, node: g.Pad) -> None:
        """A tensor with zeros around it."""
        if node.value != 0:
            raise Refusal(f"padding with {node.value} is not built yet (zero is)")
        self.moved(node, np.pad(self.places[node.inputs[0]], node.pads, constant_values=-1))

    def reshape(self, node: g.Reshape) -> None:
        """Other axes, same order."""
        self.moved(node, self.places[node.inputs[0]].reshape(self.graph.tensors[node.output].shape))

    def transpose(self, node: g.Transpose) -> None:
        """Other order of axes."""
        self.moved(node, self.places[node.inputs[0]].transpose(node.perm))

    # quantised networks

    def format_of(self, node: g.Quantize | g.Dequantize) -> Quant:
        """The number format that a Quantize or Dequantize of an activation names."""
        scale = self.graph.constants[node.inputs[1]]
        zero = self.graph.constants[node.inputs[2]]
        if scale.size != 1:
            raise Refusal("activations with a scale for each channel are not built yet")
        kind = np.iinfo(zero.dtype)
        return Quant(float(np.float32(scale.item())), int(zero.item()), int(kind.min), int(kind.max))

    def quantize(self, node: g.Quantize) -> None:
        """A fixed number format: of the layer before, of an input, or the one the tensor already has."""
        tensor = node.inputs[0]
        quant = self.format_of(node)
        places = self.places[tensor]
        indices = self.book.maps_in(places)
        draft = self.open_draft(tensor)
        if draft is not None and len(indices) == 1 and indices[0] == draft.map_index:
            self.absorb(draft, node)
            draft.open = False
            self.book.maps[draft.map_index] = replace(self.book.maps[draft.map_index], quant=quant)
            return
        maps = [self.book.maps[i] for i in indices]
        fresh = [m.quant is None and m.name in self.graph.inputs and self.reads[m.name] == 1 for m in maps]
        if all(fresh) and len(indices) == 1:
            self.book.maps[indices[0]] = replace(maps[0], quant=quant)
        if all(self.book.maps[i].quant == quant for i in indices):
            self.places[node.output] = places
            return
        layout = self.layout_of(places)
        copy = self.vector(node, "sum", (self.operand(places.ravel()[layout]),), layout, False)
        copy.open = False
        self.book.maps[copy.map_index] = replace(self.book.maps[copy.map_index], quant=quant)

    def dequantize(self, node: g.Dequantize) -> None:
        """Constants become real numbers that remember their integers; an activation stays what it is."""
        name = node.inputs[0]
        if name in self.graph.constants:
            integers = np.asarray(self.graph.constants[name], np.int64)
            scale = np.asarray(self.graph.constants[node.inputs[1]], np.float32).astype(np.float64)
            zero = np.asarray(self.graph.constants[node.inputs[2]], np.int64)
            if scale.size > 1:
                shape = [1] * integers.ndim
                shape[node.axis] = -1
                scale, zero = scale.reshape(shape), zero.reshape(shape) if zero.size > 1 else zero
            self.real_constants[node.output] = (integers - zero) * scale
            self.dequantised[node.output] = node
            return
        quant = self.format_of(node)
        places = self.places[name]
        for i in self.book.maps_in(places):
            m = self.book.maps[i]
            if m.quant is None and m.name in self.graph.inputs:
                self.book.maps[i] = replace(m, quant=quant)
            elif m.quant != quant:
                raise Refusal("it reads integers in another format than they were written in")
        self.places[node.output] = places


def lower(graph: g.Graph, separable_pools: bool) -> LayerGraph:
    """Lower a Graph. separable_pools: take averages over wide windows in two steps (targets with narrow words)."""
    return Lowering(graph, separable_pools).run()
