"""build_report: from a compiled network to its mapping report."""

from __future__ import annotations

import math
from collections import defaultdict

from cimc.base.diagnostics import Diagnostic
from cimc.base.quantities import percent
from cimc.driver.compile import Compiled
from cimc.driver.sizes import sizes_of
from cimc.ir.layers import Binding
from cimc.ir.mapped import MappedGraph
from cimc.ir.scheduled import ScheduledGraph
from cimc.isa.program import CoreCode, Program, TileCode
from cimc.isa.verify.usage import TileUsage, tile_usage
from cimc.layer_kinds.matrix.mapped import MappedMatrix, as_matrix
from cimc.numerics.quant import Quant
from cimc.report.cost_model import LayerCost
from cimc.report.folder import program_digest
from cimc.report.model import (
    REPORT_FORMAT,
    CoreReport,
    Format,
    LayerReport,
    MatrixReport,
    PlugReport,
    RegionReport,
    Report,
    Summary,
    TileReport,
    TravelReport,
    Warned,
)
from cimc.report.pricing import CoreCost, Priced, price
from cimc.report.writing import cells_of, writing_of
from cimc.target import Target


def build_report(compiled: Compiled) -> Report:
    """The report of a compiled network."""
    mapped, program, target = compiled.mapped, compiled.program, compiled.target
    names = compiled.names.shown
    placed: dict[int, list[tuple[int, int]]] = defaultdict(list)
    on_core: dict[tuple[int, int], dict[str, None]] = defaultdict(dict)
    for task in compiled.scheduled.tasks:
        placed[task.layer].append((task.tile, task.core))
        on_core[task.tile, task.core][names[task.layer]] = None
    priced = price(compiled)
    costs = [None] * len(mapped.layers) if isinstance(priced, str) else priced.layers
    layers = tuple(_layer(mapped, index, names[index], target, placed[index], cost) for index, cost in enumerate(costs))
    tiles = tuple(_tile(tile, tile_usage(tile, target.numbers), target, on_core, priced) for tile in program.tiles)
    return Report(
        format=REPORT_FORMAT,
        program=program_digest(program),
        weights=program.weights,
        summary=_summary(program, target, layers, tiles),
        cost=None if isinstance(priced, str) else priced.report,
        unpriced=priced if isinstance(priced, str) else "",
        writing=writing_of(program, target),
        travel=_travel(compiled.scheduled),
        inputs=tuple(_plug(mapped, binding) for binding in mapped.inputs),
        outputs=tuple(_plug(mapped, binding) for binding in mapped.outputs),
        layers=layers,
        tiles=tiles,
        warnings=tuple(Warned(w.code, w.what, str(w.where), w.todo) for w in compiled.warnings),
    )


def missed_rate(wanted: float | None, report: Report) -> list[Diagnostic]:
    """A warning where a program takes fewer inputs a second than were asked for: layers wait for each other."""
    reached = None if report.cost is None else report.cost.rate
    if wanted is None or reached is None or reached >= wanted:
        return []
    what = f"{wanted:,.6g} inputs a second were asked for; the program takes {reached:,.6g}"
    todo = f"layers wait for each other: ask for a little more, as --rate {wanted * wanted / reached:.4g}"
    return [Diagnostic("balance.rate", what, todo=todo)]


def _summary(
    program: Program, target: Target, layers: tuple[LayerReport, ...], tiles: tuple[TileReport, ...]
) -> Summary:
    sizes = sizes_of(program)
    memory = sum(layer.operations for layer in layers if layer.matrix is not None)
    vector = sum(layer.operations for layer in layers if layer.matrix is None)
    return Summary(
        network=program.name,
        target=target.name,
        tiles=sizes.tiles,
        chips=len({tile.chip for tile in tiles}),
        tiles_of_chip=target.chip.tiles,
        cores=sizes.cores,
        mvmus=sizes.crossbars,
        mvmus_on_tiles=sizes.tiles * target.tile.cores * target.core.mvmus,
        instructions=sizes.instructions,
        code_bytes=sizes.code_bytes,
        memory_words=sum(tile.memory_words for tile in tiles),
        weights=sum(layer.matrix.weights for layer in layers if layer.matrix is not None),
        memory_operations=memory,
        vector_operations=vector,
        in_memory_percent=percent(memory, memory + vector),
    )


def _travel(scheduled: ScheduledGraph) -> TravelReport | None:
    if scheduled.travel is None:
        return None
    before, after = scheduled.travel
    return TravelReport(after.hops, before.hops, after.off_chip, before.off_chip)


def _layer(
    mapped: MappedGraph, index: int, name: str, target: Target, placed: list[tuple[int, int]], cost: LayerCost | None
) -> LayerReport:
    one = mapped.layers[index]
    out = mapped.maps[one.layer.output]
    stored = as_matrix(one)
    matrix = None if stored is None else _matrix(mapped, stored, target)
    return LayerReport(
        name=name,
        origin=one.layer.origin,
        kind=one.layer.title,
        output=one.layer.output,
        height=out.height,
        width=out.width,
        channels=out.channels,
        format=_format(mapped.quants[out.name]),
        tiles=len({tile for tile, _ in placed}),
        cores=len(set(placed)),
        operations=matrix.vectors * matrix.weights if matrix is not None else out.words * one.layer.operations,
        matrix=matrix,
        cost=cost,
    )


def _matrix(mapped: MappedGraph, one: MappedMatrix, target: Target) -> MatrixReport:
    layer = one.layer
    outputs, per_group, height, width = layer.shape
    blocks = [block for task in one.tasks for block in task.blocks]
    columns = target.mvmu_columns(one.weight_bits)
    slices = target.slices(one.weight_bits)
    stack: dict[int, int] = defaultdict(int)
    for block in blocks:
        stack[block.low] += 1
    cells = sum(block.weights.size for block in blocks) * one.beside * slices * target.cells_abreast
    there = len(blocks) * target.mvmu.crossbars * target.crossbar.rows * target.crossbar.columns
    fed = mapped.quants[layer.x.maps[0]]
    out = mapped.maps[layer.output]
    return MatrixReport(
        rows=per_group * height * width,
        columns=outputs,
        groups=layer.groups,
        weights=math.prod(layer.shape),
        encoding=target.mvmu.encoding + (", flipped" if target.mvmu.flipped else ""),
        weight_bits=one.weight_bits,
        input_bits=fed.bits,
        input_signed=fed.signed,
        slices=slices,
        row_split=max(stack.values()),
        column_split=len(stack),
        mvmus=len(blocks) * one.copies,
        crossbars=len(blocks) * one.copies * target.mvmu.crossbars,
        rows_percent=percent(one.beside * sum(block.rows for block in blocks), len(blocks) * target.mvmu_rows),
        columns_percent=percent(one.beside * sum(block.high - block.low for block in blocks), len(blocks) * columns),
        cells_percent=percent(cells, there),
        shift=one.shift,
        vectors=out.height * out.width,
        copies=one.copies,
        beside=one.beside,
    )


def _plug(mapped: MappedGraph, binding: Binding) -> PlugReport:
    return PlugReport(binding.tensor, binding.shape, binding.dtype, _format(mapped.quants[binding.maps[0]]))


def _format(quant: Quant) -> Format:
    return Format(quant.scale, quant.zero, quant.low, quant.high, quant.bits)


def _tile(
    tile: TileCode,
    used: TileUsage,
    target: Target,
    on_core: dict[tuple[int, int], dict[str, None]],
    priced: Priced | str,
) -> TileReport:
    tensors = {ring.name: ring.tensor for ring in tile.rings}
    largest = used.largest
    bytes_of = dict(used.core_bytes)
    costs = [None if isinstance(priced, str) else priced.cores[tile.number, core.number] for core in tile.cores]
    return TileReport(
        tile=tile.number,
        chip=tile.number // target.chip.tiles,
        memory_words=used.words,
        memory_capacity=target.tile.memory_words,
        largest=None
        if largest is None
        else RegionReport(largest.kind, largest.name, tensors.get(largest.name, ""), largest.words),
        channel_bytes=sum(size for _, size in used.channel_bytes),
        channel_capacity=target.tile.instruction_bytes,
        fifos=used.fifos,
        fifo_capacity=target.tile.fifos,
        joules=None if isinstance(priced, str) else priced.tiles[tile.number],
        cores=tuple(
            _core(core, tuple(on_core[tile.number, core.number]), bytes_of[core.number], target, cost)
            for core, cost in zip(tile.cores, costs, strict=True)
        ),
    )


def _core(
    core: CoreCode, layers: tuple[str, ...], code_bytes: int, target: Target, cost: CoreCost | None
) -> CoreReport:
    there = len(core.by_mvmu()) * target.mvmu.crossbars * target.crossbar.rows * target.crossbar.columns
    return CoreReport(
        core=core.number,
        layers=layers,
        code_bytes=code_bytes,
        code_capacity=target.core.instruction_bytes,
        mvmus=len(core.by_mvmu()),
        mvmu_capacity=target.core.mvmus,
        cells_percent=percent(cells_of(core, target), there),
        seconds=None if cost is None else cost.seconds,
        joules=None if cost is None else cost.joules,
    )
