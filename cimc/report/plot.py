"""Plots of the page: matplotlib draws them, and its SVG becomes a part of the page.

Colours are stand-ins for the page's own, which differ in light and dark. What nothing refers to loses its id, so that
several plots stand in one page. The same figure gives the same text.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cimc.report.html_values import without_controls

TEXT, DIM, LINE, IDLE, STRONG, WEAK = (f"#00000{number}" for number in range(1, 7))
"""Stand-ins for colours of the page, by their names in page.css."""
_COLOURS = {TEXT: "text", DIM: "dim", LINE: "line", IDLE: "idle", STRONG: "strong", WEAK: "weak"}

SETTINGS: Mapping[str, Any] = {
    "svg.hashsalt": "cimc",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 11,
    "text.color": TEXT,
    "axes.labelcolor": DIM,
    "axes.edgecolor": LINE,
    "xtick.color": DIM,
    "ytick.color": TEXT,
    "grid.color": LINE,
    "path.simplify": False,
}
"""What figures are made and drawn with: ids that do not change, and text that stays text."""
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


@contextmanager
def own_settings() -> Iterator[None]:
    """The library's defaults with SETTINGS, whatever a user has set. What makes a plot is decorated with it."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(cast(Any, SETTINGS))
        yield


def new_figure(width: float, height: float, margins: tuple[float, float, float, float]) -> tuple[Figure, Axes]:
    """A figure of so many units of its drawing, with axes inside its left, top, right and bottom margins."""
    left, top, right, bottom = margins
    figure = Figure(figsize=(width / 72, height / 72))
    inside = (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    axes = figure.add_axes(inside)
    figure.patch.set_visible(False)
    axes.patch.set_visible(False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    return figure, axes


def drawn(figure: Figure, name: str, label: str, titles: Mapping[str, str], least: int) -> Markup:
    """A figure as part of the page.

    name: not another plot's. label: what it shows, in words. titles: what to say where the pointer is, by the gid of
    an artist. least: CSS pixels below which it scrolls instead of getting narrower.
    """
    stream = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that its font lacks: the browser has them
        figure.savefig(stream, format="svg", metadata=_NO_METADATA)
    text = stream.getvalue()
    view = re.search(r'viewBox="([^"]*)"', text)
    assert view is not None, "an SVG file has a viewBox"
    inside = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    inside = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>", "", inside, flags=re.DOTALL)
    inside = _with_titles(inside.replace("xlink:href", "href"), titles)
    inside = re.sub(r" ?font-family:[^;\"]*;?| transform=\"rotate\(-0 [^\"]*\"", "", inside)
    for stand_in, colour in _COLOURS.items():
        inside = inside.replace(stand_in, f"var(--{colour})")
    inside = _with_own_ids(inside, name).replace("<image ", '<image pointer-events="none" ')
    inside = re.sub(r"\s*\n\s*", "\n", without_controls(inside))
    return Markup('<svg viewBox="{}" style="width:100%;min-width:{}px" role="img" aria-label="{}">{}</svg>').format(
        view[1], least, label, Markup(inside)
    )


def _with_titles(text: str, titles: Mapping[str, str]) -> str:
    """Titles as the first thing in the groups that have these gids."""
    says = {gid: f"<title>{escape(without_controls(title))}</title>" for gid, title in titles.items()}
    return re.sub(r'<g id="([^"]*)">', lambda group: group[0] + says.get(group[1], ""), text)


def _with_own_ids(text: str, name: str) -> str:
    """Ids that something refers to, with the plot's name before them; no others."""
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]*)', text))
    text = re.sub(r' id="([^"]*)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", text)
    return re.sub(r'(url\(#|href="#)', rf"\1{name}-", text)
