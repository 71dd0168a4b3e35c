"""The Python API: what the commands do, for data and programs in memory. docs/python.md shows it at work.

Options of a command are keyword arguments of the same name (cimc.driver.options); what is wrong raises CimcError, and
what one should know is a CimcWarning. Compiler, oracle and plots are imported where they are used: they take a while.
"""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy.typing as npt

from cimc.base.diagnostics import CimcError, CimcWarning, Diagnostic, Place, fail
from cimc.base.options import Checked, fits, made, options_of, require, shown
from cimc.base.reading import FilePath
from cimc.base.shown import Facts, Shown
from cimc.driver.arrays import Arrays, Data, arrays_of
from cimc.driver.chips import specimen_of
from cimc.driver.options import DEFAULT_TARGET, ChipOptions, CompileOptions, EstimateOptions, Limits, TrialOptions
from cimc.driver.running import lanes_for, run_program
from cimc.isa.program import Program
from cimc.isa.text.printer import print_program
from cimc.report.compare import Comparison
from cimc.report.compare import compare as compare_reports
from cimc.report.folder import check_writable, load_report, report_at, save_folder, write_whole
from cimc.report.model import Report
from cimc.report.trace import Trace, thinned, trace_text
from cimc.runtime.engines import engine_for
from cimc.runtime.execution import Engine
from cimc.runtime.package import load_package
from cimc.runtime.timing.engine import time_program
from cimc.runtime.timing.result import Timing
from cimc.runtime.timing.rounds import RoundsTiming, time_rounds
from cimc.target.load import TargetLike
from cimc.target.model import Target

if TYPE_CHECKING:
    from cimc.driver.verification import Verification
    from cimc.estimator.estimate import Estimate
    from cimc.estimator.layer_by_layer import LayerByLayer
    from cimc.frontends.onnx_file import ModelLike

Function = TypeVar("Function", bound=Callable[..., Any])

MOST_INPUTS = 1000
"""Inputs that a timing run streams at most."""


def _takes(*kinds: type[Checked]) -> Callable[[Function], Function]:
    """A function whose **options are those of these classes: help() lists them."""

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        names = {one.name for one in own}
        more = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=getattr(kind(), name), annotation=what[0])
            for kind in kinds
            for name, what in options_of(kind).items()
            if name not in names
        ]
        function.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
        return function

    return decorate


@dataclass(slots=True, repr=False)
class CompiledProgram(Shown):
    """A program with its weights, its target and its mapping report."""

    program: Program
    weights: Mapping[str, npt.NDArray[Any]]
    target: Target
    mapping: Report
    _engine: Engine | None = None
    _chip: ChipOptions | None = None

    @_takes(ChipOptions)
    def run(self, inputs: Mapping[str, npt.NDArray[Any]], max_memory: int | None = None, **options: Any) -> Arrays:
        """Outputs by name for inputs by name, on the emulator. Axis 0 of every array is the lane, one run each.

        max_memory: bound of the emulated state in bytes. The options are those of `cimc run`. Raises CimcError where an
        input does not fit the network.
        """
        chip = made(ChipOptions, options)
        if self._engine is None or self._chip != chip:
            specimen = specimen_of(chip, self.program, self.weights, self.target)
            self._engine = engine_for(self.program, self.weights, self.target, specimen=specimen)
            self._chip = chip
        lanes = lanes_for(self.program, arrays_of(inputs))
        return run_program(self._engine, self.program, self.target, lanes, max_memory)[0]

    def save(self, folder: FilePath) -> None:
        """Write a folder that stands alone, as `cimc compile` does."""
        save_folder(_path(folder), self.program, self.weights, self.target, self.mapping)

    def report(self) -> Report:
        """The mapping report."""
        return self.mapping

    def text(self) -> str:
        """The program as assembly."""
        return print_program(self.program)

    def facts(self) -> Facts:
        """What it is, in a few lines."""
        return self.mapping.facts()


@_takes(CompileOptions)
def compile(
    model: ModelLike, target: TargetLike = DEFAULT_TARGET, calibration: Data | None = None, **options: Any
) -> CompiledProgram:
    """Compile an ONNX model: a path, bytes or an onnx.ModelProto. The options are those of `cimc compile`.

    calibration: arrays by input, or an .npz file, to choose number formats with. Raises CimcError with everything that
    is wrong.
    """
    from cimc.driver.compile import compile_network
    from cimc.report.build import build_report, missed_rate

    chosen = made(CompileOptions, {"target": target, **options})
    compiled = compile_network(model, chosen, calibration)
    report = build_report(compiled)
    _warn([*compiled.warnings, *missed_rate(chosen.rate, report)])
    return CompiledProgram(compiled.program, compiled.weights, compiled.target, report)


@_takes(CompileOptions, Limits, ChipOptions, TrialOptions)
def verify(
    model: ModelLike,
    data: Data,
    target: TargetLike = DEFAULT_TARGET,
    calibration: Data | None = None,
    *,
    limit: int | None = None,
    program: FilePath | None = None,
    **options: Any,
) -> Verification:
    """Compile, emulate and compare. The options are those of `cimc verify`; docs/verify.md explains the result."""
    from cimc.driver.verify import verify_network

    given = {"target": target, **options}
    kinds = (CompileOptions, Limits, ChipOptions, TrialOptions)
    chosen, limits = made(CompileOptions, given, *kinds), made(Limits, given, *kinds)
    chip, trials = made(ChipOptions, given, *kinds), made(TrialOptions, given, *kinds)
    found = verify_network(
        model, data, chosen, calibration, limit, limits=limits, program=program, chip=chip, trials=trials
    )
    _warn(found.warnings)
    return found


@_takes(EstimateOptions)
def estimate(
    model: ModelLike, target: TargetLike = DEFAULT_TARGET, calibration: Data | None = None, **options: Any
) -> Estimate | LayerByLayer:
    """Crossbars, copies, time and energy from a network's structure. The options are those of `cimc estimate`.

    calibration: arrays by input, or an .npz file, for what depends on them.

    A target whose crossbars hold one layer at a time gives a LayerByLayer; docs/estimate.md explains both.
    """
    from cimc.estimator.estimating import estimate_network

    return estimate_network(model, made(EstimateOptions, {"target": target, **options}), calibration)


def load(folder: FilePath) -> CompiledProgram:
    """A program that `cimc compile` or CompiledProgram.save wrote."""
    place = _path(folder)
    package = load_package(place)
    report = load_report(place, package.program)
    return CompiledProgram(package.program, package.weights, package.target, report)


def time(program: CompiledProgram | FilePath, inputs: int = 4) -> Timing | RoundsTiming:
    """Latency, rate, energy and bottleneck of a stream of so many inputs, as `cimc time` shows them.

    A program that runs in rounds gives a RoundsTiming, of the inputs that share a round; docs/rounds.md explains it.
    """
    found = _loaded(program)
    _check_inputs(inputs)
    if found.program.phases:
        return time_rounds(found.program, found.target)
    return _timed(found, inputs, record=False)


def trace(program: CompiledProgram | FilePath, out: FilePath, inputs: int = 2, slices: int = 100_000) -> Trace:
    """Write what every core does when, as `cimc trace` does. slices: about how many there may be; 0 keeps all."""
    check_writable(_path(out))
    if not (fits(slices, int) and slices >= 0):
        raise fail("options.slices", f"slices is {shown(slices)}", Place(item="--slices"), "give a whole number from 0")
    timing = _timed(_resident(_loaded(program), "a trace"), inputs, record=True)
    kept, resolution = thinned(timing.intervals, slices or len(timing.intervals))
    write_whole(Path(out), trace_text(timing, kept, resolution).encode("utf-8"))
    return Trace(len(kept), len(timing.streams), timing.completions[-1], len(timing.intervals), resolution)


def page(program: CompiledProgram | FilePath, out: FilePath) -> None:
    """Write the report as a page for a browser, as `cimc report --html` does."""
    from cimc.report.html import html_page

    check_writable(_path(out))
    found = _resident(_loaded(program), "the page")
    cost = found.mapping.cost
    timing = None if cost is None else _timed(found, cost.inputs, record=True)
    write_whole(Path(out), html_page(found.mapping, found.program, found.target, timing).encode("utf-8"))


def compare(a: CompiledProgram | FilePath, b: CompiledProgram | FilePath) -> Comparison:
    """Two mappings side by side: programs, their folders, or their reports as JSON files."""
    sides: list[tuple[Report, str]] = []
    wrong: list[Diagnostic] = []
    for side in (a, b):
        try:
            if isinstance(side, CompiledProgram):
                sides.append((side.mapping, side.program.name))
            else:
                sides.append((report_at(_path(side)), str(side)))
        except CimcError as error:
            wrong += error.diagnostics
    require(dict.fromkeys(wrong))
    (one, source_a), (other, source_b) = sides
    return compare_reports(one, other, source_a, source_b)


def _loaded(program: CompiledProgram | FilePath) -> CompiledProgram:
    return program if isinstance(program, CompiledProgram) else load(program)


def _path(path: FilePath) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise fail("options.path", f"{shown(path)} is no path", todo="give the path of a file or folder")
    return Path(path)


def _resident(program: CompiledProgram, what: str) -> CompiledProgram:
    """A program all of whose layers stay on the chip."""
    if program.program.phases:
        said = f"{what} shows layers that run at the same time; {program.program.name} runs in rounds"
        todo = "`cimc report` and `cimc time` show rounds, as tables and as JSON"
        raise fail("rounds.view", said, Place(program.program.name), todo)
    return program


def _timed(program: CompiledProgram, inputs: int, record: bool) -> Timing:
    _check_inputs(inputs)
    return time_program(program.program, program.target, inputs, record)


def _check_inputs(inputs: int) -> None:
    if not (fits(inputs, int) and 1 <= inputs <= MOST_INPUTS):
        todo = f"give a whole number, 1 to {MOST_INPUTS}"
        raise fail("options.inputs", f"inputs is {shown(inputs)}", Place(item="--inputs"), todo)


def _warn(found: Iterable[Diagnostic]) -> None:
    """Warnings as Python has them, at the caller's line."""
    for diagnostic in found:
        warnings.warn(CimcWarning(diagnostic), stacklevel=3)
