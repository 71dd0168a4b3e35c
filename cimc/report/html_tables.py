"""The parts of the page that are texts and tables: summary, limits, layers, work, timing, instructions, warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from cimc.base.quantities import si
from cimc.isa.program import Instruction, Program
from cimc.report.html_gantt import gantt
from cimc.report.html_markup import Markup, bar, element, join, number, section, shortened, table
from cimc.report.html_style import hue_class
from cimc.report.model import LayerReport, Report
from cimc.runtime.timing.result import Timing

SHORT = 26
"""Characters of a layer's name where a table has little room."""


def summary_part(report: Report) -> Markup:
    """The whole program in a few numbers, what it takes, and what of the work is done in memory."""
    s = report.summary
    operations = s.memory_operations + s.vector_operations
    share = f"{number(s.in_memory_percent)} % of {operations:,} operations of one input are done in memory"
    return section(
        "summary",
        "Summary",
        fact_list(report.facts()),
        element("p", f"{share}, {s.vector_operations:,} on vector units."),
        bar(100, s.in_memory_percent) if operations else "",
    )


def fact_list(facts: list[tuple[str, str]]) -> Markup:
    """Names with their values, as cards."""
    return element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in facts))


def layer_key(layer: int) -> Markup:
    """A layer's number on its colour, as in the floor plan; -1 is no layer."""
    return element("span", str(layer + 1) if layer >= 0 else "–", class_=f"key {hue_class(layer)}")


def layers_part(report: Report) -> Markup:
    """A line for each layer: its matrix, and how it is cut and stored."""
    headings = (
        "#=", "layer", "kind=", "matrix>", "encoding=", "bits>", "slices>", "split>", "MVMUs>", "crossbars>", "copies>",
        "filled % of rows>", "of columns>", "of cells>", "vectors>",
    )  # fmt: skip
    rows = [(layer_key(index), *_layer_cells(layer)) for index, layer in enumerate(report.layers)]
    legend = (
        "matrix: rows × columns, /groups of a grouped convolution; bits: of weights/inputs, s signed, u unsigned; "
        "split: blocks along rows × columns; MVMUs, crossbars: of all copies; rows, columns, cells: what is filled of "
        "the layer's MVMUs; vectors: of one input, shared by the copies; copies: on MVMUs of their own, and x how many "
        "beside each other on each, a product taking so many vectors."
    )
    return section("layers", "Layers", table(headings, rows), element("p", legend, class_="dim"))


def _layer_cells(layer: LayerReport) -> tuple[str, ...]:
    named = element("span", layer.name, title=layer.origin)
    m = layer.matrix
    if m is None:
        return (named, layer.kind, *[""] * 12)
    return (
        named,
        layer.kind,
        f"{m.rows:,}×{m.columns:,}" + (f" /{m.groups}" if m.groups > 1 else ""),
        m.encoding,
        f"{m.weight_bits}/{m.input_bits}{'s' if m.input_signed else 'u'}",
        str(m.slices),
        f"{m.row_split}×{m.column_split}",
        f"{m.mvmus:,}",
        f"{m.crossbars:,}",
        m.copies_text,
        f"{m.rows_percent:.1f}",
        f"{m.columns_percent:.1f}",
        f"{m.cells_percent:.1f}",
        f"{m.vectors:,}",
    )


def work_part(report: Report) -> Markup:
    """What each layer does and takes for one input: its share of the work, time and energy."""
    total = report.summary.memory_operations + report.summary.vector_operations
    headings = ["#=", "layer=", "output>", "tiles>", "cores>", "copies>"]
    headings += ["operations>", "work in memory %>", "on vector units %>"]
    if report.cost is not None:
        headings += ["busy>", "of time between inputs|", "%>", "energy>", "of energy of one input|", "%>"]
    rows = [(layer_key(index), _short(layer.name), *_work(layer, total)) for index, layer in enumerate(report.layers)]
    for share in report.cost.elsewhere if report.cost is not None else ():
        spent = (si(share.joules, "J"), bar(share.percent), f"{share.percent:.1f}")
        rows.append((layer_key(-1), share.name, *[""] * 10, *spent))
    legend = "Shares of the work are of all operations of one input" + (
        "; busy: the work of the layer's busiest core, waiting not counted." if report.cost is not None else "."
    )
    return section("work", "Work, time and energy by layer", table(headings, rows), element("p", legend, class_="dim"))


def _short(name: str) -> Markup:
    """A name that keeps to its line, whole where the pointer is over it."""
    return element("span", shortened(name, SHORT), title=name)


def _work(layer: LayerReport, total: int) -> tuple[str, ...]:
    share = f"{100 * layer.operations / total:.2f}" if total else ""
    sides = (share, "") if layer.matrix is not None else ("", share)
    copies = layer.matrix.copies_text if layer.matrix is not None else ""
    shape = f"{layer.height}×{layer.width}×{layer.channels}"
    work = (shape, f"{layer.tiles:,}", f"{layer.cores:,}", copies, f"{layer.operations:,}", *sides)
    cost = layer.cost
    if cost is None:
        return work
    busy = (si(cost.seconds, "s"), bar(cost.busy_percent), f"{cost.busy_percent:.1f}")
    return (*work, *busy, si(cost.joules, "J"), bar(cost.joules_percent), f"{cost.joules_percent:.1f}")


def limits_part(report: Report) -> Markup:
    """What sets the rate of a stream of inputs, and what would raise it."""
    cost = report.cost
    if cost is None:
        return section("limits", "What limits", element("p", f"No time and energy: {report.unpriced}."))
    limit = cost.limit
    return section(
        "limits",
        "What limits",
        element("p", element("strong", "Bottleneck: "), f"{limit.name} {limit.why}.", id="bottleneck"),
        *(element("p", element("strong", "What would help: "), advice, class_="help") for advice in limit.help),
    )


def timing_part(report: Report, timing: Timing | None) -> Markup:
    """Energy by component and the pipeline. timing: a run that was timed with record=True; None without prices."""
    cost = report.cost
    if cost is None or timing is None:
        return section("timing", "Time and energy", element("p", f"No time and energy: {report.unpriced}."))
    about = (
        f"Modelled for {cost.inputs} inputs with the prices of {timing.target}. Spent once, before the first input and "
        f"beside writing the weights: {si(cost.setup_joules, 'J')}."
    )
    most = max((share.joules for share in cost.by_component), default=0.0) or 1.0
    components = (
        (share.name, bar(100 * share.joules / most), si(share.joules, "J"), f"{share.percent:.1f}")
        for share in cost.by_component
    )
    note = (
        f"{timing.inputs} inputs one after the other. The stronger the colour, the more of a layer's cores are at "
        "work; dashed lines stand where an input is out."
    )
    return section(
        "timing",
        "Time and energy",
        element("p", about, class_="dim"),
        element("h3", "Pipeline", id="pipeline"),
        element("p", note, class_="dim"),
        gantt(timing),
        element("h3", "Energy of one input by component"),
        table(("component=", "against the largest|", "energy>", "%>"), components),
    )


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
        table(("instruction=", "count against the most frequent|", "count>", "%>"), rows),
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
