"""Two mappings side by side in the terminal, of 80 columns or more."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cimc.base.names import printable
from cimc.report.compare import MISSING, Comparison, Figure, LayerPair
from cimc.report.view_table import facts_table, new_table, table_of

SHOWN = ("MVMUs", "copies", "cores", "busy", "energy")
"""Figures of a layer that the terminal shows; JSON has all."""


def comparison_view(found: Comparison) -> Iterator[RenderableType]:
    """The whole comparison, part after part."""
    yield facts_table(found.facts()[:2])
    yield Text("")
    yield _figures(found)
    yield from _notes(found)
    yield Text("\nLayers: A → B, or one value where both are equal", style="bold")
    yield _layers(found)
    for side, _ in found.sides():
        names = [printable(pair.name) for pair in found.layers if pair.side == side]
        if names:
            yield Text(f"only in {side}: {', '.join(names)}", style="dim")


def _figures(found: Comparison) -> Table:
    return table_of(
        [figure for figure in found.figures if figure.a is not None or figure.b is not None],
        ("", lambda figure: figure.name),
        ("A>", lambda figure: figure.text(figure.a)),
        ("B>", lambda figure: figure.text(figure.b)),
        ("difference>", _signed),
        ("B / A>", lambda figure: MISSING if figure.ratio is None else f"{figure.ratio:.3g}"),
    )


def _notes(found: Comparison) -> Iterator[RenderableType]:
    """What limits each side, and what it has no prices for."""
    for name, side in found.sides():
        for heading, text in (("is limited by", side.limit), ("lacks prices", side.unpriced)):
            if text:
                yield Text.assemble((f"\n{name} {heading}: ", "bold"), printable(text))


def _layers(found: Comparison) -> Table:
    shown = [name for name in SHOWN if any(_of(pair, name) is not None for pair in found.layers)]
    table = new_table("layer", "in=", *(f"{name}>" for name in shown))
    for pair in found.layers:
        table.add_row(pair.name, pair.side, *(_both(_of(pair, name), pair.side) for name in shown))
    return table


def _of(pair: LayerPair, name: str) -> Figure | None:
    figure = next(figure for figure in pair.figures if figure.name == name)
    return None if figure.a is None and figure.b is None else figure


def _both(figure: Figure | None, side: str) -> str:
    if figure is None:
        return ""
    a, b = figure.text(figure.a), figure.text(figure.b)
    if side != "both":
        return a if side == "A" else b
    return a if a == b else f"{a} → {b}"


def _signed(figure: Figure) -> str:
    """The difference with its sign."""
    if figure.difference is None:
        return MISSING
    if not figure.difference:
        return "0"
    return ("+" if figure.difference > 0 else "-") + figure.text(abs(figure.difference))
