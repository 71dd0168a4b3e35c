"""Time, energy and wear of a program that runs in rounds, from those of its phases.

Phases follow one another: each begins when the one before is over, so writing and computing do not overlap. Weights and
maps that wait come and go over the chip's link, as the host's words do (cimc.runtime.timing.engine).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from cimc.base.quantities import counted, per_second, si, time_span
from cimc.base.shown import Facts, Shown
from cimc.isa.program import Plug, Program, Ring
from cimc.isa.verify.phases import rows_written, writes_of
from cimc.runtime.timing.engine import time_program
from cimc.runtime.timing.result import Timing
from cimc.target.model import Target

Key = TypeVar("Key")

STREAMED = 4
"""Inputs of a phase that are timed one by one; more follow at the pace of the last of them."""


@dataclass(frozen=True, slots=True)
class RoundWork:
    """What one round moves and writes. layers: their numbers. mvmus: that it writes; cells: of their rectangles.

    weight_words: that come from off-chip memory, once; words_in, words_out: of one input, from off-chip memory or the
    host and back; kept_words: of one input, in and out of areas of tiles.
    """

    layers: tuple[int, ...]
    mvmus: int
    cells: int
    weight_words: int
    words_in: int
    words_out: int
    kept_words: int


@dataclass(frozen=True, slots=True)
class RoundTime:
    """A round's time and energy for all inputs that share it: seconds and joules of writing, and of what follows."""

    write_seconds: float
    write_joules: float
    run_seconds: float
    run_joules: float


@dataclass(frozen=True, slots=True)
class Wear:
    """writes: of the most written cell while `shared` inputs go through all rounds; endurance: writes that it bears,
    None where the target does not say; worn_after: inputs until then."""

    writes: int
    endurance: int | None
    worn_after: int | None


@dataclass(frozen=True, slots=True, repr=False)
class RoundsTiming(Shown):
    """Time, energy and wear of a program in rounds.

    shared: inputs that go through a round together. seconds: from their first write to their last result;
    writing_seconds: of it, writing. latency: until the first of them is out. joules: of one input, by component and by
    layer (the same sum twice); writing_joules: of it, in the phases that write, words from off-chip memory included.
    off_chip_words: of one input, in and out, its share of the weights included. worn_seconds: until the most written
    cell is worn out, at this rate. layers: what they are called, by number; the last are the host and what counts for
    no layer.
    """

    program: str
    target: str
    shared: int
    work: tuple[RoundWork, ...]
    rounds: tuple[RoundTime, ...]
    wear: Wear
    seconds: float
    writing_seconds: float
    latency: float
    joules: float
    writing_joules: float
    off_chip_words: float
    joules_by_component: Mapping[str, float]
    joules_by_layer: Mapping[int, float]
    worn_seconds: float | None
    layers: tuple[str, ...]

    @property
    def interval(self) -> float:
        """Seconds an input, of a stream."""
        return self.seconds / self.shared

    @property
    def rate(self) -> float:
        """Inputs a second."""
        return self.shared / self.seconds

    def facts(self) -> Facts:
        """Rounds, time, energy, traffic and wear."""
        parts = f"{si(self.writing_seconds, 's')} writing, {si(self.seconds - self.writing_seconds, 's')} computing"
        found = [
            ("program", f"{self.program} for {self.target}"),
            ("rounds", f"{len(self.rounds)}, {counted(self.shared, 'input')} through each"),
            ("time", f"{si(self.seconds, 's')}: {parts}"),
            ("latency", si(self.latency, "s")),
            ("a stream", f"{per_second(self.rate)} inputs a second"),
            ("energy", f"{si(self.joules, 'J')} an input, {si(self.writing_joules, 'J')} of it in writing"),
            ("off-chip traffic", f"{self.off_chip_words:,.0f} words an input"),
        ]
        return [*found, *wear_facts(self.wear, self.worn_seconds)]


def wear_facts(wear: Wear, worn_seconds: float | None) -> Facts:
    """Writes of a cell, and how long it lasts."""
    found = [("writes", f"{wear.writes} of the most written cell for the inputs that share a round")]
    if wear.endurance is not None and wear.worn_after is not None:
        when = "" if worn_seconds is None else f", {time_span(worn_seconds)}"
        found.append(("worn out", f"after {wear.worn_after:,} inputs{when}; a cell bears {wear.endurance:,} writes"))
    return found


def work_of(program: Program, target: Target) -> tuple[RoundWork, ...]:
    """What each round moves and writes."""
    found: defaultdict[int, list[RoundWork]] = defaultdict(list)
    for phase, part in zip(program.phases, program.parts, strict=True):
        rings = {(tile.number, ring.name): ring for tile in part.tiles for ring in tile.rings}

        def words(plugs: Iterable[Plug], rings: Mapping[tuple[int, str], Ring] = rings) -> int:
            there = (rings[ref.tile, ref.ring] for plug in plugs for ref in plug.rings)
            return sum(ring.height * ring.width * ring.channels for ring in there)

        kept = words(plug for plug in (*part.inputs, *part.outputs) if plug.areas)
        words_in, words_out = (words(p for p in plugs if not p.areas) for plugs in (part.inputs, part.outputs))
        cores = {(tile.number, core.number): core for tile in part.tiles for core in tile.cores}
        cells = 0
        written = rows_written(part)
        for (tile, core, mvmu), rows in written.items():
            held = cores[tile, core].by_mvmu()[mvmu]
            columns = max(m.at_column + m.columns for m in held)
            per_weight = target.slices(max(m.weight_bits for m in held)) * target.cells_abreast
            cells += int(rows.sum()) * columns * per_weight
        origins = {one.origin for tile in part.tiles for code in tile.codes for one in code.stream}
        layers = tuple(sorted(origins - {-1}))
        if phase.once:
            found[phase.round].append(RoundWork(layers, len(written), cells, words_in, 0, 0, 0))
        else:
            found[phase.round].append(RoundWork(layers, 0, 0, 0, words_in, words_out, kept))
    return tuple(
        RoundWork(
            tuple(sorted({layer for one in parts for layer in one.layers})),
            *(sum(getattr(one, name) for one in parts)
              for name in ("mvmus", "cells", "weight_words", "words_in", "words_out", "kept_words")),
        )
        for _, parts in sorted(found.items())
    )  # fmt: skip


def wear_of(program: Program, target: Target) -> Wear:
    """How fast cells wear out."""
    writes = writes_of(program)
    endurance = None if target.writing is None else target.writing.endurance
    worn = None if endurance is None or not writes else endurance // writes * program.shared
    return Wear(writes, endurance, worn)


def time_rounds(program: Program, target: Target) -> RoundsTiming:
    """Time a program in rounds that cimc.isa.verify.verifier finds right for the target. Raises CimcError where the
    target lacks a price."""
    shared = program.shared
    component: defaultdict[str, float] = defaultdict(float)
    by_layer: defaultdict[int, float] = defaultdict(float)
    spent: defaultdict[int, list[float]] = defaultdict(lambda: [0.0] * 4)
    seconds = latency = 0.0
    names: tuple[str, ...] = ()
    for phase, part in zip(program.phases, program.parts, strict=True):
        times = 1 if phase.once else shared
        timing = time_program(part, target, min(times, STREAMED))
        took = _seconds(timing, times)
        latency, seconds = seconds + timing.latency, seconds + took
        joules = timing.setup_joules + times * timing.joules
        spent[phase.round][0 if phase.once else 2] += took
        spent[phase.round][1 if phase.once else 3] += joules
        for name, amount in timing.joules_by_component.items():
            component[name] += times * amount / shared
        for layer, amount in timing.joules_by_layer.items():
            by_layer[layer] += times * amount / shared
        component[SETUP] += timing.setup_joules / shared
        by_layer[-1] += timing.setup_joules / shared
        names = timing.layers
    work, wear = work_of(program, target), wear_of(program, target)
    rounds = tuple(RoundTime(*spent[number]) for number in sorted(spent))
    weights, maps = sum(one.weight_words for one in work), sum(one.words_in + one.words_out for one in work)
    return RoundsTiming(
        program=program.name,
        target=target.name,
        shared=shared,
        work=work,
        rounds=rounds,
        wear=wear,
        seconds=seconds,
        writing_seconds=sum(one.write_seconds for one in rounds),
        latency=latency,
        joules=sum(one.write_joules + one.run_joules for one in rounds) / shared,
        writing_joules=sum(one.write_joules for one in rounds) / shared,
        off_chip_words=weights / shared + maps,
        joules_by_component=_largest_first(component),
        joules_by_layer=_largest_first(by_layer),
        worn_seconds=None if wear.worn_after is None else wear.worn_after / shared * seconds,
        layers=names,
    )


SETUP = "setup"
"""Energy of what a phase does before its first input."""


def _seconds(timing: Timing, times: int) -> float:
    """How long a phase takes for so many inputs."""
    if timing.interval is None:
        return timing.completions[-1]
    return timing.completions[-1] + (times - timing.inputs) * timing.interval


def _largest_first(joules: Mapping[Key, float]) -> dict[Key, float]:
    return dict(sorted(joules.items(), key=lambda item: (-item[1], str(item[0]))))
