"""Compiles small networks for a Target at hand, runs them, and holds them against the reference and the float Graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto

from cimc.backends.emit import emit
from cimc.driver.compile import Compiled
from cimc.driver.verification import Mismatch
from cimc.driver.verify import differences, reference_maps
from cimc.frontends import load_onnx
from cimc.ir.evaluate import evaluate
from cimc.ir.graph import Graph
from cimc.ir.verify_stage import verify_stage
from cimc.ir.widths import Widths
from cimc.isa.verify.verifier import verify as verify_program
from cimc.passes.pipelines import MapOptions, map_network, schedule_network
from cimc.runtime.execution import Execution
from cimc.runtime.package import weights_digest
from cimc.runtime.step import StepEngine
from cimc.target import load_target
from cimc.target.model import Target

Arrays = Mapping[str, npt.NDArray[Any]]

IDEAL, PUMA = load_target("ideal"), load_target("puma")
LANES = 8


def build(
    graph: Graph, target: Target, data: Arrays, rows: str = "dense", weight_bits: int = 0, input_bits: int = 0
) -> Compiled:
    """What cimc.driver.compile does, for a Target at hand. data: calibration lanes, (lanes, *shape)."""
    widths = Widths(weight_bits or target.numbers.weight, input_bits or target.numbers.input, {}, {})
    mapped = map_network(graph, target, data, MapOptions(widths, rows))
    scheduled = schedule_network(mapped, target)
    verify_stage(scheduled)
    program, weights = emit(scheduled, target)
    program = replace(program, weights=weights_digest(weights))
    verify_program(program, target)
    return Compiled(graph, mapped, scheduled, program, weights, target, ())


def random_inputs(graph: Graph, lanes: int = LANES, seed: int = 0) -> dict[str, npt.NDArray[Any]]:
    """Standard normal lanes of float inputs, every integer's whole range for the others."""
    generator = np.random.default_rng(seed)
    made: dict[str, npt.NDArray[Any]] = {}
    for name in graph.inputs:
        tensor = graph.tensors[name]
        shape = (lanes, *tensor.shape)
        if tensor.dtype == "float32":
            made[name] = generator.standard_normal(shape).astype(np.float32)
        else:
            limits = np.iinfo(tensor.dtype)
            made[name] = generator.integers(limits.min, limits.max, shape, endpoint=True).astype(tensor.dtype)
    return made


def snr_db(right: npt.NDArray[Any], got: npt.NDArray[Any]) -> float:
    """10 log10(signal / noise); infinite where nothing differs."""
    a = right.astype(np.float64)
    noise = float(np.square(got.astype(np.float64) - a).sum())
    signal = float(np.square(a).sum())
    return float("inf") if noise == 0 else 10 * np.log10(max(signal, 1e-300) / noise)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run held against the reference (mismatches, first) and the float Graph (SNR of each output in dB)."""

    compiled: Compiled
    execution: Execution
    mismatches: int
    first: Mismatch | None
    snr: Mapping[str, float]


def run_case(model: ModelProto, target: Target, lanes: int = LANES, rows: str = "dense") -> Outcome:
    """Compile for a target with random lanes as calibration, and run the same lanes."""
    graph = load_onnx(model)
    data = random_inputs(graph, lanes)
    compiled = build(graph, target, data, rows)
    execution = StepEngine(compiled.program, compiled.weights, target).run(data, capture=True)
    count, first = differences(compiled, reference_maps(compiled, data), execution)
    wanted = evaluate(graph, data)
    snr = {name: snr_db(wanted[name], execution.outputs[name]) for name in graph.outputs}
    return Outcome(compiled, execution, count, first, snr)
