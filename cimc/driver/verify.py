"""The verify job: compile a network, run the emulator, and hold it against the quantised reference and onnxruntime.

Two verdicts: exact (the chip does what its model says, bit for bit) and faithful (what its numbers cost against the
network, see cimc.driver.fidelity).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.base.diagnostics import Diagnostic, Place, fail
from cimc.driver.compile import Arrays, Compiled, CompileOptions, Progress, compile_network
from cimc.driver.fidelity import NO_LIMITS, LayerBook, LayerError, Limits, Noise, doubts, worst_snr
from cimc.driver.onnx_oracle import OnnxOracle
from cimc.driver.sizes import sizes_of
from cimc.ir.borders import from_maps, onto_map
from cimc.ir.lanes import lanes_of
from cimc.ir.layers import Ints
from cimc.ir.reference import evaluate_mapped
from cimc.isa.text.printer import line_of
from cimc.runtime.engines import engine_for
from cimc.runtime.execution import Execution

CHUNK_BYTES = 1 << 30  # of captured and reference values held at once
BYTES_A_VALUE = 32


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first place where emulator and reference differ: tensor, element (lane, row, column, channel), both values,
    and the instruction that stored it with its line of the printed program."""

    tensor: str
    element: tuple[int, ...]
    expected: int
    got: int
    instruction: str
    line: int


@dataclass(frozen=True, slots=True)
class Verification:
    """Everything that verify reports; see docs/verify.md for the meaning of every field."""

    model: str
    target: str
    oracle: str
    inputs: int
    mismatches: int
    bit_exact: bool
    faithful: bool
    limits: Limits
    first_mismatch: Mismatch | None
    snr_db: float | None
    max_abs_error: float
    layers: tuple[LayerError, ...]
    top1_float: float | None
    top1_chip: float | None
    instructions: int
    code_bytes: int
    crossbars: int
    cores: int
    tiles: int
    seconds: Mapping[str, float]
    warnings: tuple[Diagnostic, ...]

    @property
    def passed(self) -> bool:
        """Whether the check succeeds: exact, and faithful where the user says how much that has to be."""
        asked = self.limits.min_snr is not None or self.limits.max_loss is not None
        return self.bit_exact and (self.faithful or not asked)


def verify_network(
    model: str | os.PathLike[str],
    data: Arrays,
    options: CompileOptions,
    calibration: Arrays | None = None,
    limit: int | None = None,
    progress: Progress = lambda step: None,
    limits: Limits = NO_LIMITS,
) -> Verification:
    """Compile and verify. data: lanes of every network input, and optionally "labels", (lanes,) integers.

    Raises CimcError for everything that is wrong with network, target, data or limits.
    """
    if limit is not None and limit < 1:
        raise fail("options.limit", f"{limit} inputs are to be run", Place(item="--limit"), "give 1 or more")
    start = time.perf_counter()
    compiled = compile_network(model, options, calibration, progress)
    compiled_at = time.perf_counter()
    inputs = lanes_of(compiled.graph, {k: v for k, v in data.items() if k != "labels" or k in compiled.graph.inputs})
    labels = _labels(compiled, data)
    if labels is None and limits.max_loss is not None:
        what = "--max-loss is given, and the data hold no labels to lose"
        raise fail("options.limits", what, Place(item="--max-loss"), 'add an array "labels" to the data')
    if limit is not None:
        inputs = {name: array[:limit] for name, array in inputs.items()}
    return _compare(model, compiled, inputs, labels, compiled_at - start, progress, limits, calibration is None)


def _labels(compiled: Compiled, data: Arrays) -> npt.NDArray[Any] | None:
    if "labels" not in data or "labels" in compiled.graph.inputs:
        return None
    labels = data["labels"]
    lanes = len(next(iter(data[name] for name in compiled.graph.inputs)))
    if labels.shape != (lanes,) or labels.dtype.kind not in "iu":
        what = f"labels are {labels.dtype} of shape {labels.shape}, not one whole number for each of {lanes} inputs"
        raise fail("data.labels", what, Place(item="labels"))
    return labels


def chunk_lanes(compiled: Compiled) -> int:
    """Lanes that are run and compared at once."""
    values = sum(m.words for m in compiled.mapped.maps.values())
    return max(1, CHUNK_BYTES // (values * BYTES_A_VALUE))


def chunks(inputs: Arrays, size: int) -> Iterator[Arrays]:
    """Inputs in runs of at most `size` lanes."""
    lanes = len(next(iter(inputs.values())))
    for start in range(0, lanes, size):
        yield {name: array[start : start + size] for name, array in inputs.items()}


def _compare(
    model: str | os.PathLike[str], compiled: Compiled, inputs: Arrays, labels: npt.NDArray[Any] | None,
    seconds_compile: float, progress: Progress, limits: Limits, synthetic: bool,
) -> Verification:  # fmt: skip
    engine = engine_for(compiled.program, compiled.weights, compiled.target)
    oracle = OnnxOracle(model, compiled.graph)
    lanes = len(next(iter(inputs.values())))
    mismatches, first, emulated = 0, None, 0.0
    noise, book = {name: Noise() for name in compiled.graph.outputs}, LayerBook(compiled)
    right = {"float": 0, "chip": 0}
    done = 0
    for part in chunks(inputs, chunk_lanes(compiled)):
        progress(f"emulating inputs {done + 1} to {done + len(next(iter(part.values())))} of {lanes}")
        start = time.perf_counter()
        execution = engine.run(part, capture=True)
        emulated += time.perf_counter() - start
        reference = reference_maps(compiled, part)
        count, found = differences(compiled, reference, execution)
        mismatches += count
        if first is None and found is not None:
            first = Mismatch(found.tensor, (found.element[0] + done, *found.element[1:]), *_rest(found))
        float_outputs = oracle.run(part)
        for name, values in float_outputs.items():
            _require_finite(name, values)
            noise[name].add(values, execution.outputs[name])
        book.add(part, reference)
        if labels is not None:
            answers = labels[done : done + len(next(iter(part.values())))]
            output = compiled.graph.outputs[0]
            for key, values in (("float", float_outputs[output]), ("chip", execution.outputs[output])):
                right[key] += int((values.reshape(len(answers), -1).argmax(axis=1) == answers).sum())
        done += len(next(iter(part.values())))
    sizes = sizes_of(compiled.program)
    top1 = {key: count / lanes for key, count in right.items()} if labels is not None else {}
    lost = 100 * (top1["float"] - top1["chip"]) if top1 else None
    faithful, warnings = doubts(book, noise, lost, limits, synthetic)
    return Verification(
        model=os.fspath(model),
        target=compiled.target.name,
        oracle=oracle.name,
        inputs=lanes,
        mismatches=mismatches,
        bit_exact=mismatches == 0,
        faithful=faithful,
        limits=limits,
        first_mismatch=first,
        snr_db=worst_snr(noise),
        max_abs_error=max(one.largest for one in noise.values()),
        layers=book.errors(),
        top1_float=top1.get("float"),
        top1_chip=top1.get("chip"),
        instructions=sizes.instructions,
        code_bytes=sizes.code_bytes,
        crossbars=sizes.crossbars,
        cores=sizes.cores,
        tiles=sizes.tiles,
        seconds={"compile": seconds_compile, "emulate": emulated},
        warnings=(*compiled.warnings, *warnings),
    )


def _require_finite(name: str, values: npt.NDArray[Any]) -> None:
    """Refuse data on which the network itself gives no number: there is nothing to compare with."""
    if not np.isfinite(values).all():
        what = f'the network\'s own values of "{name}" are not all finite on these data'
        raise fail("data.range", what, Place(item=name), "give data for which the network's values are finite")


def _rest(found: Mismatch) -> tuple[int, int, str, int]:
    return found.expected, found.got, found.instruction, found.line


def reference_maps(compiled: Compiled, inputs: Arrays) -> dict[str, Ints]:
    """Every map's integers by the reference, (lanes, height, width, channels)."""
    mapped = compiled.mapped
    borders = {
        b.maps[0]: onto_map(b, mapped.maps[b.maps[0]], mapped.quants[b.maps[0]], inputs[b.tensor])
        for b in mapped.inputs
    }
    return evaluate_mapped(mapped, borders)


def differences(compiled: Compiled, reference: Mapping[str, Ints], execution: Execution) -> tuple[int, Mismatch | None]:
    """(elements in which the emulator differs from the reference - stored maps and outputs -, the first of them)."""
    count, first = 0, None
    for mapped in compiled.mapped.layers:
        name = mapped.layer.output
        got = execution.stored[name][0]
        wrong = got != reference[name]
        found = int(wrong.sum())
        if found and first is None:
            element = tuple(int(i) for i in np.argwhere(wrong)[0])
            writer = next(w for w in execution.writers[name] if w.writes(*element[1:]))
            line = line_of(compiled.program)[writer.tile, "core", writer.core, writer.index]
            text = f"tile {writer.tile}, core {writer.core}, instruction {writer.index}"
            first = Mismatch(name, element, int(reference[name][element]), int(got[element]), text, line)
        count += found
    for binding in compiled.mapped.outputs:
        expected = from_maps(binding, reference, compiled.mapped.quants[binding.maps[0]])
        got_output = execution.outputs[binding.tensor]
        wrong = ~((got_output == expected) | (np.isnan(got_output) & np.isnan(expected)))
        if wrong.any() and first is None:
            element = tuple(int(i) for i in np.argwhere(wrong)[0])
            first = Mismatch(
                binding.tensor, element, int(expected[element]), int(got_output[element]), "the host's reading of it", 0
            )
        count += int(wrong.sum())
    return count, first
