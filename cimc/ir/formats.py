"""What fixes the integers of a layer: the formats of its maps, and of what stands before its functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cimc.ir.layers import Layer, Operand
from cimc.ir.widths import LARGEST_FORMAT, NARROW, Widths
from cimc.numerics.quant import Quant, range_quant
from cimc.target.model import Target

Ranges = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Formats:
    """quants: of every map; ranges: of every map and of every table's input, in real numbers."""

    quants: Mapping[str, Quant]
    ranges: Ranges
    widths: Widths
    target: Target

    def of(self, operand: Operand) -> Quant:
        """The format that all maps of an operand share."""
        return self.quants[operand.maps[0]]

    def out(self, layer: Layer) -> Quant:
        """The format of a layer's result."""
        return self.quants[layer.output]

    def before_functions(self, layer: Layer) -> Quant:
        """The format before a layer's functions: its result's, where it has none. A narrow result's table is entered
        with NARROW bits all the same, a wide one's with as many as a result can have."""
        out = self.out(layer)
        if not layer.functions:
            return out
        low, high = self.ranges[layer.before]
        word = self.target.numbers.word
        wide = out.bits > NARROW
        bits = min(word, LARGEST_FORMAT if wide else NARROW)
        return range_quant(max(low, layer.low), min(high, layer.high), bits, symmetric=wide, word_bits=word)
