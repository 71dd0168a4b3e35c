"""The commands that compile: compile and verify."""

from __future__ import annotations

from pathlib import Path

from cimc.base.diagnostics import Place, fail
from cimc.base.names import printable
from cimc.base.quantities import counted, decibels
from cimc.cli.console import check_json, new_console, put_json, steps, warn
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
from cimc.report.view_table import facts_table, new_table
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
    if json is not None:
        put_json(verification_json(found), json)
        return found.passed
    warn(found.warnings)
    show_verification(found)
    return found.passed


def verification_json(found: Verification) -> str:
    """A verification as one JSON object; docs/verify.md explains every field."""
    return json_text({**fields_of(found), "passed": found.passed})


def show_verification(found: Verification) -> None:
    """A verification as tables, its verdict last."""
    console = new_console()
    table = new_table("layer", "SNR dB>", "largest error>")
    for layer in found.layers:
        table.add_row(layer.name, decibels(layer.snr_db), f"{layer.max_abs_error:.3g}")
    console.print(table)
    console.print()
    console.print(facts_table(found.figures()))
    console.print()
    console.print(found.exactness(), soft_wrap=True, style="green" if found.bit_exact else "bold red")
    console.print(found.faithfulness(), soft_wrap=True, style="green" if found.faithful else "bold red")
