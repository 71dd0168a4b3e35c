"""The list of all passes, in order: Graph -> LayerGraph -> MappedGraph -> PlacedGraph -> ScheduledGraph."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy.typing as npt

from cimc.base.diagnostics import fail
from cimc.ir.formats import Formats
from cimc.ir.graph import Graph
from cimc.ir.layers import LayerGraph
from cimc.ir.mapped import MappedGraph
from cimc.ir.placed import PlacedGraph
from cimc.ir.scheduled import ScheduledGraph
from cimc.ir.verify_stage import verify_stage
from cimc.ir.widths import Widths
from cimc.layer_kinds.matrix.mapped import matrices_of
from cimc.passes.crossbars.choose_segments import choose_segments
from cimc.passes.crossbars.duplicate import Duplication, duplicate
from cimc.passes.crossbars.mark_lossy import mark_lossy
from cimc.passes.crossbars.pack import pack
from cimc.passes.crossbars.replicate import replicate
from cimc.passes.crossbars.split import SplitOptions, reaches_far, split_matrices
from cimc.passes.lower.layers import lower
from cimc.passes.lower.split_averages import split_averages
from cimc.passes.numbers.calibrate import measure_ranges
from cimc.passes.numbers.choose_shifts import choose_shifts
from cimc.passes.numbers.formats import choose_formats, complete_ranges, needed_ranges
from cimc.passes.numbers.quantise import quantise
from cimc.passes.placement.depths import Depths
from cimc.passes.placement.place import place_tasks
from cimc.passes.placement.seat_tiles import seat_tiles
from cimc.passes.scheduling.deepen_rings import deepen_rings
from cimc.passes.scheduling.schedule import schedule
from cimc.passes.scheduling.settle_depths import settle_depths
from cimc.target.model import Target

Arrays = Mapping[str, npt.NDArray[Any]]
VERIFY_EACH = "CIMC_VERIFY_EACH"
ROUNDS = 12  # placements, each with the depths of rings that the ones before it learned


@dataclass(frozen=True, slots=True)
class MapOptions:
    """What a user may choose: widths (bits), how rows are cut ("dense" or "channels"), and how ranges are chosen (see
    cimc.passes.numbers.calibrate.METHODS). pack: small matrices of different layers share crossbars."""

    widths: Widths
    rows: str = "dense"
    calibration: str = "minmax"
    pack: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """What passes work for, beside the stage. graph: the network that is lowered; calibration: lanes of every network
    input. duplication: how copies are chosen, None for one of each layer, with `pace` to tell how long a
    pixel takes. chips: at most; seed: see seat_tiles. verify: every stage that a pass makes, see run_passes."""

    target: Target
    graph: Graph | None = None
    calibration: Arrays = field(default_factory=dict)
    options: MapOptions | None = None
    duplication: Duplication | None = None
    pace: Callable[[MappedGraph, Target], Mapping[str, Fraction]] = lambda graph, target: {}
    chips: int = 1
    seed: int = 0
    verify: bool = False

    @property
    def mapping(self) -> MapOptions:
        """The options of mapping."""
        assert self.options is not None, "mapping has options"
        return self.options


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: what it makes of a stage. applies: whether it is needed at all."""

    name: str
    run: Callable[[Any, Context], Any]
    applies: Callable[[Context], bool] = lambda context: True


def _quantise(layers: LayerGraph, context: Context) -> MappedGraph:
    """Ranges from calibration data, number formats, integer weights."""
    options, target = context.mapping, context.target
    assert context.graph is not None, "a network was lowered"
    names = needed_ranges(layers)
    measured = measure_ranges(context.graph, names, context.calibration, options.calibration)
    ranges = complete_ranges(layers, measured)
    quants = choose_formats(layers, ranges, target, options.widths)
    return quantise(layers, Formats(quants, ranges, options.widths, target))


def _duplicate(mapped: MappedGraph, context: Context) -> MappedGraph:
    """Copies at the pace of the layers as they are."""
    assert context.duplication is not None, "copies are asked for"
    pace = context.pace(mapped, context.target)
    return duplicate(mapped, context.target, replace(context.duplication, pace=pace))[0]


def _place(mapped: MappedGraph, context: Context) -> PlacedGraph:
    """Tasks on tiles, and rings so deep that the streams run; again with what was learned where those overflow a
    tile."""
    target, depths = context.target, Depths()
    for _ in range(ROUNDS):
        first = place_tasks(mapped, target, depths, context.chips)
        settled = settle_depths(first)
        worst = max(settled.tiles, key=lambda tile: tile.words)
        if worst.words <= target.tile.memory_words:
            return settled
        depths.learn(first, settled)
    raise fail(
        "place.memory",
        f"tile {worst.number} needs {worst.words} words of shared memory; {target.name} has {target.tile.memory_words}",
        todo="take a target with more tile memory, or a network with smaller feature maps",
    )


def _seat_tiles(scheduled: ScheduledGraph, context: Context) -> ScheduledGraph:
    """Places on as few chips as have all tiles."""
    tiles = 1 + max(tile for tile, _ in scheduled.rings)
    return seat_tiles(scheduled, context.target, math.ceil(tiles / context.target.chip.tiles), context.seed)


def _has_copies(context: Context) -> bool:
    return context.duplication is not None


PASSES = (
    Pass("split_averages", lambda graph, _: split_averages(graph), lambda c: c.target.numbers.accumulator < 32),
    Pass("lower", lambda graph, _: lower(graph)),
    Pass("quantise", _quantise),
    Pass("split_matrices", lambda m, c: split_matrices(m, c.target, split_options(m, c.target, c.mapping.rows))),
    Pass("choose_shifts", lambda mapped, c: choose_shifts(mapped, c.calibration)),
    Pass("mark_lossy", lambda mapped, _: mark_lossy(mapped)),
    Pass("pack", lambda mapped, c: pack(mapped, c.target), lambda c: c.mapping.pack),
    Pass("replicate", lambda mapped, c: replicate(mapped, c.target), _has_copies),
    Pass("duplicate", _duplicate, _has_copies),
    Pass("choose_segments", lambda mapped, c: choose_segments(mapped, c.target)),
    Pass("place", _place),
    Pass("deepen_rings", lambda placed, _: deepen_rings(placed)),
    Pass("schedule", lambda placed, _: schedule(placed)),
    Pass("seat_tiles", _seat_tiles),
)
"""Every pass, in order. Each is at home in the file of its name."""


def run_passes(
    stage: Any, context: Context, passes: Sequence[Pass], observe: Callable[[str, Any], None] = lambda name, stage: None
) -> Any:
    """What passes make of a stage. observe: is shown every stage that one made, with the pass's name.

    A Graph is always verified, the other stages where the context asks for it or VERIFY_EACH is in the environment, as
    it is in tests.
    """
    verify = context.verify or VERIFY_EACH in os.environ
    for one in passes:
        if one.applies(context):
            stage = one.run(stage, context)
            if verify or isinstance(stage, Graph):
                verify_stage(stage)
            if isinstance(stage, Graph):
                context = replace(context, graph=stage)
            observe(one.name, stage)
    return stage


def map_network(graph: Graph, target: Target, calibration: Arrays, options: MapOptions) -> MappedGraph:
    """All that fixes numbers. calibration: lanes of every network input."""
    passes = PASSES[: _number("pack") + 1]
    found: MappedGraph = run_passes(graph, Context(target, graph, calibration, options), passes)
    return found


def split_options(graph: MappedGraph, target: Target, rows: str) -> SplitOptions:
    """Which layers are cut by channels, and weightless layers' widest channel range: what tile memory asks for."""
    memory, registers = target.tile.memory_words, target.core.registers
    by_channels, narrow = set(), {}
    matrices = {mapped.layer.name for mapped in matrices_of(graph)}
    for layer in (mapped.layer for mapped in graph.layers):
        kernel, strides, _, dilations = layer.window
        operand = layer.reads[0]
        sources = [graph.maps[name] for name in operand.maps]
        rows_held = (kernel[0] - 1) * dilations[0] + 1 + strides[0]
        sizes = [(m.height, m.width) for m in sources]
        if layer.name in matrices:
            if reaches_far(rows_held, sizes, operand.channels, memory):
                by_channels.add(layer.name)
            continue
        per_channel = max((min(rows_held, height) * width for height, width in sizes), default=1)
        narrow[layer.name] = max(1, min(layer.most_channels(registers), memory * 2 // 5 // per_channel))
    return SplitOptions(rows, frozenset(by_channels), narrow)


def schedule_network(mapped: MappedGraph, target: Target, chips: int = 1, seed: int = 0) -> ScheduledGraph:
    """All that fixes places and order. chips: at most. seed: see seat_tiles."""
    context = Context(target, chips=chips, seed=seed)
    found: ScheduledGraph = run_passes(mapped, context, PASSES[_number("choose_segments") :])
    return found


def _number(name: str) -> int:
    """Where a pass stands in the list."""
    return next(number for number, one in enumerate(PASSES) if one.name == name)
