"""The command estimate: a network's crossbars, copies, time and energy from its structure alone."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from cimc.base.quantities import si
from cimc.cli.console import check_json, new_console, put_json
from cimc.cli.layer_by_layer import show_layer_by_layer
from cimc.driver.options import EstimateOptions
from cimc.estimator.estimate import Estimate, LayerEstimate
from cimc.estimator.estimating import estimate_network
from cimc.estimator.layer_by_layer import LayerByLayer
from cimc.estimator.whole import Whole
from cimc.report.json_text import json_text
from cimc.report.view_table import facts_table, new_table

LEGEND = """\
matrix: rows x columns, /groups of a grouped convolution; split: blocks along rows x columns, c cut by whole channels
fill: cells used of one copy's MVMUs; vectors: products for one input; turns: of one copy"""


def estimate_job(model: str, options: EstimateOptions, json: Path | None) -> None:
    """`cimc estimate`."""
    check_json(json, model)
    found = estimate_network(model, options)
    if json is not None:
        put_json(json_text(found), json)
    elif isinstance(found, LayerByLayer):
        show_layer_by_layer(found)
    else:
        show_estimate(found)


def show_estimate(found: Estimate) -> None:
    """An estimate as tables, what is left out of it last."""
    console = new_console()
    columns = ("layer", "matrix>", "split>", "MVMUs>", "copies>", "in all>", "fill %>", "vectors>", "turns>", "time>")
    table = new_table(*columns, "energy>")
    for layer in found.layers:
        table.add_row(*_row(layer))
    console.print(table)
    console.print(Text(LEGEND, style="dim"))
    console.print()
    console.print(facts_table(found.facts()))
    if found.whole is not None:
        _show_whole(console, found.whole)
    console.print(Text("\nNot in this estimate", style="bold"))
    for excluded in found.excluded:
        console.print(Text(f"- {excluded}"), soft_wrap=True)


def _show_whole(console: Console, whole: Whole) -> None:
    """All work: the layers as the chip runs them, and what they come to."""
    console.print(Text("\nAll work: products, data movement, vector work, waiting for rows", style="bold"))
    table = new_table("layer", "kind", "copies>", "cores>", "busy>", "energy>")
    for layer in whole.layers:
        counts = f"{layer.copies:,}", f"{layer.cores:,}"
        table.add_row(layer.name, layer.kind, *counts, si(layer.seconds, "s"), si(layer.joules, "J"))
    console.print(table)
    facts = [
        ("one input", f"{si(whole.latency, 's')}, {si(whole.joules, 'J')}"),
        ("a stream", f"{si(whole.interval, 's')} between inputs, {whole.inputs_per_second:,.0f} inputs a second"),
        ("slowest", f"{whole.slowest}: {whole.why}"),
        ("tiles", f"{whole.tiles:,}"),
    ]
    console.print(facts_table(facts))


def _row(layer: LayerEstimate) -> tuple[str, ...]:
    groups = f" /{layer.groups}" if layer.groups > 1 else ""
    return (
        layer.name,
        f"{layer.rows}x{layer.columns}{groups}",
        f"{layer.row_blocks}x{layer.column_blocks}" + (" c" if layer.split == "channels" else ""),
        f"{layer.mvmus:,}",
        f"{layer.copies:,}",
        f"{layer.mvmus_with_copies:,}",
        f"{layer.fill_percent:.0f}",
        f"{layer.vectors:,}",
        f"{layer.turns:,}",
        _si(layer.seconds, "s"),
        _si(layer.joules, "J"),
    )


def _si(value: float | None, unit: str) -> str:
    """A quantity; "-" where there is none."""
    return "-" if value is None else si(value, unit)
