"""`cimc`: all commands, in the order in which help lists them."""

from __future__ import annotations

from typing import Annotated

import typer

from cimc.base.version import __version__
from cimc.cli.commands_build import compile, estimate, run, time, trace, verify
from cimc.cli.commands_look import asm, compare, disasm, inspect, report, targets_app

app = typer.Typer(
    name="cimc",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


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


for command in (compile, verify, run, report, compare, estimate, time, trace, inspect, asm, disasm):
    app.command()(command)
app.add_typer(targets_app, name="targets")
