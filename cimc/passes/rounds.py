"""Rounds: a network cut, in network order, into parts whose matrices fit the chip one after the other.

A part is a MappedGraph of its own. Every number is chosen before (formats, shifts, blocks), so that parts compute what
the whole would. A map that a later part reads leaves its own through off-chip memory, as words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cimc.base.diagnostics import CimcError, Place, fail
from cimc.base.moves import Moves
from cimc.ir.epilogue import Epilogue
from cimc.ir.layers import Binding, FeatureMap, Operand, Part
from cimc.ir.mapped import MappedGraph, MappedLayer, Task
from cimc.ir.scheduled import ScheduledGraph
from cimc.layer_kinds.matrix.mapped import as_matrix
from cimc.layer_kinds.vector import MappedVector, VectorLayer
from cimc.passes.pipelines import PASSES, Context, run_passes
from cimc.target.model import Target

WAITS = "maps/"
"""What stands before the name of a map in off-chip memory."""
COPIED = "/copied"
"""What stands behind the name of a map that comes in to be copied."""
FIRST = next(number for number, one in enumerate(PASSES) if one.name == "pack") + 1
"""The first pass that every round has for itself."""


def schedule_rounds(
    mapped: MappedGraph,
    context: Context,
    one_layer: bool,
    observe: Callable[[str, Any], None] = lambda name, stage: None,
) -> tuple[ScheduledGraph, ...]:
    """The rounds of a network, placed and scheduled: as many layers in each as the chip takes, or one that has a matrix
    with those without one behind it. Raises CimcError where a layer alone does not fit the chip."""
    found: list[ScheduledGraph] = []
    start, layers = 0, len(mapped.layers)
    while start < layers:
        stop = _furthest(mapped, start, context, one_layer)
        while True:
            made: dict[str, Any] = {}
            try:
                part = part_of(mapped, start, stop, context.target)
                bare = not any(as_matrix(layer) for layer in part.layers)  # and so nothing to copy
                own = replace(context, duplication=None) if bare else context
                found.append(run_passes(part, own, PASSES[FIRST:], made.__setitem__))
            except CimcError as error:
                if stop == start + 1:
                    raise _too_large(mapped.layers[start], error, context) from None
                stop -= 1
                continue
            for name, stage in made.items():
                observe(name, stage)
            break
        start = stop
    return tuple(found)


def layers_of(mapped: MappedGraph, rounds: Sequence[ScheduledGraph]) -> tuple[MappedLayer, ...]:
    """The layers of the whole network as its rounds have them, with their copies."""
    found: dict[str, MappedLayer] = {}
    for one in rounds:
        for layer in one.mapped.layers:
            found.setdefault(layer.layer.output, layer)
    return tuple(found[layer.layer.output] for layer in mapped.layers)


def _furthest(mapped: MappedGraph, start: int, context: Context, one_layer: bool) -> int:
    """One past the last layer that a round could have by its MVMUs and cores; its memory is not looked at."""
    chip = context.target.chip.tiles * context.chips * context.target.tile.cores
    cores, matrices, stop = 0, 0, start
    for layer in mapped.layers[start:]:
        cores += len(layer.tasks)
        matrices += as_matrix(layer) is not None
        if stop > start and (cores > chip or (one_layer and matrices > 1 and as_matrix(layer) is not None)):
            break
        stop += 1
    return stop


def _too_large(layer: MappedLayer, error: CimcError, context: Context) -> CimcError:
    """Why a layer alone does not fit a round."""
    blocks = sum(len(task.blocks) for task in layer.tasks)
    target = context.target
    whole = target.chip.tiles * context.chips * target.tile.cores * target.core.mvmus
    if blocks <= whole:
        if error.diagnostics[0].code != "place.chip":
            return error
        what = f"a round takes whole layers, and not even this one fits: {error.diagnostics[0].what}"
        return fail("rounds.layer", what, Place(item=layer.layer.origin), "take more chips (--chips) or larger ones")
    what = f"a round takes whole layers, and this one needs {blocks:,} MVMUs; {target.name} has {whole:,}"
    more = math.ceil(blocks / (whole / context.chips))
    todo = f"take more chips (--chips {more}) or larger ones"
    return fail("rounds.layer", what, Place(item=layer.layer.origin), todo)


def part_of(mapped: MappedGraph, start: int, stop: int, target: Target) -> MappedGraph:
    """Layers start .. stop of a graph as a graph of their own.

    An output leaves with the last of its maps. Those that an earlier part has made come in under another name, and
    a layer more copies them: a ring is filled by the host or read by it.
    """
    layers, later = mapped.layers[start:stop], mapped.layers[stop:]
    made_in = {layer.layer.output: number for number, layer in enumerate(mapped.layers)}
    made = {layer.layer.output for layer in layers}
    inputs = {binding.maps[0]: binding for binding in mapped.inputs}
    last = stop == len(mapped.layers)

    def ends(binding: Binding) -> int:
        """The layer behind which all of an output is there."""
        return max((made_in.get(name, 0) for name in binding.maps), default=0)

    outputs = [binding for binding in mapped.outputs if start <= ends(binding) < stop]
    waiting = [name for binding in mapped.outputs if ends(binding) >= stop for name in binding.maps]
    read = dict.fromkeys([*_read(layers), *(name for binding in outputs for name in binding.maps)])
    wanted = {*_read(later), *waiting}
    taken = [name for name in read if name not in made]
    unread = [name for name in inputs if start == 0 and name not in read and name not in _read(mapped.layers)]
    maps = {name: m for name, m in mapped.maps.items() if name in {*taken, *made, *unread}}
    quants = {name: mapped.quants[name] for name in maps}
    kept = [name for name in maps if name in made and name in wanted]
    assert not last or not kept, f"{kept} of the last round are kept"
    given = {name: inputs.get(name) or _waiting(mapped.maps[name]) for name in (*taken, *unread)}
    for name in dict.fromkeys(name for binding in outputs for name in binding.maps if name in taken):
        other = f"{name}{COPIED}"
        maps[other], quants[other] = replace(maps[name], name=other), quants[name]
        given[name] = replace(given[name], maps=(other,))
        layers = (_copy(mapped, name, other, target), *layers)
    return replace(
        mapped,
        layers=layers,
        maps=maps,
        quants=quants,
        inputs=tuple(given.values()),
        outputs=(*outputs, *(_waiting(mapped.maps[name]) for name in kept)),
        segments={},
    )


def _copy(mapped: MappedGraph, name: str, source: str, target: Target) -> MappedVector:
    """A layer that makes a map of another one that is the same. Its tasks have as many channels as registers and two
    rows of memory leave them."""
    m, quant = mapped.maps[name], mapped.quants[name]
    origin = next(layer.layer.origin for layer in mapped.layers if layer.layer.output == name)
    operand = Operand((Part(source, 0, m.channels),), m.height, m.width)
    layer = VectorLayer(
        name=f"{name}{COPIED}.copy", output=name, origin=origin, kind="sum", operands=(operand,),
        gains=(np.ones(m.channels),), bias=np.zeros(m.channels),
    )  # fmt: skip
    ones, zeros = np.ones(m.channels, np.float32), np.zeros(m.channels, np.float32)
    epilogue = Epilogue(ones, zeros, quant.zero, 0, quant.zero, quant.low, quant.high)
    most = min(layer.most_channels(target.core.registers), target.tile.memory_words * 2 // 5 // (2 * m.width))
    cuts = range(0, m.channels, max(1, most))
    tasks = tuple(Task(low, min(low + cuts.step, m.channels)) for low in cuts)
    return MappedVector(layer, epilogue, tasks)


def _read(layers: Sequence[MappedLayer]) -> Mapping[str, None]:
    """The maps that layers read, in order."""
    return dict.fromkeys(name for one in layers for operand in one.layer.reads for name in operand.maps)


def _waiting(m: FeatureMap) -> Binding:
    """A map in off-chip memory: words in the map's order."""
    moves = Moves.read(np.array([1, 0, 0, m.words, 1, 1], np.int64))
    return Binding(f"{WAITS}{m.name}", m.size, "int32", (m.name,), moves, memory=True)
