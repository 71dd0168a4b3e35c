"""The command estimate: a network's crossbars, copies, time and energy from its structure alone."""

from __future__ import annotations

import re
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from cimc.base.diagnostics import CimcError, Diagnostic, Place, fail
from cimc.cli.console import new_console, write_out
from cimc.cli.layer_by_layer import layer_by_layer_job, require_no_batch
from cimc.estimator.estimate import Estimate, EstimateOptions, LayerEstimate, estimate
from cimc.estimator.whole import Whole
from cimc.frontends.structure import load_structure
from cimc.report.json_text import json_text
from cimc.report.quantities import si
from cimc.report.view_table import facts_table, new_table
from cimc.target import Target, load_target

LEGEND = """\
matrix: rows x columns, /groups of a grouped convolution; split: blocks along rows x columns, c cut by whole channels
fill: cells used of one copy's MVMUs; vectors: products for one input; turns: of one copy"""


def estimate_job(
    model: str, options: EstimateOptions, budget: str | None, as_json: bool, batch: int | None = None
) -> None:
    """`cimc estimate`. budget: as the option says it, "300", "2tiles" or "1chip". batch: inputs for which a layer
    stays, of a target that holds one layer at a time."""
    target = load_target(options.target)
    options = replace(options, budget=mvmu_budget(budget, target))
    if target.chip.resident == "one layer":
        layer_by_layer_job(load_structure(model, options.bind), target, options, batch, as_json)
        return
    require_no_batch(target, batch)
    found = estimate(load_structure(model, options.bind), target, options)
    if as_json:
        write_out(json_text(found))
    else:
        show_estimate(found, target)


def mvmu_budget(text: str | None, target: Target) -> int | None:
    """ "300", "2tiles" or "1chip" as MVMUs; None stays None."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,9})\s*(|mvmus?|tiles?|chips?)", text.strip(), re.IGNORECASE)
    if match is None:
        what = f'"{text}" is no number of MVMUs, tiles or chips'
        raise fail("options.budget", what, Place(item="--budget"), "write 300, 2tiles or 1chip")
    tile = target.tile.cores * target.core.mvmus
    sizes = {"": 1, "mvmu": 1, "tile": tile, "chip": tile * target.chip.tiles}
    return int(match[1]) * sizes[match[2].lower().removesuffix("s")]


def copies_by_layer(texts: list[str] | None) -> dict[str, int]:
    """ "conv1=8,conv2=4" as copies by layer."""
    found: dict[str, int] = {}
    wrong = []
    for item in (item for text in texts or [] for item in text.split(",")):
        name, equals, number = item.rpartition("=")
        if name.strip() and equals and re.fullmatch(r"\d{1,9}", number.strip()):
            found[name.strip()] = int(number)
        else:
            where = Place(item="--copies")
            wrong.append(Diagnostic("options.copies", f'"{item}" is not LAYER=NUMBER', where, "write --copies conv1=8"))
    if wrong:
        raise CimcError(wrong)
    return found


def show_estimate(found: Estimate, target: Target) -> None:
    """An estimate as tables, what is left out of it last."""
    console = new_console()
    columns = ("layer", "matrix>", "split>", "MVMUs>", "copies>", "in all>", "fill %>", "vectors>", "turns>", "time>")
    table = new_table(*columns, "energy>")
    for layer in found.layers:
        table.add_row(*_row(layer))
    console.print(table)
    console.print(Text(LEGEND, style="dim"))
    console.print()
    console.print(facts_table(_facts(found, target)))
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


def _facts(found: Estimate, target: Target) -> list[tuple[str, str]]:
    room = f"{found.tiles:,} of {target.chip.tiles:,} tiles" if found.chips == 1 else f"{found.chips:,} chips"
    facts = [
        ("network", found.network),
        ("target", f"{found.target}, at least {room}"),
        ("weights", f"{found.weights:,} in {found.devices:,} devices"),
        ("work", f"{found.flops:,} floating-point operations, {found.ops:,} vectors, {found.tile_ops:,} MVMU products"),
        ("one copy of each", f"{found.mvmus:,} MVMUs, {found.crossbars:,} crossbars"),
        ("with copies", f"{found.mvmus_with_copies:,} MVMUs, {found.crossbars_with_copies:,} crossbars"),
    ]
    if found.latency is not None:
        facts += [
            ("one input", _latencies(found.latency, found.pipelined_latency)),
            ("with copies", _latencies(found.latency_with_copies, found.pipelined_latency_with_copies)),
            ("a stream", f"{found.inputs_per_second:,.0f} inputs a second"),
        ]
    if found.joules is not None:
        facts.append(("energy", f"{_si(found.joules, 'J')} an input"))
    facts.append(("slowest", f"{found.bottleneck}: {found.reason}"))
    if found.left_over:
        facts.append(("left over", f"{found.left_over:,} of the budget's MVMUs, which buy nothing more"))
    if not found.exact:
        facts.append(("copies", "chosen step by step: too many for the exact least sum"))
    return facts


def _latencies(one_by_one: float | None, pipelined: float | None) -> str:
    return f"{_si(one_by_one, 's')} layer after layer, {_si(pipelined, 's')} pipelined"


def _si(value: float | None, unit: str) -> str:
    """A quantity; "-" where there is none."""
    return "-" if value is None else si(value, unit)
