"""choose_formats: a number format for every map, from what the network fixes, its rounding grids, and calibration.

Needs: the range of every map and of every table's input. Promises: maps that one operand or one network output
joins share one format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.ir.layers import (
    Layer,
    LayerGraph,
    MatrixLayer,
    PoolLayer,
    VectorLayer,
    operands_of,
)
from cimc.numerics.quant import Quant, range_quant
from cimc.target.model import Target

Ranges = Mapping[str, tuple[float, float]]


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


def choose_formats(graph: LayerGraph, ranges: Ranges, target: Target, widths: Widths) -> dict[str, Quant]:
    """Formats by map name."""
    groups = _groups(graph)
    bits = _bits(graph, target, widths)
    made_by = {layer.output: layer for layer in graph.layers}
    narrow = target.mvmu.round == "shift"
    found: dict[str, Quant] = {}
    problems = []
    for members in groups:
        given = {m.quant for m in (graph.maps[name] for name in members) if m.quant is not None}
        if len(given) > 1:
            problems.append(
                Diagnostic(
                    "quant.mixed",
                    f"maps {', '.join(members)} are read side by side in different number formats",
                    Place(item=members[0]),
                    "give them one scale and zero point in the network",
                )
            )
            continue
        grids = [made_by[name] for name in members if name in made_by and made_by[name].grid]
        width = min(bits[name] for name in members)
        if given:
            quant = given.pop()
        elif grids and len(members) == 1:
            quant = _grid_format(grids[0], width, narrow)
        else:
            low = min(ranges[name][0] for name in members)
            high = max(ranges[name][1] for name in members)
            quant = range_quant(low, high, width, symmetric=narrow, headroom_bits=1 if narrow else 0)
        found.update(dict.fromkeys(members, quant))
    if problems:
        raise CimcError(problems)
    return found


def _grid_format(layer: Layer, bits: int, narrow: bool) -> Quant:
    """A Round in the network fixes the step: integers times the grid."""
    unsigned = layer.low >= 0 and not narrow
    top = (1 << bits) - 1 if unsigned else (1 << (bits - 1)) - 1
    bottom = 0 if unsigned else -top - 1
    low = int(np.clip(np.rint(layer.low / layer.grid), bottom, top))
    high = int(np.clip(np.rint(layer.high / layer.grid), bottom, top))
    return Quant(float(np.float32(layer.grid)), 0, low, high)


def _bits(graph: LayerGraph, target: Target, widths: Widths) -> dict[str, int]:
    """Bits of every map: what the matrix layers that read it are fed with, else a word (16 at most)."""
    bits = dict.fromkeys(graph.maps, min(target.numbers.word, 16))
    for layer in graph.layers:
        if isinstance(layer, MatrixLayer):
            for name in layer.x.maps:
                bits[name] = min(bits[name], widths.input(layer.name))
    return bits


def _groups(graph: LayerGraph) -> list[list[str]]:
    """Sets of maps that must share a format, in order of first member."""
    parent = {name: name for name in graph.maps}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    def join(names: tuple[str, ...]) -> None:
        for name in names[1:]:
            parent[root(name)] = root(names[0])

    for layer in graph.layers:
        for operand in operands_of(layer):
            join(operand.maps)
        keeps = isinstance(layer, PoolLayer) and layer.kind == "max"
        copies = isinstance(layer, VectorLayer) and layer.name.endswith(".copy")
        if (keeps or copies) and graph.maps[layer.output].quant is None:
            source = operands_of(layer)[0].maps
            if source and graph.maps[source[0]].quant is None:
                join((source[0], layer.output))
    for binding in graph.outputs:
        join(binding.maps)
    groups: dict[str, list[str]] = {}
    for name in graph.maps:
        groups.setdefault(root(name), []).append(name)
    return list(groups.values())


def needed_ranges(graph: LayerGraph) -> tuple[str, ...]:
    """The Graph tensors whose ranges choose_formats and tables need."""
    names = [name for name, m in graph.maps.items() if m.quant is None]
    return tuple(dict.fromkeys([*names, *(layer.before for layer in graph.layers if layer.before)]))


def complete_ranges(graph: LayerGraph, measured: Ranges) -> dict[str, tuple[float, float]]:
    """Ranges of all maps: maps that no Graph tensor names (copies, halves of a pool) take their source's."""
    ranges = {name: measured[name] for name in measured}
    for layer in graph.layers:
        if layer.output in ranges or graph.maps[layer.output].quant is not None:
            continue
        operand = operands_of(layer)[0]
        known = [ranges[name] for name in operand.maps if name in ranges]
        known += [_limits(q) for q in (graph.maps[n].quant for n in operand.maps) if q is not None]
        assert known, f"no range is known for {layer.output}"
        ranges[layer.output] = (min(low for low, _ in known), max(high for _, high in known))
    return ranges


def _limits(quant: Quant) -> tuple[float, float]:
    return (quant.low - quant.zero) * quant.scale, (quant.high - quant.zero) * quant.scale


def clamp(layer: Layer, quant: Quant) -> Quant:
    """The format with the layer's clamp in integers."""
    low, high = quant.low, quant.high
    if np.isfinite(layer.low):
        low = int(np.clip(np.rint(layer.low / quant.scale) + quant.zero, quant.low, quant.high))
    if np.isfinite(layer.high):
        high = int(np.clip(np.rint(layer.high / quant.scale) + quant.zero, quant.low, quant.high))
    return replace(quant, low=low, high=high)
