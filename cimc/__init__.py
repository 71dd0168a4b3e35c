"""cimc compiles ONNX networks for compute-in-memory chips and proves that the result is right.

    program = cimc.compile("model.onnx", target="puma", calibration={"input": some_inputs})
    outputs = program.run({"input": inputs})
    program.save("folder")

Everything heavy is imported when it is first needed, so `import cimc` costs nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cimc.base.diagnostics import CimcError, fail

if TYPE_CHECKING:
    import numpy.typing as npt

    from cimc.driver.compile import CompileOptions
    from cimc.driver.precision import Precision
    from cimc.driver.verify import Verification
    from cimc.isa.program import Program
    from cimc.report.model import Report
    from cimc.runtime.execution import Engine
    from cimc.target.model import Target

__all__ = ["CimcError", "CompiledProgram", "__version__", "compile", "load", "verify"]
__version__ = "0.1.0"

ROWS = ("dense", "channels")
"""How matrices may be cut."""

FilePath = str | os.PathLike[str]


@dataclass(slots=True)
class CompiledProgram:
    """A program with its weights, its target, its mapping report, and the warnings it was compiled with."""

    program: Program
    weights: Mapping[str, npt.NDArray[Any]]
    target: Target
    mapping: Report
    target_toml: str = field(repr=False)
    _engine: Engine | None = field(default=None, repr=False)

    def run(self, inputs: Mapping[str, npt.NDArray[Any]], max_memory: int | None = None) -> dict[str, npt.NDArray[Any]]:
        """Outputs by name for inputs by name, on the emulator. Axis 0 of every array is the lane, one run each.

        max_memory: bound of the emulated state in bytes. Raises CimcError where an input does not fit the network.
        """
        from cimc.cli.running import lanes_for, without_batch
        from cimc.runtime.engines import engine_for

        if self._engine is None:
            self._engine = engine_for(self.program, self.weights, self.target)
        self._engine.max_memory = max_memory
        outputs = self._engine.run(lanes_for(self.program, dict(inputs))).outputs
        return {plug.name: without_batch(plug, outputs[plug.name]) for plug in self.program.outputs}

    def save(self, folder: FilePath) -> None:
        """Write a folder that stands alone, as `cimc compile` does."""
        from cimc.report.folder import save_folder

        save_folder(Path(folder), self.program, self.weights, self.target_toml, self.mapping)

    def report(self) -> Report:
        """The mapping report."""
        return self.mapping

    def text(self) -> str:
        """The program as assembly."""
        from cimc.isa.text.printer import print_program

        return print_program(self.program)


def compile(
    model: FilePath,
    target: FilePath = "ideal",
    calibration: Mapping[str, npt.NDArray[Any]] | FilePath | None = None,
    *,
    weight_bits: int | None = None,
    input_bits: int | None = None,
    precision: FilePath | None = None,
    bind: Mapping[str, int] | None = None,
    rows: str = "dense",
    calibration_method: str = "minmax",
    pack: bool = False,
    mvmus: int | None = None,
    objective: Literal["throughput", "latency", "area"] = "throughput",
    rate: float | None = None,
    chips: int = 1,
    seed: int = 0,
) -> CompiledProgram:
    """Compile an ONNX file. The options are those of `cimc compile`. Raises CimcError with everything that is wrong."""
    from cimc.driver.compile import compile_network
    from cimc.report.build import build_report
    from cimc.target.load import load_sourced
    from cimc.target.write import write_target

    options = _options(target, weight_bits, input_bits, precision, bind, rows, calibration_method, seed)
    options = replace(options, pack=pack, mvmus=mvmus, objective=objective, rate=rate, chips=chips)
    compiled = compile_network(model, options, _arrays(model, calibration))
    toml = write_target(compiled.target, load_sourced(options.target).sources)
    return CompiledProgram(compiled.program, compiled.weights, compiled.target, build_report(compiled), toml)


def load(folder: FilePath) -> CompiledProgram:
    """A program that `cimc compile` or CompiledProgram.save wrote."""
    from cimc.base.reading import TEXT_LIMIT, read_text
    from cimc.report.folder import load_report
    from cimc.runtime.package import TARGET, load_package

    package = load_package(Path(folder))
    report = load_report(Path(folder), package.program)
    toml = read_text(Path(folder) / TARGET, TEXT_LIMIT)
    return CompiledProgram(package.program, package.weights, package.target, report, toml)


def verify(
    model: FilePath,
    data: Mapping[str, npt.NDArray[Any]] | FilePath,
    target: FilePath = "ideal",
    calibration: Mapping[str, npt.NDArray[Any]] | FilePath | None = None,
    *,
    limit: int | None = None,
    min_snr: float | None = None,
    max_loss: float | None = None,
    weight_bits: int | None = None,
    input_bits: int | None = None,
    precision: FilePath | None = None,
    bind: Mapping[str, int] | None = None,
    rows: str = "dense",
    calibration_method: str = "minmax",
    pack: bool = False,
    mvmus: int | None = None,
    objective: Literal["throughput", "latency", "area"] = "throughput",
    rate: float | None = None,
    chips: int = 1,
    seed: int = 0,
) -> Verification:
    """Compile, emulate and compare. The options are those of `cimc verify`; docs/verify.md explains the result."""
    from cimc.driver.fidelity import Limits
    from cimc.driver.verify import verify_network

    options = _options(target, weight_bits, input_bits, precision, bind, rows, calibration_method, seed)
    options = replace(options, pack=pack, mvmus=mvmus, objective=objective, rate=rate, chips=chips)
    inputs = _arrays(model, data)
    assert inputs is not None, "no data"
    limits = Limits(min_snr, max_loss)
    return verify_network(model, inputs, options, _arrays(model, calibration), limit, limits=limits)


def _options(
    target: FilePath,
    weight_bits: int | None,
    input_bits: int | None,
    precision: FilePath | None,
    bind: Mapping[str, int] | None,
    rows: str,
    calibration_method: str,
    seed: int,
) -> CompileOptions:
    from cimc.driver.compile import CompileOptions
    from cimc.driver.precision import Precision, read_precision
    from cimc.passes.calibrate import METHODS

    for name, value, known in (("rows", rows, ROWS), ("calibration_method", calibration_method, METHODS)):
        if value not in known:
            raise fail("options.value", f'{name} is "{value}"', todo=f"choose one of {', '.join(known)}")
    layers: Precision = Precision() if precision is None else read_precision(os.fspath(precision))
    return CompileOptions(
        os.fspath(target), weight_bits, input_bits, layers, bind or {}, rows, seed, calibration_method
    )


def _arrays(
    model: FilePath, data: Mapping[str, npt.NDArray[Any]] | FilePath | None
) -> Mapping[str, npt.NDArray[Any]] | None:
    if data is None or isinstance(data, Mapping):
        return data
    from cimc.cli.arrays import data_for

    return data_for(os.fspath(model), os.fspath(data))
