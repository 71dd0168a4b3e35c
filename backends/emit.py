"""emit: a ScheduledGraph as a Program and the arrays that belong to it."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy.typing as npt

from cimc.backends.body import Body, Constants, Registers, write_code
from cimc.backends.streams import core_stream, task_code, transfer_streams
from cimc.base.moves import WORDS, Box, Moves
from cimc.ir.layers import Binding
from cimc.ir.mapped import MappedLayer
from cimc.ir.scheduled import RingPlan, ScheduledGraph, ScheduledTask
from cimc.isa.operands import Reg
from cimc.isa.program import ChannelCode, CoreCode, Instruction, Plug, Program, Ring, RingRef, TileCode, extent
from cimc.target.model import Target

Arrays = dict[str, npt.NDArray[Any]]
FirstRows = Mapping[int, Sequence[int]] | Sequence[Sequence[int]]
"""Row of its layer's matrix that a task's first block takes, by layer and task."""


def emit(graph: ScheduledGraph, target: Target) -> tuple[Program, Arrays]:
    """The program without its weights' digest, and its arrays."""
    arrays: Arrays = {}
    rings: defaultdict[int, list[RingPlan]] = defaultdict(list)
    for (tile, _), plan in graph.rings.items():
        rings[tile].append(plan)
    tasks: defaultdict[int, list[ScheduledTask]] = defaultdict(list)
    for placed in graph.tasks:
        tasks[placed.tile].append(placed)
    channels, firsts = _channels(graph), [_first_rows(mapped) for mapped in graph.mapped.layers]
    codes = tuple(
        _tile(graph, target, tile, rings[tile], tasks[tile], channels[tile], arrays, firsts) for tile in sorted(rings)
    )
    inputs = tuple(_input(graph, b, feed, arrays) for b, feed in zip(graph.mapped.inputs, graph.feeds, strict=True))
    outputs = tuple(
        _output(graph, b, drain, arrays) for b, drain in zip(graph.mapped.outputs, graph.drains, strict=True)
    )
    name = graph.mapped.name or "network"
    layers, widths = tuple(graph.mapped.names.shown), (target.numbers.word, target.numbers.accumulator)
    program = Program(name, target.name, "", layers, inputs, outputs, codes, graph.chips, *widths)
    return program, arrays


def emit_frame(graph: ScheduledGraph) -> Program:
    """The program with nothing but what orders its streams: loops, synchronisation and transfers, and the rings."""
    cores: defaultdict[int, defaultdict[int, list[Instruction]]] = defaultdict(lambda: defaultdict(list))
    for placed in graph.tasks:
        cores[placed.tile][placed.core] += task_code(placed, placed.pixels, [])
    rings: defaultdict[int, list[Ring]] = defaultdict(list)
    for (tile, _), plan in graph.rings.items():
        rings[tile].append(_ring(plan, 0))
    channels = _channels(graph)
    tiles = (
        TileCode(
            tile, tuple(rings[tile]), (), (), (),
            tuple(CoreCode(core, (), core_stream([], cores[tile][core])) for core in sorted(cores[tile])),
            tuple(ChannelCode(number, stream) for number, stream in enumerate(channels[tile])),
        )
        for tile in sorted(rings)
    )  # fmt: skip
    inputs, outputs = (
        tuple(_plug(graph, one, end, "") for one, end in zip(bindings, ends, strict=True))
        for bindings, ends in ((graph.mapped.inputs, graph.feeds), (graph.mapped.outputs, graph.drains))
    )
    return Program("frame", "", "", tuple(graph.mapped.names.shown), inputs, outputs, tuple(tiles))


def _ring(plan: RingPlan, address: int) -> Ring:
    fields = {field.name: getattr(plan, field.name) for field in dataclasses.fields(plan) if field.name != "tile"}
    return Ring(address=address, **fields)


def _tile(
    graph: ScheduledGraph, target: Target, tile: int, plans: list[RingPlan], tasks: list[ScheduledTask],
    channels: list[tuple[Instruction, ...]], arrays: Arrays, first_rows: FirstRows,
) -> TileCode:  # fmt: skip
    rings, address = [], 0
    for plan in plans:
        rings.append(_ring(plan, address))
        address += plan.words
    constants = Constants(tile, target, arrays, address)
    there: defaultdict[int, list[ScheduledTask]] = defaultdict(list)
    for placed in tasks:
        there[placed.core].append(placed)
    cores = tuple(_core(graph, core, there[core], target, constants, first_rows) for core in sorted(there))
    streams = tuple(ChannelCode(number, stream) for number, stream in enumerate(channels))
    return TileCode(
        tile, tuple(rings), tuple(constants.scales), tuple(constants.vectors), tuple(constants.tables), cores, streams
    )


def emit_alone(graph: ScheduledGraph, placed: ScheduledTask, plans: list[RingPlan], target: Target) -> TileCode:
    """A tile with its rings and one task's core, for what the core does: addresses of constants and the rows of the
    matrix that it names are not those of the program."""
    firsts = {placed.layer: [0] * len(graph.layer_of(placed).tasks)}
    return _tile(graph, target, placed.tile, plans, [placed], [], {}, firsts)


def _first_rows(mapped: MappedLayer) -> list[int]:
    """For every task of a layer the row of its matrix that the first block takes; 0 where it has none."""
    taken: dict[int, int] = {}
    found = []
    for task in mapped.tasks:
        found.append(taken.get(task.blocks[0].low, 0) if task.blocks else 0)
        for block in task.blocks:
            taken[block.low] = taken.get(block.low, 0) + block.rows
    return found


def _core(
    graph: ScheduledGraph, core: int, tasks: list[ScheduledTask], target: Target, constants: Constants,
    first_rows: FirstRows,
) -> CoreCode:  # fmt: skip
    """A core's matrices and stream; the tasks that share it take turns within every input."""
    names = ", ".join(graph.layer_of(placed).layer.name for placed in tasks)
    registers = Registers(target.core.registers, names)
    setup, each, matrices = [], [], []
    for placed in tasks:
        first_row = first_rows[placed.layer][placed.task]
        body = Body(graph, placed, target, constants, placed.out, registers, first_row)
        write_code(graph.layer_of(placed), body)
        setup += body.setup
        each += task_code(placed, body.mapped.replicas, body.pixel)
        matrices += body.matrices
    code = CoreCode(core, tuple(matrices), ())
    for mvmu, held in code.by_mvmu().items():
        if len(held) > 1:  # rows of the others are driven too: their weights are 0, and so must be no old value's noise
            whole = Reg("xin", mvmu * target.mvmu_rows, extent(held)[0])
            setup.append(Instruction("set", (whole, 0), setup[0].origin if setup else each[0].origin))
    return replace(code, stream=core_stream(setup, each))


def _channels(graph: ScheduledGraph) -> defaultdict[int, list[tuple[Instruction, ...]]]:
    """Sends and receives, each a channel of its own, by tile. They count for the layer that made what they move."""
    layers = {mapped.layer.output: number for number, mapped in enumerate(graph.mapped.layers)}
    makers = {(placed.tile, placed.out): placed.layer for placed in graph.tasks}
    found: defaultdict[int, list[tuple[Instruction, ...]]] = defaultdict(list)
    for transfer in graph.transfers:
        source = graph.rings[transfer.source_tile, transfer.source]
        target = graph.rings[transfer.tile, transfer.ring]
        maker = layers[source.tensor] if source.tensor else makers[transfer.source_tile, transfer.source]
        send, receive = transfer_streams(transfer, source, target, maker)
        found[transfer.source_tile].append(send)
        found[transfer.tile].append(receive)
    return found


def _input(graph: ScheduledGraph, binding: Binding, feed: tuple[tuple[int, str, int], ...], arrays: Arrays) -> Plug:
    if binding.moves is not None:
        arrays[f"input/{binding.tensor}"] = _in_rings(graph, binding, binding.moves, feed)
    return _plug(graph, binding, feed, f"input/{binding.tensor}")


def _output(graph: ScheduledGraph, binding: Binding, drain: tuple[tuple[int, str, int], ...], arrays: Arrays) -> Plug:
    if binding.moves is not None:
        arrays[f"output/{binding.tensor}"] = _in_rings(graph, binding, binding.moves, drain)
    return _plug(graph, binding, drain, f"output/{binding.tensor}")


def _plug(graph: ScheduledGraph, binding: Binding, ends: tuple[tuple[int, str, int], ...], index: str) -> Plug:
    quant = graph.mapped.quants[binding.maps[0]]
    scale = 0.0 if binding.dtype != "float32" else quant.scale
    refs = tuple(RingRef(tile, name, port) for tile, name, port in ends)
    ends_of = scale, quant.zero, quant.low, quant.high, index, refs
    return Plug(binding.tensor, binding.dtype, binding.shape, *ends_of, memory=binding.memory)


def _in_rings(
    graph: ScheduledGraph, binding: Binding, moves: Moves, ends: tuple[tuple[int, str, int], ...]
) -> npt.NDArray[Any]:
    """A tensor's moves to the words of rings that hold its maps, or parts of them, laid end to end."""
    sizes = accumulate((graph.mapped.maps[name].words for name in binding.maps), initial=0)
    starts = dict(zip(binding.maps, sizes, strict=False))
    boxes: list[Box] = []
    at = 0
    for tile, name, _ in ends:
        ring = graph.rings[tile, name]
        m = graph.mapped.maps[ring.tensor]
        inside = range(starts[m.name], starts[m.name] + m.words)
        there = tuple(box for box in moves.boxes if box.starts[WORDS] in inside)
        own = Moves(there).shifted(-inside.start).within(m.channels, ring.channel, ring.channel + ring.channels)
        columns = [column * ring.channels for column in (m.width, ring.column, ring.column + ring.width)]
        boxes += own.within(*columns).shifted(at).boxes
        at += ring.height * ring.width * ring.channels
    count = sum(box.count for box in boxes)
    assert count in (at, math.prod(binding.shape)), f"{count} moves of {binding.tensor} to {at} words"
    return Moves(tuple(boxes)).numbers()
