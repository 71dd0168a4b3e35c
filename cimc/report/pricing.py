"""Time and energy of a compiled program, by layer, core and tile, where its target has the prices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cimc.base.diagnostics import CimcError
from cimc.base.quantities import percent
from cimc.driver.compile import Compiled
from cimc.ir.mapped import MappedGraph
from cimc.isa.cost.prices import PriceList
from cimc.isa.operands import Name, Port
from cimc.isa.program import ChannelCode, Program, TileCode
from cimc.report.cost_model import CostReport, LayerCost, Share
from cimc.report.limits import limit_of, loads_of
from cimc.report.timed import timed
from cimc.runtime.timing.account import settle
from cimc.runtime.timing.operations import cost_stream

INPUTS = 4
"""Inputs of the stream that a report times, as many as `cimc time` takes where it is not told."""


@dataclass(frozen=True, slots=True)
class CoreCost:
    """What one input costs on a core: seconds at work, and joules."""

    seconds: float
    joules: float


@dataclass(frozen=True, slots=True)
class Priced:
    """Costs of one input. layers: by index. cores: by (tile, core). tiles: joules by tile, transfers included."""

    report: CostReport
    layers: tuple[LayerCost, ...]
    cores: Mapping[tuple[int, int], CoreCost]
    tiles: Mapping[int, float]


@dataclass(slots=True)
class _Sums:
    """Sums over streams. core_seconds: by layer, by core; joules: by layer."""

    core_seconds: dict[int, dict[tuple[int, int], float]]
    joules: defaultdict[int, float]
    elsewhere: defaultdict[str, float]
    cores: dict[tuple[int, int], CoreCost]
    tiles: defaultdict[int, float]


def price(compiled: Compiled) -> Priced | str:
    """The costs of a compiled network, or what its target lacks for them, in words."""
    names = compiled.names.shown
    origins = ((one.layer.origin, name) for one, name in zip(compiled.mapped.layers, names, strict=True))
    try:
        timing = timed(compiled.program, origins, compiled.target, INPUTS)
    except CimcError as error:
        return "; ".join(diagnostic.what for diagnostic in error.diagnostics)
    assert timing.interval is not None and timing.rate is not None, "several inputs have a time between them"
    sums = _sums(compiled)
    host = timing.joules - sum(sums.tiles.values())  # its streams are no tile's
    assert host >= -1e-9 * timing.joules, f"tiles have {-host} J more than there are"
    if host > 1e-9 * timing.joules:
        sums.elsewhere["host"] = host
    busy = [max(sums.core_seconds.get(layer, {}).values(), default=0.0) for layer in range(len(compiled.mapped.layers))]
    layers = tuple(
        LayerCost(seconds, percent(seconds, timing.interval), joules, percent(joules, timing.joules))
        for seconds, joules in zip(busy, (sums.joules[layer] for layer in range(len(busy))), strict=True)
    )
    products = {
        (s.tile, s.number): s.by_unit.get("mvmu", 0.0) / s.busy for s in timing.streams if s.unit == "core" and s.busy
    }
    loads = loads_of(compiled.mapped, names, compiled.target, sums.core_seconds, products)
    report = CostReport(
        inputs=timing.inputs,
        latency=timing.latency,
        interval=timing.interval,
        rate=timing.rate,
        joules=timing.joules,
        setup_joules=timing.setup_joules,
        by_component=_shares(timing.joules_by_component, timing.joules),
        elsewhere=_shares(sums.elsewhere, timing.joules),
        limit=limit_of(timing, loads, compiled.target),
    )
    return Priced(report, layers, sums.cores, sums.tiles)


def _sums(compiled: Compiled) -> _Sums:
    """What each stream costs, counted for the layer that each of its instructions works for."""
    program, mapped = compiled.program, compiled.mapped
    prices = PriceList(compiled.target)
    on_core: dict[tuple[int, int, str], int] = {}
    for task in compiled.scheduled.tasks:
        on_core.setdefault((task.tile, task.core, _origin(mapped, task.layer)), task.layer)
    sums = _Sums({}, defaultdict(float), defaultdict(float), {}, defaultdict(float))
    for tile in program.tiles:
        for core in tile.cores:
            place = tile.number, core.number
            account = settle(program, [cost_stream(tile, core, prices)], prices)
            for origin, seconds in account.layers[0].items():
                layer = on_core.get((*place, origin))
                if layer is not None:
                    by_core = sums.core_seconds.setdefault(layer, {})
                    by_core[place] = by_core.get(place, 0.0) + seconds
            joules = 0.0
            for origin, amount in account.layer.items():
                _spend(sums, on_core.get((*place, origin)), amount)
                joules += amount
            sums.cores[place] = CoreCost(sum(account.layers[0].values()), joules)
            sums.tiles[tile.number] += joules
        for channel, layer in _channels(program, mapped, tile):
            account = settle(program, [cost_stream(tile, channel, prices)], prices)
            joules = sum(account.layer.values())
            _spend(sums, layer, joules)
            sums.tiles[tile.number] += joules
    return sums


def _spend(sums: _Sums, layer: int | None, joules: float) -> None:
    if layer is None:
        sums.elsewhere["no layer"] += joules
    else:
        sums.joules[layer] += joules


def _channels(program: Program, mapped: MappedGraph, tile: TileCode) -> Iterator[tuple[ChannelCode, int | None]]:
    """The transfers of a tile, each with the layer whose result it carries."""
    maker = {one.layer.output: index for index, one in enumerate(mapped.layers)}
    by_origin = {_origin(mapped, index): index for index in reversed(range(len(mapped.layers)))}
    tensor = {ring.name: ring.tensor for ring in tile.rings}
    for channel in tile.channels:
        rings = [
            operand.name if isinstance(operand, Name) else operand.ring
            for instruction in channel.stream
            for operand in instruction.operands[:1]
            if isinstance(operand, Name | Port)
        ]
        layer = maker.get(tensor.get(rings[0], "")) if rings else None
        if layer is None:  # partial sums, or an input that passes on: as its instructions say
            origins = [instruction.origin for instruction in channel.stream if instruction.origin >= 0]
            layer = by_origin.get(program.strings[origins[0]]) if origins else None
        yield channel, layer


def _origin(mapped: MappedGraph, layer: int) -> str:
    """What instructions of a layer are marked with."""
    one = mapped.layers[layer].layer
    return one.origin or one.name


def _shares(joules: Mapping[str, float], whole: float) -> tuple[Share, ...]:
    ordered = sorted(joules.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Share(name, amount, percent(amount, whole)) for name, amount in ordered if amount)
