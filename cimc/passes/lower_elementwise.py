"""Elementwise operations fold into the layer before them, join a matrix layer as its residual, or become layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cimc.ir import graph as g
from cimc.ir.layers import Floats, Function, MatrixLayer, Operand, SoftmaxLayer, VectorLayer
from cimc.passes.draft import Draft
from cimc.passes.lowering import Lowering, Refusal
from cimc.passes.places import Places


def add_vector(low: Lowering, node: g.Node, kind: str, operands: tuple[Operand, ...], layout: Places, linear: bool,
           gains: tuple[Floats, ...] | None = None, bias: Floats | None = None) -> Draft:  # fmt: skip
    """Add an elementwise layer."""
    channels = operands[0].channels
    gains = gains or tuple(np.ones(channels) for _ in operands)
    bias = np.zeros(channels) if bias is None else bias
    layer = VectorLayer(name="", output="", origin="", kind=kind, operands=operands, gains=gains, bias=bias)
    return low.add_layer(layer, node, layout, linear)


def affine(low: Lowering, node: g.Node, tensor: str, gain: Floats, offset: Floats) -> None:
    """y = gain * x + offset; constants broadcast against the tensor."""
    places = low.places[tensor]
    layout = low.layout_of(places)
    per_gain = low.per_channel(gain, places.shape, layout)
    per_offset = low.per_channel(offset, places.shape, layout)
    draft = low.open_draft(tensor)
    if draft is not None and draft.scale_by(per_gain, per_offset):
        low.absorb(draft, node)
        return
    operand = low.operand(places.ravel()[layout])
    add_vector(low, node, "sum", (operand,), layout, True, (per_gain,), per_offset)


def lower_unary(low: Lowering, node: g.Unary) -> None:
    """An elementwise function joins the layer before it, or becomes one."""
    tensor = node.inputs[0]
    if node.function == "neg":
        affine(low, node, tensor, np.asarray(-1.0), np.asarray(0.0))
        return
    function = Function(node.function, node.a, node.b)
    draft = low.open_draft(tensor)
    if draft is not None and draft.apply(function, tensor):
        low.absorb(draft, node)
        return
    places = low.places[tensor]
    layout = low.layout_of(places)
    draft = add_vector(low, node, "sum", (low.operand(places.ravel()[layout]),), layout, True)
    applied = draft.apply(function, tensor)
    assert applied, f"a fresh layer takes any function, not {function}"


def lower_binary(low: Lowering, node: g.Binary) -> None:
    """Arithmetic with a constant folds; with another activation it joins a matrix layer or becomes a layer."""
    a, b = node.inputs
    if a in low.real_constants or b in low.real_constants:
        binary_constant(low, node)
        return
    if node.function in ("add", "sub") and join_residual(low, node):
        return
    shape = low.graph.tensors[node.output].shape
    both = [np.broadcast_to(low.places[name], shape) for name in (a, b)]
    kinds = {"add": "sum", "sub": "sum", "mul": "product", "max": "max", "min": "min"}
    if node.function not in kinds:
        raise Refusal(f"{node.function} of two activations is not built yet")
    lead = next((i for i in (0, 1) if low.places[node.inputs[i]].shape == shape), 0)
    layout = low.layout_of(both[lead])
    operands = tuple(low.operand(np.ascontiguousarray(p).ravel()[layout]) for p in both)
    channels = operands[0].channels
    gains = (np.ones(channels), np.full(channels, -1.0 if node.function == "sub" else 1.0))
    add_vector(low, node, kinds[node.function], operands, layout, kinds[node.function] == "sum", gains)


def binary_constant(low: Lowering, node: g.Binary) -> None:
    """Arithmetic of an activation with a constant."""
    a, b = node.inputs
    first = b in low.real_constants
    tensor, constant = (a, low.real(b)) if first else (b, low.real(a))
    if low.graph.tensors[node.output].shape != low.graph.tensors[tensor].shape:
        raise Refusal("a constant that broadcasts the activation is not built yet")
    one, zero = np.asarray(1.0), np.asarray(0.0)
    match node.function:
        case "add":
            affine(low, node, tensor, one, constant)
        case "sub":
            affine(low, node, tensor, one if first else -one, -constant if first else constant)
        case "mul":
            affine(low, node, tensor, constant, zero)
        case "div" if first:
            affine(low, node, tensor, 1.0 / constant, zero)
        case "max" | "min" if constant.size == 1:
            least, most = (constant.item(), np.inf) if node.function == "max" else (-np.inf, constant.item())
            clip = g.Unary(inputs=(tensor,), output=node.output, origin=node.origin, function="clip", a=least, b=most)
            lower_unary(low, clip)
        case "prelu" if first:
            prelu(low, node, tensor, constant)
        case _:
            raise Refusal(f"{node.function} with this constant is not built yet")


def prelu(low: Lowering, node: g.Binary, tensor: str, slope: Floats) -> None:
    """PRelu with slopes of at most 1 is max(x, slope * x)."""
    places = low.places[tensor]
    layout = low.layout_of(places)
    slopes = low.per_channel(slope, places.shape, layout)
    if (slopes > 1).any():
        raise Refusal("PRelu slopes above 1 are not built yet")
    operand = low.operand(places.ravel()[layout])
    add_vector(low, node, "max", (operand, operand), layout, False, (np.ones(operand.channels), slopes))


def join_residual(low: Lowering, node: g.Binary) -> bool:
    """Add another map inside the later of the two matrix layers; whether that was possible."""
    shape = low.graph.tensors[node.output].shape
    candidates = []
    for i, name in enumerate(node.inputs):
        draft = low.open_draft(name)
        if draft is None or not draft.linear or not isinstance(draft.layer, MatrixLayer):
            continue
        if draft.layer.given is None and draft.layer.residual is None and low.places[name].shape == shape:
            candidates.append((low.drafts.index(draft), i, draft))
    if node.inputs[0] == node.inputs[1]:
        return False
    for position, i, draft in sorted(candidates, reverse=True, key=lambda entry: entry[0]):
        if node.function == "sub" and i == 1:
            continue
        other = node.inputs[1 - i]
        places = np.broadcast_to(low.places[other], shape)
        latest = max((made_by(low, m) for m in low.book.maps_in(places)), default=-1)
        if latest > position:
            continue
        layout = low.layout_of(low.places[draft.tensor])
        residual = low.operand(np.ascontiguousarray(places).ravel()[layout])
        gain = -1.0 if node.function == "sub" else 1.0
        assert isinstance(draft.layer, MatrixLayer), "only matrix layers take a residual"
        draft.layer = replace(draft.layer, residual=residual, residual_gain=gain)
        draft.linear = False
        low.absorb(draft, node)
        return True
    return False


def made_by(low: Lowering, map_index: int) -> int:
    """Position of the draft that makes a map (-1: an input)."""
    return next((i for i, draft in enumerate(low.drafts) if draft.map_index == map_index), -1)


def lower_batch_norm(low: Lowering, node: g.BatchNorm) -> None:
    """Batch normalisation is a gain and an offset a channel."""
    scale, shift, mean, variance = (low.real(name) for name in node.inputs[1:])
    gain = scale / np.sqrt(variance + node.epsilon)
    shape = [1] * len(low.graph.tensors[node.inputs[0]].shape)
    shape[1] = -1
    affine(low, node, node.inputs[0], gain.reshape(shape), (shift - mean * gain).reshape(shape))


def lower_softmax(low: Lowering, node: g.Softmax) -> None:
    """Softmax over what the map holds as channels."""
    places = np.moveaxis(low.places[node.inputs[0]], node.axis, -1)
    indices = np.moveaxis(np.arange(places.size).reshape(low.places[node.inputs[0]].shape), node.axis, -1)
    rows = int(np.prod(places.shape[:-1]))
    maps = low.book.maps_in(places)
    m = low.book.maps[maps[0]]
    grid = (m.height, m.width) if m.height * m.width == rows else (rows, 1)
    operand = low.operand(places.reshape(*grid, places.shape[-1]))
    if not all(part.map for part in operand.parts):
        raise Refusal("softmax over padding is not built yet")
    layer = SoftmaxLayer(name="", output="", origin="", x=operand)
    low.add_layer(layer, node, indices.reshape(*grid, places.shape[-1]), linear=False).open = False
