"""The pipeline over time: a row for each layer, as strong as the share of its cores that are at work.

Time is cut into BINS pieces and the share into LEVELS shades; pieces of one shade that follow each other are one
rectangle. So a page stays small however many slices a run has.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from cimc.report.html_markup import Markup, element, join, scrolled, shortened, si
from cimc.report.html_style import hue_class
from cimc.runtime.timing_account import HOST
from cimc.runtime.timing_result import Timing

BINS, LEVELS = 600, 4
LABEL, WIDTH, ROW, TOP = 210, 900, 20, 22
"""Lengths in the drawing: of labels, of the time axis, of a row, above the first row."""
TICKS = 8
"""Marks on the time axis, about."""
BEHIND = (sys.maxsize,)
"""Where what belongs to no layer stands among layers by their indices: behind them."""
LONGEST = 30
"""Characters of a label."""


@dataclass(slots=True)
class _Row:
    """A layer's work. seconds: by piece of time, of all its streams together; start, end: of its first and last."""

    streams: set[int] = field(default_factory=set)
    seconds: list[float] = field(default_factory=lambda: [0.0] * BINS)
    start: float = math.inf
    end: float = 0.0


def gantt(timing: Timing, keys: Mapping[str, tuple[int, ...]]) -> Markup:
    """The chart of a run that was timed with record=True. keys: indices of the
    layers of an origin, which give the order of rows."""
    whole = max(timing.completions[-1], max((one.end for one in timing.intervals), default=0.0)) or 1.0
    rows = _rows(timing, whole)
    order = sorted(rows, key=lambda name: (keys.get(name, BEHIND), name))
    height = TOP + len(order) * ROW
    drawn = [_axis(whole, height)]
    for place, name in enumerate(order):
        drawn.append(_row(rows[name], name, keys.get(name, ()), TOP + place * ROW, whole))
    for number, seconds in enumerate(timing.completions):
        title = element("title", f"input {number + 1} is out after {si(seconds, 's')}")
        x = LABEL + WIDTH * seconds / whole
        drawn.append(element("line", title, x1=x, x2=x, y1=TOP - 6, y2=height, class_="done"))
    full = LABEL + WIDTH + 10
    return scrolled(
        element(
            "svg",
            join(drawn, "\n"),
            viewBox=f"0 0 {full} {height + 4}",
            style=f"width:100%;min-width:{full * 5 // 6}px",
            role="img",
            aria_label=f"pipeline of {len(order)} rows over {si(whole, 's')}",
        )
    )


def _rows(timing: Timing, whole: float) -> dict[str, _Row]:
    """Work by layer: of cores, and of the host, whose streams are no cores."""
    rows: dict[str, _Row] = {}
    for one in timing.intervals:
        if one.waiting or timing.streams[one.stream].unit == "channel":
            continue
        row = rows.setdefault(one.name, _Row())
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


def _row(row: _Row, name: str, layers: tuple[int, ...], y: int, whole: float) -> Markup:
    """A label and the shades, each one path."""
    busy = 100 * sum(row.seconds) / (len(row.streams) * whole)
    what = "streams of the host" if name == HOST else f"core{'s' if len(row.streams) != 1 else ''}"
    says = (
        f"{shortened(name, 120)}: {len(row.streams)} {what}, from {si(row.start, 's')} to {si(row.end, 's')}, "
        f"at work {busy:.0f} % of the whole time"
    )
    numbers = ", ".join(str(layer + 1) for layer in layers)
    label = element("text", shortened(f"{numbers} {name}".lstrip(), LONGEST), x=2, y=y + 14)
    paths = [
        element("path", d=path, class_=f"row {hue_class(layers[0] if layers else -1)}", fill_opacity=level / LEVELS)
        for level, path in _paths(_levels(row, whole), y)
    ]
    lane = element("rect", x=LABEL, y=y + 3, width=WIDTH, height=ROW - 6, class_="lane")
    return element("g", element("title", says), label, lane, *paths)


def _levels(row: _Row, whole: float) -> list[int]:
    """The shade of each piece of time; anything at work is at least the lightest."""
    full = whole / BINS * len(row.streams)
    return [min(LEVELS, math.ceil(LEVELS * part / full - 1e-6)) if part > 0 else 0 for part in row.seconds]


def _paths(levels: Sequence[int], y: int) -> list[tuple[int, str]]:
    """Rectangles of each shade as the text of a path."""
    width, high = WIDTH / BINS, ROW - 6
    paths: dict[int, list[str]] = {}
    place = 0
    for level, run in groupby(levels):
        count = len(list(run))
        if level:
            paths.setdefault(level, []).append(
                f"M{LABEL + place * width:g} {y + 3}h{count * width:g}v{high}h{-count * width:g}z"
            )
        place += count
    return [(level, "".join(parts)) for level, parts in sorted(paths.items())]


def _axis(whole: float, height: int) -> Markup:
    """Marks at round times."""
    step = _round_step(whole / TICKS)
    times = [number * step for number in range(int(whole / step + 1e-9) + 1)]
    parts = []
    for seconds in times:
        x = LABEL + WIDTH * seconds / whole
        parts.append(element("line", x1=x, x2=x, y1=TOP - 4, y2=height, class_="tick"))
        if whole - seconds >= step / 3:  # a text nearer to the end would be cut off
            parts.append(element("text", si(seconds, "s"), x=x, y=12, class_="dim middle"))
    return join(parts)


def _round_step(least: float) -> float:
    """1, 2 or 5 times a power of ten, not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * times for times in (1, 2, 5, 10) if power * times >= least * (1 - 1e-9))
