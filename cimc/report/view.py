"""The mapping report as tables for a terminal of 80 columns or more."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cimc.base.names import printable
from cimc.report.model import Format, LayerReport, Report, TileReport
from cimc.report.view_cost import cost_view
from cimc.report.view_table import facts_table, new_table

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
    matrices = [layer for layer in report.layers if layer.matrix is not None]
    if matrices:
        encoding = matrices[0].matrix.encoding if matrices[0].matrix is not None else ""
        yield Text(f"\nLayers on crossbars ({encoding})", style="bold")
        yield _crossbars(matrices)
        yield Text(LEGEND, style="dim")
    yield Text("\nAll layers", style="bold")
    yield _layers(report.layers)
    yield from cost_view(report)
    yield Text("\nTiles", style="bold")
    shown = report.tiles
    if len(shown) > TILES and not all_tiles:
        fullest = sorted(shown, key=lambda tile: -tile.memory_words)[:TILES]
        shown = tuple(sorted(fullest, key=lambda tile: tile.tile))
    yield _tiles(shown)
    if len(shown) < len(report.tiles):
        yield Text(f"the {len(shown)} tiles of {len(report.tiles)} that hold most; --all-tiles shows all", style="dim")
    for warning in report.warnings:
        yield Text(f"\nwarning[{warning.code}]: {printable(warning.what)}", style="yellow")
        if warning.todo:
            yield Text(f"  help: {printable(warning.todo)}")


def _crossbars(layers: list[LayerReport]) -> Table:
    table = new_table(
        "layer", "matrix>", "bits>", "slices>", "split>", "MVMUs>", "fill %>", "shift>", "vectors>", "copies>"
    )
    for layer in layers:
        m = layer.matrix
        assert m is not None, f"{layer.name} has no matrix"
        groups = f" /{m.groups}" if m.groups > 1 else ""
        table.add_row(
            layer.name,
            f"{m.rows}x{m.columns}{groups}",
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


def _layers(layers: tuple[LayerReport, ...]) -> Table:
    table = new_table("layer", "kind=", "output>", "format=", "cores>", "operations>")
    for layer in layers:
        table.add_row(
            layer.name,
            layer.kind,
            f"{layer.height}x{layer.width}x{layer.channels}",
            _format(layer.format),
            str(layer.cores),
            f"{layer.operations:,}",
        )
    return table


def _tiles(tiles: tuple[TileReport, ...]) -> Table:
    table = new_table("tile>", "words>", "of %>", "most of it", "cores>", "MVMUs>", "core code %>", "FIFOs>")
    for tile in tiles:
        most = "" if tile.largest is None else f"{tile.largest.kind} {tile.largest.name}: {tile.largest.words:,}"
        code = max((core.code_bytes for core in tile.cores), default=0)
        capacity = max((core.code_capacity for core in tile.cores), default=1)
        table.add_row(
            str(tile.tile),
            f"{tile.memory_words:,}",
            f"{100 * tile.memory_words / tile.memory_capacity:.0f}",
            most,
            str(len(tile.cores)),
            str(sum(core.mvmus for core in tile.cores)),
            f"{100 * code / capacity:.0f}",
            f"{tile.fifos}/{tile.fifo_capacity}",
        )
    return table


def _format(form: Format) -> str:
    sign = "int" if form.low < 0 else "uint"
    zero = f" zero {form.zero}" if form.zero else ""
    return f"{sign}{form.bits} x {form.scale:.3g}{zero}"
