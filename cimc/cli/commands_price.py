"""What a user types for time and energy: before anything is compiled, and of a program."""

from __future__ import annotations

from typing import Annotated

import typer

from cimc.cli import options as o
from cimc.driver.options import EstimateOptions


@o.with_options
def estimate(
    model: o.Model, options: EstimateOptions, calibration: o.CalibrationFile = None, json: o.Json = None
) -> None:
    """Estimate crossbars, copies, time and energy from a network's structure, before it is trained or compiled.

    \b
      cimc estimate net.onnx --target puma --budget 1chip
      cimc estimate net.onnx --target bram-256 --rows channels --copies conv1=4
      cimc estimate net.onnx --target isaac --objective area --rate 1000
      cimc estimate net.onnx --target atomlayer --batch 64
    """
    from cimc.cli.estimating import estimate_job

    estimate_job(model, options, calibration, json)


def time(folder: o.Folder, inputs: o.Inputs = 4, json: o.Json = None) -> None:
    """Time a compiled program: latency, rate, energy by component and by layer, busy units, and what limits it.

    \b
      cimc time net/
      cimc time net/ --inputs 8 --json timing.json
    """
    from cimc.cli.timing import time_job

    time_job(folder, inputs, json)


def trace(
    folder: o.Folder,
    out: o.OutFile,
    inputs: o.Inputs = 2,
    slices: Annotated[
        int, typer.Option(min=0, metavar="N", help="Join short slices until there are about N; 0: keep all.")
    ] = 100_000,
) -> None:
    """Write what every core does when, as a trace to open at ui.perfetto.dev or in chrome://tracing.

    \b
      cimc trace net/ -o trace.json
      cimc trace net/ -o trace.json --inputs 1 --slices 0
    """
    from cimc.cli.timing import trace_job

    trace_job(folder, out, inputs, slices)
