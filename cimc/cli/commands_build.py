"""What a user types to estimate, compile, verify, run and time a network.

The work of all commands is done in the other files of this folder, which are loaded only when they are needed, so that
help is there at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cimc.cli import options as o
from cimc.driver.options import ChipOptions, CompileOptions, EstimateOptions, Limits, TrialOptions


@o.with_options
def compile(
    model: o.Model,
    options: CompileOptions,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="The folder to write.", show_default=False)
    ] = None,
    calibration: o.CalibrationFile = None,
    json: o.Json = None,
    print_after: Annotated[
        list[str] | None,
        typer.Option(metavar="PASS", help="Print what a pass makes; may be given again. No -o needed."),
    ] = None,
    stop_after: Annotated[str | None, typer.Option(metavar="PASS", help="Print it, and go no further.")] = None,
) -> None:
    """Compile a network into a folder that stands alone: program, weights, target and mapping report.

    \b
      cimc compile net.onnx --target puma --calibration some.npz -o net/
      cimc compile net.onnx --target my-chip.toml --set crossbar.adc_bits=6 --weight-bits 4 -o net/
      cimc compile net.onnx --stop-after lower
    """
    from cimc.cli.building import Stages, compile_job

    compile_job(model, options, calibration, out, json, Stages(print_after or (), stop_after))


@o.with_options
def verify(
    model: o.Model,
    data: Annotated[
        str,
        typer.Option(
            "--data", metavar="FILE.npz", help='Inputs to run, and "labels" if you have them.', show_default=False
        ),
    ],
    options: CompileOptions,
    limits: Limits,
    chip: ChipOptions,
    trials: TrialOptions,
    calibration: o.CalibrationFile = None,
    limit: o.Limit = None,
    program: o.ProgramFile = None,
    json: o.Json = None,
) -> None:
    """Compile a network, run it on the emulator and compare: every stored value with the quantised reference, bit for
    bit (exact), and the outputs with onnxruntime in float (faithful).

    \b
      cimc verify net.onnx --target puma --calibration some.npz --data test.npz
      cimc verify net.onnx --target puma --data test.npz --limit 64 --min-snr 40 --max-loss 1
      cimc verify net.onnx --target puma --data test.npz --program edited.casm
      cimc verify net.onnx --target puma --data test.npz --set device.preset=pcm --trials 20 --time 1e5
    """
    from cimc.cli.building import verify_job

    if not verify_job(model, options, calibration, data, limit, program, json, limits, chip, trials):
        raise typer.Exit(1)


@o.with_options
def run(
    folder: o.Folder,
    data: Annotated[
        str,
        typer.Option(
            "--input", metavar="FILE.npz", help="Arrays named as the inputs; axis 0 is the lane.", show_default=False
        ),
    ],
    out: o.OutFile,
    chip: ChipOptions,
    program: o.ProgramFile = None,
    limit: o.Limit = None,
    max_memory: Annotated[
        str | None, typer.Option(metavar="BYTES", help="Bound of the emulated state, such as 500M.")
    ] = None,
) -> None:
    """Run a compiled program on the emulator. Outputs are named as the network's; axis 0 is the lane.

    \b
      cimc run net/ --input test.npz -o out.npz
      cimc run net/ --input test.npz -o out.npz --limit 100 --max-memory 2G
    """
    from cimc.cli.running import run_job

    run_job(folder, data, out, program, limit, o.byte_count(max_memory), chip)


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
