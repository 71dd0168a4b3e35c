"""Elementwise operations fold into the layer before them, join a matrix layer as its residual, or become layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cimc.ir import graph as g
from cimc.ir.layers import Floats, Function
from cimc.layer_kinds.matrix.layer import MatrixLayer
from cimc.layer_kinds.softmax import SoftmaxLayer
from cimc.passes.lower.layout import Layout, layout_on
from cimc.passes.lower.state import Lowering, Refusal


def affine(low: Lowering, node: g.Node, tensor: str, gain: Floats, offset: Floats) -> None:
    """y = gain * x + offset; constants broadcast against the tensor."""
    seen, layout = low.tensors[tensor], low.layout_of(tensor)
    per_gain = low.per_channel(gain, seen.shape, layout)
    per_offset = low.per_channel(offset, seen.shape, layout)
    group = low.open_group(tensor)
    if group is not None and group.scale_by(per_gain, per_offset):
        low.absorb(group, node)
        return
    low.add_vector(node, "sum", (low.operand(layout.of(seen)),), layout, True, (per_gain,), per_offset)


def lower_unary(low: Lowering, node: g.Unary) -> None:
    """An elementwise function joins the layer before it, or becomes one."""
    tensor = node.inputs[0]
    if node.function == "neg":
        affine(low, node, tensor, np.asarray(-1.0), np.asarray(0.0))
        return
    function = Function(node.function, node.a, node.b)
    group = low.open_group(tensor)
    if group is not None and group.apply(function, tensor):
        low.absorb(group, node)
        return
    layout = low.layout_of(tensor)
    group = low.add_vector(node, "sum", (low.operand(layout.of(low.tensors[tensor])),), layout, True)
    applied = group.apply(function, tensor)
    assert applied, f"a fresh layer takes any function, not {function}"


def lower_binary(low: Lowering, node: g.Binary) -> None:
    """Arithmetic with a constant folds; with another activation it joins a matrix layer or becomes a layer."""
    a, b = node.inputs
    if low.is_constant(a) or low.is_constant(b):
        binary_constant(low, node)
        return
    if node.function in ("add", "sub") and join_residual(low, node):
        return
    shape = low.graph.tensors[node.output].shape
    kinds = {"add": "sum", "sub": "sum", "mul": "product", "max": "max", "min": "min"}
    if node.function not in kinds:
        raise Refusal(f"{node.function} of two activations is not built yet")
    both = [low.tensors[name].broadcast(shape) for name in (a, b)]
    lead = next((i for i in (0, 1) if low.tensors[node.inputs[i]].shape == shape), 0)
    layout = layout_on(both[lead], low.maps)
    operands = tuple(low.operand(layout.of(tensor)) for tensor in both)
    channels = operands[0].channels
    gains = (np.ones(channels), np.full(channels, -1.0 if node.function == "sub" else 1.0))
    low.add_vector(node, kinds[node.function], operands, layout, kinds[node.function] == "sum", gains)


def binary_constant(low: Lowering, node: g.Binary) -> None:
    """Arithmetic of an activation with a constant."""
    a, b = node.inputs
    first = low.is_constant(b)
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
            clip = g.Unary(inputs=(tensor,), outputs=node.outputs, origin=node.origin, function="clip", a=least, b=most)
            lower_unary(low, clip)
        case "prelu" if first:
            prelu(low, node, tensor, constant)
        case _:
            raise Refusal(f"{node.function} with this constant is not built yet")


def prelu(low: Lowering, node: g.Binary, tensor: str, slope: Floats) -> None:
    """PRelu with slopes of at most 1 is max(x, slope * x)."""
    seen, layout = low.tensors[tensor], low.layout_of(tensor)
    slopes = low.per_channel(slope, seen.shape, layout)
    if (slopes > 1).any():
        raise Refusal("PRelu slopes above 1 are not built yet")
    operand = low.operand(layout.of(seen))
    low.add_vector(node, "max", (operand, operand), layout, False, (np.ones(operand.channels), slopes))


def join_residual(low: Lowering, node: g.Binary) -> bool:
    """Add another map inside the later of the two matrix layers; whether that was possible."""
    if node.inputs[0] == node.inputs[1]:
        return False
    shape = low.graph.tensors[node.output].shape
    made_at = {group.map: position for position, group in enumerate(low.groups)}
    candidates = []
    for i, name in enumerate(node.inputs):
        group = low.open_group(name)
        if group is None or not group.linear or not isinstance(group.layer, MatrixLayer):
            continue
        layer = group.layer
        if layer.given is None and layer.residual is None and low.tensors[name].shape == shape:
            candidates.append((made_at[group.map], i, group, layer))
    for position, i, group, layer in sorted(candidates, reverse=True, key=lambda entry: entry[0]):
        if node.function == "sub" and i == 1:
            continue
        other = low.tensors[node.inputs[1 - i]].broadcast(shape)
        if max((made_at.get(number, -1) for number in other.maps), default=-1) > position:
            continue
        residual = low.operand(low.layout_of(group.tensor).of(other))
        group.layer = replace(layer, residual=residual, residual_gain=-1.0 if node.function == "sub" else 1.0)
        group.linear = False
        low.absorb(group, node)
        return True
    return False


def lower_batch_norm(low: Lowering, node: g.BatchNorm) -> None:
    """Batch normalisation is a gain and an offset a channel."""
    scale, shift, mean, variance = (low.real(name) for name in node.inputs[1:])
    gain = scale / np.sqrt(variance + node.epsilon)
    shape = [1] * len(low.graph.tensors[node.inputs[0]].shape)
    shape[1] = -1
    affine(low, node, node.inputs[0], gain.reshape(shape), (shift - mean * gain).reshape(shape))


def lower_softmax(low: Lowering, node: g.Softmax) -> None:
    """Softmax over what the map holds as channels."""
    tensor = low.tensors[node.inputs[0]]
    perm = [*(axis for axis in range(len(tensor.shape)) if axis != node.axis % len(tensor.shape)), node.axis]
    count = tensor.shape[node.axis]
    m, rows = low.maps[tensor.maps[0]], tensor.count // count
    shape = (m.height, m.width, count) if m.height * m.width == rows else (rows, 1, count)
    operand = low.operand(tensor.transpose(perm).reshape(shape))
    if not all(part.map for part in operand.parts):
        raise Refusal("softmax over padding is not built yet")
    layout = Layout(tensor.shape, tuple(axis % len(perm) for axis in perm), shape)
    low.add_layer(SoftmaxLayer(name="", output="", origin="", x=operand), node, layout, linear=False).open = False
