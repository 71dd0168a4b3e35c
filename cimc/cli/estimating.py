"""The command estimate: a network's crossbars, copies, time and energy from its structure alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cimc.base.quantities import si
from cimc.cli.console import answer, check_json
from cimc.driver.options import EstimateOptions
from cimc.estimator.estimate import Estimate
from cimc.estimator.estimating import estimate_network
from cimc.estimator.layer_by_layer import LayerByLayer
from cimc.estimator.whole import Whole
from cimc.report.view_table import facts_table, table_of

LEGEND = """\
matrix: rows x columns, /groups of a grouped convolution; split: blocks along rows x columns, c cut by whole channels
fill: cells used of one copy's MVMUs; vectors: products for one input; turns: of one copy"""

SPLIT = {"dense": "", "channels": " c"}

LEGEND_OF_TURNS = """\
rounds: how often the chip is written for the layer; copies share the vectors of a batch; turns: of one copy
written: cells, and the time and energy of writing them; computing: of a batch"""


def estimate_job(model: str, options: EstimateOptions, calibration: str | None, json: Path | None) -> None:
    """`cimc estimate`."""
    check_json(json, model, calibration)
    found = estimate_network(model, options, calibration)
    answer(found, json, _view(found))


def _view(found: Estimate | LayerByLayer) -> Iterator[RenderableType]:
    """An estimate as tables, what is left out of it last."""
    yield _in_turns(found) if isinstance(found, LayerByLayer) else _together(found)
    yield Text(LEGEND_OF_TURNS if isinstance(found, LayerByLayer) else LEGEND, style="dim")
    yield ""
    yield facts_table(found.facts())
    if isinstance(found, Estimate) and found.whole is not None:
        yield from _whole(found.whole)
    yield Text("\nNot in this estimate", style="bold")
    yield from (f"- {excluded}" for excluded in found.excluded)


def _together(found: Estimate) -> Table:
    """Layers that are on the chip together."""
    return table_of(
        found.layers,
        ("layer", lambda layer: layer.name),
        ("matrix>", lambda layer: f"{layer.rows}x{layer.columns}" + (f" /{layer.groups}" if layer.groups > 1 else "")),
        ("split>", lambda layer: f"{layer.row_blocks}x{layer.column_blocks}{SPLIT[layer.split]}"),
        ("MVMUs>", lambda layer: f"{layer.mvmus:,}"),
        ("copies>", lambda layer: f"{layer.copies:,}"),
        ("in all>", lambda layer: f"{layer.mvmus_with_copies:,}"),
        ("fill %>", lambda layer: f"{layer.fill_percent:.0f}"),
        ("vectors>", lambda layer: f"{layer.vectors:,}"),
        ("turns>", lambda layer: f"{layer.turns:,}"),
        ("time>", lambda layer: "-" if layer.seconds is None else si(layer.seconds, "s")),
        ("energy>", lambda layer: "-" if layer.joules is None else si(layer.joules, "J")),
    )


def _in_turns(found: LayerByLayer) -> Table:
    """Layers that take turns on the chip."""
    return table_of(
        found.layers,
        ("layer", lambda layer: layer.name),
        ("MVMUs>", lambda layer: f"{layer.mvmus:,}"),
        ("rounds>", lambda layer: f"{layer.rounds:,}"),
        ("copies>", lambda layer: f"{layer.copies:,}"),
        ("vectors>", lambda layer: f"{layer.vectors:,}"),
        ("turns>", lambda layer: f"{layer.turns:,}"),
        ("written>", lambda layer: f"{layer.cells:,}"),
        ("time>", lambda layer: si(layer.write_seconds, "s")),
        ("energy>", lambda layer: si(layer.write_joules, "J")),
        ("computing>", lambda layer: si(layer.compute_seconds, "s")),
        ("energy>", lambda layer: si(layer.compute_joules, "J")),
    )


def _whole(whole: Whole) -> Iterator[RenderableType]:
    """All work: the layers as the chip runs them, and what they come to."""
    yield Text("\nAll work: products, data movement, vector work, waiting for rows", style="bold")
    yield table_of(
        whole.layers,
        ("layer", lambda layer: layer.name),
        ("kind", lambda layer: layer.kind),
        ("copies>", lambda layer: f"{layer.copies:,}"),
        ("cores>", lambda layer: f"{layer.cores:,}"),
        ("busy>", lambda layer: si(layer.seconds, "s")),
        ("energy>", lambda layer: si(layer.joules, "J")),
    )
    stream = f"{si(whole.interval, 's')} between inputs, {whole.inputs_per_second:,.0f} inputs a second"
    yield facts_table(
        [
            ("one input", f"{si(whole.latency, 's')}, {si(whole.joules, 'J')}"),
            ("a stream", stream),
            ("slowest", f"{whole.slowest}: {whole.why}"),
            ("tiles", f"{whole.tiles:,}"),
        ]
    )
