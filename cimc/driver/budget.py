"""Which part of a chip costs what: each cause alone, and all causes but it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from cimc.crossbar.device import Specimen
from cimc.driver.chip_trials import Bench, Trials, try_chips
from cimc.driver.compile import Progress
from cimc.driver.options import TrialOptions
from cimc.target.device import DeviceKeys, WireKeys
from cimc.target.model import Target

CAUSES: Mapping[str, tuple[str, ...]] = {
    "programming": (
        "variation", "cycle_variation", "program_error", "program_error_relative", "program_law",
    ),
    "read noise": ("read_noise", "read_noise_relative", "read_law"),
    "drift": ("drift_exponent", "drift_spread", "drift_law", "read_disturb"),
    "stuck cells": ("stuck_on", "stuck_off"),
}  # fmt: skip
"""The keys of [device] of each cause. Besides them there are "levels" - how conductances lie and what cells at level 0
conduct, which stay with every cause -, "wires", and "converters", whose offsets and noise are meant."""


@dataclass(frozen=True, slots=True)
class Cause:
    """alone: chips on which it is the only one; without: chips with all others. None where that is not a chip of its
    own: levels are in all."""

    name: str
    alone: Trials
    without: Trials | None


def budget(bench: Bench, specimen: Specimen, options: TrialOptions, progress: Progress) -> tuple[Cause, ...]:
    """Every cause that there is in the target and the chip, on as many chips as the options say."""
    found = []
    for name, alone, without in _cases(bench.target, specimen):
        progress(f"budget: {name}")
        found.append(
            Cause(
                name,
                _tried(bench, *alone, options, progress),
                None if without is None else _tried(bench, *without, options, progress),
            )
        )
    return tuple(found)


Kind = tuple[Target, Specimen]


def _tried(bench: Bench, target: Target, specimen: Specimen, options: TrialOptions, progress: Progress) -> Trials:
    return try_chips(replace(bench, target=target), specimen, options, progress)


def _cases(target: Target, specimen: Specimen) -> Iterator[tuple[str, Kind, Kind | None]]:
    """Every cause with the chips that have it alone, and those that do not have it."""
    device, wires = target.device or DeviceKeys(), target.wires or WireKeys()
    straight, no_faults = WireKeys(), replace(specimen, writes=0, measured={}, faults={})
    bare = _without(device, [key for keys in CAUSES.values() for key in keys])
    quiet = replace(target.crossbar, adc_noise=0.0, adc_offset=0.0)
    plain = replace(target, device=bare, wires=straight, crossbar=quiet)
    if bare.off_conductance or bare.levels != "even":
        yield "levels", (plain, no_faults), None
    for name, keys in CAUSES.items():
        others = [key for other, keys in CAUSES.items() if other != name for key in keys]
        stuck = name == "stuck cells"
        told = stuck and bool(specimen.writes or specimen.measured or specimen.faults)
        if told or _without(device, keys) != device:
            alone = replace(plain, device=_without(device, others))
            rest = replace(target, device=_without(device, keys))
            yield name, (alone, specimen if stuck else no_faults), (rest, no_faults if stuck else specimen)
    if wires != straight:
        yield "wires", (replace(plain, wires=wires), no_faults), (replace(target, wires=straight), specimen)
    if quiet != target.crossbar:
        loud = replace(plain, crossbar=target.crossbar)
        yield "converters", (loud, no_faults), (replace(target, crossbar=quiet), specimen)


def _without(device: DeviceKeys, keys: list[str] | tuple[str, ...]) -> DeviceKeys:
    """A device with neutral values for keys."""
    neutral = DeviceKeys()
    return replace(device, **{key: getattr(neutral, key) for key in keys})
