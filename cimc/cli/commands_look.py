"""What a user types to look at a compiled program, and at the chips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cimc.base.diagnostics import fail
from cimc.cli import options as o

targets_app = typer.Typer(rich_markup_mode="rich", invoke_without_command=True)


def report(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="A folder that `cimc compile` wrote.", show_default=False)
    ] = None,
    json: o.Json = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html", parser=o.output_file, help="Write it as a page for a browser, with time and energy."
        ),
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
    from cimc.cli.running import report_job, schema_job

    if schema:
        schema_job()
    elif folder is None:
        raise fail("options.report", "no program is named", todo="write cimc report DIR, or cimc report --schema")
    else:
        report_job(folder, json, html, all_tiles)


def compare(
    a: Annotated[
        Path, typer.Argument(metavar="A", help="A compiled program, or its report as JSON.", show_default=False)
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one.", show_default=False)],
    json: o.Json = None,
) -> None:
    """Put two mappings side by side: sizes, time and energy of the whole programs and layer by layer.

    \b
      cimc compare net/ net-with-copies/
      cimc compare before.json net/ --json
    """
    from cimc.cli.running import compare_job

    compare_job(a, b, json)


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
    spice: Annotated[
        str | None,
        typer.Option(metavar="TILE,CORE,MVMU[,XBAR]", help="Write one crossbar as a SPICE netlist, to -o FILE."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", parser=o.output_file, help="Where --spice writes.")
    ] = None,
    conductances: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz|.csv", parser=o.output_file, help="Write what all cells are meant to conduct, in S."
        ),
    ] = None,
    json: o.Json = None,
) -> None:
    """Look inside a compiled program: where a weight lies, what cells conduct, or the machine at some point of a run.

    \b
      cimc inspect net/
      cimc inspect net/ --weight conv1,3,0
      cimc inspect net/ --cell 0,2,1,17,5
      cimc inspect net/ --input test.npz --stop 0,2,14,100
      cimc inspect net/ --input test.npz --stop conv1
      cimc inspect net/ --spice 0,2,1 -o array.cir
      cimc inspect net/ --conductances cells.npz
    """
    from cimc.cli.inspecting import inspect_job

    if spice is not None or conductances is not None or out is not None:
        from cimc.cli.inspecting_cells import cells_job

        others = (weight, cell, stop, data, json)
        cells_job(folder, spice, out, conductances, any(one is not None for one in others))
        return
    inspect_job(folder, weight, cell, stop, data, lane, json)


def asm(
    text: Annotated[Path, typer.Argument(metavar="TEXT", help="A program as assembly.", show_default=False)],
    out: o.OutFile,
    target: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.toml", help="Check it for this chip; else for the preset it names.")
    ] = None,
    settings: o.Settings = None,
    unchecked: Annotated[bool, typer.Option("--unchecked", help="Check its grammar and names only.")] = False,
) -> None:
    """Assemble: a program's text into its binary form, once everything about it is checked that needs no run.

    \b
      cimc asm net/program.casm -o net.cimb
      cimc asm edited.casm --target net/target.toml -o edited.cimb
    """
    from cimc.cli.assembly import assemble_job

    assemble_job(text, out, target, settings, unchecked)


def disasm(
    binary: Annotated[Path, typer.Argument(metavar="BIN", help="A program in binary form.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="TEXT", parser=o.output_file, help="The file to write; else the terminal."),
    ] = None,
    layer: Annotated[str | None, typer.Option(metavar="NAME", help="Only the cores that work for this layer.")] = None,
) -> None:
    """Disassemble: a program's binary form into text.

    \b
      cimc disasm net/program.cimb -o net.casm
      cimc disasm net/program.cimb --layer conv1
    """
    from cimc.cli.assembly import disassemble_job

    disassemble_job(binary, out, layer)


@targets_app.callback()
def targets(context: typer.Context, json: o.Json = None) -> None:
    """List the bundled chips; `show NAME` prints one with the source of every value.

    \b
      cimc targets
      cimc targets show puma > my-chip.toml
    """
    from cimc.cli.assembly import targets_job

    if context.invoked_subcommand is None:
        targets_job(json)


@targets_app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE.toml", help="A preset or a file.", show_default=False)],
    settings: o.Settings = None,
) -> None:
    """Print a target as a TOML file that stands alone, with the source of every value.

    \b
      cimc targets show puma > my-chip.toml
      cimc targets show puma --set crossbar.adc_bits=6 > narrow.toml
    """
    from cimc.cli.assembly import show_target_job

    show_target_job(name, settings)
