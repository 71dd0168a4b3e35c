"""The commands that compile: compile and verify."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from cimc.base.diagnostics import Diagnostic
from cimc.base.names import printable
from cimc.cli.arrays import Arrays, data_for
from cimc.cli.console import new_console, steps, warn, write_out
from cimc.driver.compile import CompileOptions, compile_network
from cimc.driver.fidelity import Limits
from cimc.driver.precision import read_precision
from cimc.driver.verify import Verification, verify_network
from cimc.report.build import build_report
from cimc.report.files import check_place
from cimc.report.folder import save_folder
from cimc.report.json_text import json_text
from cimc.report.model import Report
from cimc.report.view_table import new_table
from cimc.target.load import load_sourced, target_file
from cimc.target.write import write_target


@dataclass(frozen=True, slots=True)
class Job:
    """What compile and verify were asked for. calibration, precision: files, or None."""

    model: str
    options: CompileOptions
    calibration: str | None
    precision: str | None

    def complete_options(self) -> CompileOptions:
        """The options with the precision file read."""
        if self.precision is None:
            return self.options
        return dataclasses.replace(self.options, precision=read_precision(self.precision))

    def calibration_data(self) -> Arrays | None:
        """The calibration data, named as the network's inputs."""
        return None if self.calibration is None else data_for(self.model, self.calibration)


def compile_job(job: Job, folder: Path) -> None:
    """`cimc compile`."""
    check_place(folder, job.model, job.calibration, job.precision, target_file(job.options.target))
    options = job.complete_options()
    with steps() as progress:
        progress("reading the calibration data")
        compiled = compile_network(job.model, options, job.calibration_data(), progress)
        progress("writing the program")
        report = build_report(compiled)
        toml = write_target(compiled.target, load_sourced(options.target).sources)
        save_folder(folder, compiled.program, compiled.weights, toml, report)
    warn(compiled.warnings)
    warn(_missed_rate(options.rate, report))
    s = report.summary
    text = (
        f"{printable(str(folder))}: {_count(len(report.layers), 'layer')} for {s.target} on {_count(s.tiles, 'tile')}, "
        f"{_count(s.cores, 'core')}, {_count(s.mvmus, 'MVMU')}; {s.instructions:,} instructions, {s.code_bytes:,} bytes"
    )
    new_console().print(text, soft_wrap=True)


def _missed_rate(wanted: float | None, report: Report) -> list[Diagnostic]:
    """A warning where a program takes fewer inputs a second than were asked for: layers wait for each other."""
    reached = None if report.cost is None else report.cost.rate
    if wanted is None or reached is None or reached >= wanted:
        return []
    what = f"{wanted:,.6g} inputs a second were asked for; the program takes {reached:,.6g}"
    more = f"{wanted * wanted / reached:.4g}"
    return [
        Diagnostic("balance.rate", what, todo=f"layers wait for each other: ask for a little more, as --rate {more}")
    ]


def verify_job(job: Job, data: str, limit: int | None, as_json: bool, limits: Limits) -> bool:
    """`cimc verify`; whether everything agreed."""
    options = job.complete_options()
    with steps() as progress:
        progress("reading the data")
        inputs = data_for(job.model, data, limit)
        found = verify_network(job.model, inputs, options, job.calibration_data(), limit, progress, limits)
    if as_json:
        write_out(verification_json(found))
        return found.passed
    warn(found.warnings)
    show_verification(found)
    return found.passed


def verification_json(found: Verification) -> str:
    """A verification as one JSON object; docs/verify.md explains every field."""
    layers = [
        {"name": one.layer, "snr_db": one.snr_db, "max_abs_error": one.max_abs_error, "max_steps": one.max_steps}
        for one in found.layers
    ]
    fields = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return json_text({**fields, "layers": layers, "passed": found.passed})


def show_verification(found: Verification) -> None:
    """A verification as tables, its verdict last."""
    console = new_console()
    table = new_table("layer", "SNR dB>", "largest error>")
    for layer in found.layers:
        table.add_row(layer.layer, _decibels(layer.snr_db), f"{layer.max_abs_error:.3g}")
    console.print(table)
    console.print()
    facts = new_table("", "")
    facts.show_header = False
    facts.add_row("network", Path(found.model).name)
    size = f"{_count(found.tiles, 'tile')}, {_count(found.cores, 'core')}, {_count(found.crossbars, 'MVMU')}"
    facts.add_row("target", f"{found.target}: {size}")
    facts.add_row("program", f"{found.instructions:,} instructions, {found.code_bytes:,} bytes")
    facts.add_row("time", ", ".join(f"{name} {seconds:.2f} s" for name, seconds in found.seconds.items()))
    facts.add_row(
        f"against {found.oracle}", f"SNR {_decibels(found.snr_db)} dB, largest error {found.max_abs_error:.3g}"
    )
    if found.top1_float is not None and found.top1_chip is not None:
        facts.add_row(
            "right labels", f"{found.oracle} {100 * found.top1_float:.2f} %, chip {100 * found.top1_chip:.2f} %"
        )
    console.print(facts)
    console.print()
    console.print(exactness(found), soft_wrap=True, style="green" if found.bit_exact else "bold red")
    console.print(faithfulness(found), soft_wrap=True, style="green" if found.faithful else "bold red")


def faithfulness(found: Verification) -> str:
    """One line: what the chip's numbers cost against the network."""
    cost = "equal to it" if found.snr_db is None else f"{found.snr_db:.1f} dB"
    if found.top1_float is not None and found.top1_chip is not None:
        cost += f", {100 * (found.top1_float - found.top1_chip):.2f} points of right labels lost"
    asked = [f"at least {found.limits.min_snr:g} dB"] if found.limits.min_snr is not None else []
    asked += [f"at most {found.limits.max_loss:g} points lost"] if found.limits.max_loss is not None else []
    wanted = f" (asked for: {', '.join(asked)})" if asked else ""
    return f"{'faithful' if found.faithful else 'NOT FAITHFUL'}: against {found.oracle} {cost}{wanted}"


def exactness(found: Verification) -> str:
    """One line, and where something differs, what and where."""
    inputs = _count(found.inputs, "input")
    if found.bit_exact:
        return f"exact: {inputs}, every stored value equals the quantised reference, bit for bit"
    text = f"WRONG: {_count(found.mismatches, 'value')} of {inputs} differ from the quantised reference"
    first = found.first_mismatch
    if first is None:
        return text
    element = ", ".join(map(str, first.element))
    line = f", line {first.line} of the program" if first.line else ""
    return (
        f"{text}\n  first: {printable(first.tensor)}[{element}] is {first.got}, should be {first.expected}"
        f"\n  stored by {first.instruction}{line}"
    )


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _decibels(value: float | None) -> str:
    return "exact" if value is None else f"{value:.1f}"
