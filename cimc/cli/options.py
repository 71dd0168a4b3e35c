"""Options on the command line: those of the options classes, a few that several commands share, and their texts."""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

import typer

from cimc.base.diagnostics import CimcError, Place, fail
from cimc.base.options import Checked, Option, made, options_of
from cimc.base.outputs import unwritable

Model = Annotated[str, typer.Argument(metavar="MODEL.onnx", help="The network.", show_default=False)]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `cimc compile` wrote.", show_default=False)]
CalibrationFile = Annotated[
    str | None,
    typer.Option(
        "--calibration", metavar="FILE.npz", help="Real inputs to choose number formats with; 100 are plenty."
    ),
]
Limit = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Take the first N inputs only.", show_default=False)
]


def output_file(text: str) -> Path:
    """The path of a file to write; one that ends as a folder's does is refused."""
    if text.endswith(("/", os.sep)):
        raise unwritable(Path(text), "this names a folder", "name a file in it")
    return Path(text)


OutFile = Annotated[
    Path, typer.Option("-o", "--out", metavar="FILE", parser=output_file, help="The file to write.", show_default=False)
]
Inputs = Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="How many inputs stream through.")]
ProgramFile = Annotated[
    Path | None,
    typer.Option("--program", metavar="FILE", help="An edited program, text or binary, in place of the compiled one."),
]
Json = Annotated[
    Path | None,
    typer.Option(
        "--json", metavar="[FILE]", parser=output_file, help="Print the result as JSON instead, or write it to FILE."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Another value for a key of the target: crossbar.adc_bits=6."),
]


def with_json_values(arguments: Sequence[str]) -> list[str]:
    """Arguments with "-", for standard output, behind each --json that no file to write follows: an option, a folder
    that is there, or a network."""
    found: list[str] = []
    for argument, after in zip_longest(arguments, arguments[1:], fillvalue=""):
        found.append(argument)
        option, read = after.startswith("-") and after != "-", after.endswith(".onnx") or os.path.isdir(after)
        if argument == "--json" and (not after or option or read):
            found.append("-")
    return found


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command for typer: each parameter that is declared as an options class becomes that class's options."""
    taken: dict[str, type[Checked]] = {}
    shown: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        kind = parameter.annotation
        if isinstance(kind, type) and issubclass(kind, Checked):
            taken[parameter.name] = kind
            defaults = kind()
            shown += [_parameter(name, getattr(defaults, name), *what) for name, what in options_of(kind).items()]
        else:
            shown.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def run(**given: Any) -> None:
        for name, kind in taken.items():
            own = {option: given.pop(option) for option in options_of(kind)}
            given[name] = made(kind, {option: value for option, value in own.items() if value is not None})
        command(**given)

    run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    return run


def _parameter(name: str, default: Any, kind: Any, option: Option) -> inspect.Parameter:
    """An option as typer takes it. What is read from a text is a text here."""
    plain = default if isinstance(default, bool | int | float | str) else None
    if option.many:
        kind = list[str] | None
    elif option.read is not None:
        kind = str | None
    elif not isinstance(default, bool) and get_origin(kind) is not Literal and str in getattr(kind, "__args__", ()):
        kind = str if plain is not None else str | None
    info = typer.Option(
        "--" + name.replace("_", "-"),
        metavar=option.metavar or None,
        help=option.help.replace("[", "\\["),
        show_default=bool(plain),
    )
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=plain, annotation=Annotated[kind, info])


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def byte_count(text: str | None) -> int | None:
    """ "2G" as bytes; None stays None."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    bytes_ = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if bytes_ < 1:
        raise fail("options.memory", f'"{text}" is no amount of memory', Place(item="--max-memory"), "write 500M or 2G")
    return bytes_


def split_numbers(text: str, option: str, sketch: str, count: int) -> list[int]:
    """ "1,2,3" as `count` whole numbers; sketch: how the option is written."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != count or not all(re.fullmatch(r"\d{1,9}", part) for part in parts):
        raise not_a_place(text, option, sketch)
    return [int(part) for part in parts]


def no_answer(question: str, what: str, todo: str = "") -> CimcError:
    """The refusal of a question of `cimc inspect`: "weight", "cell" or "stop"."""
    return fail(f"inspect.{question}", what, Place(item=f"--{question}"), todo)


def not_a_place(text: str, option: str, sketch: str) -> CimcError:
    """The refusal of an option that is not written as its sketch says."""
    return fail("options.place", f'"{text}" is not {sketch}', Place(item=option), f"write {option} {sketch}")
