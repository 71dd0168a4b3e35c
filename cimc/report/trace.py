"""A timing run as a trace in Chrome's JSON format, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

Tiles are processes, cores, channels and the host's streams are threads; a slice is a layer at work, or a wait. Format:
"Trace Event Format", Google, 2016: complete events ("ph": "X") with times in microseconds, and metadata ("ph": "M").
"resolution" in "otherData": the length in us that shorter slices were joined to (cimc.report.thin); 0 where none were.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
    events = [*_metadata(timing, tracks), *_slices(intervals, tracks)]
    lines = ",\n".join(json.dumps(event, sort_keys=True, ensure_ascii=False) for event in events)
    about = json.dumps(
        {
            "program": timing.program,
            "target": timing.target,
            "inputs": timing.inputs,
            "resolution": resolution * 1e6,
        },
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
            name += f": {stream.layer}"
        yield {"ph": "M", "name": "thread_name", "pid": tile, "tid": thread, "args": {"name": name}}
        yield {"ph": "M", "name": "thread_sort_index", "pid": tile, "tid": thread, "args": {"sort_index": thread}}


def _slices(intervals: Sequence[Interval], tracks: list[tuple[int, int]]) -> Iterator[Event]:
    """Work and waits."""
    for interval in intervals:
        tile, thread = tracks[interval.stream]
        yield {
            "ph": "X",
            "name": f"waits for {interval.name}" if interval.waiting else interval.name,
            "cat": "wait" if interval.waiting else "work",
            "pid": tile,
            "tid": thread,
            "ts": interval.start * 1e6,
            "dur": (interval.end - interval.start) * 1e6,
        }
