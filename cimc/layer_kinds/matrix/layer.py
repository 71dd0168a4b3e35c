"""A matrix layer in real numbers: a convolution or matrix product, with what is added to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from cimc.ir.layers import Floats, Ints, Layer, Operand, Reals, Size, SlidingWindow
from cimc.ir.widths import Widths
from cimc.target.model import Target


@dataclass(frozen=True, slots=True)
class GivenWeights:
    """Integers that the network itself carries: weights (O, C/groups, KH, KW), scale (O,), bias or None (O,)."""

    weights: Ints
    scale: npt.NDArray[np.float32]
    bias: Ints | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixLayer(Layer):
    """Convolution or matrix product: y = clamp(conv(x, weight) + bias + gain * residual).

    shape: of the weights, (O, C/groups, KH, KW); weight: None where they are not known (an estimate's). pads: (top,
    left, bottom, right). Fully connected layers have a kernel of the size of their map. A residual operand has the
    output's size.
    """

    x: Operand
    shape: tuple[int, int, int, int]
    weight: Reals | None
    bias: Floats
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    groups: int
    residual: Operand | None = None
    residual_gain: float = 1.0
    given: GivenWeights | None = None

    @property
    def known_weight(self) -> Reals:
        """The weights; (O, 1, 1, 1) ones where they are not known, so that every output has a scale."""
        return np.ones((self.shape[0], 1, 1, 1)) if self.weight is None else self.weight

    @property
    def title(self) -> str:
        """A matrix."""
        return "matrix"

    @property
    def reads(self) -> tuple[Operand, ...]:
        """What is multiplied, and the residual."""
        return (self.x,) if self.residual is None else (self.x, self.residual)

    @property
    def window(self) -> SlidingWindow:
        """Its kernel's."""
        return SlidingWindow(self.shape[2:], self.strides, self.pads, self.dilations)

    def fed_bits(self, bits: int, widths: Widths, target: Target) -> int:
        """What crossbars are fed."""
        return min(bits, widths.input(self.name))

    @property
    def constants(self) -> tuple[Reals, ...]:
        """Weights and bias."""
        return (self.bias,) if self.weight is None else (self.weight, self.bias)

    def finite(self) -> Self:
        """See Layer."""
        return replace(self, bias=np.nan_to_num(self.bias, nan=0.0, posinf=0.0, neginf=0.0))

    def check(self, label: str, out: Size) -> None:
        """Weights, bias and residual that make the output."""
        outputs, per_group = self.shape[:2]
        assert self.groups > 0 and outputs % self.groups == 0, f"{label}: {outputs} outputs in {self.groups} groups"
        inputs = per_group * self.groups
        assert self.x.channels == inputs, f"{label}: an operand of {self.x.channels} channels, weights for {inputs}"
        self.check_windows(label, out, outputs)
        assert self.bias.shape == (outputs,), f"{label}: bias {self.bias.shape} for {outputs} outputs"
        if self.weight is not None:
            assert self.weight.shape == self.shape, f"{label}: weights {self.weight.shape}, declared {self.shape}"
        if self.residual is not None:
            assert self.residual.size == out, f"{label}: a residual of size {self.residual.size}, not {out}"
        if (given := self.given) is not None:
            known = self.known_weight.shape
            assert given.weights.shape == known, f"{label}: given weights {given.weights.shape}, known {known}"
            for values in (given.scale, given.bias):
                assert values is None or values.shape == (outputs,), f"{label}: given scale or bias {values}"
