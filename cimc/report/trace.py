"""A timing run as a trace in Chrome's JSON format, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

Tiles are processes, cores, channels and the host's streams are threads; a slice is a layer at work, or a wait. Format:
"Trace Event Format", Google, 2016: complete events ("ph": "X") with times in microseconds, and metadata ("ph": "M").
"resolution" in "otherData": the length in us that shorter slices were joined to; 0 where none were.

A trace that a browser opens at once has fewer slices than a run (`thinned`). A resolution is chosen so that the number
asked for is not passed. An interval of at least that length stays as it is; shorter ones that follow each other become
one of about that length, called after what took most of it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from cimc.base.names import in_json
from cimc.runtime.timing.result import Interval, Timing

Event = dict[str, str | int | float | dict[str, str | int]]


@dataclass(frozen=True, slots=True)
class Trace:
    """What a trace holds: slices of so many streams over so many seconds. spans: before short ones were joined to at
    least the resolution in seconds; 0 where none were."""

    slices: int
    streams: int
    seconds: float
    spans: int
    resolution: float


HOST_TRACKS = 1000
"""Thread numbers of the host's streams start here, those of channels 500 lower, behind a tile's cores."""
CHANNEL_TRACKS = 500


def trace_text(timing: Timing, intervals: Sequence[Interval], resolution: float = 0.0) -> str:
    """The trace of a run; the same text for the same run. intervals: the run's, all or thinned to a resolution in s."""
    tracks = _tracks(timing)
    events = [*_metadata(timing, tracks), *_slices(intervals, tracks, timing.layers)]
    lines = ",\n".join(json.dumps(event, sort_keys=True, ensure_ascii=False) for event in events)
    about = json.dumps(
        {"program": timing.program, "target": timing.target, "inputs": timing.inputs, "resolution": resolution * 1e6},
        sort_keys=True,
        ensure_ascii=False,
    )
    return in_json(f'{{"displayTimeUnit": "ns", "otherData": {about}, "traceEvents": [\n{lines}\n]}}\n')


def _tracks(timing: Timing) -> list[tuple[int, int]]:
    """(process, thread) of every stream."""
    tracks = []
    host: dict[int, int] = {}
    for stream in timing.streams:
        if stream.unit == "core":
            thread = stream.number
        elif stream.unit == "channel":
            thread = CHANNEL_TRACKS + stream.number
        else:
            thread = HOST_TRACKS + host.get(stream.tile, 0)
            host[stream.tile] = host.get(stream.tile, 0) + 1
        tracks.append((stream.tile, thread))
    return tracks


def _metadata(timing: Timing, tracks: list[tuple[int, int]]) -> Iterator[Event]:
    """Names of processes and threads."""
    for tile in sorted({tile for tile, _ in tracks}):
        yield {"ph": "M", "name": "process_name", "pid": tile, "tid": 0, "args": {"name": f"tile {tile}"}}
        yield {"ph": "M", "name": "process_sort_index", "pid": tile, "tid": 0, "args": {"sort_index": tile}}
    for stream, (tile, thread) in zip(timing.streams, tracks, strict=True):
        name = stream.unit if stream.number < 0 else f"{stream.unit} {stream.number}"
        if stream.unit == "core":
            name += f": {timing.layers[stream.layer]}"
        yield {"ph": "M", "name": "thread_name", "pid": tile, "tid": thread, "args": {"name": name}}
        yield {"ph": "M", "name": "thread_sort_index", "pid": tile, "tid": thread, "args": {"sort_index": thread}}


def _slices(intervals: Sequence[Interval], tracks: list[tuple[int, int]], layers: Sequence[str]) -> Iterator[Event]:
    """Work and waits."""
    for interval in intervals:
        tile, thread = tracks[interval.stream]
        yield {
            "ph": "X",
            "name": f"waits for {interval.waits_for}" if interval.waits_for else layers[interval.layer],
            "cat": "wait" if interval.waits_for else "work",
            "pid": tile,
            "tid": thread,
            "ts": interval.start * 1e6,
            "dur": (interval.end - interval.start) * 1e6,
        }


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
    seconds: defaultdict[str | int, float] = defaultdict(float)
    for one in group:
        seconds[_doing(one)] += one.end - one.start
    most = max(seconds, key=lambda doing: seconds[doing])
    longest = next(one for one in group if _doing(one) == most)
    _add(kept, replace(longest, start=group[0].start, end=group[-1].end), resolution)
    group.clear()


def _add(kept: list[Interval], one: Interval, resolution: float) -> None:
    """Append an interval, or lengthen the last one where it is the same and follows at once."""
    last = kept[-1] if kept else None
    if last and _doing(last) == _doing(one) and one.start - last.end < resolution:
        kept[-1] = replace(last, end=one.end)
    else:
        kept.append(one)


def _doing(one: Interval) -> str | int:
    """What a stream stood still for, or else the layer that it worked for."""
    return one.waits_for or one.layer
