"""Time and energy of a compiled program, by layer, core and tile, where its target has the prices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from cimc.base.diagnostics import CimcError
from cimc.base.quantities import percent
from cimc.driver.compile import Compiled
from cimc.isa.cost.prices import PriceList
from cimc.isa.program import CoreCode, Program
from cimc.report.cost_model import CostReport, LayerCost, Share
from cimc.report.limits import limit_of, loads_of
from cimc.report.rounds import RoundsReport
from cimc.runtime.timing.account import NO_LAYER, settle
from cimc.runtime.timing.engine import time_program
from cimc.runtime.timing.operations import cost_stream
from cimc.runtime.timing.rounds import time_rounds

INPUTS = 4
"""Inputs of the stream that a report times, as many as `cimc time` takes where it is not told."""


Place = tuple[int, int]
"""A core: its tile and its number."""


@dataclass(slots=True)
class Priced:
    """Costs of one input. report: None where the target lacks a price, as `unpriced` says; there is nothing else then.
    rounds: of a program that runs in rounds, which has no report.

    layers: by index. cores: (seconds at work, joules). tiles: joules, transfers included. elsewhere: joules of no
    layer. by_layer: joules; core_seconds: by layer, by core.
    """

    report: CostReport | None = None
    unpriced: str = ""
    rounds: RoundsReport | None = None
    layers: dict[int, LayerCost] = field(default_factory=dict)
    cores: dict[Place, tuple[float, float]] = field(default_factory=dict)
    tiles: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    elsewhere: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    by_layer: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    core_seconds: defaultdict[int, dict[Place, float]] = field(default_factory=lambda: defaultdict(dict))


def price(compiled: Compiled) -> Priced:
    """The costs of a compiled network, or what its target lacks for them, in words."""
    names = compiled.names.shown
    if compiled.program.phases:
        return _price_rounds(compiled)
    try:
        timing = time_program(compiled.program, compiled.target, INPUTS)
    except CimcError as error:
        return Priced(unpriced="; ".join(diagnostic.what for diagnostic in error.diagnostics))
    assert timing.interval is not None and timing.rate is not None, "several inputs have a time between them"
    found = _summed(compiled)
    host = timing.joules - sum(found.tiles.values())  # its streams are no tile's
    assert host >= -1e-9 * timing.joules, f"tiles have {-host} J more than there are"
    if host > 1e-9 * timing.joules:
        found.elsewhere["host"] = host
    for layer in range(len(names)):
        seconds = max(found.core_seconds[layer].values(), default=0.0)
        busy, joules = percent(seconds, timing.interval), found.by_layer[layer]
        found.layers[layer] = LayerCost(seconds, busy, joules, percent(joules, timing.joules))
    products = {
        (s.tile, s.number): s.by_unit.get("mvmu", 0.0) / s.busy for s in timing.streams if s.unit == "core" and s.busy
    }
    loads = loads_of(compiled.mapped, names, compiled.target, found.core_seconds, products)
    found.report = CostReport(
        inputs=timing.inputs,
        latency=timing.latency,
        interval=timing.interval,
        rate=timing.rate,
        joules=timing.joules,
        setup_joules=timing.setup_joules,
        by_component=_shares(timing.joules_by_component, timing.joules),
        elsewhere=_shares(found.elsewhere, timing.joules),
        limit=limit_of(timing, loads, compiled.target),
    )
    return found


def _price_rounds(compiled: Compiled) -> Priced:
    """Those of a program that runs in rounds."""
    program, target, names = compiled.program, compiled.target, compiled.names.shown
    try:
        timing = time_rounds(program, target)
    except CimcError as error:
        why = "; ".join(diagnostic.what for diagnostic in error.diagnostics)
        return Priced(unpriced=why, rounds=RoundsReport.of(program, target, names, None))
    found = Priced(rounds=RoundsReport.of(program, target, names, timing))
    for part in program.parts:
        one = _summed(compiled, part)
        for layer, cores in one.core_seconds.items():
            seconds, joules = max(cores.values(), default=0.0), timing.joules_by_layer.get(layer, 0.0)
            busy = percent(seconds, timing.interval)
            found.layers[layer] = LayerCost(seconds, busy, joules, percent(joules, timing.joules))
    return found


def _summed(compiled: Compiled, part: Program | None = None) -> Priced:
    """What each stream costs, counted for the layer that each of its instructions works for. part: a phase of the
    program."""
    prices = PriceList(compiled.target)
    found = Priced()
    for tile in (part or compiled.program).tiles:
        for code in tile.codes:
            account = settle([cost_stream(tile, code, prices)], prices)
            joules = sum(account.layer.values())
            found.tiles[tile.number] += joules
            for layer, amount in account.layer.items():
                if layer == NO_LAYER:
                    found.elsewhere["no layer"] += amount
                else:
                    found.by_layer[layer] += amount
            if isinstance(code, CoreCode):
                place = tile.number, code.number
                found.cores[place] = sum(account.layers[0].values()), joules
                for layer, seconds in account.layers[0].items():
                    found.core_seconds[layer][place] = seconds
    return found


def _shares(joules: Mapping[str, float], whole: float) -> tuple[Share, ...]:
    ordered = sorted(joules.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Share(name, amount, percent(amount, whole)) for name, amount in ordered if amount)
