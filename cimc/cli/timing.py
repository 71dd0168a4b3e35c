"""The commands that time a compiled program: time and trace."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from cimc import api
from cimc.base.names import printable
from cimc.base.quantities import counted, si
from cimc.cli.console import check_json, new_console, put_json, steps
from cimc.report.cost_model import Writing
from cimc.report.json_text import fields_of, json_text
from cimc.report.view_table import facts_table, new_table
from cimc.report.writing import writing_of
from cimc.runtime.timing.result import Timing

STREAMS, UNITS, LAYERS = 8, 12, 40
"""Streams, units and layers that the terminal shows; JSON has all."""


def time_job(folder: Path, inputs: int, json: Path | None) -> None:
    """`cimc time`."""
    check_json(json)
    with steps() as progress:
        progress(f"timing {counted(inputs, 'input')}")
        program = api.load(folder)
        timing, writing = api.time(program, inputs), writing_of(program.program, program.target)
    if json is not None:
        put_json(timing_json(timing, writing), json)
        return
    console = new_console()
    facts = facts_table([*timing.facts(), ("writing the weights", str(writing))])
    for part in (facts, _energy(timing), _streams(timing), _units(timing)):
        console.print(part)
        console.print()
    bottleneck = timing.bottleneck
    console.print(printable(f"bottleneck: {bottleneck.name} {bottleneck.why}"), soft_wrap=True)


def trace_job(folder: Path, file: Path, inputs: int, slices: int) -> None:
    """`cimc trace`."""
    with steps() as progress:
        progress(f"timing {counted(inputs, 'input')}")
        made = api.trace(folder, file, inputs, slices)
    text = f"{file}: {made.slices:,} slices of {counted(made.streams, 'stream')}, {si(made.seconds, 's')}"
    if made.resolution:
        text += f"; {made.spans:,} were joined to {si(made.resolution, 's')} each, or more (--slices 0 keeps all)"
    new_console().print(text, soft_wrap=True)


def timing_json(timing: Timing, writing: Writing) -> str:
    """A timing as one JSON object, without its intervals, and what writing the weights takes; seconds and joules."""
    fields = fields_of(timing)
    del fields["intervals"]
    return json_text({**fields, "rate": timing.rate, "writing": writing})


def _energy(timing: Timing) -> Table:
    table = new_table("energy by", "of an input>", "%>")
    for sums, most in ((timing.joules_by_component, LAYERS), (timing.joules_by_layer, LAYERS)):
        for name, joules in list(sums.items())[:most]:
            table.add_row(name, si(joules, "J"), f"{100 * joules / (timing.joules or 1):.1f}")
        table.add_section()
    return table


def _streams(timing: Timing) -> Table:
    table = new_table("busiest streams=", "layer", "busy>", "queued>", "waited>", "waits most for")
    order = sorted(timing.streams, key=lambda stream: -(stream.busy + stream.queued))
    for stream in order[:STREAMS]:
        times = (si(stream.busy, "s"), si(stream.queued, "s"), si(stream.waited, "s"))
        table.add_row(stream.name, stream.layer, *times, stream.waits_for)
    return table


def _units(timing: Timing) -> Table:
    table = new_table("busiest units=", "kind", "busy>", "%>")
    for unit in sorted(timing.units, key=lambda unit: -unit.seconds)[:UNITS]:
        table.add_row(unit.name, unit.kind, si(unit.seconds, "s"), f"{100 * unit.utilisation:.1f}")
    return table
