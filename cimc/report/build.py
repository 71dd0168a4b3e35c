"""build_report: from a compiled network to its mapping report."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

from cimc.base.diagnostics import Diagnostic
from cimc.base.quantities import percent
from cimc.driver.compile import Compiled
from cimc.driver.verification import sizes_of
from cimc.ir.layers import Binding
from cimc.isa.program import CoreCode, TileCode
from cimc.isa.verify.usage import tile_usage
from cimc.layer_kinds.matrix.mapped import MappedMatrix, as_matrix
from cimc.report.cost_model import Writing, cells_of
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
from cimc.report.pricing import Place, price


def build_report(compiled: Compiled) -> Report:
    """The report of a compiled network."""
    return _Builder(compiled).report()


def missed_rate(wanted: float | None, report: Report) -> list[Diagnostic]:
    """A warning where a program takes fewer inputs a second than were asked for: layers wait for each other."""
    reached = None if report.cost is None else report.cost.rate
    if wanted is None or reached is None or reached >= wanted:
        return []
    what = f"{wanted:,.6g} inputs a second were asked for; the program takes {reached:,.6g}"
    todo = f"layers wait for each other: ask for a little more, as --rate {wanted * wanted / reached:.4g}"
    return [Diagnostic("balance.rate", what, todo=todo)]


class _Builder:
    """What the parts of a report are made from. placed: cores of a layer; on_cores: names of the layers of a core, by
    round; round: that tiles are told about."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled, self.mapped, self.program = compiled, compiled.mapped, compiled.program
        self.target, self.names, self.priced = compiled.target, compiled.names.shown, price(compiled)
        self.placed: defaultdict[int, list[Place]] = defaultdict(list)
        self.round, self.on_cores = 0, list[dict[Place, dict[str, None]]]()
        numbers = {one.layer.output: number for number, one in enumerate(compiled.mapped.layers)}
        for scheduled in compiled.rounds:
            self.on_cores.append(defaultdict(dict))
            for task in scheduled.tasks:
                number = numbers[scheduled.layer_of(task).layer.output]
                self.placed[number].append((task.tile, task.core))
                self.on_cores[-1][task.tile, task.core][self.names[number]] = None

    def report(self) -> Report:
        """All of it."""
        layers = tuple(self.layer(index) for index in range(len(self.names)))
        tiles: list[TileReport] = []
        for phase, part in zip(self.program.phases or (None,), self.program.parts, strict=True):
            if phase is None or not phase.once:
                self.round = 0 if phase is None else phase.round
                tiles += [self.tile(tile) for tile in part.tiles]
        travel = None if self.program.phases else self.compiled.scheduled.travel
        return Report(
            format=REPORT_FORMAT,
            program=program_digest(self.program),
            weights=self.program.weights,
            summary=self.summary(layers, tuple(tiles)),
            cost=self.priced.report,
            unpriced=self.priced.unpriced,
            writing=Writing.of(self.program, self.target),
            rounds=self.priced.rounds,
            travel=None
            if travel is None
            else TravelReport(travel[1].hops, travel[0].hops, travel[1].off_chip, travel[0].off_chip),
            inputs=tuple(self.plug(binding) for binding in self.mapped.inputs),
            outputs=tuple(self.plug(binding) for binding in self.mapped.outputs),
            layers=layers,
            tiles=tuple(tiles),
            warnings=tuple(Warned(w.code, w.what, str(w.where), w.todo) for w in self.compiled.warnings),
        )

    def summary(self, layers: tuple[LayerReport, ...], tiles: tuple[TileReport, ...]) -> Summary:
        """The whole program."""
        sizes, target = sizes_of(self.program), self.target
        memory = sum(layer.operations for layer in layers if layer.matrix is not None)
        vector = sum(layer.operations for layer in layers if layer.matrix is None)
        return Summary(
            network=self.program.name,
            target=target.name,
            tiles=sizes.tiles,
            chips=len({tile.chip for tile in tiles}),
            tiles_of_chip=target.chip.tiles,
            cores=sizes.cores,
            mvmus=sizes.crossbars,
            mvmus_on_tiles=sizes.tiles * target.tile.cores * target.core.mvmus,
            instructions=sizes.instructions,
            code_bytes=sizes.code_bytes,
            memory_words=max(
                sum(tile.memory_words for tile in tiles if tile.round == number) for number in {t.round for t in tiles}
            ),
            weights=sum(layer.matrix.weights for layer in layers if layer.matrix is not None),
            memory_operations=memory,
            vector_operations=vector,
            in_memory_percent=percent(memory, memory + vector),
        )

    def layer(self, index: int) -> LayerReport:
        """A layer, by its index."""
        one, placed = self.mapped.layers[index], self.placed[index]
        out = self.mapped.maps[one.layer.output]
        stored = as_matrix(one)
        matrix = None if stored is None else self.matrix(stored)
        return LayerReport(
            name=self.names[index],
            origin=one.layer.origin,
            kind=one.layer.title,
            output=one.layer.output,
            height=out.height,
            width=out.width,
            channels=out.channels,
            format=self.format(out.name),
            tiles=len({tile for tile, _ in placed}),
            cores=len(set(placed)),
            operations=matrix.vectors * matrix.weights if matrix is not None else out.words * one.layer.operations,
            matrix=matrix,
            cost=self.priced.layers.get(index),
        )

    def matrix(self, one: MappedMatrix) -> MatrixReport:
        """A layer's matrix on crossbars."""
        layer, target = one.layer, self.target
        outputs, per_group, height, width = layer.shape
        blocks = [block for task in one.tasks for block in task.blocks]
        stacks, slices = Counter(block.low for block in blocks), target.slices(one.weight_bits)
        columns = one.replicas * sum(block.high - block.low for block in blocks)
        cells = sum(block.weights.size for block in blocks) * one.replicas * slices * target.cells_abreast
        fed = one.fed(self.mapped)
        out = self.mapped.maps[layer.output]
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
            row_split=max(stacks.values()),
            column_split=len(stacks),
            mvmus=len(blocks) * one.copies,
            crossbars=len(blocks) * one.copies * target.mvmu.crossbars,
            rows_percent=percent(one.replicas * sum(block.rows for block in blocks), len(blocks) * target.mvmu_rows),
            columns_percent=percent(columns, len(blocks) * target.mvmu_columns(one.weight_bits)),
            cells_percent=percent(cells, self.cells(len(blocks))),
            shift=one.shift,
            vectors=out.height * out.width,
            copies=one.copies,
            beside=one.replicas,
        )

    def cells(self, mvmus: int) -> int:
        """The cells of so many MVMUs."""
        return mvmus * self.target.mvmu.crossbars * self.target.crossbar.rows * self.target.crossbar.columns

    def plug(self, binding: Binding) -> PlugReport:
        """A network input or output."""
        return PlugReport(binding.tensor, binding.shape, binding.dtype, self.format(binding.maps[0]))

    def format(self, name: str) -> Format:
        """The number format of a map."""
        quant = self.mapped.quants[name]
        return Format(quant.scale, quant.zero, quant.low, quant.high, quant.bits)

    def tile(self, tile: TileCode) -> TileReport:
        """A tile in use."""
        used, target = tile_usage(tile, self.target.numbers), self.target
        tensors = {ring.name: ring.tensor for ring in tile.rings}
        most, bytes_of = used.largest, dict(used.core_bytes)
        return TileReport(
            tile=tile.number,
            chip=tile.number // target.chip.tiles,
            memory_words=used.words,
            memory_capacity=target.tile.memory_words,
            largest=None
            if most is None
            else RegionReport(most.kind, most.name, tensors.get(most.name, ""), most.words),
            channel_bytes=sum(size for _, size in used.channel_bytes),
            channel_capacity=target.tile.instruction_bytes,
            fifos=used.fifos,
            fifo_capacity=target.tile.fifos,
            joules=self.priced.tiles.get(tile.number) if self.priced.rounds is None else None,
            cores=tuple(self.core((tile.number, core.number), core, bytes_of[core.number]) for core in tile.cores),
            round=self.round,
        )

    def core(self, place: Place, core: CoreCode, code_bytes: int) -> CoreReport:
        """A core in use."""
        mvmus, (seconds, joules) = len(core.by_mvmu()), self.priced.cores.get(place, (None, None))
        return CoreReport(
            core=core.number,
            layers=tuple(self.on_cores[self.round].get(place, ())),
            code_bytes=code_bytes,
            code_capacity=self.target.core.instruction_bytes,
            mvmus=mvmus,
            mvmu_capacity=self.target.core.mvmus,
            cells_percent=percent(cells_of(core, self.target), self.cells(mvmus)),
            seconds=seconds,
            joules=joules,
        )
