"""The commands that compile: compile, which may print what passes make, and verify."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from cimc.base.diagnostics import Diagnostic, Place, did_you_mean, fail
from cimc.base.names import printable
from cimc.base.options import require
from cimc.base.quantities import counted, decibels
from cimc.cli.console import answer, check_json, new_console, put_json, steps, warn, write_out
from cimc.driver.chip_trials import Spread
from cimc.driver.compile import compile_network
from cimc.driver.options import ChipOptions, CompileOptions, Limits, TrialOptions
from cimc.driver.verification import Verification
from cimc.driver.verify import verify_network
from cimc.ir.text import print_stage
from cimc.passes.pipelines import PASSES
from cimc.report.build import build_report, missed_rate
from cimc.report.folder import check_place, check_writable, save_folder
from cimc.report.json_text import fields_of, json_text
from cimc.report.view_table import facts_table, table_of
from cimc.target.load import target_file


class Stopped(Exception):
    """The last stage that was asked for is printed."""


class Stages:
    """Prints stages. after: passes whose results are printed; last: one behind which nothing more is done, or None.

    Raises CimcError for names that no pass has. missed: the passes that have not made a stage yet.
    """

    def __init__(self, after: Sequence[str], last: str | None) -> None:
        names = [one.name for one in PASSES]
        asked = [("--print-after", name) for name in after] + ([] if last is None else [("--stop-after", last)])
        require(
            Diagnostic("options.pass", f'no pass is called "{name}"', Place(item=option),
                       did_you_mean(name, names) or f"passes: {', '.join(names)}")
            for option, name in asked if name not in names
        )  # fmt: skip
        self.last, self.wanted = last, [name for _, name in asked]
        self.missed = dict.fromkeys(self.wanted)

    def observe(self, name: str, stage: Any) -> None:
        """A pass has made a stage. Raises Stopped behind the last one."""
        self.missed.pop(name, None)
        if name in self.wanted:
            write_out(print_stage(stage)[0])
        if name == self.last:
            raise Stopped

    def warnings(self) -> Iterator[Diagnostic]:
        """One for each pass that was not needed, so that nothing was printed."""
        for name in self.missed:
            what = f'the pass "{name}" was not needed for this network, target and options'
            yield Diagnostic("options.pass", what, Place(item=name), "see `cimc compile --help` for what asks for it")


def compile_job(
    model: str, options: CompileOptions, calibration: str | None, folder: Path | None, json: Path | None, stages: Stages
) -> None:
    """`cimc compile`. folder: None where stages alone are asked for; json: where the mapping report goes too."""
    check_json(json, model, calibration)
    if folder is not None:
        check_place(folder, model, calibration, target_file(options.target))
    elif not stages.wanted:
        raise fail("options.out", "no folder to write is given", Place(item="--out"), "give -o DIR")
    with steps("reading the calibration data") as progress:
        try:
            compiled = compile_network(model, options, calibration, progress, observe=stages.observe)
        except Stopped:
            return
        progress("writing the program")
        report = build_report(compiled)
        if folder is not None:
            save_folder(folder, compiled.program, compiled.weights, compiled.target, report)
    warn([*compiled.warnings, *missed_rate(options.rate, report), *stages.warnings()])
    if json is not None:
        put_json(json_text(report), json)
    if json is not None or folder is None:
        return
    s = report.summary
    rounds = "" if report.rounds is None else f", in {counted(len(report.rounds.rounds), 'round')}"
    text = (
        f"{printable(str(folder))}: {counted(len(report.layers), 'layer')} for {s.target} on "
        f"{counted(s.tiles, 'tile')}, {counted(s.cores, 'core')}, {counted(s.mvmus, 'MVMU')}{rounds}; "
        f"{s.instructions:,} instructions, {s.code_bytes:,} bytes"
    )
    new_console().print(text, soft_wrap=True)


def verify_job(
    model: str,
    options: CompileOptions,
    calibration: str | None,
    data: str,
    limit: int | None,
    program: Path | None,
    json: Path | None,
    limits: Limits,
    chip: ChipOptions,
    trials: TrialOptions,
) -> bool:
    """`cimc verify`; whether everything agreed."""
    inputs = (model, calibration, data, program, chip.conductances, chip.faults)
    check_json(json, *inputs)
    if trials.trials_out is not None:
        check_writable(Path(trials.trials_out), *inputs, json)
    with steps("reading the data") as progress:
        found = verify_network(model, data, options, calibration, limit, progress, limits, program, chip, trials)
    if json is None:
        warn(found.warnings)
    answer({**fields_of(found), "passed": found.passed}, json, _view(found))
    return found.passed


def _mean(found: Spread | None, factor: float) -> str:
    """The mean of a figure over chips."""
    return "" if found is None else f"{factor * found.mean:.1f}"


def _view(found: Verification) -> Iterator[RenderableType]:
    """A verification as tables, its verdict last. docs/verify.md explains every field."""
    yield table_of(
        found.layers,
        ("layer", lambda layer: layer.name),
        ("SNR dB>", lambda layer: decibels(layer.snr_db)),
        ("largest error>", lambda layer: f"{layer.max_abs_error:.3g}"),
    )
    yield ""
    if found.budget is not None:
        yield table_of(
            found.budget,
            ("cause", lambda cause: cause.name),
            ("alone dB>", lambda cause: _mean(cause.alone.snr_db, 1)),
            ("labels %>", lambda cause: _mean(cause.alone.top1, 100)),
            ("without it dB>", lambda cause: "" if cause.without is None else _mean(cause.without.snr_db, 1)),
            ("labels %>", lambda cause: "" if cause.without is None else _mean(cause.without.top1, 100)),
        )
        yield ""
    yield facts_table(found.figures())
    yield ""
    for right, verdict in ((found.bit_exact, found.exactness()), (found.faithful, found.faithfulness())):
        yield Text(verdict, style="green" if right else "bold red", no_wrap=True)
