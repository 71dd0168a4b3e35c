"""HTML from values: elements that escape what they hold, tables, bars, and numbers as a reader wants them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

_VOID = frozenset({"input", "meta"})
_COLUMN = {">": "number", "=": "whole", "|": "bars"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


class Markup(str):
    """Text that is HTML already; every other text is escaped where it goes into an element."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: str | float) -> Markup:
    """An element. An attribute's name loses a trailing "_", and its other "_" become "-"."""
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escaped(number(value) if isinstance(value, int | float) else value)}"'
        for name, value in attributes.items()
    )
    if tag in _VOID:
        assert not children, f"<{tag}> holds nothing"
        return Markup(f"<{tag}{given}>")
    return Markup(f"<{tag}{given}>{join(children)}</{tag}>")


def join(parts: Iterable[str], between: str = "") -> Markup:
    """Parts one after the other, each escaped unless it is HTML already."""
    return Markup(between.join(part if isinstance(part, Markup) else escaped(part) for part in parts))


def escaped(text: str) -> str:
    """Text for an element or an attribute. Control characters and turns of the writing direction become U+FFFD."""
    return html.escape(without_controls(text), quote=True)


def without_controls(text: str) -> str:
    """Text in which control characters and turns of the writing direction are U+FFFD."""
    return _CONTROL.sub("\ufffd", text)


def section(name: str, heading: str, *children: str) -> Markup:
    """A part of the page with a heading. name: its id."""
    return element("section", element("h2", heading), *children, id=name)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> Markup:
    """A table that scrolls in a box of its own. A heading that ends in ">" sets its column right; that, or "=", keeps
    its lines whole; "|": a column of bars. kind: of the box."""
    kinds = [_COLUMN.get(heading[-1:], "text") for heading in headings]
    head = [element("th", h.rstrip(">=|"), scope="col", class_=k) for h, k in zip(headings, kinds, strict=True)]
    body = [
        element("tr", *(element("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)))
        for row in rows
    ]
    whole = element("table", element("thead", element("tr", *head)), element("tbody", join(body, "\n")))
    return scrolled(whole, kind)


def scrolled(inside: Markup, kind: str = "") -> Markup:
    """A box that scrolls sideways where the screen is too narrow, by keyboard too; of kind "tall" downwards as well."""
    return element("div", inside, class_=f"scroll {kind}".rstrip(), tabindex="0")


def bar(percent: float, first: float | None = None) -> Markup:
    """A bar of a share in percent. first: the part of it that stands out, in percent of the same whole."""
    share = min(100.0, max(0.0, percent))
    strong = share if first is None else min(share, max(0.0, first))
    parts = [element("i", style=f"width:{number(strong)}%", class_="strong")]
    if share > strong:
        parts.append(element("i", style=f"width:{number(share - strong)}%", class_="weak"))
    return element("span", *parts, class_="bar")


def number(value: float) -> str:
    """A number with at most two places."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters; what is left out in its middle is an ellipsis."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 3
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"
