"""The network with its numbers, where an estimate can look at them.

A program depends on numbers in a few places: which sums of a network that carries its own integers are rounded, which
maps are never negative, and whether a converter that clips forbids copies beside each other. With calibration data the
compiler's own passes see all of that. Without, a network that carries integers runs on the random inputs that the
compiler would take, as many as there is time for; of any other one no number is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cimc.base.diagnostics import CimcError
from cimc.driver.arrays import Arrays
from cimc.driver.compile import products, synthetic_inputs
from cimc.frontends.onnx_file import ModelLike
from cimc.frontends.onnx_loader import load_onnx
from cimc.ir.graph import Dequantize, Graph
from cimc.ir.lanes import lanes_of
from cimc.ir.mapped import MappedGraph
from cimc.ir.widths import Widths
from cimc.passes.pipelines import MapOptions, map_network
from cimc.target.model import Target

MOST_PRODUCTS = 1_000_000_000
"""Multiply-adds that random inputs may take, about 0.4 s; an input of SqueezeNet takes 0.8e9, of ResNet-50 4e9."""


@dataclass(frozen=True, slots=True)
class Known:
    """A network with its weights. inputs: lanes of every network input."""

    graph: Graph
    inputs: Arrays

    def mapped(self, target: Target, weight_bits: int, rows: str) -> MappedGraph:
        """The network as the compiler maps it, one copy of each layer. rows: "dense" or "channels"."""
        options = MapOptions(Widths(weight_bits, target.numbers.input, {}, {}), rows)
        return map_network(self.graph, target, self.inputs, options)


def known_numbers(
    model: ModelLike, bind: Mapping[str, int], outline: Graph | None, calibration: Arrays | None
) -> Known | None:
    """The model with its weights, None where the estimate does without.

    outline: the same network without them, None where it cannot be compiled; calibration: lanes of every input, more
    names are allowed. Raises CimcError where calibration data do not fit.
    """
    if outline is None:
        return None
    if calibration is not None:
        graph = load_onnx(model, bind)
        return Known(graph, lanes_of(graph, {name: calibration[name] for name in calibration if name in graph.inputs}))
    lanes = MOST_PRODUCTS // max(1, products(outline))
    if not lanes or not carries_integers(outline):
        return None
    try:
        graph = load_onnx(model, bind)
    except CimcError:  # its weights are still to come
        return None
    return Known(graph, {name: array[:lanes] for name, array in synthetic_inputs(graph, 0).items()})


def carries_integers(graph: Graph) -> bool:
    """Whether a network is quantised already."""
    return any(isinstance(node, Dequantize) for node in graph.nodes)
