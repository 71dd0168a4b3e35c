"""The estimate for a target whose crossbars hold one layer at a time (chip.resident = "one layer").

A batch of inputs goes through the network layer by layer. A layer's weights are written into the crossbars, every
input of the batch is computed, and the next layer takes its place. A layer that is larger than the chip takes several
rounds. Assumed: writing and computing do not overlap, as both use all crossbars; the maps of a batch find room, and
they and the weights arrive in time. What is not counted is listed in every estimate, as in cimc.estimator.estimate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cimc.base.diagnostics import Place, fail
from cimc.base.quantities import counted, si, time_span
from cimc.base.shown import Facts, Shown
from cimc.estimator.cut import Cut, copies_on_one, cut_network, product_seconds
from cimc.estimator.left_out import not_apart
from cimc.frontends.structure import MatrixShape, Structure
from cimc.passes.crossbars.balance import Load
from cimc.target import Target


@dataclass(frozen=True, slots=True)
class Residence:
    """A layer's turn on the crossbars, for one batch. name: its ONNX node.

    mvmus: of one copy; copies: that share the batch's vectors; rounds: how often the chip is written for it (1 unless
    a copy is larger than the chip). vectors: of one input; turns: of one copy, for the batch, in each round.
    cells: written, all rounds and copies; rows: the most of any MVMU. write_seconds, write_joules: of a batch.
    compute_seconds, compute_joules: of a batch.
    """

    name: str
    mvmus: int
    copies: int
    rounds: int
    vectors: int
    turns: int
    cells: int
    rows: int
    write_seconds: float
    write_joules: float
    compute_seconds: float
    compute_joules: float


@dataclass(frozen=True, slots=True, repr=False)
class LayerByLayer(Shown):
    """A network's estimate on a target that holds one layer at a time.

    batch: inputs of each residence. mvmus: that the chip offers; largest: the layer with the most MVMUs. latency: s
    from a batch's first write to its last result; write_seconds and compute_seconds, its parts. joules: of one input,
    write_joules of it for writing. writes: of the most written cell, for a batch; mean_writes: of all the chip's
    cells. worn_after: inputs until the most written cell has had as many writes as it bears (`endurance`), and
    worn_seconds until then at this rate; spread_seconds: if writes were spread evenly over all cells. All three None
    where nothing is written again.
    """

    network: str
    target: str
    batch: int
    mvmus: int
    largest: str
    largest_mvmus: int
    all_mvmus: int
    layers: tuple[Residence, ...]
    latency: float
    write_seconds: float
    compute_seconds: float
    inputs_per_second: float
    joules: float
    write_joules: float
    writes: int
    mean_writes: float
    endurance: int
    worn_after: int | None
    worn_seconds: float | None
    spread_seconds: float | None
    excluded: tuple[str, ...]

    def facts(self) -> Facts:
        """The network in a few numbers."""
        inputs = counted(self.batch, "input")
        parts = f"{si(self.write_seconds, 's')} writing, {si(self.compute_seconds, 's')} computing"
        facts = [
            ("network", self.network),
            ("target", f"{self.target}, {self.mvmus:,} MVMUs, one layer at a time"),
            ("largest layer", f"{self.largest}: {self.largest_mvmus:,} MVMUs; all layers {self.all_mvmus:,}"),
            ("a batch", f"{inputs}, {si(self.latency, 's')}: {parts}"),
            ("a stream", f"{self.inputs_per_second:,.0f} inputs a second"),
            ("energy", f"{si(self.joules, 'J')} an input, {si(self.write_joules, 'J')} of it for writing"),
        ]
        if self.worn_after is None or self.worn_seconds is None or self.spread_seconds is None:
            return [*facts, ("endurance", "the only layer stays: nothing is written again")]
        worn = f"{self.worn_after:,} inputs, {time_span(self.worn_seconds)}"
        return [
            *facts,
            ("endurance", f"{self.endurance:,} writes a cell; the most written one has {self.writes:,} a batch"),
            ("worn out", f"after {worn}; {time_span(self.spread_seconds)} if writes were spread over all cells"),
        ]


def estimate_layer_by_layer(
    structure: Structure, target: Target, bits: int, rows: str = "dense", batch: int = 1, mvmus: int | None = None
) -> LayerByLayer:
    """Estimate a network on a target of which chip.resident is "one layer".

    bits: of a weight. rows: how matrices are cut, "dense" or "channels". batch: inputs for which a layer stays. mvmus:
    that may be used, all of the chip's if None. Each layer has the copies with which writing and computing take least
    time, and of those the fewest. A network of one layer that fits is written once, which is not counted.

    Raises CimcError where the network has no matrix, the target no price of a product, weights of `bits` bits do not
    fit its cells, or `mvmus` is not 1 to the chip's.
    """
    assert target.chip.resident == "one layer" and target.writing is not None, target.name
    whole = target.chip.tiles * target.tile.cores * target.core.mvmus
    room = whole if mvmus is None else mvmus
    cuts = cut_network(structure, target, bits, rows)
    if not 1 <= room <= whole:
        what = f"a budget of {room:,} MVMUs, and layers take turns on one chip of {whole:,}"
        raise fail("estimate.budget", what, Place(item="--budget"), f"give 1 to {whole}")
    if product_seconds(target) is None:
        what = f"{target.name} has no price for a product"
        raise fail("estimate.price", what, Place(f"target {target.name}", item="prices.mvm"), "give it [prices.mvm]")
    layers = tuple(
        _residence(m, cut, target, bits, batch, room) for m, cut in zip(structure.matrices, cuts, strict=True)
    )
    once = len(layers) == 1 and layers[0].rounds == 1
    write_seconds = 0.0 if once else sum(layer.write_seconds for layer in layers)
    write_joules = 0.0 if once else sum(layer.write_joules for layer in layers)
    compute_seconds = sum(layer.compute_seconds for layer in layers)
    compute_joules = sum(layer.compute_joules for layer in layers)
    latency = write_seconds + compute_seconds
    writes = 0 if once else sum(layer.rounds for layer in layers)
    per_mvmu = target.mvmu_rows * target.crossbar.columns * target.mvmu.crossbars
    mean = 0.0 if once else sum(layer.cells for layer in layers) / (room * per_mvmu)
    endurance = target.writing.endurance
    largest = max(layers, key=lambda layer: layer.mvmus)
    batches = endurance // writes if writes else None
    return LayerByLayer(
        network=structure.name,
        target=target.name,
        batch=batch,
        mvmus=room,
        largest=largest.name,
        largest_mvmus=largest.mvmus,
        all_mvmus=sum(layer.mvmus for layer in layers),
        layers=layers,
        latency=latency,
        write_seconds=write_seconds,
        compute_seconds=compute_seconds,
        inputs_per_second=batch / latency,
        joules=(write_joules + compute_joules) / batch,
        write_joules=write_joules / batch,
        writes=writes,
        mean_writes=mean,
        endurance=endurance,
        worn_after=None if batches is None else batches * batch,
        worn_seconds=None if batches is None else batches * latency,
        spread_seconds=endurance / mean * latency if mean else None,
        excluded=_excluded(structure, layers, room, once),
    )


def _residence(matrix: MatrixShape, cut: Cut, target: Target, bits: int, batch: int, room: int) -> Residence:
    """A layer's turn, with the copies that make it shortest."""
    seconds, vectors, rounds = product_seconds(target), matrix.vectors * batch, math.ceil(cut.mvmus / room)
    assert seconds is not None, f"{target.name} has no price of a product"
    together = copies_on_one(matrix, cut, target, bits)
    most = 1 if rounds > 1 else min(vectors, room // cut.mvmus * together)
    load = Load(matrix.name, vectors, seconds, cut.mvmus, together, most)

    def written(copies: int) -> tuple[int, int, float, float]:
        shared = math.ceil(copies / room) if cut.mvmus == 1 else 1
        height = _most_rows(matrix, cut, target, bits, shared)
        cells = _cells(matrix, cut, target, bits, copies, shared)
        cost = target.write_cost(cells, height)
        assert cost is not None, f"{target.name} has no [writing]"
        return cells, height, *cost

    def time(copies: int) -> float:
        return rounds * written(copies)[2] + rounds * float(load.busy(copies))

    copies = min(load.steps(), key=time)  # steps rise, and min takes the first of equals: the fewest copies
    cells, height, writing, joules = written(copies)
    return Residence(
        name=matrix.name,
        mvmus=cut.mvmus,
        copies=copies,
        rounds=rounds,
        vectors=matrix.vectors,
        turns=-(-vectors // copies),
        cells=cells,
        rows=height,
        write_seconds=rounds * writing,
        write_joules=joules,
        compute_seconds=rounds * float(load.busy(copies)),
        compute_joules=vectors * cut.mvmus * target.prices["mvm"].joules,
    )


def _most_rows(matrix: MatrixShape, cut: Cut, target: Target, bits: int, shared: int) -> int:
    """Rows that the fullest MVMU writes. shared: copies of a layer in one MVMU."""
    height = target.mvmu_rows
    if cut.mvmus == 1:
        return matrix.rows * matrix.groups * shared
    together = _groups_in_one(matrix, target, bits)
    if together:
        return together * matrix.rows
    if cut.rule == "channels":
        return min(matrix.channels, height // matrix.window) * matrix.window
    return min(matrix.rows, height)


def _cells(matrix: MatrixShape, cut: Cut, target: Target, bits: int, copies: int, shared: int) -> int:
    """Cells that all copies write. Blocks that share an MVMU are written as the rectangle around them, as the zeros
    between them are levels too, and the layer before left its own there."""
    per_weight = target.slices(bits) * target.cells_abreast
    together = _groups_in_one(matrix, target, bits)
    if cut.mvmus == 1:
        return per_weight * _rectangles(copies, shared, matrix.rows * matrix.groups, matrix.outputs)
    if together:
        per_group = matrix.outputs // matrix.groups
        return per_weight * copies * _rectangles(matrix.groups, together, matrix.rows, per_group)
    return per_weight * copies * matrix.weights


def _groups_in_one(matrix: MatrixShape, target: Target, bits: int) -> int:
    """Groups of a grouped convolution that share an MVMU; 0 where there is one group, or a group is larger."""
    if matrix.groups == 1:
        return 0
    return min(target.mvmu_rows // matrix.rows, target.mvmu_columns(bits) // (matrix.outputs // matrix.groups))


def _rectangles(blocks: int, together: int, rows: int, columns: int) -> int:
    """Numbers in the rectangles that hold so many blocks of rows x columns on their diagonals, `together` in each."""
    full, rest = divmod(blocks, together)
    return (full * together**2 + rest**2) * rows * columns


def _excluded(structure: Structure, layers: tuple[Residence, ...], room: int, once: bool) -> tuple[str, ...]:
    """What the estimate does not count, in words."""
    said = []
    if once:
        only = layers[0]
        said.append(f"writing {only.name}, once: {only.write_seconds:.3g} s and {only.write_joules:.3g} J")
    elif sum(layer.mvmus for layer in layers) <= room:
        said.append(
            f"not writing at all: all layers together take {sum(layer.mvmus for layer in layers):,} of {room:,} MVMUs, "
            'so a chip with chip.resident = "all layers" would hold them'
        )
    said.append("bringing weights to the crossbars, and the maps of a batch to and from where they are kept")
    said.append("layers without a matrix (pooling, sums, functions), instructions, memory")
    return (*said, *not_apart(structure))
