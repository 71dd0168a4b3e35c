"""The compile job: a network file in, a checked program with its weights out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.backends.emit import emit
from cimc.backends.rounds import emit_rounds
from cimc.base.collector import no_collection
from cimc.base.diagnostics import Diagnostic, Place, fail
from cimc.base.layer_names import LayerNames
from cimc.driver.arrays import Data, data_for
from cimc.driver.options import CompileOptions
from cimc.estimator.streams import pace_of
from cimc.frontends.onnx_file import ModelLike
from cimc.frontends.onnx_loader import load_onnx
from cimc.ir.graph import Conv, Graph, MatMul
from cimc.ir.lanes import lanes_of
from cimc.ir.mapped import MappedGraph
from cimc.ir.scheduled import ScheduledGraph
from cimc.ir.widths import Widths
from cimc.isa.program import Program
from cimc.isa.verify.verifier import verify as verify_program
from cimc.numerics.integers import integer_range, storage_of
from cimc.passes.crossbars.balance import require_objective
from cimc.passes.crossbars.duplicate import Duplication
from cimc.passes.lower.layers import lower
from cimc.passes.lower.split_averages import split_averages
from cimc.passes.numbers.quantise import underflows
from cimc.passes.pipelines import PASSES, Context, MapOptions, run_passes
from cimc.passes.rounds import FIRST, layers_of, schedule_rounds
from cimc.runtime.package import weights_digest
from cimc.target import Target

Progress = Callable[[str], None]
SYNTHETIC_LANES = 16
SYNTHETIC_WORK = 4e10
"""Products that running the network on synthetic inputs may take: large ones get fewer lanes, at least two."""

DRAWN = 1 << 20
"""Normal numbers that are drawn at once, in double precision."""

SYNTHETIC_VALUES = 1 << 23
"""Elements that one tensor may have on all synthetic inputs."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled network and every stage it went through. warnings: what the user should know. later: where it runs in
    rounds, what those behind the first are, which `scheduled` is."""

    graph: Graph
    mapped: MappedGraph
    scheduled: ScheduledGraph
    program: Program
    weights: Mapping[str, npt.NDArray[Any]]
    target: Target
    warnings: tuple[Diagnostic, ...]
    later: tuple[ScheduledGraph, ...] = ()

    @property
    def rounds(self) -> tuple[ScheduledGraph, ...]:
        """All rounds; one where all layers stay on the chip."""
        return (self.scheduled, *self.later)

    @property
    def names(self) -> LayerNames:
        """What its layers are called."""
        return self.mapped.names


def compile_network(
    model: ModelLike,
    options: CompileOptions,
    calibration: Data | None = None,
    progress: Progress = lambda step: None,
    accept: Callable[[Graph], None] = lambda graph: None,
    observe: Callable[[str, Any], None] = lambda name, stage: None,
) -> Compiled:
    """Compile an ONNX model. calibration: lanes of every network input, by name, or their file; more names are allowed.

    accept: looks at the network before long work, and may raise. observe: is shown what each pass makes. Raises
    CimcError for everything that is wrong with the network, the target or the data.
    """
    real = None if calibration is None else data_for(model, calibration)
    target = options.chip()
    _check_widths(options, target)
    progress("reading the network")
    graph = load_onnx(model, options.bind)
    accept(graph)
    warnings: list[Diagnostic] = []
    if real is None:
        data = synthetic_inputs(graph, options.seed)
        warnings.append(
            Diagnostic(
                "calibration.none",
                "no calibration data: number formats come from random inputs",
                todo="give real inputs with --calibration FILE.npz",
            )
        )
    else:
        data = lanes_of(graph, {name: real[name] for name in real if name in graph.inputs})
    progress("calibrating, mapping and scheduling")
    _check_copies(options, target)
    _check_rounds(options, target)
    widths = _widths(options, target, graph)
    mapping = MapOptions(widths, options.rows, options.calibration_method, options.pack)
    copies = options.mvmus is not None or options.rate is not None
    duplication = Duplication(options.mvmus, options.objective, options.rate) if copies else None
    context = Context(
        target, graph, data, mapping, duplication, pace_of, options.chips, options.seed, options.verify_each
    )
    turns = target.chip.resident == "one layer"
    with no_collection():
        if options.rounds or turns:
            mapped: MappedGraph = run_passes(graph, context, PASSES[:FIRST], observe)
            rounds = schedule_rounds(mapped, context, turns, observe)
            mapped = replace(mapped, layers=layers_of(mapped, rounds))
        else:
            rounds = (run_passes(graph, context, PASSES, observe),)
            mapped = rounds[0].mapped
        warnings += underflows(mapped)
        progress("writing code")
        if options.rounds or turns:
            program, weights = emit_rounds(rounds, mapped, target, options.images_per_round)
        else:
            program, weights = emit(rounds[0], target)
        program = replace(program, weights=weights_digest(weights))
        progress("checking the program")
        verify_program(program, target)
    return Compiled(graph, mapped, rounds[0], program, weights, target, tuple(warnings), rounds[1:])


def _check_copies(options: CompileOptions, target: Target) -> None:
    """Options of copies that do not go together."""
    if options.pack and (options.mvmus is not None or options.rate is not None):
        todo = "packing saves crossbars and duplication spends them: choose one"
        other = "--rate" if options.mvmus is None else "--mvmus"
        raise fail("options.pack", f"--pack and {other} exclude each other", todo=todo)
    require_objective(options.objective, options.rate, options.mvmus, "--mvmus")
    if options.rate is not None and "mvm" not in target.prices:
        what = f"{target.name} has no price for a product, so no rate can be kept"
        todo = "take a target with prices, or give --mvmus"
        raise fail("options.copies", what, Place(f"target {target.name}", item="prices.mvm"), todo)


def _check_rounds(options: CompileOptions, target: Target) -> None:
    """Options that say something of rounds, or nothing in them."""
    turns = options.rounds or target.chip.resident == "one layer"
    if turns and options.rate is not None:
        what = "--rate asks for a rate of layers that run at the same time, and in rounds they do not"
        raise fail("options.rounds", what, Place(item="--rate"), "give --mvmus, MVMUs of each round, in its place")
    if not turns and options.images_per_round != 1:
        what = f"--images-per-round shares the writing of crossbars, and on {target.name} all layers stay"
        raise fail("options.rounds", what, Place(item="--images-per-round"), "add --rounds")


def _check_widths(options: CompileOptions, target: Target) -> None:
    """Bits of weights and inputs that the target does not hold."""
    inputs = target.numbers.input if options.input_bits is None else options.input_bits
    chosen = {
        "--weight-bits": (
            target.numbers.weight if options.weight_bits is None else options.weight_bits,
            target.largest_weight_bits,
        ),
        "--input-bits": (inputs, min(16, target.numbers.word)),
    }
    for layer, (weight, fed) in options.precision.layers.items():
        chosen[f'weight_bits of "{layer}"'] = (2 if weight is None else weight, target.largest_weight_bits)
        chosen[f'input_bits of "{layer}"'] = (2 if fed is None else fed, min(16, target.numbers.word))
    for name, (bits, most) in chosen.items():
        if not 2 <= bits <= most:
            raise fail("options.bits", f"{name} is {bits}; {target.name} takes 2 to {most}", Place(item=name))


def _widths(options: CompileOptions, target: Target, graph: Graph) -> Widths:
    """Bits of weights and inputs. A precision file may name layers in any way that LayerNames knows."""
    layers: dict[str, tuple[int | None, int | None]] = {}
    if options.precision.layers:
        lowered = lower(split_averages(graph) if target.numbers.accumulator < 32 else graph).layers
        names = LayerNames((layer.name, layer.origin) for layer in lowered)
        layers = {lowered[n].name: b for n, b in names.by_index(options.precision.layers, "--precision").items()}
    return Widths(
        options.weight_bits or target.numbers.weight,
        options.input_bits or target.numbers.input,
        {name: weight for name, (weight, _) in layers.items() if weight is not None},
        {name: inputs for name, (_, inputs) in layers.items() if inputs is not None},
    )


def synthetic_inputs(graph: Graph, seed: int) -> dict[str, npt.NDArray[Any]]:
    """Standard normal lanes for float inputs, the whole range for integer ones."""
    generator = np.random.default_rng(seed)
    values = max((math.prod(tensor.shape) for tensor in graph.tensors.values()), default=1)
    most = min(SYNTHETIC_WORK / max(1, products(graph)), SYNTHETIC_VALUES / max(1, values))
    lanes = int(np.clip(most, 2, SYNTHETIC_LANES))
    made: dict[str, npt.NDArray[Any]] = {}
    for name in graph.inputs:
        tensor = graph.tensors[name]
        shape = (lanes, *tensor.shape)
        if tensor.dtype == "float32":
            made[name] = np.empty(shape, np.float32)
            flat = made[name].reshape(-1)
            for start in range(0, flat.size, DRAWN):
                flat[start : start + DRAWN] = generator.standard_normal(min(DRAWN, flat.size - start))
        else:
            low, high = integer_range(tensor.dtype)
            made[name] = generator.integers(low, high, shape, endpoint=True).astype(storage_of(tensor.dtype))
    return made


def products(graph: Graph) -> int:
    """Multiply-adds of one lane in convolutions and products with constants."""
    total = 0
    for node in graph.nodes:
        if isinstance(node, Conv | MatMul):
            weight = graph.tensors[node.inputs[1]].shape
            window = weight[1:] if isinstance(node, Conv) else weight[:1]
            total += math.prod(graph.tensors[node.output].shape) * math.prod(window)
    return total
