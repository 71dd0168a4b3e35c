"""The commands, their options and their help. The work is done in the other files of this folder, which are loaded only
when they are needed, so that help is there at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cimc import __version__
from cimc.base.diagnostics import fail
from cimc.cli import options as o

app = typer.Typer(
    name="cimc",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
targets_app = typer.Typer(rich_markup_mode="rich", invoke_without_command=True)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"cimc {__version__}")
        raise typer.Exit


@app.callback()
def cimc(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Compile ONNX networks for compute-in-memory chips, and prove that the result is right.

    Start here, with a network and real inputs of your own (arrays in .npz files, named as the network's inputs):

    \b
      cimc verify  net.onnx --target puma --calibration some.npz --data test.npz
      cimc compile net.onnx --target puma --calibration some.npz -o net/
      cimc run     net/ --input test.npz -o out.npz
      cimc report  net/

    Exit codes: 0 right, 1 the check failed, 2 the input was wrong, 3 a mistake in cimc.
    """


@app.command()
def compile(
    model: o.Model,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The folder to write.", show_default=False)],
    target: o.TargetName = "ideal",
    weight_bits: o.WeightBits = None,
    input_bits: o.InputBits = None,
    precision: o.PrecisionFile = None,
    calibration: o.CalibrationFile = None,
    calibration_method: o.Method = "minmax",
    bind: o.Bind = None,
    rows: o.Rows = "dense",
    pack: o.Pack = False,
    mvmus: o.Mvmus = None,
    objective: o.Objective = "throughput",
    rate: o.Rate = None,
    chips: o.Chips = 1,
    seed: o.Seed = 0,
) -> None:
    """Compile a network into a folder that stands alone: program, weights, target and mapping report.

    \b
      cimc compile net.onnx --target puma --calibration some.npz -o net/
      cimc compile net.onnx --target my-chip.toml --weight-bits 4 -o net/
    """
    from cimc.cli.building import Job, compile_job
    from cimc.driver.compile import CompileOptions

    chosen = CompileOptions(
        target=target,
        weight_bits=weight_bits,
        input_bits=input_bits,
        bind=o.bindings(bind),
        rows=rows,
        seed=seed,
        calibration_method=calibration_method,
        pack=pack,
        mvmus=mvmus,
        objective=objective,
        rate=rate,
        chips=chips,
    )
    compile_job(Job(model, chosen, calibration, precision), out)


@app.command()
def verify(
    model: o.Model,
    data: Annotated[
        str,
        typer.Option(
            "--data", metavar="FILE.npz", help='Inputs to run, and "labels" if you have them.', show_default=False
        ),
    ],
    target: o.TargetName = "ideal",
    weight_bits: o.WeightBits = None,
    input_bits: o.InputBits = None,
    precision: o.PrecisionFile = None,
    calibration: o.CalibrationFile = None,
    calibration_method: o.Method = "minmax",
    bind: o.Bind = None,
    rows: o.Rows = "dense",
    pack: o.Pack = False,
    mvmus: o.Mvmus = None,
    objective: o.Objective = "throughput",
    rate: o.Rate = None,
    chips: o.Chips = 1,
    seed: o.Seed = 0,
    limit: o.Limit = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output (docs/verify.md).")
    ] = False,
) -> None:
    """Compile a network, run it on the emulator and compare: every stored value with the quantised reference, bit for
    bit, and the outputs with onnxruntime in float.

    \b
      cimc verify net.onnx --target puma --calibration some.npz --data test.npz
      cimc verify net.onnx --target puma --data test.npz --limit 64 --json
    """
    from cimc.cli.building import Job, verify_job
    from cimc.driver.compile import CompileOptions

    chosen = CompileOptions(
        target=target,
        weight_bits=weight_bits,
        input_bits=input_bits,
        bind=o.bindings(bind),
        rows=rows,
        seed=seed,
        calibration_method=calibration_method,
        pack=pack,
        mvmus=mvmus,
        objective=objective,
        rate=rate,
        chips=chips,
    )
    if not verify_job(Job(model, chosen, calibration, precision), data, limit, as_json):
        raise typer.Exit(1)


@app.command()
def run(
    folder: o.Folder,
    data: Annotated[
        str,
        typer.Option(
            "--input", metavar="FILE.npz", help="Arrays named as the inputs; axis 0 is the lane.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT.npz", help="The file to write.", show_default=False)],
    program: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An edited program, text or binary, in place of the folder's.")
    ] = None,
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

    run_job(folder, data, out, program, limit, o.byte_count(max_memory))


@app.command()
def report(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="A folder that `cimc compile` wrote.", show_default=False)
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as JSON instead.")] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write it as a page for a browser, with time and energy.")
    ] = None,
    all_tiles: Annotated[bool, typer.Option("--all-tiles", help="List every tile, however many there are.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of reports and stop.")] = False,
) -> None:
    """Show what of a network went where - crossbars, tiles, memory, code - what it takes, and what limits it.

    \b
      cimc report net/
      cimc report net/ --json report.json
      cimc report net/ --html report.html
      cimc report --schema > report.schema.json
    """
    from cimc.cli.running import check_report_files, report_job, schema_job

    if schema:
        schema_job()
        return
    if folder is None:
        raise fail("options.report", "no program is named", todo="write cimc report DIR, or cimc report --schema")
    check_report_files(json, html)
    if html is not None:
        from cimc.cli.page import page_job  # with the plots, which take a while to load

        page_job(folder, html)
    if html is None or json is not None:
        report_job(folder, json, all_tiles)


@app.command()
def compare(
    a: Annotated[
        Path, typer.Argument(metavar="A", help="A compiled program, or its report as JSON.", show_default=False)
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Put two mappings side by side: sizes, time and energy of the whole programs and layer by layer.

    \b
      cimc compare net/ net-with-copies/
      cimc compare before.json net/ --json
    """
    from cimc.cli.comparing import compare_job

    compare_job(a, b, as_json)


@app.command()
def estimate(
    model: o.Model,
    target: o.TargetName = "puma",
    weight_bits: o.WeightBits = None,
    bind: o.Bind = None,
    rows: o.Rows = "dense",
    copies: Annotated[
        list[str] | None, typer.Option(metavar="LAYER=N,...", help="Copies of layers, by node; the others have one.")
    ] = None,
    pace: Annotated[
        str | None, typer.Option(metavar="LAYER", help="Let every layer keep up with one copy of this one (ISAAC).")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="N|Ntiles|Nchips", help="Choose copies within so many MVMUs, tiles or chips.")
    ] = None,
    objective: Annotated[
        Literal["throughput", "latency", "area"],
        typer.Option(help="The fastest stream; the fastest single input, layer after layer; least MVMUs for a --rate."),
    ] = "throughput",
    rate: Annotated[
        float | None, typer.Option(min=1e-9, metavar="N", help='Inputs a second, of --objective "area".')
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(min=1, max=1_000_000, metavar="N", help="Inputs a layer stays for, where layers take turns."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Estimate crossbars, copies, time and energy from a network's structure. No code is made and no weight is read.

    \b
      cimc estimate net.onnx --target puma --budget 1chip
      cimc estimate net.onnx --target bram-256 --rows channels --copies conv1=4
      cimc estimate net.onnx --target isaac --objective area --rate 1000
      cimc estimate net.onnx --target atomlayer --batch 64
    """
    from cimc.cli.estimating import copies_by_layer, estimate_job
    from cimc.driver.estimate import EstimateOptions

    chosen = EstimateOptions(
        target=target,
        rows=rows,
        weight_bits=weight_bits,
        bind=o.bindings(bind),
        copies=copies_by_layer(copies),
        pace=pace,
        objective=objective,
        rate=rate,
    )
    estimate_job(model, chosen, budget, as_json, batch)


@app.command()
def time(
    folder: o.Folder,
    inputs: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="How many inputs stream through.")] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Time a compiled program: latency, rate, energy by component and by layer, busy units, and what limits it.

    \b
      cimc time net/
      cimc time net/ --inputs 8 --json
    """
    from cimc.cli.timing import time_job

    time_job(folder, inputs, as_json)


@app.command()
def trace(
    folder: o.Folder,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE.json", help="The file to write.", show_default=False)
    ],
    inputs: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="How many inputs stream through.")] = 2,
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


@app.command()
def inspect(
    folder: o.Folder,
    weight: Annotated[
        str | None, typer.Option(metavar="LAYER,ROW,COLUMN", help="Where a weight is stored, and how.")
    ] = None,
    cell: Annotated[
        str | None, typer.Option(metavar="TILE,CORE,MVMU,ROW,COLUMN", help="Which weight is stored there.")
    ] = None,
    stop: Annotated[
        str | None, typer.Option(metavar="TILE,CORE,INSTR[,COUNT]|LAYER", help="Run until there and show the machine.")
    ] = None,
    data: Annotated[str | None, typer.Option("--input", metavar="FILE.npz", help="What to run, with --stop.")] = None,
    lane: Annotated[int, typer.Option(min=0, metavar="N", help="Which input of the file to run, from 0.")] = 0,
) -> None:
    """Look inside a compiled program: where a weight lies, or registers, memory and rings at some point of a run.

    \b
      cimc inspect net/
      cimc inspect net/ --weight conv1,3,0
      cimc inspect net/ --cell 0,2,1,17,5
      cimc inspect net/ --input test.npz --stop 0,2,14,100
      cimc inspect net/ --input test.npz --stop conv1
    """
    from cimc.cli.inspecting import Question, inspect_job

    inspect_job(folder, Question(weight, cell, stop, data, lane))


@app.command()
def asm(
    text: Annotated[Path, typer.Argument(metavar="TEXT", help="A program as assembly.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="BIN", help="The file to write.", show_default=False)],
    target: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.toml", help="Check it for this chip; else for the preset it names.")
    ] = None,
    unchecked: Annotated[bool, typer.Option("--unchecked", help="Check its grammar and names only.")] = False,
) -> None:
    """Assemble: a program's text into its binary form, once everything about it is checked that needs no run.

    \b
      cimc asm net/program.casm -o net.cimb
      cimc asm edited.casm --target net/target.toml -o edited.cimb
    """
    from cimc.cli.assembly import assemble_job

    assemble_job(text, out, target, unchecked)


@app.command()
def disasm(
    binary: Annotated[Path, typer.Argument(metavar="BIN", help="A program in binary form.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="TEXT", help="The file to write; else the terminal.")
    ] = None,
) -> None:
    """Disassemble: a program's binary form into text.

    \b
      cimc disasm net/program.cimb -o net.casm
    """
    from cimc.cli.assembly import disassemble_job

    disassemble_job(binary, out)


@targets_app.callback()
def targets(context: typer.Context) -> None:
    """List the bundled chips; `show NAME` prints one with the source of every value.

    \b
      cimc targets
      cimc targets show puma > my-chip.toml
    """
    from cimc.cli.assembly import targets_job

    if context.invoked_subcommand is None:
        targets_job()


@targets_app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE.toml", help="A preset or a file.", show_default=False)],
) -> None:
    """Print a target as a TOML file that stands alone, with the source of every value.

    \b
      cimc targets show puma > my-chip.toml
    """
    from cimc.cli.assembly import show_target_job

    show_target_job(name)


app.add_typer(targets_app, name="targets")
