"""Into how many MVMUs a matrix is cut, where only its shape is known: by the rules of cimc.passes.crossbars.split."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from cimc.base.diagnostics import Place, fail
from cimc.frontends.structure import MatrixShape, Structure
from cimc.passes.crossbars.balance import copies_in_one
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


def cut_network(structure: Structure, target: Target, weight_bits: int, rows: str) -> list[Cut]:
    """Cut all matrices. rows: "dense" or "channels". Raises CimcError where there are none, or no cells for the
    bits."""
    if not structure.matrices:
        what = "the network has no matrix to store on crossbars"
        raise fail("estimate.empty", what, todo="give a network with Conv, Gemm or MatMul by a constant")
    if not 2 <= weight_bits <= target.largest_weight_bits:
        what = f"--weight-bits is {weight_bits}; {target.name} takes 2 to {target.largest_weight_bits}"
        raise fail("options.bits", what, Place(item="--weight-bits"))
    return [cut_matrix(matrix, target, weight_bits, rows) for matrix in structure.matrices]


def cut_matrix(matrix: MatrixShape, target: Target, weight_bits: int, rows: str) -> Cut:
    """Cut a matrix. rows: "dense" or "channels"."""
    every = matrix.channels * matrix.groups
    far = reaches_far(matrix.reach, [matrix.map], every, target.tile.memory_words)
    channels = (rows == "channels" or far) and matrix.window <= target.mvmu_rows
    shape = (matrix.outputs, matrix.channels, matrix.window, 1)
    return Cut("channels" if channels else "dense", *count_blocks(shape, matrix.groups, channels, target, weight_bits))


def copies_on_one(matrix: MatrixShape, cut: Cut, target: Target, weight_bits: int) -> int:
    """Copies that share an MVMU block-diagonally; 1 where a copy is larger."""
    rows, columns = target.mvmu_rows, target.mvmu_columns(weight_bits)
    return copies_in_one(matrix.rows * matrix.groups, matrix.outputs, rows, columns) if cut.mvmus == 1 else 1


def product_seconds(target: Target) -> Fraction | None:
    """Time of one product, exactly as the decimals of the price say; None where there is none."""
    price = target.prices.get("mvm")
    return Fraction(repr(price.seconds)) if price is not None and price.seconds else None
