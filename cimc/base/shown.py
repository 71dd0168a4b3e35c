"""How results look in an interactive session: one line as text, a small table in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from html import escape

from cimc.base.names import printable

Facts = list[tuple[str, str]]
"""Names with their values, in words."""

FIRST = 5
"""Facts in the line."""


class Shown(ABC):
    """A result that knows its facts, the most telling first."""

    __slots__ = ()

    @abstractmethod
    def facts(self) -> Facts:
        """What it says, in words."""

    def __repr__(self) -> str:
        facts = "; ".join(f"{name} {value}" for name, value in self.facts()[:FIRST])
        return printable(f"<{type(self).__name__}: {facts}>")

    def _repr_html_(self) -> str:
        rows = (
            f'<tr><th style="text-align:left">{escape(printable(name))}</th>'
            f'<td style="text-align:left">{escape(printable(value))}</td></tr>'
            for name, value in self.facts()
        )
        return f"<table>{''.join(rows)}</table>"
