"""Time and energy of a compiled program, by layer, core and tile, where its target has the prices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

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


Place = tuple[int, int]
"""A core: its tile and its number."""


@dataclass(slots=True)
class Priced:
    """Costs of one input. report: None where the target lacks a price, as `unpriced` says; there is nothing else then.

    layers: by index. cores: (seconds at work, joules). tiles: joules, transfers included. elsewhere: joules of no
    layer. by_layer: joules; core_seconds: by layer, by core.
    """

    report: CostReport | None = None
    unpriced: str = ""
    layers: dict[int, LayerCost] = field(default_factory=dict)
    cores: dict[Place, tuple[float, float]] = field(default_factory=dict)
    tiles: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    elsewhere: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    by_layer: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    core_seconds: defaultdict[int, dict[Place, float]] = field(default_factory=lambda: defaultdict(dict))

    def spend(self, layer: int | None, joules: float) -> None:
        """Count joules for a layer, or for none."""
        if layer is None:
            self.elsewhere["no layer"] += joules
        else:
            self.by_layer[layer] += joules


def price(compiled: Compiled) -> Priced:
    """The costs of a compiled network, or what its target lacks for them, in words."""
    names = compiled.names.shown
    origins = ((one.layer.origin, name) for one, name in zip(compiled.mapped.layers, names, strict=True))
    try:
        timing = timed(compiled.program, origins, compiled.target, INPUTS)
    except CimcError as error:
        return Priced(unpriced="; ".join(diagnostic.what for diagnostic in error.diagnostics))
    assert timing.interval is not None and timing.rate is not None, "several inputs have a time between them"
    found = _summed(compiled)
    host = timing.joules - sum(found.tiles.values())  # its streams are no tile's
    assert host >= -1e-9 * timing.joules, f"tiles have {-host} J more than there are"
    if host > 1e-9 * timing.joules:
        found.elsewhere["host"] = host
    for layer in range(len(names)):
        seconds = max(found.core_seconds[layer].values(), default=0.0)
        busy, joules = percent(seconds, timing.interval), found.by_layer[layer]
        found.layers[layer] = LayerCost(seconds, busy, joules, percent(joules, timing.joules))
    products = {
        (s.tile, s.number): s.by_unit.get("mvmu", 0.0) / s.busy for s in timing.streams if s.unit == "core" and s.busy
    }
    loads = loads_of(compiled.mapped, names, compiled.target, found.core_seconds, products)
    found.report = CostReport(
        inputs=timing.inputs,
        latency=timing.latency,
        interval=timing.interval,
        rate=timing.rate,
        joules=timing.joules,
        setup_joules=timing.setup_joules,
        by_component=_shares(timing.joules_by_component, timing.joules),
        elsewhere=_shares(found.elsewhere, timing.joules),
        limit=limit_of(timing, loads, compiled.target),
    )
    return found


def _summed(compiled: Compiled) -> Priced:
    """What each stream costs, counted for the layer that each of its instructions works for."""
    program, mapped = compiled.program, compiled.mapped
    prices = PriceList(compiled.target)
    on_core: dict[tuple[int, int, str], int] = {}
    for task in compiled.scheduled.tasks:
        on_core.setdefault((task.tile, task.core, _origin(mapped, task.layer)), task.layer)
    found = Priced()
    for tile in program.tiles:
        for core in tile.cores:
            place = tile.number, core.number
            account = settle(program, [cost_stream(tile, core, prices)], prices)
            for origin, seconds in account.layers[0].items():
                layer = on_core.get((*place, origin))
                found.spend(layer, account.layer[origin])
                if layer is not None:
                    found.core_seconds[layer][place] = seconds
            found.cores[place] = sum(account.layers[0].values()), sum(account.layer.values())
            found.tiles[tile.number] += found.cores[place][1]
        for channel, layer in _channels(program, mapped, tile):
            account = settle(program, [cost_stream(tile, channel, prices)], prices)
            joules = sum(account.layer.values())
            found.spend(layer, joules)
            found.tiles[tile.number] += joules
    return found


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
