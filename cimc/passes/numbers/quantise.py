"""quantise: real layers to integer layers - weights, multipliers, tables. Blocks, shifts and biases come later.

Needs: a format for every map. Promises: MappedLayers whose numbers do not depend on how a matrix is cut.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.ir.formats import Formats
from cimc.ir.layers import LayerGraph
from cimc.ir.mapped import Arithmetic, MappedGraph, quantise_layer
from cimc.layer_kinds.matrix.mapped import MappedMatrix, matrices_of, unit_of
from cimc.target.model import Target


def quantise(graph: LayerGraph, formats: Formats) -> MappedGraph:
    """Integer layers without tasks; see the module."""
    layers = tuple(quantise_layer(layer, formats) for layer in graph.layers)
    arithmetic = Arithmetic.of(formats.target)
    mapped = MappedGraph(graph.name, layers, graph.maps, dict(formats.quants), graph.inputs, graph.outputs, arithmetic)
    target = formats.target
    wide = [_beyond_cells(m, target) for m in matrices_of(mapped) if m.weight_bits > target.largest_weight_bits]
    if wide:
        raise CimcError(wide)
    return mapped


def _beyond_cells(mapped: MappedMatrix, target: Target) -> Diagnostic:
    """What is said of weights that the network fixes and the target's cells do not hold."""
    most = target.largest_weight_bits
    what = f"weights of {mapped.weight_bits} bits, and an MVMU of {target.name} holds at most {most}"
    todo = "take a target with more cells a weight, or quantise the network to fewer bits"
    return Diagnostic("quant.weights", what, Place(item=mapped.layer.name), todo)


def underflows(mapped: MappedGraph) -> Iterator[Diagnostic]:
    """A warning for each layer whose own scales have products that float32 does not hold in full."""
    for one in matrices_of(mapped):
        if one.layer.given is None:
            continue
        unit = float(unit_of(one.fed(mapped), one.weight_scale).min())
        if unit < np.finfo(np.float32).tiny:
            what = (
                f"the scales that the network carries for its inputs and weights have a product of {unit:.3g}, which "
                "underflows float32: other runtimes may take it for 0"
            )
            yield Diagnostic("quant.underflow", what, Place(item=one.layer.name), "calibrate that layer again")
