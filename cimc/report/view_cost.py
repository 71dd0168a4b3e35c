"""Time and energy in the terminal: lines of the summary, a table of layers, what limits and what would help."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from cimc.base.names import printable
from cimc.base.quantities import si
from cimc.report.cost_model import CostReport
from cimc.report.model import Report
from cimc.report.view_table import new_table


def cost_view(report: Report) -> Iterator[RenderableType]:
    """What each layer takes, and what limits; nothing without prices."""
    cost = report.cost
    if cost is None:
        return
    yield Text("\nTime and energy of one input", style="bold")
    table = new_table("layer", "copies>", "busy>", "of interval %>", "energy>", "of it %>")
    for layer in report.layers:
        if layer.cost is not None:
            table.add_row(
                layer.name,
                layer.matrix.copies_text if layer.matrix is not None else "",
                si(layer.cost.seconds, "s"),
                f"{layer.cost.busy_percent:.1f}",
                si(layer.cost.joules, "J"),
                f"{layer.cost.joules_percent:.1f}",
            )
    for share in cost.elsewhere:
        table.add_row(share.name, "", "", "", si(share.joules, "J"), f"{share.percent:.1f}")
    yield table
    yield Text("busy: the work of the layer's busiest core, waiting not counted", style="dim")
    yield from limit_view(cost)


def limit_view(cost: CostReport) -> Iterator[RenderableType]:
    """What limits, and what would help."""
    limit = cost.limit
    yield Text.assemble(("\nWhat limits: ", "bold"), printable(f"{limit.name} {limit.why}"))
    for advice in limit.help:
        yield Text.assemble(("What would help: ", "bold"), printable(advice))
