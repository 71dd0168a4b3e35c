"""A fusion group: a layer in the making, which absorbs the operations that follow as long as nobody else reads it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from cimc.ir.layers import Floats, Function, Layer
from cimc.layer_kinds.matrix.layer import MatrixLayer
from cimc.layer_kinds.vector import VectorLayer


@dataclass(slots=True, eq=False)
class FusionGroup:
    """A layer whose result, map number `map`, still stands for the one Graph tensor `tensor`.

    linear: nothing but products and sums so far, so that gains and offsets can fold into its constants.
    open: later operations may still be absorbed.
    """

    layer: Layer
    map: int
    tensor: str
    linear: bool
    open: bool = True
    origins: list[str] = field(default_factory=list)

    def scale_by(self, gain: Floats, offset: Floats) -> bool:
        """Absorb y = gain * x + offset (per channel, (C,)); whether that was possible."""
        layer = self.layer
        if layer.functions:
            if np.ptp(gain) or np.ptp(offset):
                return False
            self.layer = replace(layer, functions=(*layer.functions, Function("affine", gain.flat[0], offset.flat[0])))
            return True
        if layer.grid:
            return self._scale_grid(gain, offset)
        if not self.linear:
            return False
        if isinstance(layer, MatrixLayer) and layer.given is None and layer.residual is None:
            self.layer = replace(_scaled(layer, gain[:, None, None, None]), bias=layer.bias * gain + offset)
            return True
        if isinstance(layer, VectorLayer) and layer.kind == "sum" and (len(layer.operands) == 1 or not np.any(offset)):
            gains = tuple(g * gain for g in layer.gains)
            self.layer = replace(layer, gains=gains, bias=layer.bias * gain + offset)
            return True
        return False

    def _scale_grid(self, gain: Floats, offset: Floats) -> bool:
        """Scale a rounded result: everything, its grid and clamp included, grows by one positive number."""
        layer, factor = self.layer, float(gain.flat[0])
        if np.ptp(gain) or np.any(offset) or factor <= 0:
            return False
        scaled = replace(layer, grid=layer.grid * factor, low=layer.low * factor, high=layer.high * factor)
        if isinstance(scaled, MatrixLayer) and scaled.given is None and scaled.residual is None:
            self.layer = replace(_scaled(scaled, factor), bias=scaled.bias * factor)
            return True
        if isinstance(scaled, VectorLayer) and scaled.kind == "sum":
            self.layer = replace(scaled, gains=tuple(g * factor for g in scaled.gains), bias=scaled.bias * factor)
            return True
        return False

    def apply(self, function: Function, before: str) -> bool:
        """Absorb an elementwise function; `before` is the Graph tensor it reads. Whether that was possible."""
        layer = self.layer
        if function.name == "identity":
            return True
        if not layer.functions and function.name in ("relu", "clip"):
            low, high = (0.0, np.inf) if function.name == "relu" else (function.a, function.b)
            new_low = min(max(layer.low, low), high)
            new_high = min(max(layer.high, low), high)
            self.layer = replace(layer, low=new_low, high=new_high)
            self.linear = False
            return True
        if function.name == "round" and not layer.functions and not layer.grid and self.linear:
            self.layer = replace(layer, grid=1.0)
            self.linear = False
            return True
        if layer.grid:
            return False
        self.layer = replace(layer, functions=(*layer.functions, function), before=layer.before or before)
        self.linear = False
        return True


def _scaled(layer: MatrixLayer, gain: Floats | float) -> MatrixLayer:
    """A matrix layer with its weights, where they are known, times a gain."""
    return layer if layer.weight is None else replace(layer, weight=np.asarray(layer.weight * gain))
