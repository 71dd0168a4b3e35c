"""From a finished timing run to its result: times of streams, utilisation of units, the bottleneck, the trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cimc.base.layer_names import LayerNames
from cimc.base.tokens import RECEIVE, SEND, SPACE, WAIT
from cimc.isa.program import Program
from cimc.runtime.timing.account import HOST, NO_LAYER, Accounts
from cimc.runtime.timing.result import Bottleneck, Interval, Player, StreamTime, Timing, UnitUse
from cimc.runtime.timing.state import Mark, TimedStream
from cimc.target.model import Target

Naming = Callable[[int, int], str]
"""What a stream waits for, by kind of operation and number of its ring or FIFO, in words."""

SHARED = ("memory", "link")
"""Kinds of units that streams queue for."""
SATURATED = 0.95
"""A shared unit that is busy for this share of the time, or more, sets the rate."""
OCCUPIED = 0.9
"""A stream that works or queues for this share of the time, or more, sets the rate."""

UNIT_WORDS = {
    "fetch": "fetching instructions",
    "mvmu": "products on crossbars",
    "cells": "writing and reading cells",
    "vfu": "the vector unit",
    "sfu": "the table unit",
    "memory": "loads and stores",
    "network": "sends and receives",
    "queue": "queueing for shared units",
}


def summary(
    program: Program, target: Target, accounts: Accounts, players: Sequence[Player], streams: Sequence[TimedStream],
    completions: tuple[float, ...], rings: Sequence[str], fifos: Sequence[str], grain: int,
) -> Timing:  # fmt: skip
    """The result of a run. completions: when each input was out; rings, fifos: the things' names."""

    def thing(kind: int, number: int) -> str:
        words = {WAIT: "data in ", SPACE: "space in ", SEND: "room in ", RECEIVE: "a message in "}
        return words[kind] + (fifos if kind in (SEND, RECEIVE) else rings)[number]

    named = LayerNames(
        (name, "") for name in (*program.strings, "host", "none")
    )  # an edited program may have one twice
    layers = tuple(named.shown)
    steady = _steady(len(completions))
    interval = completions[steady] - completions[steady - 1] if steady else None
    base = interval or completions[0]
    times = [
        _stream_time(player, stream, number, steady, accounts, thing)
        for number, (player, stream) in enumerate(zip(players, streams, strict=True))
    ]
    units = tuple(
        UnitUse(name, kind, kind in SHARED, seconds, seconds / base)
        for (kind, name), seconds in sorted(accounts.units.items())
    )
    intervals = (
        Interval(
            number,
            span.origin if number < len(accounts.streams) else HOST,
            thing(span.kind, span.thing) if span.thing >= 0 else "",
            span.start,
            span.end,
        )
        for number, stream in enumerate(streams)
        for span in stream.spans or ()
    )
    return Timing(
        program=program.name,
        target=target.name,
        inputs=len(completions),
        latency=completions[0],
        completions=completions,
        interval=interval,
        joules=sum(accounts.component.values()),
        joules_by_component=_largest_first(accounts.component),
        joules_by_layer=dict(accounts.layer),
        setup_joules=accounts.setup,
        bottleneck=_bottleneck(times, units, base, layers),
        streams=tuple(times),
        units=units,
        pieces=grain,
        intervals=tuple(intervals),
        layers=layers,
    )


def _steady(inputs: int) -> int:
    """The input that stands for a long stream: the last but one of three or more, as nobody is behind the last."""
    return inputs - 2 if inputs > 2 else inputs - 1


def _largest_first(sums: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def _stream_time(
    player: Player, stream: TimedStream, number: int, steady: int, accounts: Accounts, thing: Naming
) -> StreamTime:
    """Times of the steady input; the account of work is the same for every input."""
    known = number < len(accounts.streams)  # the host's stand behind the program's
    layers = accounts.layers[number] if known else {HOST: 1.0}
    marks = [Mark(0.0, 0.0, 0.0)] * 2 if not stream.marks else [Mark(0.0, 0.0, 0.0), *stream.marks][steady:]
    before, last = marks[:2]
    waited, queued = last.waited - before.waited, last.queued - before.queued
    longest = max(stream.causes, key=lambda cause: cause.seconds, default=None)
    return StreamTime(
        *player,
        layer=max(layers, key=lambda layer: layers[layer], default=NO_LAYER),
        busy=last.time - before.time - waited - queued,
        queued=queued,
        waited=waited,
        waits_for="" if longest is None else thing(longest.kind, longest.thing),
        by_unit=_largest_first(accounts.streams[number]) if known else {},
    )


def _bottleneck(
    times: Sequence[StreamTime], units: Sequence[UnitUse], base: float, layers: Sequence[str]
) -> Bottleneck:
    """A shared unit that is busy all the time, else a stream that is, else the busiest stream and what it waits for."""
    unit = max((unit for unit in units if unit.shared), key=lambda unit: unit.seconds, default=None)
    if unit is not None and unit.utilisation >= SATURATED:
        what = f"busy for {100 * unit.utilisation:.0f} % of the time between inputs, and streams queue for it"
        return Bottleneck(unit.name, what, unit.utilisation)
    stream = max(times, key=lambda stream: stream.busy + stream.queued)
    share = (stream.busy + stream.queued) / base
    spent = dict(stream.by_unit) | ({"queue": stream.queued} if stream.queued else {})
    most = max(spent, key=lambda name: spent[name], default="")
    reason = ""
    if most:
        part = 100 * spent[most] / (stream.busy + stream.queued)
        reason = f", {part:.0f} % of that with {UNIT_WORDS.get(most, most)}"
    what = f'works for "{layers[stream.layer]}" {100 * share:.0f} % of the time between inputs{reason}'
    if share < OCCUPIED:
        what += f"; no stream works all the time, this one waits most for {stream.waits_for or 'nothing'}"
    return Bottleneck(stream.name, what, share)
