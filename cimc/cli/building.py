"""The commands that compile: compile and verify."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from cimc.base.diagnostics import Place, fail
from cimc.base.names import printable
from cimc.base.quantities import counted, decibels
from cimc.cli.console import answer, check_json, new_console, put_json, steps, warn
from cimc.cli.stages import Stages, Stopped
from cimc.driver.arrays import Arrays, data_for
from cimc.driver.compile import compile_network
from cimc.driver.options import CompileOptions, Limits
from cimc.driver.verification import Verification
from cimc.driver.verify import verify_network
from cimc.report.build import build_report, missed_rate
from cimc.report.files import check_place
from cimc.report.folder import save_folder
from cimc.report.json_text import fields_of, json_text
from cimc.report.view_table import facts_table, table_of
from cimc.target.load import target_file


def compile_job(
    model: str, options: CompileOptions, calibration: str | None, folder: Path | None, json: Path | None, stages: Stages
) -> None:
    """`cimc compile`. folder: None where stages alone are asked for; json: where the mapping report goes too."""
    check_json(json, model, calibration)
    if folder is not None:
        check_place(folder, model, calibration, target_file(options.target))
    elif not stages.wanted:
        raise fail("options.out", "no folder to write is given", Place(item="--out"), "give -o DIR")
    with steps() as progress:
        progress("reading the calibration data")
        try:
            compiled = compile_network(model, options, _data(model, calibration), progress, observe=stages.observe)
        except Stopped:
            return
        progress("writing the program")
        report = build_report(compiled)
        if folder is not None:
            save_folder(folder, compiled.program, compiled.weights, compiled.target_toml, report)
    warn([*compiled.warnings, *missed_rate(options.rate, report), *stages.missed()])
    if json is not None:
        put_json(json_text(report), json)
    if json is not None or folder is None:
        return
    s = report.summary
    text = (
        f"{printable(str(folder))}: {counted(len(report.layers), 'layer')} for {s.target} on "
        f"{counted(s.tiles, 'tile')}, {counted(s.cores, 'core')}, {counted(s.mvmus, 'MVMU')}; "
        f"{s.instructions:,} instructions, {s.code_bytes:,} bytes"
    )
    new_console().print(text, soft_wrap=True)


def _data(model: str, file: str | None) -> Arrays | None:
    return None if file is None else data_for(model, file)


def verify_job(
    model: str,
    options: CompileOptions,
    calibration: str | None,
    data: str,
    limit: int | None,
    program: Path | None,
    json: Path | None,
    limits: Limits,
) -> bool:
    """`cimc verify`; whether everything agreed."""
    check_json(json, model, calibration, data, program)
    with steps() as progress:
        progress("reading the data")
        inputs = data_for(model, data, limit)
        found = verify_network(model, inputs, options, _data(model, calibration), limit, progress, limits, program)
    if json is None:
        warn(found.warnings)
    answer({**fields_of(found), "passed": found.passed}, json, _view(found))
    return found.passed


def _view(found: Verification) -> Iterator[RenderableType]:
    """A verification as tables, its verdict last. docs/verify.md explains every field."""
    yield table_of(
        found.layers,
        ("layer", lambda layer: layer.name),
        ("SNR dB>", lambda layer: decibels(layer.snr_db)),
        ("largest error>", lambda layer: f"{layer.max_abs_error:.3g}"),
    )
    yield ""
    yield facts_table(found.figures())
    yield ""
    for right, verdict in ((found.bit_exact, found.exactness()), (found.faithful, found.faithfulness())):
        yield Text(verdict, style="green" if right else "bold red", no_wrap=True)
