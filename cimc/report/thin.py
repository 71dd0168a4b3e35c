"""Fewer intervals of a timing run, for a trace that a browser opens at once.

A resolution is chosen so that the number asked for is not passed. An interval of at least that length stays as it is;
shorter ones that follow each other become one of about that length, called after what took most of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from cimc.runtime.timing.result import Interval


def thinned(intervals: Sequence[Interval], most: int) -> tuple[list[Interval], float]:
    """At most so many intervals where that is possible, and the resolution in s (0 where all are kept)."""
    if len(intervals) <= most or not intervals:
        return list(intervals), 0.0
    streams: defaultdict[int, list[Interval]] = defaultdict(list)
    for one in intervals:
        streams[one.stream].append(one)
    for found in streams.values():
        found.sort(key=lambda one: (one.start, one.end))
    whole = max(one.end for one in intervals)
    resolution = whole / most
    while True:
        kept = [one for stream in sorted(streams) for one in _coarse(streams[stream], resolution)]
        if len(kept) <= most or resolution > whole:
            return kept, resolution
        resolution *= 1.5


def _coarse(intervals: Iterable[Interval], resolution: float) -> list[Interval]:
    """One stream's intervals, none much shorter than the resolution unless it stands alone."""
    kept: list[Interval] = []
    group: list[Interval] = []
    for one in intervals:
        if group and (one.start - group[-1].end >= resolution or group[-1].end - group[0].start >= resolution):
            _close(group, kept, resolution)
        if one.end - one.start >= resolution:
            _close(group, kept, resolution)
            _add(kept, one, resolution)
        else:
            group.append(one)
    _close(group, kept, resolution)
    return kept


def _close(group: list[Interval], kept: list[Interval], resolution: float) -> None:
    """Make one interval of a group, and empty it."""
    if not group:
        return
    seconds: defaultdict[tuple[str, bool], float] = defaultdict(float)
    for one in group:
        seconds[one.name, one.waiting] += one.end - one.start
    name, waiting = max(seconds, key=lambda kind: seconds[kind])
    _add(kept, Interval(group[0].stream, name, waiting, group[0].start, group[-1].end), resolution)
    group.clear()


def _add(kept: list[Interval], one: Interval, resolution: float) -> None:
    """Append an interval, or lengthen the last one where it is the same and follows at once."""
    last = kept[-1] if kept else None
    if last and (last.name, last.waiting) == (one.name, one.waiting) and one.start - last.end < resolution:
        kept[-1] = Interval(last.stream, last.name, last.waiting, last.start, one.end)
    else:
        kept.append(one)
