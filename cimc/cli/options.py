"""Options that several commands share, and how their texts become values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from cimc.base.diagnostics import CimcError, Diagnostic, Place, fail

Model = Annotated[str, typer.Argument(metavar="MODEL.onnx", help="The network.", show_default=False)]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `cimc compile` wrote.", show_default=False)]
TargetName = Annotated[
    str,
    typer.Option(
        "--target", metavar="NAME|FILE.toml", help="The chip: a preset (`cimc targets`) or a file of your own."
    ),
]
WeightBits = Annotated[
    int | None, typer.Option(help="Bits of a stored weight; the target's, if not given.", show_default=False)
]
InputBits = Annotated[
    int | None, typer.Option(help="Bits of what a crossbar is fed; the target's, if not given.", show_default=False)
]
PrecisionFile = Annotated[
    str | None,
    typer.Option(
        "--precision", metavar="FILE.toml", help="Bits layer by layer: \\[layer.NAME] with weight_bits, input_bits."
    ),
]
CalibrationFile = Annotated[
    str | None,
    typer.Option(
        "--calibration", metavar="FILE.npz", help="Real inputs to choose number formats with; 100 are plenty."
    ),
]
Method = Annotated[
    Literal["minmax", "percentile", "entropy"],
    typer.Option("--calibration-method", help="Ranges from the extremes, the middle 99.999 %, or least divergence."),
]
Bind = Annotated[
    list[str] | None,
    typer.Option("--bind", metavar="NAME=INT,...", help="Values of symbolic dimensions; a batch is bound by itself."),
]
Rows = Annotated[
    Literal["dense", "channels"],
    typer.Option(help="How matrices are cut: crossbars filled to the last row, or whole input channels."),
]
Pack = Annotated[
    bool,
    typer.Option("--pack", help="Let small matrices of different layers share crossbars: fewer crossbars, less speed."),
]
Mvmus = Annotated[
    int | None,
    typer.Option(
        "--mvmus",
        min=1,
        metavar="N",
        help="MVMUs of all layers together: what one copy of each leaves is spent on copies of the slowest.",
        show_default=False,
    ),
]
Objective = Annotated[
    Literal["throughput", "latency", "area"],
    typer.Option(
        "--objective", help="What copies are for: a stream of inputs, one input, or least MVMUs for a --rate."
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate", min=1e-9, metavar="R", help="Inputs a second that --objective area keeps up with.", show_default=False
    ),
]
Chips = Annotated[
    int,
    typer.Option(
        "--chips", min=1, metavar="N", help="Chips that the network may be mapped onto; it uses as many as it needs."
    ),
]
Seed = Annotated[
    int,
    typer.Option(help="Of the search for places on the mesh, and of random inputs where calibration data are missing."),
]
Limit = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Take the first N inputs only.", show_default=False)
]

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def bindings(texts: list[str] | None) -> dict[str, int]:
    """ "h=32,w=32" as values by name."""
    found: dict[str, int] = {}
    wrong = []
    for item in (item for text in texts or [] for item in text.split(",")):
        name, equals, number = item.rpartition("=")
        if not name.strip() or not equals or not re.fullmatch(r"\d{1,9}", number.strip()) or not int(number):
            wrong.append(
                Diagnostic(
                    "options.bind",
                    f'"{item}" is not NAME=NUMBER',
                    Place(item="--bind"),
                    "write --bind height=32,width=32",
                )
            )
            continue
        found[name.strip()] = int(number)
    if wrong:
        raise CimcError(wrong)
    return found


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


def not_a_place(text: str, option: str, sketch: str) -> CimcError:
    """The refusal of an option that is not written as its sketch says."""
    return fail("options.place", f'"{text}" is not {sketch}', Place(item=option), f"write {option} {sketch}")
