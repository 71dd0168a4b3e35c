"""build_report: from a compiled network to its mapping report."""

from __future__ import annotations

import hashlib
from collections import defaultdict

from cimc.driver.compile import Compiled
from cimc.driver.sizes import sizes_of
from cimc.ir.layers import Binding, Layer, MatrixLayer, PoolLayer, SoftmaxLayer, VectorLayer
from cimc.ir.mapped import MappedGraph, MappedLayer
from cimc.isa.binary import encode
from cimc.isa.program import Program, TileCode
from cimc.isa.usage import TileUsage, tile_usage
from cimc.numerics.quant import Quant
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
    Warned,
)
from cimc.target import Target

SOFTMAX_OPERATIONS = 2
"""Operations of softmax an element: into the sum, and times its reciprocal."""


def build_report(compiled: Compiled) -> Report:
    """The report of a compiled network."""
    mapped, program, target = compiled.mapped, compiled.program, compiled.target
    placed: dict[int, list[tuple[int, int]]] = defaultdict(list)
    on_core: dict[tuple[int, int], str] = {}
    for task in compiled.scheduled.tasks:
        placed[task.layer].append((task.tile, task.core))
        on_core[task.tile, task.core] = mapped.layers[task.layer].layer.name
    layers = tuple(_layer(mapped, index, target, placed[index]) for index in range(len(mapped.layers)))
    tiles = tuple(_tile(tile, tile_usage(tile, target.numbers), target, on_core) for tile in program.tiles)
    return Report(
        format=REPORT_FORMAT,
        program=program_digest(program),
        weights=program.weights,
        summary=_summary(program, target, layers, tiles),
        inputs=tuple(_plug(mapped, binding) for binding in mapped.inputs),
        outputs=tuple(_plug(mapped, binding) for binding in mapped.outputs),
        layers=layers,
        tiles=tiles,
        warnings=tuple(Warned(w.code, w.what, str(w.where), w.todo) for w in compiled.warnings),
    )


def program_digest(program: Program) -> str:
    """sha256 (hex) of a program's binary form, the same whichever form it was read from."""
    return hashlib.sha256(encode(program)).hexdigest()


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
        in_memory_percent=_percent(memory, memory + vector),
    )


def _layer(mapped: MappedGraph, index: int, target: Target, placed: list[tuple[int, int]]) -> LayerReport:
    one = mapped.layers[index]
    out = mapped.maps[one.layer.output]
    matrix = _matrix(mapped, one, target) if isinstance(one.layer, MatrixLayer) else None
    return LayerReport(
        name=one.layer.name,
        origin=one.layer.origin,
        kind=_kind(one.layer),
        output=one.layer.output,
        height=out.height,
        width=out.width,
        channels=out.channels,
        format=_format(mapped.quants[out.name]),
        tiles=len({tile for tile, _ in placed}),
        cores=len(set(placed)),
        operations=matrix.vectors * matrix.weights if matrix is not None else out.words * _operations(one.layer),
        matrix=matrix,
    )


def _kind(layer: Layer) -> str:
    if isinstance(layer, PoolLayer):
        return f"{layer.kind} pool"
    if isinstance(layer, VectorLayer):
        return layer.kind
    return "softmax" if isinstance(layer, SoftmaxLayer) else "matrix"


def _operations(layer: Layer) -> int:
    """Operations of a layer without a matrix for one element of its result."""
    if isinstance(layer, PoolLayer):
        return layer.kernel[0] * layer.kernel[1]
    return len(layer.operands) if isinstance(layer, VectorLayer) else SOFTMAX_OPERATIONS


def _matrix(mapped: MappedGraph, one: MappedLayer, target: Target) -> MatrixReport:
    layer = one.matrix
    outputs, per_group, height, width = layer.weight.shape
    blocks = [block for task in one.tasks for block in task.blocks]
    columns = target.mvmu_columns(one.weight_bits)
    slices = target.slices(one.weight_bits)
    stack: dict[int, int] = defaultdict(int)
    for block in blocks:
        stack[block.low] += 1
    cells = sum(block.weights.size for block in blocks) * slices * target.cells_abreast
    there = len(blocks) * target.mvmu.crossbars * target.crossbar.rows * target.crossbar.columns
    fed = mapped.quants[layer.x.maps[0]]
    out = mapped.maps[layer.output]
    return MatrixReport(
        rows=per_group * height * width,
        columns=outputs,
        groups=layer.groups,
        weights=layer.weight.size,
        encoding=target.mvmu.encoding + (", flipped" if target.mvmu.flipped else ""),
        weight_bits=one.weight_bits,
        input_bits=fed.bits,
        input_signed=fed.signed,
        slices=slices,
        row_split=max(stack.values()),
        column_split=len(stack),
        mvmus=len(blocks) * one.copies,
        rows_percent=_percent(sum(block.rows for block in blocks), len(blocks) * target.mvmu_rows),
        columns_percent=_percent(sum(block.high - block.low for block in blocks), len(blocks) * columns),
        cells_percent=_percent(cells, there),
        shift=one.shift,
        vectors=out.height * out.width,
        copies=one.copies,
    )


def _plug(mapped: MappedGraph, binding: Binding) -> PlugReport:
    return PlugReport(binding.tensor, binding.shape, binding.dtype, _format(mapped.quants[binding.maps[0]]))


def _format(quant: Quant) -> Format:
    return Format(quant.scale, quant.zero, quant.low, quant.high, quant.bits)


def _tile(tile: TileCode, used: TileUsage, target: Target, on_core: dict[tuple[int, int], str]) -> TileReport:
    tensors = {ring.name: ring.tensor for ring in tile.rings}
    largest = used.largest
    bytes_of = dict(used.core_bytes)
    return TileReport(
        tile=tile.number,
        memory_words=used.words,
        memory_capacity=target.tile.memory_words,
        largest=None
        if largest is None
        else RegionReport(largest.kind, largest.name, tensors.get(largest.name, ""), largest.words),
        channel_bytes=sum(size for _, size in used.channel_bytes),
        channel_capacity=target.tile.instruction_bytes,
        fifos=used.fifos,
        fifo_capacity=target.tile.fifos,
        cores=tuple(
            CoreReport(
                core.number,
                on_core[tile.number, core.number],
                bytes_of[core.number],
                target.core.instruction_bytes,
                len(core.by_mvmu()),
                target.core.mvmus,
            )
            for core in tile.cores
        ),
    )


def _percent(part: int, whole: int) -> float:
    """A share in percent, to two places."""
    return round(100 * part / whole, 2) if whole else 0.0
