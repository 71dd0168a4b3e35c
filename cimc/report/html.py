"""The mapping report as one HTML page that needs nothing else: no network, no script, no font.

The same program gives the same bytes. page.html and page.css are its templates; tables, floor plan and plots are made
here, in html_floor and in html_plots.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cimc.base.quantities import si
from cimc.base.version import __version__
from cimc.isa.program import Program
from cimc.report.cost_model import CostReport
from cimc.report.html_floor import Floor, core_says, tile_says
from cimc.report.html_plots import gantt, memory_plot, most_of
from cimc.report.html_values import SHADES, bar, hue, layer_key, on_page, shortened, without_controls
from cimc.report.model import LayerReport, MatrixReport, Report, TileReport
from cimc.runtime.timing.result import Timing
from cimc.target.mesh import TILES_A_ROUTER
from cimc.target.model import Target

PARTS = (
    ("summary", "Summary"),
    ("limits", "What limits"),
    ("layers", "Layers"),
    ("work", "Work, time and energy"),
    ("floor", "Floor plan"),
    ("timing", "Pipeline"),
    ("memory", "Memory"),
    ("instructions", "Instructions"),
)
"""The id of every part that each page has, and its name in the list of contents."""
SHORT = 26
"""Characters of a layer's name where a table has little room."""

Item = TypeVar("Item")
_COLUMN = {">": "number", "=": "whole", "|": "bars"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the page. heads: headings with the classes of their columns."""

    heads: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[object]]


def html_page(report: Report, program: Program, target: Target, timing: Timing | None) -> str:
    """The page. timing: a run that was timed with record=True; None where the report has no cost."""
    pages = Environment(
        loader=PackageLoader("cimc.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=StrictUndefined, finalize=on_page,
    )  # fmt: skip
    pages.globals |= {"bar": bar, "hue": hue, "si": si, "tile_says": tile_says, "core_says": core_says}
    streams = [core.stream for tile in program.tiles for core in tile.cores]
    streams += [channel.stream for tile in program.tiles for channel in tile.channels]
    counts = Counter(instruction.mnemonic for stream in streams for instruction in stream)
    found: dict[str, object] = {}
    if report.cost is not None and timing is not None:
        found = {"pipeline": gantt(timing), "components": _components(report.cost)}
    return pages.get_template("page.html").render(
        found,
        title=f"{program.name} on {target.name}",
        version=__version__,
        parts=PARTS,
        report=report,
        operations=report.summary.memory_operations + report.summary.vector_operations,
        layers=_layers(report),
        work=_work(report),
        floor=Floor(report, target),
        shades=SHADES,
        tiles_a_router=TILES_A_ROUTER,
        timing=timing,
        peak=max((tile.fill for tile in report.tiles), default=0.0),
        memory=_memory(report.tiles),
        memory_plot=memory_plot(report.tiles),
        instructions=_instructions(counts),
        stored=counts.total(),
    )


def table_of(items: Iterable[Item], *columns: tuple[str, Callable[[Item], object]]) -> Table:
    """A row for each item. A heading that ends in ">" sets its column right; that, or "=", keeps its lines whole; "|":
    a column of bars."""
    heads = [(heading.rstrip(">=|"), _COLUMN.get(heading[-1], "text")) for heading, _ in columns]
    return Table(heads, [[cell(item) for _, cell in columns] for item in items])


def _of_layers(layers: Sequence[LayerReport], *columns: tuple[str, Callable[[LayerReport], object]]) -> Table:
    """A row for each layer, its number first."""
    found = table_of(layers, *columns)
    return Table([("#", "whole"), *found.heads], [[layer_key(n), *row] for n, row in enumerate(found.rows)])


def _layers(report: Report) -> Table:
    """A line for each layer: its matrix, and how it is cut and stored."""
    return _of_layers(
        report.layers,
        ("layer", lambda layer: _named(layer.name, layer.origin)),
        ("kind=", lambda layer: layer.kind),
        ("matrix>", _stored(lambda m: f"{m.rows:,}×{m.columns:,}" + (f" /{m.groups}" if m.groups > 1 else ""))),
        ("encoding=", _stored(lambda m: m.encoding)),
        ("bits>", _stored(lambda m: f"{m.weight_bits}/{m.input_bits}{'s' if m.input_signed else 'u'}")),
        ("slices>", _stored(lambda m: m.slices)),
        ("split>", _stored(lambda m: f"{m.row_split}×{m.column_split}")),
        ("MVMUs>", _stored(lambda m: f"{m.mvmus:,}")),
        ("crossbars>", _stored(lambda m: f"{m.crossbars:,}")),
        ("copies>", _stored(lambda m: m.copies_text)),
        ("filled % of rows>", _stored(lambda m: f"{m.rows_percent:.1f}")),
        ("of columns>", _stored(lambda m: f"{m.columns_percent:.1f}")),
        ("of cells>", _stored(lambda m: f"{m.cells_percent:.1f}")),
        ("vectors>", _stored(lambda m: f"{m.vectors:,}")),
    )


def _work(report: Report) -> Table:
    """What each layer does and takes for one input: its share of the work, time and energy."""
    total = report.summary.memory_operations + report.summary.vector_operations

    def share(layer: LayerReport, in_memory: bool) -> str:
        there = total and in_memory == (layer.matrix is not None)
        return f"{100 * layer.operations / total:.2f}" if there else ""

    found = _of_layers(
        report.layers,
        ("layer=", lambda layer: _named(shortened(layer.name, SHORT), layer.name)),
        ("output>", lambda layer: f"{layer.height}×{layer.width}×{layer.channels}"),
        ("tiles>", lambda layer: f"{layer.tiles:,}"),
        ("cores>", lambda layer: f"{layer.cores:,}"),
        ("copies>", _stored(lambda m: m.copies_text)),
        ("operations>", lambda layer: f"{layer.operations:,}"),
        ("work in memory %>", lambda layer: share(layer, in_memory=True)),
        ("on vector units %>", lambda layer: share(layer, in_memory=False)),
    )
    if report.cost is None:
        return found
    taken = table_of(
        [layer.cost for layer in report.layers if layer.cost is not None],
        ("busy>", lambda cost: si(cost.seconds, "s")),
        ("of time between inputs|", lambda cost: bar(cost.busy_percent)),
        ("%>", lambda cost: f"{cost.busy_percent:.1f}"),
        ("energy>", lambda cost: si(cost.joules, "J")),
        ("of energy of one input|", lambda cost: bar(cost.joules_percent)),
        ("%>", lambda cost: f"{cost.joules_percent:.1f}"),
    )
    rows = [[*row, *cost] for row, cost in zip(found.rows, taken.rows, strict=True)]
    for one in report.cost.elsewhere:
        rows.append([layer_key(-1), one.name, *[""] * 10, si(one.joules, "J"), bar(one.percent), f"{one.percent:.1f}"])
    return Table([*found.heads, *taken.heads], rows)


def _stored(cell: Callable[[MatrixReport], object]) -> Callable[[LayerReport], object]:
    """What is said of a layer's matrix; nothing where it has none."""
    return lambda layer: "" if layer.matrix is None else cell(layer.matrix)


def _named(name: str, whole: str) -> Markup:
    """A name, and more of it where the pointer is over it."""
    return Markup('<span title="{}">{}</span>').format(without_controls(whole), without_controls(name))


def _components(cost: CostReport) -> Table:
    """Energy of one input by component."""
    most = max((share.joules for share in cost.by_component), default=0.0) or 1.0
    return table_of(
        cost.by_component,
        ("component=", lambda share: share.name),
        ("against the largest|", lambda share: bar(100 * share.joules / most)),
        ("energy>", lambda share: si(share.joules, "J")),
        ("%>", lambda share: f"{share.percent:.1f}"),
    )


def _memory(tiles: Sequence[TileReport]) -> Table:
    """What each tile takes of its memory, and what takes most of it."""
    return table_of(
        tiles,
        ("tile>", lambda tile: tile.tile),
        ("share of its memory|", lambda tile: bar(tile.fill, tile.most_fill)),
        ("%>", lambda tile: f"{tile.fill:.1f}"),
        ("words>", lambda tile: f"{tile.memory_words:,}"),
        ("of>", lambda tile: f"{tile.memory_capacity:,}"),
        ("most of it", most_of),
        ("words>", lambda tile: "" if tile.largest is None else f"{tile.largest.words:,}"),
    )


def _instructions(counts: Counter[str]) -> Table:
    """How often each instruction stands in the streams of all cores and transfer channels."""
    most, total = max(counts.values(), default=1), counts.total()
    return table_of(
        sorted(counts.items(), key=lambda item: (-item[1], item[0])),
        ("instruction=", lambda item: item[0]),
        ("count against the most frequent|", lambda item: bar(100 * item[1] / most)),
        ("count>", lambda item: f"{item[1]:,}"),
        ("%>", lambda item: f"{100 * item[1] / total:.1f}"),
    )
