"""Into how many MVMUs a matrix is cut, where only its shape is known: by the rules of cimc.passes.crossbars.split."""

from __future__ import annotations

from dataclasses import dataclass

from cimc.frontends.structure import MatrixShape
from cimc.passes.crossbars.split import count_blocks, reaches_far
from cimc.target import Target


@dataclass(frozen=True, slots=True)
class Cut:
    """A matrix on MVMUs: blocks of rows x blocks of columns. rule: "dense" or "channels", how its rows were cut."""

    rule: str
    row_blocks: int
    column_blocks: int

    @property
    def mvmus(self) -> int:
        """MVMUs of one copy."""
        return self.row_blocks * self.column_blocks


def cut_matrix(matrix: MatrixShape, target: Target, weight_bits: int, rows: str) -> Cut:
    """Cut a matrix. rows: "dense" or "channels"."""
    every = matrix.channels * matrix.groups
    far = reaches_far(matrix.reach, [matrix.map], every, target.tile.memory_words)
    channels = (rows == "channels" or far) and matrix.window <= target.mvmu_rows
    shape = (matrix.outputs, matrix.channels, matrix.window, 1)
    return Cut("channels" if channels else "dense", *count_blocks(shape, matrix.groups, channels, target, weight_bits))
