"""The commands that time a compiled program: time and trace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cimc import api
from cimc.base.names import printable
from cimc.base.quantities import counted, si
from cimc.cli.console import answer, check_json, new_console, steps
from cimc.report.cost_model import Writing
from cimc.report.json_text import fields_of
from cimc.report.rounds import ROUNDS_LEGEND, RoundsReport, rounds_table
from cimc.report.view_table import facts_table, new_table, table_of
from cimc.runtime.timing.result import Timing
from cimc.runtime.timing.rounds import RoundsTiming

STREAMS, UNITS, LAYERS = 8, 12, 40
"""Streams, units and layers that the terminal shows; JSON has all."""


def time_job(folder: Path, inputs: int, json: Path | None) -> None:
    """`cimc time`."""
    check_json(json)
    with steps(f"timing {counted(inputs, 'input')}"):
        program = api.load(folder)
        timing, writing = api.time(program, inputs), Writing.of(program.program, program.target)
    if isinstance(timing, RoundsTiming):
        _answer_rounds(program, timing, json)
        return
    fields = fields_of(timing)
    fields["joules_by_layer"] = _by_name(timing)
    fields["streams"] = [{**fields_of(one), "layer": timing.layers[one.layer]} for one in timing.streams]
    del fields["intervals"], fields["layers"]
    answer({**fields, "rate": timing.rate, "writing": writing}, json, _view(timing, writing))


def _answer_rounds(program: api.CompiledProgram, timing: RoundsTiming, json: Path | None) -> None:
    """Of a program that runs in rounds: the whole, energy, and round after round."""
    report = RoundsReport.of(program.program, program.target, timing.layers, timing)
    energy = new_table("energy by", "of an input>", "%>")
    for sums in (timing.joules_by_component, _by_name(timing)):
        for name, joules in list(sums.items())[:LAYERS]:
            energy.add_row(name, si(joules, "J"), f"{100 * joules / (timing.joules or 1):.1f}")
        energy.add_section()
    parts: list[RenderableType] = [
        facts_table(timing.facts()),
        "",
        energy,
        "",
        rounds_table(report),
        Text(ROUNDS_LEGEND, style="dim"),
    ]
    answer({**fields_of(report), "joules_by_layer": _by_name(timing)}, json, parts)


def _view(timing: Timing, writing: Writing) -> Iterator[RenderableType]:
    """A timing as tables, and what limits it."""
    facts = facts_table([*timing.facts(), ("writing the weights", str(writing))])
    for part in (facts, _energy(timing), _streams(timing), _units(timing)):
        yield part
        yield ""
    yield printable(f"bottleneck: {timing.bottleneck.name} {timing.bottleneck.why}")


def trace_job(folder: Path, file: Path, inputs: int, slices: int) -> None:
    """`cimc trace`."""
    with steps(f"timing {counted(inputs, 'input')}"):
        made = api.trace(folder, file, inputs, slices)
    text = f"{file}: {made.slices:,} slices of {counted(made.streams, 'stream')}, {si(made.seconds, 's')}"
    if made.resolution:
        text += f"; {made.spans:,} were joined to {si(made.resolution, 's')} each, or more (--slices 0 keeps all)"
    new_console().print(text, soft_wrap=True)


def _by_name(timing: Timing | RoundsTiming) -> dict[str, float]:
    """J of an input by the name of a layer."""
    return {timing.layers[layer]: joules for layer, joules in timing.joules_by_layer.items()}


def _energy(timing: Timing) -> Table:
    table = new_table("energy by", "of an input>", "%>")
    for sums in (timing.joules_by_component, _by_name(timing)):
        for name, joules in list(sums.items())[:LAYERS]:
            table.add_row(name, si(joules, "J"), f"{100 * joules / (timing.joules or 1):.1f}")
        table.add_section()
    return table


def _streams(timing: Timing) -> Table:
    return table_of(
        sorted(timing.streams, key=lambda stream: -(stream.busy + stream.queued))[:STREAMS],
        ("busiest streams=", lambda stream: stream.name),
        ("layer", lambda stream: timing.layers[stream.layer]),
        ("busy>", lambda stream: si(stream.busy, "s")),
        ("queued>", lambda stream: si(stream.queued, "s")),
        ("waited>", lambda stream: si(stream.waited, "s")),
        ("waits most for", lambda stream: stream.waits_for),
    )


def _units(timing: Timing) -> Table:
    return table_of(
        sorted(timing.units, key=lambda unit: -unit.seconds)[:UNITS],
        ("busiest units=", lambda unit: unit.name),
        ("kind", lambda unit: unit.kind),
        ("busy>", lambda unit: si(unit.seconds, "s")),
        ("%>", lambda unit: f"{100 * unit.utilisation:.1f}"),
    )
