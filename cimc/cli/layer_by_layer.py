"""What `cimc estimate` prints for a target whose crossbars hold one layer at a time."""

from __future__ import annotations

from rich.text import Text

from cimc.base.diagnostics import Place, fail
from cimc.cli.console import new_console, write_out
from cimc.estimator.estimate import EstimateOptions
from cimc.estimator.layer_by_layer import LayerByLayer, Residence, estimate_layer_by_layer
from cimc.frontends.structure import Structure
from cimc.report.json_text import json_text
from cimc.report.quantities import si
from cimc.report.view_table import facts_table, new_table
from cimc.target import Target

LEGEND = """\
rounds: how often the chip is written for the layer; copies share the vectors of a batch; turns: of one copy
written: cells, and the time and energy of writing them; computing: of a batch"""

_SPANS = ((365.25 * 86400, "years"), (86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))


def layer_by_layer_job(
    structure: Structure, target: Target, options: EstimateOptions, batch: int | None, as_json: bool
) -> None:
    """`cimc estimate` for a target of which chip.resident is "one layer". batch: inputs a residence, 1 if None."""
    given = {"--copies": options.copies, "--pace": options.pace, "--rate": options.rate}
    if asked := [name for name, value in given.items() if value]:
        what = f"{' and '.join(asked)}: {target.name} holds one layer at a time, and its copies fill the chip"
        raise fail("options.copies", what, todo="leave it out, or take fewer MVMUs with --budget")
    bits = target.numbers.weight if options.weight_bits is None else options.weight_bits
    found = estimate_layer_by_layer(structure, target, bits, options.rows, batch or 1, options.budget)
    if as_json:
        write_out(json_text(found))
    else:
        _show(found)


def require_no_batch(target: Target, batch: int | None) -> None:
    """Raise CimcError where a batch is asked for and weights stay."""
    if batch is not None:
        what = f"--batch says for how many inputs a layer stays, and on {target.name} all layers stay"
        raise fail("options.batch", what, Place(item="--batch"), 'take a target with chip.resident = "one layer"')


def _show(found: LayerByLayer) -> None:
    console = new_console()
    columns = ("layer", "MVMUs>", "rounds>", "copies>", "vectors>", "turns>", "written>", "time>", "energy>")
    table = new_table(*columns, "computing>", "energy>")
    for layer in found.layers:
        table.add_row(*_row(layer))
    console.print(table)
    console.print(Text(LEGEND, style="dim"))
    console.print()
    console.print(facts_table(_facts(found)))
    console.print(Text("\nNot in this estimate", style="bold"))
    for excluded in found.excluded:
        console.print(Text(f"- {excluded}"), soft_wrap=True)


def _row(layer: Residence) -> tuple[str, ...]:
    return (
        layer.name,
        f"{layer.mvmus:,}",
        f"{layer.rounds:,}",
        f"{layer.copies:,}",
        f"{layer.vectors:,}",
        f"{layer.turns:,}",
        f"{layer.cells:,}",
        si(layer.write_seconds, "s"),
        si(layer.write_joules, "J"),
        si(layer.compute_seconds, "s"),
        si(layer.compute_joules, "J"),
    )


def _facts(found: LayerByLayer) -> list[tuple[str, str]]:
    inputs = "1 input" if found.batch == 1 else f"{found.batch:,} inputs"
    parts = f"{si(found.write_seconds, 's')} writing, {si(found.compute_seconds, 's')} computing"
    facts = [
        ("network", found.network),
        ("target", f"{found.target}, {found.mvmus:,} MVMUs, one layer at a time"),
        ("largest layer", f"{found.largest}: {found.largest_mvmus:,} MVMUs; all layers {found.all_mvmus:,}"),
        ("a batch", f"{inputs}, {si(found.latency, 's')}: {parts}"),
        ("a stream", f"{found.inputs_per_second:,.0f} inputs a second"),
        ("energy", f"{si(found.joules, 'J')} an input, {si(found.write_joules, 'J')} of it for writing"),
    ]
    if found.worn_after is None or found.worn_seconds is None or found.spread_seconds is None:
        return [*facts, ("endurance", "the only layer stays: nothing is written again")]
    worn = f"{found.worn_after:,} inputs, {_span(found.worn_seconds)}"
    return [
        *facts,
        ("endurance", f"{found.endurance:,} writes a cell; the most written one has {found.writes:,} a batch"),
        ("worn out", f"after {worn}; {_span(found.spread_seconds)} if writes were spread over all cells"),
    ]


def _span(seconds: float) -> str:
    """A time in the largest unit that it fills."""
    for unit, name in _SPANS:
        if seconds >= unit:
            return f"{seconds / unit:,.3g} {name}"
    return f"{seconds:.3g} seconds"
