"""The mapping report in a terminal of 80 columns or more: tables, time and energy, and what limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cimc.base.names import printable
from cimc.base.quantities import counted, si
from cimc.report.cost_model import CostReport
from cimc.report.model import Format, MatrixReport, Report, TileReport
from cimc.report.rounds import ROUNDS_LEGEND, rounds_table
from cimc.report.view_table import facts_table, new_table, table_of

LEGEND = """\
matrix: rows x columns, /groups of a grouped convolution
bits: of weights/inputs, s signed, u unsigned; split: blocks along rows x columns
fill: used of the MVMUs' rows/columns/cells; vectors: of one input, shared by the copies;
copies: on MVMUs of their own, and x how many beside each other on each, a product taking so many vectors"""

TILES = 32
"""Tiles that are listed; the fullest, where there are more."""


def report_view(report: Report, all_tiles: bool = False) -> Iterator[RenderableType]:
    """The whole report, part after part."""
    yield facts_table(report.facts())
    matrices = [(layer.name, layer.matrix) for layer in report.layers if layer.matrix is not None]
    if matrices:
        yield Text(f"\nLayers on crossbars ({matrices[0][1].encoding})", style="bold")
        yield _crossbars(matrices)
        yield Text(LEGEND, style="dim")
    yield Text("\nAll layers", style="bold")
    yield table_of(
        report.layers,
        ("layer", lambda layer: layer.name),
        ("kind=", lambda layer: layer.kind),
        ("output>", lambda layer: f"{layer.height}x{layer.width}x{layer.channels}"),
        ("format=", lambda layer: _format(layer.format)),
        ("cores>", lambda layer: layer.cores),
        ("operations>", lambda layer: f"{layer.operations:,}"),
    )
    if report.cost is not None:
        yield from _cost(report, report.cost)
    if report.rounds is not None:
        yield Text(f"\nRounds, for {counted(report.rounds.shared, 'input')} each", style="bold")
        yield rounds_table(report.rounds)
        yield Text(ROUNDS_LEGEND, style="dim")
    yield Text("\nTiles", style="bold")
    shown = report.tiles
    if len(shown) > TILES and not all_tiles:
        fullest = sorted(shown, key=lambda tile: -tile.memory_words)[:TILES]
        shown = tuple(sorted(fullest, key=lambda tile: (tile.round, tile.tile)))
    yield _tiles(shown)
    if len(shown) < len(report.tiles):
        yield Text(f"the {len(shown)} tiles of {len(report.tiles)} that hold most; --all-tiles shows all", style="dim")
    for warning in report.warnings:
        yield Text(f"\nwarning[{warning.code}]: {printable(warning.what)}", style="yellow")
        if warning.todo:
            yield Text(f"  help: {printable(warning.todo)}")


def _crossbars(matrices: list[tuple[str, MatrixReport]]) -> Table:
    table = new_table(
        "layer", "matrix>", "bits>", "slices>", "split>", "MVMUs>", "fill %>", "shift>", "vectors>", "copies>"
    )
    for name, m in matrices:
        table.add_row(
            name,
            f"{m.rows}x{m.columns}" + (f" /{m.groups}" if m.groups > 1 else ""),
            f"{m.weight_bits}/{m.input_bits}{'s' if m.input_signed else 'u'}",
            str(m.slices),
            f"{m.row_split}x{m.column_split}",
            str(m.mvmus),
            f"{m.rows_percent:.0f}/{m.columns_percent:.0f}/{m.cells_percent:.0f}",
            str(m.shift),
            f"{m.vectors:,}",
            m.copies_text,
        )
    return table


def _cost(report: Report, cost: CostReport) -> Iterator[RenderableType]:
    """What each layer takes, what limits, and what would help."""
    yield Text("\nTime and energy of one input", style="bold")
    table = new_table("layer", "copies>", "busy>", "of interval %>", "energy>", "of it %>")
    for layer in report.layers:
        copies = layer.matrix.copies_text if layer.matrix is not None else ""
        if (took := layer.cost) is not None:
            busy = si(took.seconds, "s"), f"{took.busy_percent:.1f}"
            table.add_row(layer.name, copies, *busy, si(took.joules, "J"), f"{took.joules_percent:.1f}")
    for share in cost.elsewhere:
        table.add_row(share.name, "", "", "", si(share.joules, "J"), f"{share.percent:.1f}")
    yield table
    yield Text("busy: the work of the layer's busiest core, waiting not counted", style="dim")
    yield Text.assemble(("\nWhat limits: ", "bold"), printable(f"{cost.limit.name} {cost.limit.why}"))
    for advice in cost.limit.help:
        yield Text.assemble(("What would help: ", "bold"), printable(advice))


def _tiles(tiles: tuple[TileReport, ...]) -> Table:
    rounds: list[tuple[str, Callable[[TileReport], object]]] = [("round>", lambda tile: tile.round)]
    return table_of(
        tiles,
        *(rounds if any(tile.round for tile in tiles) else ()),
        ("tile>", lambda tile: tile.tile),
        ("words>", lambda tile: f"{tile.memory_words:,}"),
        ("of %>", lambda tile: f"{tile.fill:.0f}"),
        ("most of it", _most),
        ("cores>", lambda tile: len(tile.cores)),
        ("MVMUs>", lambda tile: sum(core.mvmus for core in tile.cores)),
        ("core code %>", _code),
        ("FIFOs>", lambda tile: f"{tile.fifos}/{tile.fifo_capacity}"),
    )


def _most(tile: TileReport) -> str:
    return "" if tile.largest is None else f"{tile.largest.kind} {tile.largest.name}: {tile.largest.words:,}"


def _code(tile: TileReport) -> str:
    code = max((core.code_bytes for core in tile.cores), default=0)
    return f"{100 * code / max((core.code_capacity for core in tile.cores), default=1):.0f}"


def _format(form: Format) -> str:
    sign = "int" if form.low < 0 else "uint"
    zero = f" zero {form.zero}" if form.zero else ""
    return f"{sign}{form.bits} x {form.scale:.3g}{zero}"
