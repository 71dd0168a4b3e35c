"""A new kind of layer is one definition: with that it is quantised, cut, placed, scheduled, emitted, verified, printed,
estimated and computed by the reference, and the emulator agrees bit for bit. Only lowering must make one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
from onnx import ModelProto

from cimc.backends.body import Body, write_code
from cimc.ir.epilogue import Epilogue, ratio
from cimc.ir.formats import Formats
from cimc.ir.graph import Graph
from cimc.ir.layers import Ints, Layer, LayerGraph, Operand, Size, Words
from cimc.ir.mapped import MappedGraph, MappedLayer, evaluate_layer, quantise_layer
from cimc.ir.reference import read_operand
from cimc.ir.text import parse_stage, print_stage
from cimc.layer_kinds.vector import VectorLayer
from cimc.passes import pipelines
from cimc.passes.lower.layers import lower
from cimc.target.model import Target
from tests.passes.cases.net import Net
from tests.passes.end_to_end import IDEAL, PUMA, run_case

# ------------------------------------------------------------------------------------------------- the definition


@dataclass(frozen=True, slots=True, kw_only=True)
class DistanceLayer(Layer):
    """|a - b|."""

    title = "distance"

    operands: tuple[Operand, Operand]

    @property
    def reads(self) -> tuple[Operand, ...]:
        return self.operands

    def check(self, label: str, out: Size) -> None:
        assert all(operand.size == out for operand in self.operands), label


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedDistance(MappedLayer):
    """epilogue: of a - b; other: of b - a."""

    layer: DistanceLayer
    other: Epilogue

    @property
    def epilogues(self) -> tuple[Epilogue, ...]:
        return (self.other, self.epilogue)


@quantise_layer.register
def _quantise(layer: DistanceLayer, formats: Formats) -> MappedDistance:
    a, b = (formats.of(operand) for operand in layer.operands)
    out, ones = formats.out(layer), np.ones(layer.operands[0].channels)
    m, n = ratio(a.scale * ones, out), ratio(b.scale * ones, out)
    first, other = (Epilogue.of(layer, k * m, -k * n, (a.zero, b.zero), out, out) for k in (1, -1))
    return MappedDistance(layer=layer, epilogue=first, other=other)


@evaluate_layer.register
def _evaluate(mapped: MappedDistance, graph: MappedGraph, maps: Mapping[str, Words]) -> Ints:
    a, b = (read_operand(graph, operand, maps) for operand in mapped.layer.operands)
    return np.asarray(np.maximum(mapped.epilogue.of_pair(a, b), mapped.other.of_pair(a, b)))


@write_code.register
def _write(mapped: MappedDistance, body: Body) -> None:
    low, high = body.task.low, body.task.high
    a, b, c = (body.registers.take(high - low) for _ in range(3))
    for role, (reg, operand) in enumerate(zip((a, b), mapped.layer.operands, strict=True)):
        body.fetch(role, low, high, reg, body.quant(operand).zero, kept=False)
    body.do("requant2", c, a, b, body.scale(mapped.epilogue, low, high))
    body.do("requant2", a, a, b, body.scale(mapped.other, low, high))
    body.do("max", c, c, a)
    body.store(c, 0)


# ------------------------------------------------------------------------------------------------------ lowering


def lowered(graph: Graph, weightless: bool = False) -> LayerGraph:
    """A difference with abs behind it as the new kind."""
    found = lower(graph, weightless)

    def changed(layer: Layer) -> Layer:
        if isinstance(layer, VectorLayer) and [function.name for function in layer.functions] == ["abs"]:
            a, b = layer.operands
            return DistanceLayer(name=layer.name, output=layer.output, origin=layer.origin, operands=(a, b))
        return layer

    layers = tuple(changed(layer) for layer in found.layers)
    assert sum(isinstance(layer, DistanceLayer) for layer in layers) == 1
    return replace(found, layers=layers)


def network() -> ModelProto:
    """A convolution on each of two sides of a distance, and one behind it."""
    net = Net(1, 3, 6, 6)
    a, b = net.same("x", 3, 8), net.same("x", 3, 8)
    return net.model(net.same(net.node("Abs", net.node("Sub", a, b)), 8, 5))


@pytest.mark.parametrize("target", [IDEAL, PUMA], ids=["ideal", "puma"])
def test_a_definition_is_enough(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines, "lower", lowered)
    found = run_case(network(), target)
    assert found.mismatches == 0, found.first
    assert min(found.snr.values()) > 35  # formats of 8 bits on ideal: 37 dB; a sign lost leaves less than 10
    stage = found.compiled.scheduled
    text, arrays = print_stage(stage)
    assert "MappedDistance(" in text
    assert print_stage(parse_stage(text, arrays))[0] == text
