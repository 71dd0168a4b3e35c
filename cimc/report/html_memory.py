"""Memory of tiles on the page: a plot of all peaks against the capacity, and what makes them."""

from __future__ import annotations

from cimc.report.html_markup import Markup, bar, element, section, table
from cimc.report.model import Report, TileReport
from cimc.report.plot import LINE, STRONG, TEXT, WEAK, drawn, new_figure, own_settings

WIDTH, HEIGHT = 1120.0, 180.0
"""Lengths in the drawing."""
NAMED = 46
"""Tiles that are named below the plot, about."""


def memory_part(report: Report) -> Markup:
    """What each tile takes of its memory, and what takes most of it."""
    rows = (
        (
            str(tile.tile),
            bar(_share(tile.memory_words, tile), _largest_share(tile)),
            f"{_share(tile.memory_words, tile):.1f}",
            f"{tile.memory_words:,}",
            f"{tile.memory_capacity:,}",
            _largest(tile),
            "" if tile.largest is None else f"{tile.largest.words:,}",
        )
        for tile in report.tiles
    )
    peak = max((_share(tile.memory_words, tile) for tile in report.tiles), default=0.0)
    legend = (
        f"{len(report.tiles):,} tiles, the fullest at {peak:.1f} %. Strong: what takes most, named in the table; weak: "
        "the rest. The dashed line is the capacity."
    )
    headings = ("tile>", "share of its memory|", "%>", "words>", "of>", "most of it", "words>")
    return section(
        "memory",
        "Memory of tiles",
        element("p", legend, class_="dim"),
        _plot(report) if report.tiles else "",
        table(headings, rows, "tall"),
    )


@own_settings()
def _plot(report: Report) -> Markup:
    """A bar for each tile in use, in percent of its memory."""
    tiles = report.tiles
    places = range(len(tiles))
    figure, axes = new_figure(WIDTH, HEIGHT, (46, 12, 10, 34))
    largest = [_largest_share(tile) for tile in tiles]
    rest = [_share(tile.memory_words, tile) - part for tile, part in zip(tiles, largest, strict=True)]
    titles = {}
    for heights, bottoms, colour in ((largest, [0.0] * len(tiles), STRONG), (rest, largest, WEAK)):
        bars = axes.bar(places, heights, 0.8, bottoms, color=colour, zorder=2)
        for tile, drawn_bar in zip(tiles, bars, strict=True):
            name = f"{'most' if colour == STRONG else 'rest'}-{tile.tile}"
            drawn_bar.set_gid(name)
            titles[name] = (
                f"tile {tile.tile}: {tile.memory_words:,} of {tile.memory_capacity:,} words; most: {_largest(tile)}"
            )
    axes.axhline(100, color=TEXT, linestyle=(0, (4, 3)), linewidth=1, zorder=3)
    step = -(-len(tiles) // NAMED)
    axes.set_xticks(list(places)[::step], [str(tile.tile) for tile in tiles][::step])
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.set_xlim(-0.8, len(tiles) - 0.2)
    axes.set_ylim(0, max(108.0, *(1.05 * _share(tile.memory_words, tile) for tile in tiles)))
    axes.set_xlabel("tile")
    axes.set_ylabel("% of its memory")
    axes.tick_params(color=LINE)
    axes.grid(axis="y", zorder=0)
    return drawn(figure, "memory-plot", f"memory of {len(tiles)} tiles in percent", titles, round(WIDTH * 5 / 6))


def _share(words: int, tile: TileReport) -> float:
    return 100 * words / tile.memory_capacity if tile.memory_capacity else 0.0


def _largest_share(tile: TileReport) -> float:
    return _share(0 if tile.largest is None else tile.largest.words, tile)


def _largest(tile: TileReport) -> str:
    if tile.largest is None:
        return ""
    tensor = tile.largest.tensor
    of = f" of {tensor}" if tensor and tensor != tile.largest.name else ""
    return f"{tile.largest.kind} {tile.largest.name}{of}"
