"""How many bits numbers have: what a user may choose by layer, and what formats keep free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cimc.target.model import Target

NARROW = 8  # bits up to which a format has none to spare
LARGEST_FORMAT = 16  # bits of a format, whatever a word holds


@dataclass(frozen=True, slots=True)
class Widths:
    """Bits of stored weights and of activations fed to crossbars, by layer name; the defaults for the others."""

    weight_bits: int
    input_bits: int
    weight_of: Mapping[str, int]
    input_of: Mapping[str, int]

    def weight(self, layer: str) -> int:
        """Weight bits of a layer."""
        return self.weight_of.get(layer, self.weight_bits)

    def input(self, layer: str) -> int:
        """Input bits of a layer."""
        return self.input_of.get(layer, self.input_bits)


def has_spare(bits: int, target: Target) -> bool:
    """Whether a format of so many bits has one to keep free."""
    return target.mvmu.round == "shift" and bits > NARROW
