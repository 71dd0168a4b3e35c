"""Into how many MVMUs a matrix is cut, from its shape: the rules of cimc.passes.split and of split_options in
cimc.passes.pipelines in closed form. tests/driver/test_estimate.py holds the two to each other."""

from __future__ import annotations

from dataclasses import dataclass

from cimc.frontends.structure import MatrixShape
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
    """Cut by "dense" rows (a block ends where an MVMU is full) or by whole input "channels", floor(rows / window) in a
    block. A layer whose window reaches more than half of a tile's memory is cut by channels whatever is asked for, so
    that it can be spread over tiles. Groups of a grouped convolution share a block where they fit."""
    height, width = target.mvmu_rows, target.mvmu_columns(weight_bits)
    channels = rows == "channels" or matrix.held > target.tile.memory_words // 2
    channels = channels and matrix.window <= height
    rule = "channels" if channels else "dense"
    per_group = matrix.outputs // matrix.groups
    if matrix.groups == 1:
        return Cut(rule, _row_blocks(matrix.channels, matrix.window, height, channels), -(-matrix.outputs // width))
    together = min(height // matrix.rows, width // per_group)
    if together >= 1:
        return Cut(rule, 1, -(-matrix.groups // together))
    blocks = _row_blocks(matrix.channels, matrix.window, height, channels)
    return Cut(rule, blocks, matrix.groups * -(-per_group // width))


def _row_blocks(channels: int, window: int, height: int, by_channels: bool) -> int:
    return -(-channels // (height // window)) if by_channels else -(-channels * window // height)
