"""What writing the weights of a program takes: cells and rows from its matrices, time and energy from the target."""

from __future__ import annotations

from collections.abc import Iterable

from cimc.isa.program import CoreCode, Matrix, Program
from cimc.report.cost_model import Writing
from cimc.target.model import Target


def writing_of(program: Program, target: Target) -> Writing:
    """Cells and rows to write, and what that takes where the target has the prices."""
    cores = [core for tile in program.tiles for core in tile.cores]
    cells = sum(cells_of(core, target) for core in cores)
    rows = max((_extent(held)[0] for core in cores for held in core.by_mvmu().values()), default=0)
    cost = target.write_cost(cells, rows)
    if cost is None:
        return Writing(cells, rows, None, None, f"target {target.name} has no price for writing a cell ([writing])")
    return Writing(cells, rows, *cost, "")


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
