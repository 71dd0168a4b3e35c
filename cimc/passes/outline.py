"""outline: Graph to LayerGraph from shapes alone, in a time that does not grow with the size of a map.

For estimates. Makes the layers, maps and operands that cimc.passes.lower makes (a test compares them), by the same
rules for what joins the layer before it (cimc.passes.draft); weights are stand-ins of the right shape, and network
inputs and outputs have no index. What it cannot take apart it refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.ir import graph as g
from cimc.ir.layers import (
    Floats,
    Function,
    GivenWeights,
    LayerGraph,
    MatrixLayer,
    Operand,
    PoolLayer,
    SoftmaxLayer,
)
from cimc.numerics.integers import integer_range
from cimc.passes.lowering import Refusal
from cimc.passes.outline_quantised import outline_dequantize, outline_quantize
from cimc.passes.outline_state import Outline
from cimc.passes.outline_views import UNKNOWN, View, broadcast, joined, padded, reshaped, sliced, transposed

KINDS = {"add": "sum", "sub": "sum", "mul": "product", "max": "max", "min": "min"}


def outline(graph: g.Graph) -> LayerGraph:
    """The layers of a Graph. Raises CimcError with the first node that is not taken apart."""
    made = Outline(graph)
    for name in graph.inputs:
        made.input(name)
    for node in graph.nodes:
        try:
            handler = _HANDLERS.get(type(node))
            if handler is None:
                raise Refusal("this operation is not built yet (activations times activations)")
            handler(made, node)
        except Refusal as refusal:
            what = f"{type(node).__name__}: {refusal}"
            raise CimcError([Diagnostic("lower.unsupported", what, Place(item=node.origin))]) from None
    return made.layers()


def _weights(made: Outline, node: g.Conv | g.MatMul, outputs: int) -> tuple[Floats, GivenWeights | None, Floats]:
    """(weights, integers that the network carries, bias) of a matrix layer, the first two as (O, 1, 1, 1)."""
    weight, given = np.ones((outputs, 1, 1, 1)), None
    if node.inputs[1] in made.dequantised:
        source = next(n for n in made.graph.nodes if n.output == node.inputs[1])
        top = integer_range(made.graph.tensors[source.inputs[0]].dtype)[1]
        given = GivenWeights(np.full((outputs, 1, 1, 1), top, np.int64), np.ones(outputs, np.float32), None)
    bias = made.constant(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(outputs)
    return weight, given, np.broadcast_to(bias, (outputs,))


def _matrix(made: Outline, node: g.Conv | g.MatMul, x: Operand, shape: tuple[int, ...], size: tuple[int, int],
            axes: tuple[str, ...]) -> None:  # fmt: skip
    """A matrix layer with weights of this shape (O, C/groups, KH, KW)."""
    weight, given, bias = _weights(made, node, shape[0])
    window: dict[str, Any] = {"strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1), "groups": 1}
    if isinstance(node, g.Conv):
        window = {"strides": node.strides, "pads": node.pads, "dilations": node.dilations, "groups": node.groups}
    layer = MatrixLayer(name="", output="", origin="", x=x, weight=weight, bias=bias, given=given, **window)
    draft = made.add(layer, node, (*size, shape[0]), axes, linear=True)
    made.shapes[draft.map_index] = shape


def _conv(made: Outline, node: g.Conv) -> None:
    _, _, height, width = made.graph.tensors[node.output].shape
    x = made.windowed(node.inputs[0], node.pads)
    _matrix(made, node, x, made.graph.tensors[node.inputs[1]].shape, (height, width), ("", "c", "h", "w"))


def _matmul(made: Outline, node: g.MatMul) -> None:
    view, shape = made.views[node.inputs[0]], made.graph.tensors[node.inputs[0]].shape
    outputs = made.graph.tensors[node.inputs[1]].shape[1]
    axes = ("",) * (len(shape) - 1) + ("c",)
    if np.prod(shape[:-1]) == 1:
        maps = [made.maps[number] for number in view.maps]
        if len({(m.height, m.width) for m in maps}) != 1:
            raise Refusal("its input joins maps of different sizes, which is not built yet")
        height, width = maps[0].height, maps[0].width
        runs = tuple((number, 0, made.maps[number].channels) for number in view.maps)
        x = made.operand(View(runs, height, width, ("", "c", "h", "w"), limits=(height, width)))
        _matrix(made, node, x, (outputs, x.channels, height, width), (1, 1), axes)
        return
    if view.axes[-1:] != view.named("c") or "".join(view.axes[:-1]) not in ("h", "w", "hw"):
        raise Refusal("its input is rearranged in a way that is not outlined")
    size = (view.height, view.width)
    _matrix(made, node, made.operand(view), (outputs, shape[-1], 1, 1), size, (*view.axes[:-1], "c"))


def _pool(made: Outline, node: g.Pool) -> None:
    operand = made.windowed(node.inputs[0], node.pads)
    if not all(part.map for part in operand.parts):
        made.materialise(node.inputs[0])
        operand = made.windowed(node.inputs[0], node.pads)
    _, channels, height, width = made.graph.tensors[node.output].shape
    layer = PoolLayer(
        name="", output="", origin="", x=operand, kind=node.kind, kernel=node.kernel, strides=node.strides,
        pads=node.pads, dilations=node.dilations,
        counts_padding=node.kind == "max" or node.count_include_pad or not any(node.pads),
    )  # fmt: skip
    draft = made.add(layer, node, (height, width, channels), ("", "c", "h", "w"), linear=False)
    readers = made.graph.uses_of().get(node.output, [])
    draft.open = len(readers) == 1 and isinstance(readers[0], g.Quantize)
    given = {m.quant for m in made.maps if m.name in operand.maps}
    if node.kind == "max" and made.graph.tensors[node.output].dtype != "float32" and len(given) == 1:
        made.maps[draft.map_index] = replace(made.maps[draft.map_index], quant=given.pop())


def _affine(made: Outline, node: g.Node, tensor: str, gain: Floats, offset: Floats) -> None:
    view = made.views[tensor]
    per_gain, per_offset = (_per_channel(number, view.channels) for number in (gain, offset))
    draft = made.open_draft(tensor)
    if draft is not None and draft.scale_by(per_gain, per_offset):
        made.absorb(draft, node)
        return
    made.vector(node, "sum", (view,), True, (per_gain,), per_offset)


def _per_channel(constant: Floats, channels: int) -> Floats:
    """A constant operand as one number a channel; one that is larger stands in by its first number."""
    flat = constant.reshape(-1)
    return flat if flat.size == channels else np.full(channels, flat[0])


def _unary(made: Outline, node: g.Unary) -> None:
    tensor = node.inputs[0]
    if node.function == "neg":
        _affine(made, node, tensor, np.asarray(-1.0), np.asarray(0.0))
        return
    function = Function(node.function, node.a, node.b)
    draft = made.open_draft(tensor)
    if draft is not None and draft.apply(function, tensor):
        made.absorb(draft, node)
        return
    applied = made.vector(node, "sum", (made.views[tensor],), True).apply(function, tensor)
    assert applied, f"a fresh layer takes any function, not {function}"


def _binary(made: Outline, node: g.Binary) -> None:
    a, b = node.inputs
    if made.is_constant(a) or made.is_constant(b):
        _binary_constant(made, node)
        return
    if node.function in ("add", "sub") and _join_residual(made, node):
        return
    if node.function not in KINDS:
        raise Refusal(f"{node.function} of two activations is not built yet")
    shape = made.graph.tensors[node.output].shape
    lead = next((i for i in (0, 1) if made.graph.tensors[node.inputs[i]].shape == shape), 0)
    like = made.views[node.inputs[lead]]
    views = tuple(replace(broadcast(made.views[name], like), axes=like.axes) for name in (a, b))
    gains = (np.ones(like.channels), np.full(like.channels, -1.0 if node.function == "sub" else 1.0))
    made.vector(node, KINDS[node.function], views, KINDS[node.function] == "sum", gains)


def _binary_constant(made: Outline, node: g.Binary) -> None:
    a, b = node.inputs
    first = made.is_constant(b)
    tensor, constant = (a, made.constant(b)) if first else (b, made.constant(a))
    one, zero = np.asarray(1.0), np.asarray(0.0)
    match node.function:
        case "add":
            _affine(made, node, tensor, one, constant)
        case "sub":
            _affine(made, node, tensor, one if first else -one, -constant if first else constant)
        case "mul":
            _affine(made, node, tensor, constant, zero)
        case "div" if first:
            _affine(made, node, tensor, 1.0 / constant, zero)
        case "max" | "min" if constant.size == 1:
            least, most = (constant.item(), np.inf) if node.function == "max" else (-np.inf, constant.item())
            _unary(made, g.Unary(inputs=(tensor,), output=node.output, origin=node.origin, function="clip",
                                 a=least, b=most))  # fmt: skip
        case "prelu" if first:
            view = made.views[tensor]
            gains = (np.ones(view.channels), _per_channel(constant, view.channels))
            made.vector(node, "max", (view, view), False, gains)
        case _:
            raise Refusal(f"{node.function} with this constant is not built yet")


def _join_residual(made: Outline, node: g.Binary) -> bool:
    """Add another map inside the later of the two matrix layers; whether that was possible."""
    shape = made.graph.tensors[node.output].shape
    candidates = []
    for i, name in enumerate(node.inputs):
        draft = made.open_draft(name)
        if draft is None or not draft.linear or not isinstance(draft.layer, MatrixLayer):
            continue
        layer = draft.layer
        if layer.given is None and layer.residual is None and made.graph.tensors[name].shape == shape:
            candidates.append((made.drafts.index(draft), i, draft, layer))
    if node.inputs[0] == node.inputs[1]:
        return False
    made_at = {draft.map_index: position for position, draft in enumerate(made.drafts)}
    for position, i, draft, layer in sorted(candidates, reverse=True, key=lambda entry: entry[0]):
        if node.function == "sub" and i == 1:
            continue
        other = made.views[node.inputs[1 - i]]
        if max((made_at.get(number, -1) for number in other.maps), default=-1) > position:
            continue
        residual = made.operand(broadcast(other, made.views[draft.tensor]))
        draft.layer = replace(layer, residual=residual, residual_gain=-1.0 if node.function == "sub" else 1.0)
        draft.linear = False
        made.absorb(draft, node)
        return True
    return False


def _batch_norm(made: Outline, node: g.BatchNorm) -> None:
    scale, shift, mean, variance = (made.constant(name) for name in node.inputs[1:])
    gain = scale / np.sqrt(variance + node.epsilon)
    _affine(made, node, node.inputs[0], gain, shift - mean * gain)


def _softmax(made: Outline, node: g.Softmax) -> None:
    view = made.views[node.inputs[0]]
    if view.axes == UNKNOWN or view.axes[node.axis] != view.named("c")[0]:
        raise Refusal("softmax over other axes than channels is not outlined")
    layer = SoftmaxLayer(name="", output="", origin="", x=made.operand(view))
    size = (view.height, view.width, view.channels)
    made.add(layer, node, size, view.axes, linear=False).open = False


def _layout(made: Outline, node: g.Node) -> None:
    view = made.views[node.inputs[0]]
    match node:
        case g.Concat():
            view = joined([made.views[name] for name in node.inputs], node.axis)
        case g.Slice():
            view = sliced(view, node.ranges, made.graph.tensors[node.inputs[0]].shape)
        case g.Pad():
            view = padded(view, node.pads)
        case g.Reshape():
            view = reshaped(view, made.graph.tensors[node.output].shape)
        case g.Transpose():
            view = transposed(view, node.perm)
    made.views[node.output] = view


_HANDLERS: dict[type[g.Node], Callable[[Outline, Any], None]] = {
    g.Conv: _conv,
    g.MatMul: _matmul,
    g.Pool: _pool,
    g.Unary: _unary,
    g.Binary: _binary,
    g.BatchNorm: _batch_norm,
    g.Softmax: _softmax,
    g.Concat: _layout,
    g.Slice: _layout,
    g.Pad: _layout,
    g.Reshape: _layout,
    g.Transpose: _layout,
    g.Quantize: outline_quantize,
    g.Dequantize: outline_dequantize,
}
