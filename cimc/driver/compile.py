"""The compile job: a network file in, a checked program with its weights out."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.backends.emit import emit
from cimc.base.collector import no_collection
from cimc.base.diagnostics import Diagnostic, Place, fail
from cimc.driver.pace import pace_of
from cimc.driver.precision import Precision
from cimc.frontends.onnx_loader import load_onnx
from cimc.ir.graph import Conv, Graph, MatMul
from cimc.ir.lanes import lanes_of
from cimc.ir.mapped import MappedGraph
from cimc.ir.scheduled import ScheduledGraph
from cimc.isa.program import Program
from cimc.isa.verify.verifier import verify as verify_program
from cimc.numerics.integers import integer_range, storage_of
from cimc.passes.balance import Objective, require_objective
from cimc.passes.duplicate import Duplication, duplicate
from cimc.passes.formats import Widths
from cimc.passes.lie_beside import lie_beside
from cimc.passes.pipelines import MapOptions, map_network, schedule_network
from cimc.passes.quantise import underflows
from cimc.runtime.package import weights_digest
from cimc.target import Target, load_target
from cimc.target.emulated import require_emulated

Arrays = Mapping[str, npt.NDArray[Any]]
Progress = Callable[[str], None]
SYNTHETIC_LANES = 16
SYNTHETIC_WORK = 4e10
"""Products that running the network on synthetic inputs may take: large ones get fewer lanes, at least two."""

SYNTHETIC_VALUES = 1 << 23
"""Elements that one tensor may have on all synthetic inputs."""


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """What a user may choose. target: a preset's name or a TOML file. weight_bits, input_bits: None takes the
    target's. bind: values of symbolic dimensions. rows: "dense" or "channels", how matrices are cut. seed: of the
    synthetic calibration data, where none is given, and of the search for places on the mesh. calibration_method: how
    ranges are chosen from the data. pack: small matrices of different layers share crossbars and cores. mvmus: of all
    layers together; what one copy of each leaves is spent on copies (weight duplication). objective: what copies are
    for, see cimc.passes.balance; rate: inputs a second that "area" keeps up with. chips: that the network may be mapped
    onto; as many of them are used as it needs."""

    target: str = "ideal"
    weight_bits: int | None = None
    input_bits: int | None = None
    precision: Precision = field(default_factory=Precision)
    bind: Mapping[str, int] = field(default_factory=dict)
    rows: str = "dense"
    seed: int = 0
    calibration_method: str = "minmax"
    pack: bool = False
    mvmus: int | None = None
    objective: Objective = "throughput"
    rate: float | None = None
    chips: int = 1


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled network and every stage it went through. warnings: what the user should know."""

    graph: Graph
    mapped: MappedGraph
    scheduled: ScheduledGraph
    program: Program
    weights: Arrays
    target: Target
    warnings: tuple[Diagnostic, ...]


def compile_network(
    model: str | os.PathLike[str],
    options: CompileOptions,
    calibration: Arrays | None = None,
    progress: Progress = lambda step: None,
) -> Compiled:
    """Compile an ONNX file. calibration: lanes of every network input, by name; more names are allowed.

    Raises CimcError for everything that is wrong with the network, the target or the data.
    """
    if options.seed < 0:
        raise fail("options.seed", f"the seed is {options.seed}", Place(item="--seed"), "give a number from 0")
    target = load_target(options.target)
    widths = _widths(options, target)
    require_emulated(target, max(widths.input_bits, *widths.input_of.values(), 0))
    progress("reading the network")
    graph = load_onnx(model, options.bind)
    warnings: list[Diagnostic] = []
    if calibration is None:
        data = synthetic_inputs(graph, options.seed)
        warnings.append(
            Diagnostic(
                "calibration.none",
                "no calibration data: number formats come from random inputs",
                todo="give real inputs with --calibration FILE.npz",
            )
        )
    else:
        data = lanes_of(graph, {name: calibration[name] for name in calibration if name in graph.inputs})
    progress("calibrating and mapping")
    _check_copies(options, target)
    mapped = map_network(
        graph, target, data, MapOptions(widths, options.rows, options.calibration_method, options.pack)
    )
    warnings += underflows(mapped)
    unknown = set(options.precision.layers) - {m.layer.name for m in mapped.layers}
    if unknown:
        known = ", ".join(m.layer.name for m in mapped.layers if m.weights is not None)
        what = f"the precision file names layers that the network has not: {', '.join(sorted(unknown))}"
        raise fail("precision.layer", what, todo=f"layers that have weights: {known}")
    with no_collection():
        if options.mvmus is not None or options.rate is not None:
            mapped = lie_beside(mapped, target)
            pace = pace_of(mapped, target)
            mapped, _ = duplicate(mapped, target, Duplication(options.mvmus, options.objective, options.rate, pace))
        progress("scheduling")
        scheduled = schedule_network(mapped, target, options.chips, options.seed)
        progress("writing code")
        program, weights = emit(scheduled, target)
        program = replace(program, weights=weights_digest(weights))
        progress("checking the program")
        verify_program(program, target)
    return Compiled(graph, mapped, scheduled, program, weights, target, tuple(warnings))


def _check_copies(options: CompileOptions, target: Target) -> None:
    """Options of copies that do not go together."""
    if options.pack and (options.mvmus is not None or options.rate is not None):
        todo = "packing saves crossbars and duplication spends them: choose one"
        other = "--rate" if options.mvmus is None else "--mvmus"
        raise fail("options.pack", f"--pack and {other} exclude each other", todo=todo)
    require_objective(options.objective, options.rate, options.mvmus, "--mvmus")
    if options.chips < 1:
        raise fail("options.chips", f"{options.chips} chips", Place(item="--chips"), "give 1 or more")
    if options.rate is not None and "mvm" not in target.prices:
        what = f"{target.name} has no price for a product, so no rate can be kept"
        todo = "take a target with prices, or give --mvmus"
        raise fail("options.copies", what, Place(f"target {target.name}", item="prices.mvm"), todo)


def _widths(options: CompileOptions, target: Target) -> Widths:
    """Bits of weights and inputs, checked against what the target holds."""
    weight = options.weight_bits if options.weight_bits is not None else target.numbers.weight
    inputs = options.input_bits if options.input_bits is not None else target.numbers.input
    chosen = {
        "--weight-bits": (weight, target.largest_weight_bits),
        "--input-bits": (inputs, min(16, target.numbers.word)),
    }
    for layer, (w, i) in options.precision.layers.items():
        chosen[f'weight_bits of "{layer}"'] = (w or weight, target.largest_weight_bits)
        chosen[f'input_bits of "{layer}"'] = (i or inputs, min(16, target.numbers.word))
    for name, (bits, most) in chosen.items():
        if not 2 <= bits <= most:
            raise fail("options.bits", f"{name} is {bits}; {target.name} takes 2 to {most}", Place(item=name))
    layers = options.precision.layers
    return Widths(
        weight, inputs,
        {name: w for name, (w, _) in layers.items() if w is not None},
        {name: i for name, (_, i) in layers.items() if i is not None},
    )  # fmt: skip


def synthetic_inputs(graph: Graph, seed: int) -> dict[str, npt.NDArray[Any]]:
    """Standard normal lanes for float inputs, the whole range for integer ones."""
    generator = np.random.default_rng(seed)
    values = max((math.prod(tensor.shape) for tensor in graph.tensors.values()), default=1)
    most = min(SYNTHETIC_WORK / max(1, _products(graph)), SYNTHETIC_VALUES / max(1, values))
    lanes = int(np.clip(most, 2, SYNTHETIC_LANES))
    made: dict[str, npt.NDArray[Any]] = {}
    for name in graph.inputs:
        tensor = graph.tensors[name]
        shape = (lanes, *tensor.shape)
        if tensor.dtype == "float32":
            made[name] = np.empty(shape, np.float32)
            for lane in range(lanes):  # one by one: normal numbers are drawn in double precision
                made[name][lane] = generator.standard_normal(tensor.shape)
        else:
            low, high = integer_range(tensor.dtype)
            made[name] = generator.integers(low, high, shape, endpoint=True).astype(storage_of(tensor.dtype))
    return made


def _products(graph: Graph) -> int:
    """Multiply-adds of one lane in convolutions and products with constants."""
    total = 0
    for node in graph.nodes:
        if isinstance(node, Conv | MatMul):
            weight = graph.tensors[node.inputs[1]].shape
            window = weight[1:] if isinstance(node, Conv) else weight[:1]
            total += math.prod(graph.tensors[node.output].shape) * math.prod(window)
    return total
