"""Convolutions and matrix products: what is multiplied on crossbars, with what is added to it.

layer: in real numbers; mapped: in integers; cover: what the verifier asks of its blocks; sums: what it computes;
emission: its code.
"""

from cimc.layer_kinds.matrix import emission, sums

__all__ = ["emission", "sums"]
