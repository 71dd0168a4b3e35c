"""Random networks for hypothesis: operations in a row on maps that earlier ones made, with joins between them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st
from onnx import ModelProto

from tests.passes.cases.net import Net

Map = tuple[str, int, int, int]
"""A map of the network: name, channels, height, width."""


@dataclass(slots=True)
class Growing:
    """A network in the making and the maps that may be read next."""

    net: Net
    maps: list[Map] = field(default_factory=list)

    def add(self, name: str, channels: int, height: int, width: int) -> None:
        self.maps.append((name, channels, height, width))


@st.composite
def networks(draw: st.DrawFn, most: int = 7) -> ModelProto:
    """A network of two to `most` operations and one or two outputs."""
    channels, height, width = (draw(st.integers(a, b)) for a, b in ((1, 6), (4, 9), (4, 9)))
    growing = Growing(Net(1, channels, height, width, seed=draw(st.integers(0, 1 << 20))))
    growing.add(growing.net.conv("x", channels, channels, (1, 1)), channels, height, width)
    for _ in range(draw(st.integers(1, most))):
        source = draw(st.sampled_from(growing.maps[-4:]))
        draw(st.sampled_from(OPERATIONS))(draw, growing, source)
    last = growing.maps[-1]
    outputs = [last[0]]
    if draw(st.booleans()):
        size = last[1] * last[2] * last[3]
        outputs = [growing.net.gemm(growing.net.node("Flatten", last[0]), size, draw(st.integers(1, 12)))]
    if draw(st.integers(0, 3)) == 0:
        other = draw(st.sampled_from(growing.maps))[0]
        outputs += [other] if other not in outputs else []
    return growing.net.model(*outputs)


def _convolution(draw: st.DrawFn, growing: Growing, source: Map) -> None:
    name, c, h, w = source
    kernel, strides, dilations = ([draw(st.integers(1, most)) for _ in range(2)] for most in (3, 2, 2))
    pads = [draw(st.integers(0, 2)) for _ in range(4)]
    groups = draw(st.sampled_from([g for g in range(1, c + 1) if c % g == 0]))
    outputs = groups * draw(st.integers(1, 3))
    if draw(st.integers(0, 5)) == 0:
        outputs = groups * -(-40 // groups)
    oh, ow = (
        (size + pads[i] + pads[i + 2] - (kernel[i] - 1) * dilations[i] - 1) // strides[i] + 1
        for i, size in ((0, h), (1, w))
    )
    if min(oh, ow) < 1 or any(
        size + pads[i] + pads[i + 2] < (kernel[i] - 1) * dilations[i] + 1 for i, size in ((0, h), (1, w))
    ):
        return
    made = growing.net.conv(name, c, outputs, kernel, strides=strides, pads=pads, dilations=dilations, group=groups)
    growing.add(made, outputs, oh, ow)
    if draw(st.booleans()):
        growing.add(growing.net.node("Relu", made), outputs, oh, ow)


def _function(draw: st.DrawFn, growing: Growing, source: Map) -> None:
    op = draw(st.sampled_from(("Relu", "Tanh", "Sigmoid", "HardSwish", "Neg", "Abs", "LeakyRelu")))
    growing.add(growing.net.node(op, source[0]), *source[1:])


def _scaling(draw: st.DrawFn, growing: Growing, source: Map) -> None:
    net, (name, c, *size) = growing.net, source
    op = draw(st.sampled_from(("Mul", "Add", "Sub")))
    value = net.constant(net.random(c, 1, 1) if draw(st.booleans()) else 1.5)
    operands = (name, value) if draw(st.booleans()) else (value, name)
    growing.add(net.node(op, *operands), c, *size)


def _join(draw: st.DrawFn, growing: Growing, source: Map) -> None:
    """A second map of the same size, or of one pixel, added, multiplied, compared or put beside it."""
    name, c, h, w = source
    same = [m for m in growing.maps if m[1:] == source[1:] or (m[1] == c and m[2:] == (1, 1))]
    other = draw(st.sampled_from(same))
    op = draw(st.sampled_from(("Add", "Sub", "Mul", "Max")))
    names = (name, other[0]) if draw(st.booleans()) else (other[0], name)
    growing.add(growing.net.node(op, *names), c, h, w)


def _concat(draw: st.DrawFn, growing: Growing, source: Map) -> None:
    name, c, h, w = source
    other = draw(st.sampled_from([m for m in growing.maps if m[2:] == (h, w)]))
    if c + other[1] <= 80:
        growing.add(growing.net.node("Concat", name, other[0], axis=1), c + other[1], h, w)


def _pool(draw: st.DrawFn, growing: Growing, source: Map) -> None:
    name, c, h, w = source
    kernel = [draw(st.integers(1, min(4, size))) for size in (h, w)]
    strides = [draw(st.integers(1, 3)) for _ in range(2)]
    pads = [draw(st.integers(0, (k - 1) // 2)) for k in (*kernel, *kernel)]
    op = draw(st.sampled_from(("MaxPool", "AveragePool")))
    extra = {"count_include_pad": draw(st.integers(0, 1))} if op == "AveragePool" else {}
    made = growing.net.node(op, name, kernel_shape=kernel, strides=strides, pads=pads, **extra)
    oh, ow = ((size + pads[i] + pads[i + 2] - kernel[i]) // strides[i] + 1 for i, size in ((0, h), (1, w)))
    growing.add(made, c, oh, ow)


def _global_pool(draw: st.DrawFn, growing: Growing, source: Map) -> None:
    op = draw(st.sampled_from(("GlobalAveragePool", "GlobalMaxPool")))
    growing.add(growing.net.node(op, source[0]), source[1], 1, 1)


def _slice(draw: st.DrawFn, growing: Growing, source: Map) -> None:
    net, (name, *size) = growing.net, source
    starts = [draw(st.integers(0, n - 1)) for n in size]
    stops = [draw(st.integers(a + 1, n)) for a, n in zip(starts, size, strict=True)]
    steps = [draw(st.integers(1, 2)) for _ in size]
    arguments = [net.constant(v, np.int64) for v in (starts, stops, (1, 2, 3), steps)]
    made = [-(-(b - a) // s) for a, b, s in zip(starts, stops, steps, strict=True)]
    growing.add(net.node("Slice", name, *arguments), *made)


def _pad(draw: st.DrawFn, growing: Growing, source: Map) -> None:
    net, (name, *size) = growing.net, source
    pads = [draw(st.integers(0, 2)) for _ in range(6)]
    made = [n + pads[i] + pads[i + 3] for i, n in enumerate(size)]
    growing.add(net.node("Pad", name, net.constant((0, *pads[:3], 0, *pads[3:]), np.int64)), *made)


OPERATIONS = (_convolution, _convolution, _function, _scaling, _join, _join, _concat, _pool, _global_pool, _slice, _pad)
