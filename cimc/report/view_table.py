"""The look of every table in the terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table


def new_table(*columns: str) -> Table:
    """A table in the style of all reports. A heading that ends in ">" sets its column right; that, or "=", keeps its
    lines whole, and the other columns fold where the terminal is too narrow."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(
            column.rstrip(">="),
            justify="right" if column.endswith(">") else "left",
            no_wrap=column.endswith((">", "=")),
            overflow="fold",
        )
    return table
