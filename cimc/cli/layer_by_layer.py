"""What `cimc estimate` prints for a target whose crossbars hold one layer at a time."""

from __future__ import annotations

from rich.text import Text

from cimc.base.quantities import si
from cimc.cli.console import new_console
from cimc.estimator.layer_by_layer import LayerByLayer, Residence
from cimc.report.view_table import facts_table, new_table

LEGEND = """\
rounds: how often the chip is written for the layer; copies share the vectors of a batch; turns: of one copy
written: cells, and the time and energy of writing them; computing: of a batch"""


def show_layer_by_layer(found: LayerByLayer) -> None:
    """An estimate as tables, what is left out of it last."""
    console = new_console()
    columns = ("layer", "MVMUs>", "rounds>", "copies>", "vectors>", "turns>", "written>", "time>", "energy>")
    table = new_table(*columns, "computing>", "energy>")
    for layer in found.layers:
        table.add_row(*_row(layer))
    console.print(table)
    console.print(Text(LEGEND, style="dim"))
    console.print()
    console.print(facts_table(found.facts()))
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
