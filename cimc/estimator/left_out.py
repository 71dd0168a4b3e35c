"""What an estimate does not count, in words."""

from __future__ import annotations

from cimc.frontends.structure import Structure
from cimc.target import Target


def left_out(structure: Structure, target: Target, whole: bool) -> tuple[str, ...]:
    """What is left out. whole: there are figures that count all work beside those of products."""
    said = []
    if "mvm" not in target.prices:
        said.append(f"time and energy: {target.name} has no price for a product (prices.mvm)")
    if whole:
        said += [
            "products alone: layers without a matrix, moving data, instructions, waiting for rows",
            "all work: queues for memory and links that are not the slowest part, and writing the weights",
            "MVMUs with copies, and their tiles: memory; the tiles of all work are counted by cores and memory",
        ]
    else:
        said += [
            "layers without a matrix (pooling, sums, functions), moving data, instructions, writing the weights",
            "waiting for rows: a pipeline fills with one vector a layer, a window really needs its rows first",
            "memory: tiles and chips are counted by MVMUs, and feature maps may need more",
        ]
    return (*said, *not_apart(structure))


def not_apart(structure: Structure) -> tuple[str, ...]:
    """Work of a network that no estimate takes apart: products of activations, and operators such as LSTM."""
    said = []
    if structure.dynamic:
        share = sum(structure.dynamic.values())
        said.append(
            f"{len(structure.dynamic)} products of two activations, {share:,} multiply-adds: no stored matrix "
            f"({', '.join(structure.dynamic)})"
        )
    if structure.uncounted:
        said.append(f"operators that are not taken apart: {', '.join(structure.uncounted)}")
    return tuple(said)
