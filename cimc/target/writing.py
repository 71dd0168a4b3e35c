"""The time and energy to write weights into cells."""

from __future__ import annotations

from dataclasses import dataclass

from cimc.target.model import Target


@dataclass(frozen=True, slots=True)
class WriteCost:
    """What writing takes. cells: how many are written; seconds until the last is; joules in all."""

    cells: int
    seconds: float
    joules: float


def write_cost(target: Target, cells: int, rows: int) -> WriteCost | None:
    """The cost of writing `cells` cells, where no MVMU writes more than `rows` rows of its crossbars.

    The rows of an MVMU are written one after the other, the cells of a row at once, and MVMUs side by side, as are the
    crossbars of one MVMU: seconds = rows x writing.row_seconds, joules = cells x writing.cell_joules. Power is not
    limited, and moving the weights to the arrays is not counted. None where the target has no [writing].
    """
    assert cells >= 0 and 0 <= rows <= target.crossbar.rows, f"{cells} cells, {rows} of {target.crossbar.rows} rows"
    if target.writing is None:
        return None
    return WriteCost(cells, rows * target.writing.row_seconds, cells * target.writing.cell_joules)
