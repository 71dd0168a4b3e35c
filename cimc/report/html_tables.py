"""The parts of the page that are tables: summary, layers, memory of tiles, instructions, warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from cimc.isa.program import Instruction, Program
from cimc.report.html_markup import Markup, bar, element, join, number, section, table
from cimc.report.html_style import hue_class
from cimc.report.model import LayerReport, PlugReport, Report, TileReport


def summary_part(report: Report) -> Markup:
    """The whole program in a few numbers, and what of the work is done in memory."""
    s = report.summary
    operations = s.memory_operations + s.vector_operations
    facts = [
        ("target", s.target),
        ("inputs", ", ".join(map(_plug, report.inputs))),
        ("outputs", ", ".join(map(_plug, report.outputs))),
        ("tiles", f"{s.tiles:,} of {s.tiles_of_chip:,} on a chip"),
        ("cores", f"{s.cores:,}"),
        ("MVMUs that hold a matrix", f"{s.mvmus:,} of {s.mvmus_on_tiles:,} on these tiles"),
        ("weights", f"{s.weights:,}"),
        ("tile memory in use", f"{s.memory_words:,} words"),
        ("instructions", f"{s.instructions:,} in {s.code_bytes:,} bytes"),
    ]
    share = f"{number(s.in_memory_percent)} % of {operations:,} operations of one input are done in memory"
    return section(
        "summary",
        "Summary",
        fact_list(facts),
        element("p", f"{share}, the others on vector units."),
        bar(100, s.in_memory_percent) if operations else "",
    )


def fact_list(facts: list[tuple[str, str]]) -> Markup:
    """Names with their values, as cards."""
    return element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in facts))


def layer_key(layer: int) -> Markup:
    """A layer's number on its colour, as in the floor plan; -1 is no layer."""
    return element("span", str(layer + 1) if layer >= 0 else "–", class_=f"key {hue_class(layer)}")


def layers_part(report: Report) -> Markup:
    """A line for each layer: its matrix, how it is cut and stored, and its share of the work."""
    total = report.summary.memory_operations + report.summary.vector_operations
    headings = (
        "#=", "layer", "kind=", "output>", "matrix>", "encoding=", "bits>", "slices>", "split>", "MVMUs>", "copies>",
        "rows %>", "columns %>", "cells %>", "vectors>", "cores>", "operations>", "% in memory>", "% on vector units>",
    )  # fmt: skip
    rows = [(layer_key(index), *_layer_cells(layer), *_work(layer, total)) for index, layer in enumerate(report.layers)]
    legend = (
        "matrix: rows × columns, /groups of a grouped convolution; bits: of weights/inputs, s signed, u unsigned; "
        "split: blocks along rows × columns; rows, columns, cells: what is filled of the layer's MVMUs; vectors: "
        "products of one input, shared by the copies; the last two: of all operations of one input."
    )
    return section("layers", "Layers", table(headings, rows), element("p", legend, class_="dim"))


def _layer_cells(layer: LayerReport) -> tuple[str, ...]:
    shape = f"{layer.height}×{layer.width}×{layer.channels}"
    named = element("span", layer.name, title=layer.origin)
    m = layer.matrix
    if m is None:
        return (named, layer.kind, shape, *[""] * 11)
    return (
        named,
        layer.kind,
        shape,
        f"{m.rows:,}×{m.columns:,}" + (f" /{m.groups}" if m.groups > 1 else ""),
        m.encoding,
        f"{m.weight_bits}/{m.input_bits}{'s' if m.input_signed else 'u'}",
        str(m.slices),
        f"{m.row_split}×{m.column_split}",
        f"{m.mvmus:,}",
        str(m.copies),
        f"{m.rows_percent:.1f}",
        f"{m.columns_percent:.1f}",
        f"{m.cells_percent:.1f}",
        f"{m.vectors:,}",
    )


def _work(layer: LayerReport, total: int) -> tuple[str, str, str, str]:
    share = f"{100 * layer.operations / total:.2f}" if total else ""
    sides = (share, "") if layer.matrix is not None else ("", share)
    return (str(layer.cores), f"{layer.operations:,}", *sides)


def memory_part(report: Report) -> Markup:
    """What each tile takes of its memory, and what takes most of it."""
    rows = (
        (
            str(tile.tile),
            bar(_share(tile.memory_words, tile), _share(0 if tile.largest is None else tile.largest.words, tile)),
            f"{_share(tile.memory_words, tile):.1f}",
            f"{tile.memory_words:,}",
            f"{tile.memory_capacity:,}",
            _largest(tile),
            "" if tile.largest is None else f"{tile.largest.words:,}",
        )
        for tile in report.tiles
    )
    headings = ("tile>", "share of its memory", "%>", "words>", "of>", "most of it", "words>")
    legend = "Strong: what takes most, named at the right; weak: the rest."
    return section("memory", "Memory of tiles", element("p", legend, class_="dim"), table(headings, rows))


def _share(words: int, tile: TileReport) -> float:
    return 100 * words / tile.memory_capacity if tile.memory_capacity else 0.0


def _largest(tile: TileReport) -> str:
    if tile.largest is None:
        return ""
    tensor = tile.largest.tensor
    of = f" of {tensor}" if tensor and tensor != tile.largest.name else ""
    return f"{tile.largest.kind} {tile.largest.name}{of}"


def instructions_part(program: Program) -> Markup:
    """How often each instruction stands in the streams of all cores and transfer channels."""
    counts = Counter(instruction.mnemonic for instruction in _instructions(program))
    most, total = max(counts.values(), default=1), sum(counts.values())
    rows = (
        (mnemonic, bar(100 * count / most), f"{count:,}", f"{100 * count / total:.1f}")
        for mnemonic, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )
    note = f"{total:,} instructions as they are stored; loops run many of them more than once."
    return section(
        "instructions",
        "Instructions",
        element("p", note, class_="dim"),
        table(("instruction", "count against the most frequent", "count>", "%>"), rows),
    )


def _instructions(program: Program) -> Iterator[Instruction]:
    for tile in program.tiles:
        for core in tile.cores:
            yield from core.stream
        for channel in tile.channels:
            yield from channel.stream


def warnings_part(report: Report) -> Markup:
    """The compiler's warnings; nothing where there are none."""
    if not report.warnings:
        return Markup()
    shown = [
        element("p", element("strong", warning.code), f": {warning.what} ({warning.where}). {warning.todo}".rstrip())
        for warning in report.warnings
    ]
    return section("warnings", "Warnings", element("div", join(shown), class_="warning"))


def _plug(plug: PlugReport) -> str:
    return f"{plug.name} {plug.dtype} {'×'.join(map(str, plug.shape)) or 'scalar'}"
