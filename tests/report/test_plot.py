"""What becomes of a plot on the page: ids, colours, titles and names as they are."""

from __future__ import annotations

import re

import matplotlib
from markupsafe import Markup

from cimc.report.plot import STRONG, TEXT, drawn, new_figure, own_settings


@own_settings()
def plotted(name: str, label: str = "a") -> Markup:
    figure, axes = new_figure(200, 100, (20, 5, 5, 20))
    (bar,) = axes.bar([0], [1], color=STRONG)
    bar.set_gid("first")
    axes.axhline(1, color=TEXT)
    axes.set_xticks([0], [label])
    return drawn(figure, name, "a plot", {"first": 'the "first" <bar>'}, 300)


def test_the_same_figure_gives_the_same_text_whatever_a_user_has_set() -> None:
    first = plotted("p")
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30, "svg.fonttype": "path", "axes.grid": True}):
        assert plotted("p") == first


def test_ids_are_those_that_are_referred_to_and_the_plots_own() -> None:
    for name in ("p", "q"):
        text = plotted(name)
        ids = re.findall(r' id="([^"]*)"', text)
        referred = set(re.findall(r'(?:url\(#|href="#)([^)"]*)', text))
        assert ids and set(ids) == referred and len(set(ids)) == len(ids)
        assert all(one.startswith(f"{name}-") for one in ids)


def test_colours_are_the_pages_and_titles_are_escaped() -> None:
    text = plotted("p")
    assert "fill: var(--strong)" in text and "stroke: var(--text)" in text and "#00000" not in text
    assert "<title>the &#34;first&#34; &lt;bar&gt;</title>" in text
    assert "http" not in text and "<style" not in text and "<metadata" not in text


def test_names_are_taken_as_they_are() -> None:
    text = plotted("p", "$x_1$ <b> \x07")
    assert "$x_1$ &lt;b&gt;" in text and "\x07" not in text
