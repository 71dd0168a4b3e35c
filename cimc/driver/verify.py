"""The verify job: compile a network, run the emulator, and hold it against the quantised reference and onnxruntime.

Two verdicts: exact (the chip does what its model says, bit for bit) and faithful (what its numbers cost against the
network, see cimc.driver.fidelity).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.base.diagnostics import Place, fail
from cimc.base.options import fits, shown
from cimc.base.reading import FilePath
from cimc.crossbar.device import IDEAL, Specimen, device_of
from cimc.driver.arrays import Arrays, Data, data_for
from cimc.driver.budget import budget
from cimc.driver.chip_trials import Bench, Outputs, try_chips
from cimc.driver.chips import specimen_of
from cimc.driver.compile import Compiled, Progress, compile_network
from cimc.driver.fidelity import NO_LIMITS, LayerBook, Noise, doubts, worst_snr
from cimc.driver.onnx_oracle import OnnxOracle
from cimc.driver.options import ChipOptions, CompileOptions, Limits, TrialOptions
from cimc.driver.running import LABELS, edited_program, without_labels
from cimc.driver.verification import Mismatch, Verification, sizes_of
from cimc.frontends.onnx_file import ModelLike, place_of
from cimc.ir.borders import from_maps, onto_map
from cimc.ir.graph import Graph
from cimc.ir.lanes import lanes_of
from cimc.ir.layers import Words
from cimc.ir.reference import evaluate_mapped
from cimc.isa.program import Program
from cimc.isa.text.printer import lines_by_part
from cimc.runtime.engines import engine_for
from cimc.runtime.execution import Execution

CHUNK_BYTES = 1 << 30  # of captured and reference values held at once
BYTES_A_VALUE = 32

ONE_CHIP = ChipOptions()
"""Chip 0, just programmed."""

NO_TRIALS = TrialOptions()


def verify_network(
    model: ModelLike,
    data: Data,
    options: CompileOptions,
    calibration: Data | None = None,
    limit: int | None = None,
    progress: Progress = lambda step: None,
    limits: Limits = NO_LIMITS,
    program: FilePath | None = None,
    chip: ChipOptions = ONE_CHIP,
    trials: TrialOptions = NO_TRIALS,
) -> Verification:
    """Compile and verify. data: lanes of every network input, or their file, and optionally "labels", (lanes,)
    integers: the element of the first output that should be largest. limit: lanes to run. program: an edited one to run
    in place of the compiled one. chip, trials: those whose cells and wires are looked at, where the target's are not
    ideal.

    Raises CimcError for everything that is wrong with network, target, data or limits.
    """
    if limit is not None and not (fits(limit, int) and limit > 0):
        raise fail("options.limit", f"limit is {shown(limit)}", Place(item="--limit"), "give 1 or more")
    found = data_for(model, data, limit)
    start = time.perf_counter()
    compiled = compile_network(model, options, calibration, progress, lambda graph: _check_data(graph, found, limits))
    compiled_at = time.perf_counter()
    if program is not None:
        compiled = replace(compiled, program=_edited(program, compiled))
    graph = compiled.graph
    inputs = {name: array[:limit] for name, array in lanes_of(graph, without_labels(found, graph.inputs)).items()}
    labels = found[LABELS] if _has_labels(found, graph) else None
    specimen = specimen_of(chip, compiled.program, compiled.weights, compiled.target)
    if (trials.trials is not None or trials.budget) and device_of(compiled.target, specimen) is IDEAL:
        what = f"the cells and wires of {compiled.target.name} are ideal: all of its chips are the same"
        todo = "give it cells, such as --set device.preset=pcm; docs/devices.md shows what there is"
        raise fail("options.trials", what, Place(item="--budget" if trials.budget else "--trials"), todo)
    took, synthetic = compiled_at - start, calibration is None
    return _compare(model, compiled, specimen, inputs, labels, took, progress, limits, synthetic, trials)


def _edited(file: FilePath, compiled: Compiled) -> Program:
    """A program in the place of the compiled one; it must store the same maps."""
    found = edited_program(Path(file), compiled.program, compiled.target, "this network as it is compiled here")
    tensors = {ring.tensor for part in found.parts for tile in part.tiles for ring in tile.rings}
    missing = [one.layer.output for one in compiled.mapped.layers if one.layer.output not in tensors]
    if missing:
        what = f"the program has no ring that holds {', '.join(missing)}, so it cannot be compared"
        raise fail("verify.program", what, Place(str(file)), "keep the rings of the compiled program")
    return found


def _has_labels(data: Arrays, graph: Graph) -> bool:
    return LABELS in data and LABELS not in graph.inputs


def _check_data(graph: Graph, data: Arrays, limits: Limits) -> None:
    """Refuse data that do not fit the network, or lack the labels that are asked for."""
    lanes = len(next(iter(lanes_of(graph, without_labels(data, graph.inputs)).values())))
    if not _has_labels(data, graph):
        if limits.max_loss is not None:
            what = "--max-loss is given, and the data hold no labels to lose"
            raise fail("options.limits", what, Place(item="--max-loss"), f'add an array "{LABELS}" to the data')
        return
    labels, classes = data[LABELS], math.prod(graph.tensors[graph.outputs[0]].shape)
    if labels.shape != (lanes,) or labels.dtype.kind not in "iu":
        what = f"labels are {labels.dtype} of shape {labels.shape}, not one whole number for each of {lanes} inputs"
        raise fail("data.labels", what, Place(item=LABELS))
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        what = f"label {wrong[0]} is {labels[wrong[0]]}, and the network has {classes} classes"
        raise fail("data.labels", what, Place(item=LABELS), f"labels are 0 to {classes - 1}")


def chunk_lanes(compiled: Compiled) -> int:
    """Lanes that are run and compared at once."""
    values = sum(m.words for m in compiled.mapped.maps.values())
    return max(1, CHUNK_BYTES // (values * BYTES_A_VALUE))


def _compare(
    model: ModelLike, compiled: Compiled, specimen: Specimen, inputs: Arrays, labels: npt.NDArray[Any] | None,
    seconds_compile: float, progress: Progress, limits: Limits, synthetic: bool, trials: TrialOptions,
) -> Verification:  # fmt: skip
    parts = compiled.program, compiled.weights, compiled.target
    engine, kept = engine_for(*parts, specimen=None), Outputs()
    oracle = OnnxOracle(model, compiled.graph)
    lanes = len(next(iter(inputs.values())))
    mismatches, first, emulated = 0, None, 0.0
    noise, book = {name: Noise() for name in compiled.graph.outputs}, LayerBook(compiled)
    right, size = {"float": 0, "chip": 0}, chunk_lanes(compiled)
    for done in range(0, lanes, size):
        end = min(done + size, lanes)
        progress(f"emulating inputs {done + 1} to {end} of {lanes}")
        part = {name: array[done:end] for name, array in inputs.items()}
        start = time.perf_counter()
        execution = engine.run(part, capture=True)
        emulated += time.perf_counter() - start
        reference = reference_maps(compiled, part)
        count, found = differences(compiled, reference, execution)
        mismatches += count
        if first is None and found is not None:
            first = replace(found, element=(found.element[0] + done, *found.element[1:]))
        float_outputs = oracle.run(part)
        for name, values in float_outputs.items():
            _require_finite(name, values)
            noise[name].add(values, execution.outputs[name])
        book.add(part, reference)
        kept.add(float_outputs, execution.outputs)
        if labels is not None:
            answers = labels[done:end]
            output = compiled.graph.outputs[0]
            for key, values in (("float", float_outputs[output]), ("chip", execution.outputs[output])):
                right[key] += int((values.reshape(len(answers), -1).argmax(axis=1) == answers).sum())
    top1 = {key: count / lanes for key, count in right.items()} if labels is not None else {}
    lost = 100 * (top1["float"] - top1["chip"]) if top1 else None
    faithful, warnings = doubts(book, noise, lost, limits, synthetic)
    device, chips, causes, seconds = None, None, None, {"compile": seconds_compile, "emulate": emulated}
    if device_of(compiled.target, specimen) is not IDEAL:
        start, bench = time.perf_counter(), Bench(*parts, inputs, *kept.joined(), labels, size)
        chips = try_chips(bench, specimen, trials, progress)
        device, chips = chips.chips[0], None if trials.trials is None else chips
        causes = budget(bench, specimen, trials, progress) if trials.budget else None
        seconds["chips"] = time.perf_counter() - start
    return Verification(
        model=place_of(model).file or compiled.graph.name,
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
        **asdict(sizes_of(compiled.program)),
        device=device,
        trials=chips,
        budget=causes,
        seconds=seconds,
        warnings=(*compiled.warnings, *warnings),
    )


def _require_finite(name: str, values: npt.NDArray[Any]) -> None:
    """Refuse data on which the network itself gives no number: there is nothing to compare with."""
    if not np.isfinite(values).all():
        what = f'the network\'s own values of "{name}" are not all finite on these data'
        raise fail("data.range", what, Place(item=name), "give data for which the network's values are finite")


def reference_maps(compiled: Compiled, inputs: Arrays) -> dict[str, Words]:
    """Every map's integers by the reference, (lanes, height, width, channels)."""
    mapped = compiled.mapped
    borders = {
        b.maps[0]: onto_map(b, mapped.maps[b.maps[0]], mapped.quants[b.maps[0]], inputs[b.tensor])
        for b in mapped.inputs
    }
    return evaluate_mapped(mapped, borders)


def differences(
    compiled: Compiled, reference: Mapping[str, Words], execution: Execution
) -> tuple[int, Mismatch | None]:
    """(elements in which the emulator differs from the reference - stored maps and outputs -, the first of them)."""
    mapped, count, first = compiled.mapped, 0, None
    stored = [one.layer.output for one in mapped.layers]
    pairs = [(name, reference[name], execution.stored[name][0], True) for name in stored]
    for b in mapped.outputs:
        expected = from_maps(b, reference, mapped.quants[b.maps[0]])
        pairs.append((b.tensor, expected, execution.outputs[b.tensor], False))
    for name, right, got, is_stored in pairs:
        wrong = (got != right) & ((got == got) | (right == right))  # two that are no number are equal
        if first is None and wrong.any():
            element = tuple(int(i) for i in np.argwhere(wrong)[0])
            text, line = _writer(compiled, execution, name, element) if is_stored else ("the host's reading of it", 0)
            first = Mismatch(name, element, int(right[element]), int(got[element]), text, line)
        count += int(wrong.sum())
    return count, first


def _writer(compiled: Compiled, execution: Execution, name: str, element: tuple[int, ...]) -> tuple[str, int]:
    """The instruction that stored an element, and its line of the printed program."""
    writer = next(w for w in execution.writers[name] if w.writes(*element[1:]))
    line = lines_by_part(compiled.program)[writer.phase][writer.tile, "core", writer.core, writer.index]
    phase = f"phase {writer.phase}, " if compiled.program.phases else ""
    return f"{phase}tile {writer.tile}, core {writer.core}, instruction {writer.index}", line
