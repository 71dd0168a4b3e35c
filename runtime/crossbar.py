"""An MVMU in a running machine: the product of its registers with the matrix in its cells (cimc.crossbar).

Where nothing can be lost the product is one exact product of matrices; otherwise each conversion is made on its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.crossbar.chain import Chain, Feed, Programmed
from cimc.crossbar.device import Device, device_of
from cimc.crossbar.lossless import ExactProduct, may_lose
from cimc.isa.program import Matrix, extent
from cimc.numerics import quant
from cimc.numerics.keys import NOTHING_DRAWN, Key
from cimc.runtime.cells import Stored
from cimc.runtime.machine import Action, AnyArray, Scratch, Words
from cimc.target.emulated import require_emulated
from cimc.target.model import Target


@dataclass(frozen=True, slots=True)
class Mvmu:
    """A programmed MVMU. product: the exact one, or the cells where products go conversion by conversion.

    accumulator, word: widths of XbarOut and XbarIn, in bits.
    """

    matrix: Matrix
    feed: Feed
    product: ExactProduct | Programmed
    accumulator: int
    word: int


def joined(
    matrices: tuple[Matrix, ...], arrays: Mapping[str, AnyArray], stored: Stored | None = None
) -> tuple[Matrix, npt.NDArray[np.int64]]:
    """The matrices of one MVMU as one, with its weights, int (rows, columns): each at its place, zeros elsewhere; or
    those that were written to its cells."""
    rows, columns = extent(matrices)
    weights = np.zeros((rows, columns), np.int64) if stored is None else stored.weights()
    for m in matrices if stored is None else ():
        weights[m.at_row : m.at_row + m.rows, m.at_column : m.at_column + m.columns] = arrays[m.array]
    return replace(matrices[0], rows=rows, columns=columns, at_row=0, at_column=0), weights


def program_mvmu(
    matrix: Matrix,
    logical: npt.NDArray[np.int64],
    target: Target,
    exact: bool | None = None,
    device: Device | None = None,
    key: Key = NOTHING_DRAWN,
) -> Mvmu:
    """Store a matrix, int (rows, columns). exact: False to convert step by step even where nothing is lost, True to
    take the exact product even where something is; None decides by the chain of stages. device: other cells than the
    target's. key: of this MVMU and this write."""
    if exact is not True:
        require_emulated(target, matrix.input_bits)
    mvmu, numbers = target.mvmu, target.numbers
    chain = Chain.of(target.crossbar, mvmu.encoding, mvmu.flipped, device or device_of(target))
    feed, bits = chain.feed(matrix.input_bits, matrix.input_signed), matrix.weight_bits
    lossless = not may_lose(chain, feed, logical, bits) if exact is None else exact
    product = ExactProduct.of(logical, feed, matrix.shift) if lossless else chain.program(logical, bits, key)
    return Mvmu(matrix, feed, product, numbers.accumulator, numbers.word)


def compile_mvmu(mvmu: Mvmu, xin: Words, xout: Words, scratch: Scratch) -> Action:
    """xout = round(weights, transposed, times xin). xin: (rows, lanes); xout: (columns, lanes)."""
    if isinstance(mvmu.product, ExactProduct):
        return _exact(mvmu, mvmu.product, xin, xout, scratch)
    return _converted(mvmu, mvmu.product, xin, xout)


def _converted(mvmu: Mvmu, product: Programmed, xin: Words, xout: Words) -> Action:
    def multiply() -> None:
        sums = product.multiply(xin.T.astype(np.int64), mvmu.feed)
        xout[...] = quant.saturate(quant.shift_round(sums, mvmu.matrix.shift), mvmu.accumulator).T

    return multiply


def _exact(mvmu: Mvmu, product: ExactProduct, xin: Words, xout: Words, scratch: Scratch) -> Action:
    fed, prepare = _compile_feed(mvmu, xin, scratch)
    weights, dot = product.weights, np.dot
    kind = weights.dtype.type
    x, y = scratch.get(kind, fed.shape[0]), scratch.get(kind, xout.shape[0], 1)
    finish = _compile_rounding(mvmu, product.largest, y)

    def multiply() -> None:
        if prepare is not None:
            prepare()
        x[...] = fed
        dot(weights, x, y)
        if finish is not None:
            finish()
        xout[...] = y

    return multiply


def _compile_feed(mvmu: Mvmu, xin: Words, scratch: Scratch) -> tuple[AnyArray, Action | None]:
    """What the rows are fed: the words' lowest bits, as a buffer and how it is filled (None: xin itself)."""
    feed = mvmu.feed
    if feed.signed and feed.bits >= mvmu.word:
        return xin, None
    if not feed.signed:
        dtype: type[np.int32] | type[np.int64] = np.int32 if feed.bits < 32 else np.int64
        unsigned, mask = scratch.get(dtype, xin.shape[0]), np.array((1 << feed.bits) - 1, dtype)
        return unsigned, partial(np.bitwise_and, xin, mask, out=unsigned, dtype=dtype)
    fed, by = scratch.get(np.int32, xin.shape[0]), np.array(32 - feed.bits, np.int32)

    def extend() -> None:
        np.left_shift(xin, by, out=fed)
        np.right_shift(fed, by, out=fed)

    return fed, extend


def _compile_rounding(mvmu: Mvmu, largest: int, sums: npt.NDArray[np.floating[Any]]) -> Action | None:
    """Shift sums, whole numbers of at most `largest`, with half added, and saturate them to an accumulator, in place
    and exact in floats; None where they are that already."""
    shift, bits = mvmu.matrix.shift, mvmu.accumulator
    dtype = sums.dtype
    factor, half = np.array(2.0**-shift, dtype), np.array(0.5, dtype)
    low, high = np.array(-(2.0 ** (bits - 1)), dtype), np.array(2.0 ** (bits - 1) - 1, dtype)
    fits = (largest + (1 << shift >> 1)) >> shift < 1 << (bits - 1)
    if fits and not shift:
        return None

    def finish() -> None:
        if shift:
            np.multiply(sums, factor, out=sums)
            np.add(sums, half, out=sums)
            np.floor(sums, out=sums)
        if not fits:
            np.maximum(sums, low, out=sums)
            np.minimum(sums, high, out=sums)

    return finish
