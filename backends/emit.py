"""emit: a ScheduledGraph as a Program and the arrays that belong to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy.typing as npt

from cimc.backends.body import Body, write_code
from cimc.backends.constants import Constants
from cimc.backends.registers import Registers
from cimc.backends.streams import core_stream, task_code, transfer_streams
from cimc.base.moves import WORDS, Box, Moves
from cimc.ir.layers import Binding
from cimc.ir.mapped import MappedLayer
from cimc.ir.scheduled import RingPlan, ScheduledGraph, ScheduledTask
from cimc.isa.operands import Reg
from cimc.isa.program import (
    ChannelCode,
    CoreCode,
    Instruction,
    Plug,
    Program,
    Ring,
    RingRef,
    TileCode,
    extent,
)
from cimc.target.model import Target

Arrays = dict[str, npt.NDArray[Any]]


def emit(graph: ScheduledGraph, target: Target) -> tuple[Program, Arrays]:
    """The program without its weights' digest, and its arrays."""
    arrays: Arrays = {}
    strings = list(dict.fromkeys(m.layer.origin or m.layer.name for m in graph.mapped.layers))
    rings: dict[int, list[RingPlan]] = {}
    for (tile, _), plan in graph.rings.items():
        rings.setdefault(tile, []).append(plan)
    tasks: dict[int, list[ScheduledTask]] = {}
    for placed in graph.tasks:
        tasks.setdefault(placed.tile, []).append(placed)
    channels = _channels(graph, strings)
    firsts = {number: _first_rows(mapped) for number, mapped in enumerate(graph.mapped.layers)}
    codes = tuple(
        _tile(graph, target, tile, rings[tile], tasks.get(tile, []), channels.get(tile, []), strings, arrays, firsts)
        for tile in sorted(rings)
    )
    inputs = tuple(_input(graph, b, feed, arrays) for b, feed in zip(graph.mapped.inputs, graph.feeds, strict=True))
    outputs = tuple(
        _output(graph, b, drain, arrays) for b, drain in zip(graph.mapped.outputs, graph.drains, strict=True)
    )
    name = graph.mapped.name or "network"
    widths = target.numbers.word, target.numbers.accumulator
    program = Program(name, target.name, "", tuple(strings), inputs, outputs, codes, graph.chips, *widths)
    return program, arrays


def _tile(
    graph: ScheduledGraph,
    target: Target,
    tile: int,
    plans: list[RingPlan],
    tasks: list[ScheduledTask],
    channels: list[tuple[Instruction, ...]],
    strings: list[str],
    arrays: Arrays,
    first_rows: Mapping[int, list[int]],
) -> TileCode:
    rings = []
    address = 0
    for plan in plans:
        rings.append(_ring(plan, address))
        address += plan.words
    constants = Constants(tile, target, arrays, address)
    there: dict[int, list[ScheduledTask]] = {}
    for placed in tasks:
        there.setdefault(placed.core, []).append(placed)
    cores = tuple(_core(graph, core, there[core], target, constants, strings, first_rows) for core in sorted(there))
    streams = tuple(ChannelCode(number, stream) for number, stream in enumerate(channels))
    return TileCode(
        tile, tuple(rings), tuple(constants.scales), tuple(constants.vectors), tuple(constants.tables), cores, streams
    )


def emit_alone(graph: ScheduledGraph, placed: ScheduledTask, plans: list[RingPlan], target: Target) -> TileCode:
    """A tile with its rings and one task's core, for what the core does: addresses of constants and the rows of the
    matrix that it names are not those of the program."""
    layer = graph.layer_of(placed)
    strings, firsts = [layer.layer.origin or layer.layer.name], {placed.layer: [0] * len(layer.tasks)}
    return _tile(graph, target, placed.tile, plans, [placed], [], strings, {}, firsts)


def _first_rows(mapped: MappedLayer) -> list[int]:
    """For every task of a layer the row of its matrix that the first block takes; 0 where it has none."""
    taken: dict[int, int] = {}
    found = []
    for task in mapped.tasks:
        found.append(taken.get(task.blocks[0].low, 0) if task.blocks else 0)
        for block in task.blocks:
            taken[block.low] = taken.get(block.low, 0) + block.rows
    return found


def _ring(plan: RingPlan, address: int) -> Ring:
    return Ring(
        name=plan.name,
        address=address,
        height=plan.height,
        width=plan.width,
        channels=plan.channels,
        segments=plan.segments,
        pixels=plan.pixels,
        ports=plan.ports,
        tensor=plan.tensor,
        channel=plan.channel,
        producers=plan.producers,
        row=plan.row,
        row_step=plan.row_step,
        column=plan.column,
    )


def _core(
    graph: ScheduledGraph,
    core: int,
    tasks: list[ScheduledTask],
    target: Target,
    constants: Constants,
    strings: list[str],
    first_rows: Mapping[int, list[int]],
) -> CoreCode:
    """A core's matrices and stream; the tasks that share it take turns within every input."""
    names = ", ".join(graph.layer_of(placed).layer.name for placed in tasks)
    registers = Registers(target.core.registers, names)
    setup, each, matrices = [], [], []
    for placed in tasks:
        layer = graph.layer_of(placed).layer
        origin = strings.index(layer.origin or layer.name)
        first_row = first_rows[placed.layer][placed.task]
        body = Body(graph, placed, target, constants, origin, placed.out, registers, first_row)
        write_code(graph.layer_of(placed), body)
        setup += body.setup
        each += task_code(placed, body.mapped.beside, body.pixel, origin)
        matrices += body.matrices
    code = CoreCode(core, tuple(matrices), ())
    for mvmu, held in code.by_mvmu().items():
        if len(held) > 1:  # rows of the others are driven too: their weights are 0, and so must be no old value's noise
            whole = Reg("xin", mvmu * target.mvmu_rows, extent(held)[0])
            setup.append(Instruction("set", (whole, 0), setup[0].origin if setup else each[0].origin))
    return replace(code, stream=core_stream(setup, each))


def _channels(graph: ScheduledGraph, strings: list[str]) -> dict[int, list[tuple[Instruction, ...]]]:
    """Sends and receives, each a channel of its own, by tile. They count for the layer that made what they move."""
    layers = {m.layer.output: m.layer for m in graph.mapped.layers}
    makers = {(p.tile, p.out): graph.layer_of(p).layer for p in graph.tasks}
    found: dict[int, list[tuple[Instruction, ...]]] = {}
    for transfer in graph.transfers:
        source = graph.rings[transfer.source_tile, transfer.source]
        target = graph.rings[transfer.tile, transfer.ring]
        maker = layers[source.tensor] if source.tensor else makers[transfer.source_tile, transfer.source]
        send, receive = transfer_streams(transfer, source, target, strings.index(maker.origin or maker.name))
        found.setdefault(transfer.source_tile, []).append(send)
        found.setdefault(transfer.tile, []).append(receive)
    return found


def _input(graph: ScheduledGraph, binding: Binding, feed: tuple[tuple[int, str, int], ...], arrays: Arrays) -> Plug:
    quant = graph.mapped.quants[binding.maps[0]]
    if binding.moves is not None:
        arrays[f"input/{binding.tensor}"] = _in_rings(graph, binding, binding.moves, feed)
    scale = 0.0 if binding.dtype != "float32" else quant.scale
    return Plug(binding.tensor, binding.shape, binding.dtype, scale, quant.zero, quant.low, quant.high,
                tuple(RingRef(tile, name) for tile, name, _ in feed), f"input/{binding.tensor}")  # fmt: skip


def _output(graph: ScheduledGraph, binding: Binding, drain: tuple[tuple[int, str, int], ...], arrays: Arrays) -> Plug:
    quant = graph.mapped.quants[binding.maps[0]]
    if binding.moves is not None:
        arrays[f"output/{binding.tensor}"] = _in_rings(graph, binding, binding.moves, drain)
    scale = 0.0 if binding.dtype != "float32" else quant.scale
    refs = tuple(RingRef(tile, name, port) for tile, name, port in drain)
    return Plug(binding.tensor, binding.shape, binding.dtype, scale, quant.zero, quant.low, quant.high, refs,
                f"output/{binding.tensor}")  # fmt: skip


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
