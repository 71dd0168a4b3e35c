"""Elementwise work on one or two operands: sum, product, max, min."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from cimc.backends.body import Body, write_code
from cimc.ir.epilogue import Epilogue, ratio
from cimc.ir.formats import Formats
from cimc.ir.layers import Floats, Ints, Layer, Operand, Reals, Size, Words
from cimc.ir.mapped import MappedGraph, MappedLayer, evaluate_layer, quantise_layer
from cimc.ir.reference import read_operand

OPERANDS = {"sum": (1, 2), "product": (2,), "max": (2,), "min": (2,)}
"""How many operands each kind of vector layer takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorLayer(Layer):
    """Elementwise work on one or two operands. kind: "sum" (gains[0] * a [+ gains[1] * b] + bias), "product", "max",
    "min". gains, bias: per channel."""

    kind: str
    operands: tuple[Operand, ...]
    gains: tuple[Floats, ...]
    bias: Floats

    @property
    def title(self) -> str:
        """Its kind."""
        return self.kind

    @property
    def reads(self) -> tuple[Operand, ...]:
        """One operand or two."""
        return self.operands

    @property
    def keeps_format(self) -> bool:
        """Whether it is a copy that lowering made."""
        return self.name.endswith(".copy")

    def check(self, label: str, out: Size) -> None:
        """Operands of the output's size, and factors for each channel."""
        assert len(self.operands) in OPERANDS.get(self.kind, ()), (
            f"{label}: {self.kind!r} of {len(self.operands)} operands"
        )
        for operand in self.operands:
            assert operand.size == out, f"{label}: an operand of size {operand.size}, the output's is {out}"
        if self.kind == "sum":
            assert len(self.gains) == len(self.operands), f"{label}: {len(self.gains)} gains"
        for values in (*self.gains, self.bias):
            assert values.shape == (out[2],), f"{label}: gains or bias {values.shape} for {out[2]} channels"

    def most_channels(self, registers: int) -> int:
        """As many as registers hold of two operands."""
        return max(1, registers // 2)

    @property
    def constants(self) -> tuple[Reals, ...]:
        """Gains and bias."""
        return (*self.gains, self.bias)

    def finite(self) -> Self:
        """See Layer."""
        gains = tuple(np.nan_to_num(gain, nan=1.0, posinf=1.0, neginf=1.0) for gain in self.gains)
        return replace(self, gains=gains, bias=np.nan_to_num(self.bias, nan=0.0, posinf=0.0, neginf=0.0))

    @property
    def is_plain(self) -> bool:
        """Whether nothing but functions is made of its one operand."""
        one = self.kind == "sum" and len(self.operands) == 1
        return one and bool((self.gains[0] == 1).all()) and not self.bias.any()


@dataclass(frozen=True, slots=True)
class MappedVector(MappedLayer):
    """pre: of max and min, the epilogue of each operand, applied before the comparison."""

    layer: VectorLayer
    pre: tuple[Epilogue, ...] = ()

    @property
    def epilogues(self) -> tuple[Epilogue, ...]:
        """Those of the operands, and the result's."""
        return (*self.pre, self.epilogue)

    def check(self, label: str, channels: int) -> None:
        """One epilogue before for each operand of a comparison."""
        wanted = len(self.layer.operands) if self.layer.kind in ("max", "min") else 0
        assert len(self.pre) == wanted, f"{label}: {len(self.pre)} epilogues of operands for {self.layer.kind!r}"


@quantise_layer.register
def _quantise(layer: VectorLayer, formats: Formats) -> MappedVector:
    out, given = formats.out(layer), [formats.of(operand) for operand in layer.operands]
    middle = given[0] if layer.functions and layer.is_plain else formats.before_functions(layer)
    zero = given[0].zero
    if layer.kind == "sum":
        m = ratio(given[0].scale * layer.gains[0], middle)
        n, second = ratio(layer.bias, middle), 0
        if len(given) == 2:
            assert not layer.bias.any(), "a sum of two has no bias"
            n, second = ratio(given[1].scale * layer.gains[1], middle), given[1].zero
        return MappedVector(layer, Epilogue.of(layer, m, n, (zero, second), middle, out))
    if layer.kind == "product":
        m = ratio(given[0].scale * given[1].scale * (layer.gains[0] * layer.gains[1]), middle)
        return MappedVector(layer, Epilogue.of(layer, m, None, (zero, given[1].zero), middle, out))
    plain = replace(layer, functions=())
    zeros, ones = np.zeros(layer.operands[0].channels), np.ones(layer.operands[0].channels)
    pre = tuple(
        Epilogue.of(plain, ratio(one.scale * gain, middle), zeros, (one.zero, 0), middle, middle)
        for one, gain in zip(given, layer.gains, strict=True)
    )
    return MappedVector(layer, Epilogue.of(layer, ones, None, (0, 0), middle, out), pre=pre)


@evaluate_layer.register
def _evaluate(mapped: MappedVector, graph: MappedGraph, maps: Mapping[str, Words]) -> Ints:
    operands = [read_operand(graph, operand, maps) for operand in mapped.layer.operands]
    epilogue = mapped.epilogue
    if mapped.layer.kind == "sum":
        return epilogue.of_pair(operands[0], operands[1] if len(operands) == 2 else np.ones_like(operands[0]))
    if mapped.layer.kind == "product":
        return epilogue.of_one((operands[0] - epilogue.a0) * (operands[1] - epilogue.b0))
    a, b = (pre.of_pair(x, np.ones_like(x)) for pre, x in zip(mapped.pre, operands, strict=True))
    return epilogue.looked_up(np.maximum(a, b) if mapped.layer.kind == "max" else np.minimum(a, b))


@write_code.register
def _write(mapped: MappedVector, body: Body) -> None:
    low, high = body.task.low, body.task.high
    count, epilogue, kind = high - low, mapped.epilogue, mapped.layer.kind
    regs = [body.registers.take(count) for _ in mapped.layer.operands]
    for role, (reg, operand) in enumerate(zip(regs, mapped.layer.operands, strict=True)):
        body.fetch(role, low, high, reg, body.quant(operand).zero, kept=False)
    result = regs[0]
    if kind == "sum":
        if len(regs) == 2 or not body.passes(epilogue):
            second = regs[1] if len(regs) == 2 else body.one()
            body.do("requant2", result, regs[0], second, body.scale(epilogue, low, high))
    elif kind == "product":
        body.do("requantm", result, *regs, body.scale(epilogue, low, high))
    else:
        one = body.one()
        result = body.registers.take(count)
        others = [result, regs[1]]
        for pre, reg, to in zip(mapped.pre, regs, others, strict=True):
            body.do("requant2", to, reg, one, body.scale(pre, low, high))
        body.do(kind, result, *others)
    body.look_up(result)
    body.store(result, 0)
