"""The estimate of everything that happens: data movement, vector work, waiting for rows, not products alone.

The compiler makes the program of a network without its weights, and the timing engine runs it: the figures of `cimc
time`. For networks that would take long this way there are closed forms (cimc.estimator.flow). docs/estimate.md says
when, and how near they come.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cimc.backends.emit import emit
from cimc.base.collector import no_collection
from cimc.base.diagnostics import CimcError
from cimc.estimator.flow import Flow, flow_through
from cimc.estimator.known import Known
from cimc.estimator.streams import pace_of
from cimc.estimator.tiling import CHIPS, Floor, lay_out
from cimc.estimator.weightless import map_weightless
from cimc.frontends.structure import Structure
from cimc.ir.mapped import MappedGraph, MappedLayer
from cimc.isa.cost.prices import PriceList
from cimc.layer_kinds.matrix.mapped import as_matrix
from cimc.passes.crossbars.choose_segments import choose_segments
from cimc.passes.crossbars.duplicate import Duplication, duplicate, with_copies
from cimc.passes.crossbars.replicate import replicate
from cimc.passes.pipelines import schedule_network
from cimc.runtime.timing.engine import time_program
from cimc.target import Target
from cimc.target.keys import ACTIONS

MOST_UNITS = 20_000
"""Segments of rows that all tasks make of an input, of a network that is timed; SqueezeNet on puma has 9,300."""

MOST_TASKS = 1500
"""Tasks of all copies that are placed one by one. Of a larger network one copy of each layer is placed, and works as
much faster as it has copies."""


@dataclass(frozen=True, slots=True)
class WholeLayer:
    """A layer as the chip runs it, with a matrix or without. name: its first ONNX node; nodes: all of them; makes: its
    map.

    kind: "matrix", "pool", "softmax" or "vector". copies: as compiled, rows shared between them; cores: of all copies.
    seconds: that an input keeps its busiest core busy; joules: of its cores and of moving what it makes, for one input.
    """

    name: str
    nodes: str
    makes: str
    kind: str
    copies: int
    cores: int
    seconds: float
    joules: float


@dataclass(frozen=True, slots=True)
class Whole:
    """What one input takes with all work counted, s and J.

    latency: of the first input; interval: between inputs of a stream; joules: of one input, its transfers from and to
    the host included; joules_by_component: the same sum. tiles: that hold what is placed. slowest: what sets the
    interval; why.
    """

    latency: float
    interval: float
    inputs_per_second: float
    joules: float
    joules_by_component: Mapping[str, float]
    tiles: int
    slowest: str
    why: str
    layers: tuple[WholeLayer, ...]


def whole_estimate(
    structure: Structure,
    known: Known | None,
    target: Target,
    weight_bits: int,
    rows: str,
    copies: Sequence[int],
    duplication: Duplication | None,
) -> tuple[Whole | None, tuple[str, ...]]:
    """The estimate, and what it does not count, in words: why there is none, where there is none.

    known: the network with its numbers, None where they are not looked at; rows: "dense" or "channels"; copies: of the
    matrices in the structure's order. They share rows and parts of rows as the compiler lets them, so a layer may have
    fewer than are asked for. duplication: the compiler chooses the copies.
    """
    if structure.outline is None:
        return None, (f"data movement and vector work: {structure.obstacle}",)
    try:
        with no_collection():
            if known is None:
                graph = map_weightless(structure.outline, target, weight_bits, rows)
            else:
                graph = known.mapped(target, weight_bits, rows)
            return _estimated(graph, target, copies, duplication)
    except CimcError as error:
        items = [d.where.item for d in error.diagnostics if d.code == "time.price"]
        why = error.diagnostics[0].what
        if items:
            missing = ", ".join(item.removeprefix("prices.") for item in items if item != "prices")
            why = f"{target.name} has no prices" + (f" for {missing}" if missing else "")
        return None, (f"data movement and vector work: {why}",)


def _estimated(
    graph: MappedGraph, target: Target, copies: Sequence[int], duplication: Duplication | None
) -> tuple[Whole, tuple[str, ...]]:
    prices = PriceList(target)
    matrices = [number for number, mapped in enumerate(graph.layers) if as_matrix(mapped) is not None]
    beside = dict(zip(matrices, copies, strict=False))
    tasks = sum(len(mapped.tasks) * beside.get(number, 1) for number, mapped in enumerate(graph.layers))
    if tasks <= MOST_TASKS:
        if duplication is None:
            graph = with_copies(graph, target, {graph.layers[n].layer.name: count for n, count in beside.items()})
        else:
            graph = replicate(graph, target)
            graph = duplicate(graph, target, replace(duplication, pace=pace_of(graph, target)))[0]
        beside = {}
        if _units(graph, target) <= MOST_UNITS:
            return _timed(graph, target), ()
    floor = lay_out(graph, target)
    flow = flow_through(floor, target, prices, beside)
    found = _summed(floor, flow, prices, beside)
    prices.check()
    if not any(count > 1 for count in beside.values()):
        return found, ()
    return found, ("where copies lie: with so many, one of each layer is placed and works as fast as all of them",)


def _units(graph: MappedGraph, target: Target) -> int:
    """Segments of rows that all tasks make of an input."""
    segments = choose_segments(graph, target).segments
    outs = (graph.maps[mapped.layer.output] for mapped in graph.layers)
    units = (out.height * segments[out.name] for out in outs)
    return sum(len(mapped.tasks) * count for mapped, count in zip(graph.layers, units, strict=True))


def _timed(graph: MappedGraph, target: Target) -> Whole:
    """The figures of the program itself."""
    program, _ = emit(schedule_network(graph, target, CHIPS), target)
    timing = time_program(program, target)
    assert timing.interval is not None, "several inputs were run"
    busy: dict[int, float] = defaultdict(float)
    for stream in timing.streams:
        if stream.unit == "core":
            busy[stream.layer] = max(busy[stream.layer], stream.busy)
    joules = timing.joules_by_layer
    names = {stream.name: _name(graph.layers[stream.layer]) for stream in timing.streams if stream.layer >= 0}
    layers = tuple(
        _layer(mapped, mapped.copies, len(mapped.tasks) * mapped.copies, busy[number], joules.get(number, 0.0))
        for number, mapped in enumerate(graph.layers)
    )
    return Whole(
        latency=timing.latency,
        interval=timing.interval,
        inputs_per_second=1 / timing.interval,
        joules=timing.joules,
        joules_by_component=timing.joules_by_component,
        tiles=len(program.tiles),
        slowest=names.get(timing.bottleneck.name, timing.bottleneck.name),
        why=timing.bottleneck.why,
        layers=layers,
    )


def _summed(floor: Floor, flow: Flow, prices: PriceList, beside: Mapping[int, int]) -> Whole:
    components: dict[str, float] = defaultdict(float)
    by_layer: dict[int, float] = defaultdict(float)
    busy: dict[int, float] = defaultdict(float)
    cores: dict[int, int] = defaultdict(int)
    spent: dict[int, dict[str, float]] = {}  # streams that are alike have one and the same counts
    for stream in flow.streams:
        counts = stream.spent.counts
        if id(counts) not in spent:
            spent[id(counts)] = prices.joules(counts)
        for action, joules in spent[id(counts)].items():
            components[ACTIONS[action].component] += joules
            by_layer[stream.layer] += joules
        if stream.kind == "core":
            cores[stream.layer] += 1
            busy[stream.layer] = max(busy[stream.layer], stream.spent.seconds)
    for action, joules in prices.joules(flow.host.counts).items():
        components[ACTIONS[action].component] += joules
    interval, slowest, why = _slowest(floor, flow)
    layers = tuple(
        _layer(
            mapped,
            mapped.copies * beside.get(number, 1),
            cores[number] * beside.get(number, 1),
            busy[number],
            by_layer[number],
        )
        for number, mapped in enumerate(floor.graph.layers)
    )
    return Whole(
        latency=flow.latency,
        interval=interval,
        inputs_per_second=1 / interval,
        joules=sum(components.values()),
        joules_by_component=dict(sorted(components.items(), key=lambda item: -item[1])),
        tiles=len(floor.placed.tiles),
        slowest=slowest,
        why=why,
        layers=layers,
    )


def _layer(mapped: MappedLayer, copies: int, cores: int, seconds: float, joules: float) -> WholeLayer:
    layer = mapped.layer
    return WholeLayer(_name(mapped), layer.origin, layer.output, layer.title, copies, cores, seconds, joules)


def _name(mapped: MappedLayer) -> str:
    return mapped.layer.origin.split(", ")[0] or mapped.layer.name


def _slowest(floor: Floor, flow: Flow) -> tuple[float, str, str]:
    """(s between inputs, what sets it, why)."""
    names = [_name(mapped) for mapped in floor.graph.layers]
    busy = {"core": "a core of it works all the time", "channel": "a channel that moves its results works all the time"}
    found = [(stream.spent.seconds, names[stream.layer], busy[stream.kind]) for stream in flow.streams]
    for stall in flow.stalls:
        why = f"too little room for {stall.map}: who makes it and who reads it take turns"
        found.append((stall.seconds, names[stall.layer], why))
    for tile, seconds in flow.memories.items():
        found.append((seconds, f"tile {tile} memory", "loads and stores keep it busy"))
    for link, seconds in flow.links.items():
        found.append((seconds, link, "inputs or outputs keep it busy"))
    return max(found, key=lambda one: one[0])
