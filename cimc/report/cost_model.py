"""Time and energy in the mapping report as data. Times in seconds, energies in joules, shares in percent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cimc.base.quantities import per_second, si
from cimc.base.shown import Facts
from cimc.isa.program import CoreCode, Matrix, Program
from cimc.target.model import Target


@dataclass(frozen=True, slots=True)
class Share:
    """What a component, or something that is no layer, takes of the energy of one input."""

    name: str
    joules: float
    percent: float


@dataclass(frozen=True, slots=True)
class LayerCost:
    """What one input costs in a layer.

    seconds: that its busiest core works for it, fetching included, waiting and queueing not; busy_percent: of the time
    between inputs. joules: of all its cores and of what carries its result to other tiles; joules_percent: of the
    energy of one input.
    """

    seconds: float
    busy_percent: float
    joules: float
    joules_percent: float


@dataclass(frozen=True, slots=True)
class Limit:
    """What sets the rate of a stream of inputs, and what would raise it.

    kind: "core", "transfer" between tiles, "host", "memory" of a tile or "link". layer: that it works for most, or "".
    why: in words. percent: of the time between inputs that it is occupied. help: what to try, each a sentence.
    """

    name: str
    kind: str
    layer: str
    why: str
    percent: float
    help: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CostReport:
    """Time and energy of a stream of inputs, as `cimc time` models them.

    inputs: of the stream. latency: from the start until the first input's outputs are out. interval: between outputs
    of a steady stream; rate: inputs a second. joules: of one input; setup_joules: spent once, before the first input,
    without writing the weights. by_component: of `joules`, the largest first; elsewhere: what of `joules` belongs to
    no layer, such as the host's transfers.
    """

    inputs: int
    latency: float
    interval: float
    rate: float
    joules: float
    setup_joules: float
    by_component: tuple[Share, ...]
    elsewhere: tuple[Share, ...]
    limit: Limit

    def facts(self) -> Facts:
        """Latency, rate and energy."""
        return [
            ("latency", si(self.latency, "s")),
            ("between inputs", f"{si(self.interval, 's')}, {per_second(self.rate)} inputs a second"),
            ("energy", f"{si(self.joules, 'J')} an input"),
        ]


@dataclass(frozen=True, slots=True)
class Writing:
    """Writing the weights: once, before the first input, or in rounds, once for the inputs that share them. What words
    take on their way to the crossbars is not counted here.

    cells: that hold weights, copies included, the fixed unit column of an encoding not. rows: the most that one MVMU
    has to write, one after the other; MVMUs write beside each other. seconds, joules: None where the target has no
    price for it, which `unpriced` then says.
    """

    cells: int
    rows: int
    seconds: float | None
    joules: float | None
    unpriced: str

    @staticmethod
    def of(program: Program, target: Target) -> Writing:
        """What a program's matrices take, with the prices of its target: those of all rounds, round after round."""
        phases = program.phases or (None,)
        parts = [part for phase, part in zip(phases, program.parts, strict=True) if phase is None or phase.once]
        each = [Writing._of_part(part, target) for part in parts] or [(0, 0)]
        cells, rows = sum(cells for cells, _ in each), max(rows for _, rows in each)
        costs = [target.write_cost(*one) for one in each]
        if any(cost is None for cost in costs):
            return Writing(cells, rows, None, None, f"target {target.name} has no price for writing a cell ([writing])")
        seconds, joules = (sum(cost[n] for cost in costs if cost is not None) for n in (0, 1))
        return Writing(cells, rows, seconds, joules, "")

    @staticmethod
    def _of_part(program: Program, target: Target) -> tuple[int, int]:
        """Cells, and the most rows of an MVMU."""
        cores = [core for tile in program.tiles for core in tile.cores]
        rows = max((_extent(held)[0] for core in cores for held in core.by_mvmu().values()), default=0)
        return sum(cells_of(core, target) for core in cores), rows

    def __str__(self) -> str:
        what = f"{self.cells:,} cells, at most {self.rows:,} rows an MVMU"
        if self.seconds is None or self.joules is None:
            return f"{what}; time and energy not known: {self.unpriced}"
        return f"{si(self.seconds, 's')} and {si(self.joules, 'J')}, once; {what}"


def cells_of(core: CoreCode, target: Target) -> int:
    """Cells of a core that hold weights.

    Matrices that share an MVMU are written as the rectangle that holds them, as a weight of 0 is a level too.
    """
    total = 0
    for held in core.by_mvmu().values():
        rows, columns = _extent(held)
        slices = target.slices(max(matrix.weight_bits for matrix in held))
        total += rows * columns * slices * target.cells_abreast
    return total


def _extent(held: Iterable[Matrix]) -> tuple[int, int]:
    """Rows and columns of the rectangle from an MVMU's corner that holds its matrices."""
    matrices = tuple(held)
    return max(m.at_row + m.rows for m in matrices), max(m.at_column + m.columns for m in matrices)
