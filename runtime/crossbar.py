"""An MVMU: the product of its inputs with the matrix in its cells, through its converters.

Where converters provably lose nothing (cimc.numerics.encoding.loses_nothing) slices and steps collapse to one exact
product: in float32 while every partial sum stays below 2^24, in float64 below 2^53. Otherwise every step of every
slice is converted on its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cimc.isa.program import Matrix, extent
from cimc.numerics import encoding, quant
from cimc.runtime.constants import Constants
from cimc.runtime.machine import Scratch, Wide, Words
from cimc.runtime.registers import Action
from cimc.target.emulated import require_emulated
from cimc.target.model import Target


@dataclass(frozen=True, slots=True)
class Mvmu:
    """A programmed MVMU.

    weights: (columns, rows) in the type of the exact product, float32 or float64, or None where the product goes
    conversion by conversion. largest: a bound of every exact sum's magnitude.
    """

    matrix: Matrix
    target: Target
    cells: encoding.Cells
    weights: npt.NDArray[np.float32] | npt.NDArray[np.float64] | None
    largest: int


def joined(matrices: tuple[Matrix, ...], constants: Constants) -> tuple[Matrix, npt.NDArray[np.int64]]:
    """The matrices of one MVMU as one, with its weights, int (rows, columns): each at its place, zeros elsewhere."""
    rows, columns = extent(matrices)
    weights = np.zeros((rows, columns), np.int64)
    for m in matrices:
        weights[m.at_row : m.at_row + m.rows, m.at_column : m.at_column + m.columns] = constants.matrix(m)
    return replace(matrices[0], rows=rows, columns=columns, at_row=0, at_column=0), weights


def program_mvmu(matrix: Matrix, logical: npt.NDArray[np.int64], target: Target, exact: bool | None = None) -> Mvmu:
    """Store a matrix, int (rows, columns). exact: False to convert step by step even where nothing is lost, True to
    take the exact product even where something is; None decides by the converters."""
    if exact is not True:
        require_emulated(target, matrix.input_bits)
    mvmu, crossbar = target.mvmu, target.crossbar
    cells = encoding.encode(logical, matrix.weight_bits, crossbar.cell_bits, mvmu.encoding, mvmu.flipped)
    lossless = encoding.loses_nothing(cells, crossbar.dac_bits, crossbar.adc_bits)
    top = 1 << (matrix.input_bits - 1) if matrix.input_signed else (1 << matrix.input_bits) - 1
    largest = int(np.abs(logical).sum(axis=0).max(initial=0)) * top
    if not (lossless if exact is None else exact):
        return Mvmu(matrix, target, cells, None, largest)
    rounded = largest + (1 << matrix.shift >> 1 if matrix.shift < 53 else 0)
    assert rounded < 1 << 53, f"a sum of {largest} with a shift of {matrix.shift} is not exact in float64"
    if rounded < 1 << 24 and matrix.shift < 24:
        return Mvmu(matrix, target, cells, np.ascontiguousarray(logical.T, np.float32), largest)
    return Mvmu(matrix, target, cells, np.ascontiguousarray(logical.T, np.float64), largest)


def compile_mvmu(mvmu: Mvmu, xin: Words, xout: Words, scratch: Scratch) -> Action:
    """xout = round(weights, transposed, times xin). xin: (rows, lanes); xout: (columns, lanes)."""
    if mvmu.weights is None:
        return _stepwise(mvmu, xin, xout)
    feed = _compile_feed(mvmu, xin, scratch)
    if mvmu.weights.dtype == np.float32:
        return _product32(mvmu, feed, xout, scratch)
    return _product64(mvmu, feed, xout, scratch)


def _stepwise(mvmu: Mvmu, xin: Words, xout: Words) -> Action:
    matrix, numbers, crossbar = mvmu.matrix, mvmu.target.numbers, mvmu.target.crossbar

    def multiply() -> None:
        sums = encoding.multiply_by_steps(
            xin.T.astype(np.int64),
            mvmu.cells,
            matrix.input_bits,
            matrix.input_signed,
            crossbar.dac_bits,
            crossbar.adc_bits,
        )
        xout[...] = quant.saturate(quant.shift_round(sums, matrix.shift), numbers.accumulator).T

    return multiply


def _compile_feed(mvmu: Mvmu, xin: Words, scratch: Scratch) -> tuple[Words | Wide, Action | None]:
    """What the rows are fed: the words' lowest input_bits bits, as a buffer and how it is filled (None: xin itself)."""
    matrix = mvmu.matrix
    if matrix.input_signed and matrix.input_bits >= mvmu.target.numbers.word:
        return xin, None
    if not matrix.input_signed and matrix.input_bits >= 32:
        wide, ones = scratch.wide(xin.shape[0]), np.array((1 << matrix.input_bits) - 1, np.int64)

        def take_as_unsigned() -> None:
            np.bitwise_and(xin, ones, out=wide, dtype=np.int64)

        return wide, take_as_unsigned
    fed = scratch.words(xin.shape[0])
    if not matrix.input_signed:
        mask = np.array((1 << matrix.input_bits) - 1, np.int32)

        def cut() -> None:
            np.bitwise_and(xin, mask, out=fed)

        return fed, cut
    by = np.array(32 - matrix.input_bits, np.int32)

    def extend() -> None:
        np.left_shift(xin, by, out=fed)
        np.right_shift(fed, by, out=fed)

    return fed, extend


def _product32(mvmu: Mvmu, feed: tuple[Words | Wide, Action | None], xout: Words, scratch: Scratch) -> Action:
    weights = mvmu.weights
    assert weights is not None, "the product is exact"
    fed, prepare = feed
    x, y = scratch.real(fed.shape[0]), scratch.real(xout.shape[0], 1)
    dot = np.dot
    if mvmu.matrix.shift == 0 and mvmu.largest < 1 << (mvmu.target.numbers.accumulator - 1):

        def multiply() -> None:
            if prepare is not None:
                prepare()
            x[...] = fed
            dot(weights, x, y)
            xout[...] = y

        return multiply
    finish = _compile_rounding(mvmu, y, xout)

    def multiply_and_round() -> None:
        if prepare is not None:
            prepare()
        x[...] = fed
        dot(weights, x, y)
        finish()

    return multiply_and_round


def _product64(mvmu: Mvmu, feed: tuple[Words | Wide, Action | None], xout: Words, scratch: Scratch) -> Action:
    weights = mvmu.weights
    assert weights is not None, "the product is exact"
    fed, prepare = feed
    x, y = scratch.double(fed.shape[0]), scratch.double(xout.shape[0], 1)
    finish = _compile_rounding(mvmu, y, xout)
    dot = np.dot

    def multiply() -> None:
        if prepare is not None:
            prepare()
        x[...] = fed
        dot(weights, x, y)
        finish()

    return multiply


def _compile_rounding(mvmu: Mvmu, sums: npt.NDArray[np.float32] | npt.NDArray[np.float64], xout: Words) -> Action:
    """xout = the sums, whole numbers, shifted with half added and saturated to an accumulator; exact in floats."""
    shift, bits = mvmu.matrix.shift, mvmu.target.numbers.accumulator
    dtype = sums.dtype
    factor, half = np.array(2.0**-shift, dtype), np.array(0.5, dtype)
    low, high = np.array(-(2.0 ** (bits - 1)), dtype), np.array(2.0 ** (bits - 1) - 1, dtype)
    fits = (mvmu.largest >> shift) + 1 < 1 << (bits - 1)

    def finish() -> None:
        if shift:
            np.multiply(sums, factor, out=sums)
            np.add(sums, half, out=sums)
            np.floor(sums, out=sums)
        if not fits:
            np.maximum(sums, low, out=sums)
            np.minimum(sums, high, out=sums)
        xout[...] = sums

    return finish
