"""The LayerGraph verifier: names, order, channel ranges and sizes. A breach is a fault of ours: an assertion."""

from __future__ import annotations

import math
from collections.abc import Mapping

from cimc.ir.layers import (
    Binding,
    FeatureMap,
    Layer,
    LayerGraph,
    MatrixLayer,
    Operand,
    PoolLayer,
    SoftmaxLayer,
    VectorLayer,
    operands_of,
    window_of,
)

Size = tuple[int, int, int]
Maps = Mapping[str, FeatureMap]

VECTOR_OPERANDS = {"sum": (1, 2), "product": (2,), "max": (2,), "min": (2,)}
"""How many operands each kind of vector layer takes."""


def verify_layers(graph: LayerGraph) -> None:
    """Topological order, one producer a map, operands inside their maps, and sizes as windows and weights give them."""
    maps, made = graph.maps, set[str]()
    for name, m in maps.items():
        assert min(size_of(m)) > 0, f'map "{name}" has size {size_of(m)}'
    for binding in graph.inputs:
        label = f'input "{binding.tensor}"'
        assert len(binding.maps) == 1, f"{label} lies on the maps {binding.maps}, not on one"
        name = binding.maps[0]
        assert name in maps, f'{label}: there is no map "{name}"'
        assert name not in made, f'{label}: another input lies on map "{name}"'
        made.add(name)
        _verify_index(label, binding, maps[name].words, math.prod(binding.shape))
    names = set[str]()
    for layer in graph.layers:
        label = f'{type(layer).__name__} "{layer.name}"'
        assert layer.name not in names, f"{label}: the name is taken"
        names.add(layer.name)
        for operand in operands_of(layer):
            _verify_operand(label, operand, maps, made)
        assert layer.output in maps, f'{label}: its output "{layer.output}" is no map'
        assert layer.output not in made, f'{label}: map "{layer.output}" is made twice'
        made.add(layer.output)
        assert layer.low <= layer.high and layer.grid >= 0, f"{label}: {layer.low}, {layer.high}, grid {layer.grid}"
        _verify_size(label, layer, size_of(maps[layer.output]))
    assert made == set(maps), f"maps that nobody makes: {sorted(set(maps) - made)}"
    for binding in graph.outputs:
        label = f'output "{binding.tensor}"'
        missing = [name for name in binding.maps if name not in made]
        assert binding.maps and not missing, f"{label}: nobody makes {missing or 'its maps'}"
        _verify_index(label, binding, math.prod(binding.shape), sum(maps[name].words for name in binding.maps))


def size_of(thing: FeatureMap | Operand) -> Size:
    """(height, width, channels)."""
    return thing.height, thing.width, thing.channels


def _verify_index(label: str, binding: Binding, count: int, elements: int) -> None:
    """An index names one of so many elements `count` times; an estimate's is not known."""
    if binding.index is None:
        return
    assert binding.index.size == count, f"{label}: {binding.index.size} indices, not {count}"
    low, high = binding.index.min(initial=0), binding.index.max(initial=0)
    assert low >= 0 and high < elements, f"{label}: indices {low} to {high} of {elements} elements"


def _verify_operand(label: str, operand: Operand, maps: Maps, made: set[str]) -> None:
    assert min(size_of(operand)) > 0 and min(operand.step) >= 0, f"{label}: {operand}"
    for part in operand.parts:
        assert part.count > 0 and part.channel >= 0, f"{label}: {part}"
        if part.map:
            assert part.map in made, f'{label} reads "{part.map}" before it is made'
            channels = maps[part.map].channels
            assert part.channel + part.count <= channels, f"{label}: {part} of {channels} channels"
    sizes = {(maps[name].height, maps[name].width) for name in operand.maps}
    assert len(sizes) == 1, f"{label}: an operand of maps of the sizes {sorted(sizes)}"


def _verify_size(label: str, layer: Layer, out: Size) -> None:
    """The output's size, and the lengths of all that a layer has for each channel of it."""
    if isinstance(layer, MatrixLayer):
        _verify_matrix(label, layer, out)
    elif isinstance(layer, PoolLayer):
        assert layer.kind in ("max", "average"), f"{label}: kind {layer.kind!r}"
        _verify_window(label, layer, out, layer.x.channels)
    elif isinstance(layer, VectorLayer):
        counts = VECTOR_OPERANDS.get(layer.kind, ())
        assert len(layer.operands) in counts, f"{label}: {layer.kind!r} of {len(layer.operands)} operands"
        for operand in layer.operands:
            assert size_of(operand) == out, f"{label}: an operand of size {size_of(operand)}, the output's is {out}"
        if layer.kind == "sum":
            assert len(layer.gains) == len(layer.operands), f"{label}: {len(layer.gains)} gains"
        for values in (*layer.gains, layer.bias):
            assert values.shape == (out[2],), f"{label}: gains or bias {values.shape} for {out[2]} channels"
    else:
        assert isinstance(layer, SoftmaxLayer), f"unknown layer {layer}"
        assert size_of(layer.x) == out, f"{label}: an operand of size {size_of(layer.x)}, the output's is {out}"


def _verify_window(label: str, layer: Layer, out: Size, channels: int) -> None:
    """The windows that fit in the first operand and its padding are the pixels of the output."""
    kernel, strides, pads, dilations = window_of(layer)
    assert min(*kernel, *strides, *dilations) > 0 <= min(pads), f"{label}: {kernel} {strides} {pads} {dilations}"
    x = operands_of(layer)[0]
    rows, columns = (
        (size + pads[axis] + pads[axis + 2] - (kernel[axis] - 1) * dilations[axis] - 1) // strides[axis] + 1
        for axis, size in enumerate((x.height, x.width))
    )
    assert (rows, columns, channels) == out, f"{label}: its windows make {(rows, columns, channels)}, its map is {out}"


def _verify_matrix(label: str, layer: MatrixLayer, out: Size) -> None:
    outputs, per_group = layer.shape[:2]
    assert layer.groups > 0 and outputs % layer.groups == 0, f"{label}: {outputs} outputs in {layer.groups} groups"
    inputs = per_group * layer.groups
    assert layer.x.channels == inputs, f"{label}: an operand of {layer.x.channels} channels, weights for {inputs}"
    _verify_window(label, layer, out, outputs)
    assert layer.bias.shape == (outputs,), f"{label}: bias {layer.bias.shape} for {outputs} outputs"
    if layer.weight is not None:
        assert layer.weight.shape == layer.shape, f"{label}: weights {layer.weight.shape}, declared {layer.shape}"
    if layer.residual is not None:
        assert size_of(layer.residual) == out, f"{label}: a residual of size {size_of(layer.residual)}, not {out}"
    if layer.given is not None:
        given = layer.given
        known = layer.known_weight.shape
        assert given.weights.shape == known, f"{label}: given weights {given.weights.shape}, known {known}"
        for values in (given.scale, given.bias):
            assert values is None or values.shape == (outputs,), f"{label}: given scale or bias {values}"
