"""The plots of the page: the pipeline over time, and the memory of tiles."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.ticker import EngFormatter, MaxNLocator

from cimc.base.quantities import si
from cimc.report.html_values import hue, shortened
from cimc.report.model import TileReport
from cimc.report.plot import IDLE, LINE, STRONG, TEXT, WEAK, drawn, new_figure, own_settings
from cimc.runtime.timing.account import HOST
from cimc.runtime.timing.result import Timing

BINS = 900
MEMORY_HEIGHT, NAMED = 180.0, 46
"""The height of the drawing of memory, and tiles that are named below it, about."""
WIDTH, LABELS, ROW, TOP, REST = 1120.0, 210.0, 20.0, 24.0, 10.0
"""Lengths in the drawing: of it all, of labels, of a row, above the first row, right of and below the last."""
LANE, LINES = (0.15, 0.85), 20
"""What of a row its work takes, and lines of the picture that a row has."""
LONGEST = 30
"""Characters of a label."""
LEAST = 1e-9
"""Shares of a piece of time that are rounding."""


@dataclass(slots=True)
class _Row:
    """A layer's work: the streams that do it, and when each piece of it starts and ends."""

    streams: set[int] = field(default_factory=set)
    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)

    def busy(self, whole: float) -> npt.NDArray[Any]:
        """Which share of each piece of time its streams work."""
        edges = np.linspace(0, whole, BINS + 1)
        worked = np.diff(_passed(self.starts, edges) - _passed(self.ends, edges))
        share: npt.NDArray[Any] = np.clip(worked * BINS / (whole * len(self.streams)), 0, 1)
        return share


def _passed(moments: Sequence[float], edges: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Seconds from all moments that lie before an edge up to it, for every edge."""
    ordered = np.sort(moments)
    before = np.searchsorted(ordered, edges)
    passed: npt.NDArray[Any] = before * edges - np.concatenate([[0.0], np.cumsum(ordered)])[before]
    return passed


@own_settings()
def gantt(timing: Timing) -> Markup:
    """The pipeline of a run that was timed with record=True: a row for each layer, in their order, as strong as the
    share of its cores that are at work.

    Time is cut into BINS pieces, and the rows are one picture. So a page stays small however many slices a run has.
    """
    whole = max(timing.completions[-1], max((one.end for one in timing.intervals), default=0.0)) or 1.0
    rows = _rows(timing)
    order = sorted(rows, key=lambda layer: (layer < 0, layer))  # what belongs to no layer stands behind them
    count = len(order)
    figure, axes = new_figure(WIDTH, TOP + count * ROW + REST, (LABELS, TOP, REST, REST))
    axes.imshow(
        _picture([(layer, rows[layer]) for layer in order], whole),
        aspect="auto",
        interpolation="none",
        extent=(0, whole, count, 0),
        zorder=2,
    )
    titles = {}
    for place, layer in enumerate(order):
        (lane,) = axes.barh(place + 0.5, whole, height=LANE[1] - LANE[0], color=IDLE, zorder=1)
        lane.set_gid(f"row-{place}")
        titles[f"row-{place}"] = _says(rows[layer], timing.layers[layer], layer == HOST, whole)
    for number, seconds in enumerate(timing.completions):
        axes.axvline(seconds, color=TEXT, linestyle=(0, (4, 3)), linewidth=1, zorder=3, gid=f"done-{number}")
        titles[f"done-{number}"] = f"input {number + 1} is out after {si(seconds, 's')}"
    labels = [shortened(f"{layer + 1} " * (layer >= 0) + timing.layers[layer], LONGEST) for layer in order]
    axes.set_yticks([place + 0.5 for place in range(count)], labels, ha="left")
    axes.tick_params("y", length=0, pad=LABELS - 4)
    axes.xaxis.set_ticks_position("top")
    axes.xaxis.set_major_locator(MaxNLocator(8))
    axes.xaxis.set_major_formatter(EngFormatter("s"))
    axes.set_xlim(0, whole * 1.002)
    axes.set_ylim(count, 0)
    axes.grid(axis="x", zorder=0)
    label = f"pipeline of {count} rows over {si(whole, 's')}"
    return drawn(figure, "pipeline-plot", label, titles, round(WIDTH * 5 / 6))


def _rows(timing: Timing) -> dict[int, _Row]:
    """Work by layer: of cores, and of the host, whose streams are no cores."""
    rows: dict[int, _Row] = {}
    for one in timing.intervals:
        if one.waits_for or timing.streams[one.stream].unit == "channel":
            continue
        row = rows.setdefault(one.layer, _Row())
        row.streams.add(one.stream)
        row.starts.append(one.start)
        row.ends.append(one.end)
    return rows


def _picture(rows: Sequence[tuple[int, _Row]], whole: float) -> npt.NDArray[np.uint8]:
    """Rows in the hue of their layer, as opaque as the share of their cores that are at work; a third at least."""
    picture = np.zeros((len(rows) * LINES, BINS, 4), np.uint8)
    low, high = (round(part * LINES) for part in LANE)
    for place, (layer, row) in enumerate(rows):
        share = row.busy(whole)
        opaque = np.where(share > LEAST, (1 + 2 * share) / 3, 0)
        lines = picture[place * LINES + low : place * LINES + high]
        lines[..., :3] = _colour(layer)
        lines[..., 3] = np.round(255 * opaque).astype(np.uint8)
    return picture


def _colour(layer: int) -> tuple[int, int, int]:
    """A layer's hue between what the page takes in light and in dark; grey for none."""
    red, green, blue = colorsys.hls_to_rgb(hue(layer) / 360, 0.55, 0.65) if layer >= 0 else (0.5, 0.5, 0.5)
    return round(255 * red), round(255 * green), round(255 * blue)


def _says(row: _Row, name: str, host: bool, whole: float) -> str:
    busy = 100 * row.busy(whole).mean()
    what = "streams of the host" if host else f"core{'s' if len(row.streams) != 1 else ''}"
    return (
        f"{shortened(name, 120)}: {len(row.streams)} {what}, from {si(min(row.starts), 's')} to "
        f"{si(max(row.ends), 's')}, at work {busy:.0f} % of the whole time"
    )


@own_settings()
def memory_plot(tiles: Sequence[TileReport]) -> Markup:
    """A bar for each tile in use, in percent of its memory, against the capacity."""
    if not tiles:
        return Markup()
    places = range(len(tiles))
    figure, axes = new_figure(WIDTH, MEMORY_HEIGHT, (46, 12, 10, 34))
    largest = [tile.most_fill for tile in tiles]
    rest = [tile.fill - part for tile, part in zip(tiles, largest, strict=True)]
    titles = {}
    for heights, bottoms, colour in ((largest, [0.0] * len(tiles), STRONG), (rest, largest, WEAK)):
        bars = axes.bar(places, heights, 0.8, bottoms, color=colour, zorder=2)
        for tile, drawn_bar in zip(tiles, bars, strict=True):
            name = f"{'most' if colour == STRONG else 'rest'}-{tile.tile}"
            drawn_bar.set_gid(name)
            titles[name] = (
                f"tile {tile.tile}: {tile.memory_words:,} of {tile.memory_capacity:,} words; most: {most_of(tile)}"
            )
    axes.axhline(100, color=TEXT, linestyle=(0, (4, 3)), linewidth=1, zorder=3)
    step = -(-len(tiles) // NAMED)
    axes.set_xticks(list(places)[::step], [str(tile.tile) for tile in tiles][::step])
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.set_xlim(-0.8, len(tiles) - 0.2)
    axes.set_ylim(0, max(108.0, *(1.05 * tile.fill for tile in tiles)))
    axes.set_xlabel("tile")
    axes.set_ylabel("% of its memory")
    axes.tick_params(color=LINE)
    axes.grid(axis="y", zorder=0)
    return drawn(figure, "memory-plot", f"memory of {len(tiles)} tiles in percent", titles, round(WIDTH * 5 / 6))


def most_of(tile: TileReport) -> str:
    """What takes most of a tile's memory."""
    most = tile.largest
    if most is None:
        return ""
    return f"{most.kind} {most.name}" + (f" of {most.tensor}" if most.tensor not in ("", most.name) else "")
