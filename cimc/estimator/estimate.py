"""The analytic estimate: crossbars, copies, time and energy of a network from its structure, without code or weights.

Products of vectors with stored matrices are priced by the target's price of "mvm" (converters included). The formulas
are those that reproduce table 2 of Wu et al. ("Bulk-Switching Memristor-based Compute-In-Memory Module for Deep Neural
Network Training"); docs/bram-table.md has them. Beside them stands the whole (cimc.estimator.whole), with all other
work, where the target has its prices. What is left out is listed in every estimate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

from cimc.base.diagnostics import CimcError, Diagnostic, Place, fail
from cimc.base.layer_names import BETWEEN, LayerNames
from cimc.base.options import require
from cimc.base.quantities import counted, si
from cimc.base.shown import Facts, Shown
from cimc.driver.options import EstimateOptions
from cimc.estimator.cut import Cut, copies_on_one, cut_network, product_seconds
from cimc.estimator.known import Known
from cimc.estimator.left_out import left_out
from cimc.estimator.weightless import lower_weightless
from cimc.estimator.whole import Whole, whole_estimate
from cimc.frontends.structure import MatrixShape, Structure
from cimc.passes.crossbars.balance import Balance, Load, at_pace_of, balance, judge, require_objective
from cimc.passes.crossbars.duplicate import Duplication
from cimc.target import Target


@dataclass(frozen=True, slots=True)
class LayerEstimate:
    """A layer with a matrix. name: its ONNX node.

    rows, columns: inputs of a dot product of one group, outputs. row_blocks, column_blocks: into how many it is cut;
    split: by which rule. mvmus: of one copy; mvmus_with_copies: of all, which may share one block-diagonally.
    vectors: of one input; turns: of one copy. tile_ops: vector x MVMU products of one input. weights: numbers;
    devices: cells that hold them. flops: two for each multiply-add. fill_percent: cells used of one copy's MVMUs.
    seconds: that an input keeps the layer busy, with copies; joules: of its products for one input (None: no price).
    """

    name: str
    operator: str
    rows: int
    columns: int
    groups: int
    split: str
    row_blocks: int
    column_blocks: int
    mvmus: int
    copies: int
    mvmus_with_copies: int
    vectors: int
    turns: int
    tile_ops: int
    weights: int
    devices: int
    flops: int
    fill_percent: float
    seconds: float | None
    joules: float | None


@dataclass(frozen=True, slots=True, repr=False)
class Estimate(Shown):
    """A network's estimate. Sums over layers, and:

    crossbars: of the MVMUs of one copy; crossbars_with_copies. tiles, chips: at least, if every MVMU of a tile is
    filled. ops: vectors of all layers. latency: seconds of one input, layer after layer, one copy each;
    pipelined_latency: the layers overlap - the slowest layer's time and one vector a layer to fill the pipeline;
    both again with copies. inputs_per_second: of a stream, with copies. joules: of one input. bottleneck: the slowest
    layer with copies; reason: why it is no faster. left_over: MVMUs of a budget that buy nothing more. exact: whether
    the copies are the best ones for the objective. whole: all work counted, None where that is not possible.
    excluded: what is not counted.
    """

    network: str
    target: str
    layers: tuple[LayerEstimate, ...]
    weights: int
    devices: int
    flops: int
    mvmus: int
    mvmus_with_copies: int
    crossbars: int
    crossbars_with_copies: int
    tiles: int
    chips: int
    ops: int
    tile_ops: int
    latency: float | None
    latency_with_copies: float | None
    pipelined_latency: float | None
    pipelined_latency_with_copies: float | None
    inputs_per_second: float | None
    joules: float | None
    bottleneck: str
    reason: str
    left_over: int
    exact: bool
    whole: Whole | None
    excluded: tuple[str, ...]

    def facts(self) -> Facts:
        """The network in a few numbers."""
        facts = [
            ("network", self.network),
            ("target", f"{self.target}, at least {counted(self.tiles, 'tile')} on {counted(self.chips, 'chip')}"),
            ("weights", f"{self.weights:,} in {self.devices:,} devices"),
            (
                "work",
                f"{self.flops:,} floating-point operations, {self.ops:,} vectors, {self.tile_ops:,} MVMU products",
            ),
            ("one copy of each", f"{self.mvmus:,} MVMUs, {self.crossbars:,} crossbars"),
            ("with copies", f"{self.mvmus_with_copies:,} MVMUs, {self.crossbars_with_copies:,} crossbars"),
        ]
        one, many = self.pipelined_latency, self.pipelined_latency_with_copies
        if self.latency is not None and self.latency_with_copies is not None and one is not None and many is not None:
            facts += [
                ("one input", f"{si(self.latency, 's')} layer after layer, {si(one, 's')} pipelined"),
                ("with copies", f"{si(self.latency_with_copies, 's')} layer after layer, {si(many, 's')} pipelined"),
                ("a stream", f"{self.inputs_per_second:,.0f} inputs a second"),
            ]
        if self.joules is not None:
            facts.append(("energy", f"{si(self.joules, 'J')} an input"))
        facts.append(("slowest", f"{self.bottleneck}: {self.reason}"))
        if self.left_over:
            facts.append(("left over", f"{self.left_over:,} of the budget's MVMUs, which buy nothing more"))
        if not self.exact:
            facts.append(("copies", "chosen step by step: too many for the exact least sum"))
        return facts


def estimate(structure: Structure, target: Target, options: EstimateOptions, known: Known | None = None) -> Estimate:
    """Estimate a network of which the structure is known, and its numbers perhaps. options.target is not looked at."""
    assert target.chip.resident != "one layer", f"{target.name} holds one layer at a time"
    bits = target.numbers.weight if options.weight_bits is None else options.weight_bits
    cuts = cut_network(structure, target, bits, options.rows)
    price, second = target.prices.get("mvm"), product_seconds(target)
    loads = [_load(matrix, cut, target, bits) for matrix, cut in zip(structure.matrices, cuts, strict=True)]
    if options.rate is not None and second is None:
        what = f"{target.name} has no price for a product, so no rate can be kept"
        todo = "take a target with prices.mvm, or --budget"
        raise fail("estimate.price", what, Place(f"target {target.name}", item="prices.mvm"), todo)
    found = _copies(loads, structure, target, options)
    layers = tuple(
        _layer(matrix, cut, load, copies, target, bits)
        for matrix, cut, load, copies in zip(structure.matrices, cuts, loads, found.copies, strict=True)
    )
    priced = second is not None
    fill = sum(load.seconds for load in loads)
    one_copy = [load.busy(1) for load in loads]
    busy = [load.busy(copies) for load, copies in zip(loads, found.copies, strict=True)]
    tiles = math.ceil(found.crossbars / (target.tile.cores * target.core.mvmus))
    chosen = None if options.mvmus is None or options.rate else Duplication(options.mvmus, options.objective)
    whole, uncounted = whole_estimate(structure, known, target, bits, options.rows, found.copies, chosen)
    return Estimate(
        network=structure.name,
        target=target.name,
        layers=layers,
        weights=sum(layer.weights for layer in layers),
        devices=sum(layer.devices for layer in layers),
        flops=sum(layer.flops for layer in layers),
        mvmus=sum(layer.mvmus for layer in layers),
        mvmus_with_copies=found.crossbars,
        crossbars=sum(layer.mvmus for layer in layers) * target.mvmu.crossbars,
        crossbars_with_copies=found.crossbars * target.mvmu.crossbars,
        tiles=tiles,
        chips=math.ceil(tiles / target.chip.tiles),
        ops=sum(layer.vectors for layer in layers),
        tile_ops=sum(layer.tile_ops for layer in layers),
        latency=float(sum(one_copy)) if priced else None,
        latency_with_copies=float(sum(busy)) if priced else None,
        pipelined_latency=float(max(one_copy) + fill) if priced else None,
        pipelined_latency_with_copies=float(found.seconds + fill) if priced else None,
        inputs_per_second=float(1 / found.seconds) if priced else None,
        joules=price.joules * sum(layer.tile_ops for layer in layers) if price is not None else None,
        bottleneck=found.bottleneck,
        reason=found.reason,
        left_over=found.left_over,
        exact=found.exact,
        whole=whole,
        excluded=(*left_out(structure, target, whole is not None), *uncounted),
    )


def _load(matrix: MatrixShape, cut: Cut, target: Target, bits: int) -> Load:
    """A layer's load. Without a price a product takes one unit of time: copies can be balanced all the same."""
    seconds = product_seconds(target) or Fraction(1)
    return Load(
        matrix.name, matrix.vectors, seconds, cut.mvmus, copies_on_one(matrix, cut, target, bits), matrix.vectors
    )


def _copies(loads: list[Load], structure: Structure, target: Target, options: EstimateOptions) -> Balance:
    """The copies of every layer, as the options say."""
    given = {
        "--copies": bool(options.copies),
        "--pace": options.pace is not None,
        "--budget": options.mvmus is not None or options.rate is not None,
    }
    asked = [name for name, is_given in given.items() if is_given]
    if len(asked) > 1:
        raise fail("options.copies", f"{' and '.join(asked)} each say how many copies", todo="give one of them")
    require_objective(options.objective, options.rate, options.mvmus, "--budget")
    if options.copies:
        wanted = _names(structure, target).by_index(options.copies, "--copies")
        require(_too_many(loads, wanted))
        return judge(loads, tuple(wanted.get(index, 1) for index in range(len(loads))))
    if options.pace is not None:
        slowest = loads[_names(structure, target).index(options.pace, "--pace")]
        return judge(loads, at_pace_of(loads, slowest.name))
    if options.rate is not None:
        return balance(loads, options.mvmus, "area", 1 / Fraction(repr(float(options.rate))))
    if options.mvmus is not None:
        return balance(loads, options.mvmus, options.objective)
    return judge(loads, (1,) * len(loads))


def _names(structure: Structure, target: Target) -> LayerNames:
    """What the matrices answer to: the nodes that the compiler makes one layer of, and the tensors that the matrix's
    node and the layer make."""
    names = {matrix.name: (matrix.output, matrix.name) for matrix in structure.matrices}
    if structure.outline is not None:
        with suppress(CimcError):  # of what cannot be compiled the estimate says so, and matrices have their own names
            for layer in lower_weightless(structure.outline, target).layers:
                for node in layer.origin.split(BETWEEN):
                    if node in names:
                        names[node] = (layer.output, layer.origin + BETWEEN + names[node][0])
    return LayerNames(names.values(), "layer with a matrix")


def _too_many(loads: list[Load], copies: Mapping[int, int]) -> Iterator[Diagnostic]:
    """What is said of layers that have not as many vectors as copies."""
    for index, count in copies.items():
        most, name = loads[index].max_copies, loads[index].name
        if not 1 <= count <= most:
            what = f'"{name}" has {most} vectors an input; it cannot share them among {count} copies'
            yield Diagnostic("estimate.copies", what, Place(item="--copies"), f"give 1 to {most}")


def _layer(matrix: MatrixShape, cut: Cut, load: Load, copies: int, target: Target, bits: int) -> LayerEstimate:
    price = target.prices.get("mvm")
    cells = cut.mvmus * target.mvmu_rows * target.mvmu_columns(bits)
    tile_ops = matrix.vectors * cut.mvmus
    return LayerEstimate(
        name=matrix.name,
        operator=matrix.operator,
        rows=matrix.rows,
        columns=matrix.outputs,
        groups=matrix.groups,
        split=cut.rule,
        row_blocks=cut.row_blocks,
        column_blocks=cut.column_blocks,
        mvmus=cut.mvmus,
        copies=copies,
        mvmus_with_copies=load.crossbars_of(copies),
        vectors=matrix.vectors,
        turns=-(-matrix.vectors // copies),
        tile_ops=tile_ops,
        weights=matrix.weights,
        devices=matrix.weights * target.slices(bits) * target.cells_abreast,
        flops=2 * matrix.weights * matrix.vectors,
        fill_percent=100 * matrix.weights / cells,
        seconds=float(load.busy(copies)) if product_seconds(target) is not None else None,
        joules=tile_ops * price.joules if price is not None else None,
    )
