"""Values as the page shows them: texts without control characters, numbers, bars, and the colours of layers."""

from __future__ import annotations

import math
import re

from markupsafe import Markup

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_BAR = Markup('<span class="bar"><i style="width:{}%" class="strong"></i>{}</span>')
_WEAK = Markup('<i style="width:{}%" class="weak"></i>')

GOLDEN_ANGLE = 137.508
"""Degrees between the hues of layers that follow each other; however many there are, neighbours differ most."""
SHADES = 8
"""Shades of a share, beside none."""


def on_page(value: object) -> object:
    """What the page shows of a value, which is escaped then unless it is HTML: no number has more than two places."""
    if isinstance(value, float):
        return number(value)
    return without_controls(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def without_controls(text: str) -> str:
    """Text in which control characters and turns of the writing direction are U+FFFD."""
    return _CONTROL.sub("\ufffd", text)


def number(value: float) -> str:
    """A number with at most two places."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters; what is left out in its middle is an ellipsis."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 3
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"


def bar(percent: float, first: float | None = None) -> Markup:
    """A bar of a share in percent. first: the part of it that stands out, in percent of the same whole."""
    share = min(100.0, max(0.0, percent))
    strong = share if first is None else min(share, max(0.0, first))
    return _BAR.format(number(strong), _WEAK.format(number(share - strong)) if share > strong else "")


def shade(share: float) -> int:
    """The shade of a share of 1: 0 of nothing, else 1 to SHADES."""
    return min(SHADES, math.ceil(SHADES * share - 1e-9)) if share > 0 else 0


def hue(layer: int) -> float:
    """The hue of a layer, by its index, in degrees."""
    return layer * GOLDEN_ANGLE % 360


def hue_class(layer: int) -> str:
    """The class of what belongs to a layer, by its index; -1: to none."""
    return f"h{layer}" if layer >= 0 else "none"


def layer_key(layer: int) -> Markup:
    """A layer's number on its colour, as in the floor plan; -1 is no layer."""
    return Markup('<span class="key {}">{}</span>').format(hue_class(layer), layer + 1 if layer >= 0 else "–")
