"""The pipeline over time: a row for each layer, as strong as the share of its cores that are at work.

Time is cut into BINS pieces, and the rows are one picture. So a page stays small however many slices a run has.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import EngFormatter, MaxNLocator

from cimc.base.quantities import si
from cimc.report.html_markup import Markup, shortened
from cimc.report.html_style import hue
from cimc.report.plot import IDLE, TEXT, drawn, new_figure, own_settings
from cimc.runtime.timing.account import HOST
from cimc.runtime.timing.result import Timing

BINS = 900
WIDTH, LABELS, ROW, TOP, REST = 1120.0, 210.0, 20.0, 24.0, 10.0
"""Lengths in the drawing: of it all, of labels, of a row, above the first row, right of and below the last."""
LANE, LINES = (0.15, 0.85), 20
"""What of a row its work takes, and lines of the picture that a row has."""
LONGEST = 30
"""Characters of a label."""


@dataclass(slots=True)
class _Row:
    """A layer's work. seconds: by piece of time, of all its streams together; start, end: of its first and last."""

    streams: set[int] = field(default_factory=set)
    seconds: list[float] = field(default_factory=lambda: [0.0] * BINS)
    start: float = math.inf
    end: float = 0.0


@own_settings()
def gantt(timing: Timing) -> Markup:
    """The chart of a run that was timed with record=True, its rows in the order of layers."""
    whole = max(timing.completions[-1], max((one.end for one in timing.intervals), default=0.0)) or 1.0
    rows = _rows(timing, whole)
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


def _rows(timing: Timing, whole: float) -> dict[int, _Row]:
    """Work by layer: of cores, and of the host, whose streams are no cores."""
    rows: dict[int, _Row] = {}
    for one in timing.intervals:
        if one.waits_for or timing.streams[one.stream].unit == "channel":
            continue
        row = rows.setdefault(one.layer, _Row())
        row.streams.add(one.stream)
        row.start, row.end = min(row.start, one.start), max(row.end, one.end)
        _spread(row.seconds, one.start, one.end, whole)
    return rows


def _spread(seconds: list[float], start: float, end: float, whole: float) -> None:
    """Add the time from start to end to the pieces that it lies in."""
    piece = whole / len(seconds)
    first = min(int(start / piece), len(seconds) - 1)
    last = min(int(end / piece), len(seconds) - 1)
    for place in range(first, last + 1):
        low, high = max(start, place * piece), min(end, (place + 1) * piece)
        seconds[place] += max(0.0, high - low)


def _picture(rows: Sequence[tuple[int, _Row]], whole: float) -> npt.NDArray[np.uint8]:
    """Rows in the hue of their layer, as opaque as the share of their cores that are at work; a third at least."""
    picture = np.zeros((len(rows) * LINES, BINS, 4), np.uint8)
    low, high = (round(part * LINES) for part in LANE)
    for place, (layer, row) in enumerate(rows):
        share = np.array(row.seconds) / (whole / BINS * len(row.streams))
        opaque = np.where(share > 0, np.clip((1 + 2 * share) / 3, 0, 1), 0)
        lines = picture[place * LINES + low : place * LINES + high]
        lines[..., :3] = _colour(layer)
        lines[..., 3] = np.round(255 * opaque).astype(np.uint8)
    return picture


def _colour(layer: int) -> tuple[int, int, int]:
    """A layer's hue between what the page takes in light and in dark; grey for none."""
    red, green, blue = colorsys.hls_to_rgb(hue(layer) / 360, 0.55, 0.65) if layer >= 0 else (0.5, 0.5, 0.5)
    return round(255 * red), round(255 * green), round(255 * blue)


def _says(row: _Row, name: str, host: bool, whole: float) -> str:
    busy = 100 * sum(row.seconds) / (len(row.streams) * whole)
    what = "streams of the host" if host else f"core{'s' if len(row.streams) != 1 else ''}"
    return (
        f"{shortened(name, 120)}: {len(row.streams)} {what}, from {si(row.start, 's')} to {si(row.end, 's')}, "
        f"at work {busy:.0f} % of the whole time"
    )
