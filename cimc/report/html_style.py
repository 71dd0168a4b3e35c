"""How the page looks: its style sheet (page.css), the hue of each layer, and the ways to colour the floor plan."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from cimc.report.html_markup import Markup, element

GOLDEN_ANGLE = 137.508
"""Degrees between the hues of layers that follow each other; however many there are, neighbours differ most."""
SHADES = 8
"""Shades of a share, beside none."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to colour the plan. name: the id of its button; shades: the class of its shades, or "" if it has none."""

    name: str
    label: str
    legend: str
    shades: str


WAYS = (
    Way("by-layer", "by layer", "Colours are those of the layers.", ""),
    Way("by-cells", "by fill of crossbars", "Cells that hold weights, of all of the core's MVMUs: none to all ", "c"),
    Way("by-memory", "by fill of memory", "How high a tile is filled: the words of its memory in use.", ""),
    Way("by-energy", "by energy", "Energy of one input against the core that spends most (square root): 0 to 1 ", "e"),
)
"""All ways, the first of them chosen."""


def shade(share: float) -> int:
    """The shade of a share of 1: 0 of nothing, else 1 to SHADES."""
    return min(SHADES, math.ceil(SHADES * share - 1e-9)) if share > 0 else 0


def scale() -> Markup:
    """All shades beside each other, from nothing to all."""
    return element("span", *(element("i", class_=f"s{level}") for level in range(SHADES + 1)), class_="scale")


def hue(layer: int) -> float:
    """The hue of a layer, by its index, in degrees."""
    return layer * GOLDEN_ANGLE % 360


def hue_class(layer: int) -> str:
    """The class of what belongs to a layer, by its index; -1: to none."""
    return f"h{layer}" if layer >= 0 else "none"


def style_sheet(layers: int) -> str:
    """The style sheet of a page with so many layers: the other ways' legends are hidden, and cores take the way's
    shades."""
    hues = (f".{hue_class(layer)}{{--h:{hue(layer):.0f}}}\n" for layer in range(layers))
    return "".join(["\n", files("cimc.report").joinpath("page.css").read_text("utf-8"), *hues, *_ways()])


def _ways() -> Iterator[str]:
    for way in WAYS:
        others = ",".join(f"#{way.name}:checked~p.{other.name}" for other in WAYS if other is not way)
        yield f"{others}{{display:none}}\n"
    yield ".memory{display:none}\n#by-memory:checked~.scroll .memory{display:inline}\n"
    yield "#by-memory:checked~.scroll .cores{display:none}\n"
    shaded = ",".join(f"#{way.name}:checked~.scroll .cores text" for way in WAYS if way.shades)
    yield f"{shaded}{{paint-order:stroke;stroke:var(--back);stroke-width:2.5px}}\n"
    for level in range(SHADES + 1):
        color = f"color-mix(in srgb,var(--strong) {100 * level / SHADES:g}%,var(--idle))"
        cores = ",".join(f"#{way.name}:checked~.scroll .{way.shades}{level}" for way in WAYS if way.shades)
        yield f"{cores}{{fill:{color}}}\n.scale .s{level}{{background:{color}}}\n"
