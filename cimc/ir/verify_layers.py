"""The LayerGraph verifier: names, order, channel ranges and sizes. A breach is a fault of ours: an assertion."""

from __future__ import annotations

import math
from collections.abc import Mapping

from cimc.base.moves import ELEMENTS, WORDS
from cimc.ir.layers import Binding, FeatureMap, LayerGraph, Operand

Maps = Mapping[str, FeatureMap]


def verify_layers(graph: LayerGraph) -> None:
    """Topological order, one producer a map, operands inside their maps, and sizes as windows and weights give them."""
    maps, made = graph.maps, set[str]()
    for name, m in maps.items():
        assert min(m.size) > 0, f'map "{name}" has size {m.size}'
    for binding in graph.inputs:
        label = f'input "{binding.tensor}"'
        assert len(binding.maps) == 1, f"{label} lies on the maps {binding.maps}, not on one"
        name = binding.maps[0]
        assert name in maps, f'{label}: there is no map "{name}"'
        assert name not in made, f'{label}: another input lies on map "{name}"'
        made.add(name)
        _verify_moves(label, binding, maps, WORDS)
    names, later = set[str](), {layer.output for layer in graph.layers}
    for layer in graph.layers:
        label = f'{type(layer).__name__} "{layer.name}"'
        assert layer.name not in names, f"{label}: the name is taken"
        names.add(layer.name)
        for role, operand in enumerate(layer.reads):
            _verify_operand(label, operand, maps, made | later if layer.delay(role) > 0 else made)
        assert layer.output in maps, f'{label}: its output "{layer.output}" is no map'
        assert layer.output not in made, f'{label}: map "{layer.output}" is made twice'
        made.add(layer.output)
        assert layer.low <= layer.high and layer.grid >= 0, f"{label}: {layer.low}, {layer.high}, grid {layer.grid}"
        layer.check(label, maps[layer.output].size)
    assert made == set(maps), f"maps that nobody makes: {sorted(set(maps) - made)}"
    for binding in graph.outputs:
        label = f'output "{binding.tensor}"'
        missing = [name for name in binding.maps if name not in made]
        assert binding.maps and not missing, f"{label}: nobody makes {missing or 'its maps'}"
        _verify_moves(label, binding, maps, ELEMENTS)


def _verify_moves(label: str, binding: Binding, maps: Maps, side: int) -> None:
    """Moves fill all of a side; an estimate's are not known."""
    if binding.moves is not None:
        sizes = math.prod(binding.shape), sum(maps[name].words for name in binding.maps)
        problem = binding.moves.problem(side, sizes)
        assert not problem, f"{label} {problem}"


def _verify_operand(label: str, operand: Operand, maps: Maps, made: set[str]) -> None:
    assert min(operand.size) > 0 and min(operand.step) >= 0, f"{label}: {operand}"
    for part in operand.parts:
        assert part.count > 0 and part.channel >= 0, f"{label}: {part}"
        if part.map:
            assert part.map in made, f'{label} reads "{part.map}" before it is made'
            channels = maps[part.map].channels
            assert part.channel + part.count <= channels, f"{label}: {part} of {channels} channels"
    sizes = {(maps[name].height, maps[name].width) for name in operand.maps}
    assert len(sizes) == 1, f"{label}: an operand of maps of the sizes {sorted(sizes)}"
