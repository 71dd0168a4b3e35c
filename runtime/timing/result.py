"""What a timing run gives. Times in seconds, energies in joules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cimc.base.quantities import si
from cimc.base.shown import Facts, Shown

Player = tuple[int, str, int]
"""A stream by its place: tile, "core" or "channel" and number, or the tile, 'input "x"' and -1 for the host."""


def name_of(player: Player) -> str:
    """A stream in words."""
    tile, unit, number = player
    return f"tile {tile} {unit}" + (f" {number}" if number >= 0 else "")


@dataclass(frozen=True, slots=True)
class StreamTime:
    """A stream's time for the steady input (see Timing). tile, unit, number: see Player.

    busy: it worked; queued: it stood in a queue for a shared unit (memory, link); waited: it stood still for another
    stream; they add up to the time from the end of the input before to the end of this one. waits_for: what it stood
    still for longest in the whole run. by_unit: s of its work by unit of the instruction table, and "fetch". layer:
    number of the one that takes most of its time (see Timing).
    """

    tile: int
    unit: str
    number: int
    layer: int
    busy: float
    queued: float
    waited: float
    waits_for: str
    by_unit: Mapping[str, float]

    @property
    def name(self) -> str:
        """The stream in words."""
        return name_of((self.tile, self.unit, self.number))


@dataclass(frozen=True, slots=True)
class UnitUse:
    """A unit: s that one input keeps it busy, and that as a share of the time between inputs.

    kind: "MVMU", "vector unit", "table unit", "memory", "FIFO", "link"; shared: streams queue for it.
    """

    name: str
    kind: str
    shared: bool
    seconds: float
    utilisation: float


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """What sets the rate, and why. share: of the time between inputs that it is occupied."""

    name: str
    why: str
    share: float


@dataclass(frozen=True, slots=True)
class Interval:
    """Time in which a stream did one thing: worked for a layer, or stood still for a ring or FIFO (waits_for).

    stream: index into the timing's streams. layer: number of the one worked for, around a wait too. start, end: s from
    the start of the run.
    """

    stream: int
    layer: int
    waits_for: str
    start: float
    end: float


@dataclass(frozen=True, slots=True, repr=False)
class Timing(Shown):
    """Time and energy of a program over a stream of inputs.

    latency: from the start, when the host has all inputs, until the first input's outputs are out. completions: when
    each input's are. interval: from the input before the steady one to the steady one, which is the last but one (of
    two the last), as nobody is behind the last; None where only one was run. joules: of one input, by component and by
    layer (the same sum twice); setup_joules: spent once, before the first input. pieces: iterations of a loop without
    synchronisation that were taken as one piece of work. intervals: empty unless they were asked for. layers: what they
    are called, by number; the last are what counts for the host (number -2) and for no layer (-1).
    """

    program: str
    target: str
    inputs: int
    latency: float
    completions: tuple[float, ...]
    interval: float | None
    joules: float
    joules_by_component: Mapping[str, float]
    joules_by_layer: Mapping[int, float]
    setup_joules: float
    bottleneck: Bottleneck
    streams: tuple[StreamTime, ...]
    units: tuple[UnitUse, ...]
    pieces: int
    intervals: tuple[Interval, ...]
    layers: tuple[str, ...]

    @property
    def rate(self) -> float | None:
        """Inputs a second in a steady stream; None where only one was run."""
        return None if not self.interval else 1 / self.interval

    def facts(self) -> Facts:
        """Latency, rate and energy."""
        found = [
            ("program", f"{self.program} for {self.target}"),
            ("latency of the first input", si(self.latency, "s")),
        ]
        if self.interval is not None and self.rate is not None:
            found.append(("time between inputs", f"{si(self.interval, 's')}, {self.rate:,.0f} inputs a second"))
        return [*found, ("energy of an input", f"{si(self.joules, 'J')}, and once {si(self.setup_joules, 'J')}")]
