"""The commands that time a compiled program: time and trace."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from rich.table import Table

from cimc.base.names import printable
from cimc.cli.console import new_console, steps, write_out
from cimc.report.cost_model import Writing
from cimc.report.files import check_writable, write_whole
from cimc.report.json_text import json_text
from cimc.report.quantities import si
from cimc.report.thin import thinned
from cimc.report.trace import trace_text
from cimc.report.view_cost import writing_text
from cimc.report.view_table import grid, new_table
from cimc.report.writing import writing_of
from cimc.runtime.package import load_package
from cimc.runtime.timing.engine import time_program
from cimc.runtime.timing.result import Timing

STREAMS, UNITS, LAYERS = 8, 12, 40
"""Streams, units and layers that the terminal shows; JSON has all."""


def time_job(folder: Path, inputs: int, as_json: bool) -> None:
    """`cimc time`."""
    timing, writing = _timed(folder, inputs, record=False)
    if as_json:
        write_out(timing_json(timing, writing))
        return
    console = new_console()
    for part in (_summary(timing, writing), _energy(timing), _streams(timing), _units(timing)):
        console.print(part)
        console.print()
    bottleneck = timing.bottleneck
    console.print(printable(f"bottleneck: {bottleneck.name} {bottleneck.why}"), soft_wrap=True)


def trace_job(folder: Path, file: Path, inputs: int, slices: int) -> None:
    """`cimc trace`."""
    check_writable(file)
    timing, _ = _timed(folder, inputs, record=True)
    kept, resolution = thinned(timing.intervals, slices or len(timing.intervals))
    write_whole(file, trace_text(timing, kept, resolution).encode("utf-8"))
    text = f"{file}: {len(kept):,} slices of {len(timing.streams):,} streams, {si(timing.completions[-1], 's')}"
    if resolution:
        text += f"; {len(timing.intervals):,} were joined to {si(resolution, 's')} each, or more (--slices 0 keeps all)"
    new_console().print(text, soft_wrap=True)


def timing_json(timing: Timing, writing: Writing) -> str:
    """A timing as one JSON object, without its intervals, and what writing the weights takes; seconds and joules."""
    fields = {field.name: getattr(timing, field.name) for field in dataclasses.fields(timing)}
    del fields["intervals"]
    return json_text({**fields, "rate": timing.rate, "writing": writing})


def _timed(folder: Path, inputs: int, record: bool) -> tuple[Timing, Writing]:
    with steps() as progress:
        progress("reading the program")
        package = load_package(folder)
        progress(f"timing {inputs} input{'s' if inputs != 1 else ''}")
        timing = time_program(package.program, package.target, inputs, record)
        return timing, writing_of(package.program, package.target)


def _summary(timing: Timing, writing: Writing) -> Table:
    table = grid()
    table.add_row("program", f"{timing.program} for {timing.target}")
    table.add_row("latency of the first input", si(timing.latency, "s"))
    if timing.interval is not None and timing.rate is not None:
        table.add_row("time between inputs", f"{si(timing.interval, 's')}, {timing.rate:,.0f} inputs a second")
    table.add_row("energy of an input", f"{si(timing.joules, 'J')}, and once {si(timing.setup_joules, 'J')}")
    table.add_row("writing the weights", writing_text(writing))
    return table


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
