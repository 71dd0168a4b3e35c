"""The look of every table in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cimc.base.names import printable

Item = TypeVar("Item")


class _Table(Table):
    """A table in whose cells names stand on one line."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row of cells."""
        super().add_row(*(printable(cell) if isinstance(cell, str) else cell for cell in cells), **options)


def new_table(*columns: str) -> Table:
    """A table in the style of all reports. A heading that ends in ">" sets its column right; that, or "=", keeps its
    lines whole, and the other columns fold where the terminal is too narrow."""
    table = _Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(
            column.rstrip(">="),
            justify="right" if column.endswith(">") else "left",
            no_wrap=column.endswith((">", "=")),
            overflow="fold",
        )
    return table


def table_of(items: Iterable[Item], *columns: tuple[str, Callable[[Item], object]]) -> Table:
    """A row for each item. columns: a heading, as new_table takes it, and what an item has below it."""
    table = new_table(*(heading for heading, _ in columns))
    for item in items:
        table.add_row(*(str(cell(item)) for _, cell in columns))
    return table


def facts_table(facts: Iterable[tuple[str, str]]) -> Table:
    """Names and values below each other, without a heading."""
    table = new_table("", "")
    table.show_header = False
    for name, value in facts:
        table.add_row(Text(name, style="bold"), value)
    return table
