"""The LayerGraph verifier: names, order, channel ranges and sizes. A breach is a fault of ours: an assertion."""

from __future__ import annotations

import math
from collections.abc import Mapping

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
        _verify_index(label, binding, maps[name].words, math.prod(binding.shape))
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
        _verify_index(label, binding, math.prod(binding.shape), sum(maps[name].words for name in binding.maps))


def _verify_index(label: str, binding: Binding, count: int, elements: int) -> None:
    """An index names one of so many elements `count` times; an estimate's is not known."""
    if binding.index is None:
        return
    assert binding.index.size == count, f"{label}: {binding.index.size} indices, not {count}"
    low, high = binding.index.min(initial=0), binding.index.max(initial=0)
    assert low >= 0 and high < elements, f"{label}: indices {low} to {high} of {elements} elements"


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
