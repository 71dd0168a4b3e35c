"""An MVMU in a running machine: the product of its registers with the matrix in its cells (cimc.crossbar).

Where nothing can be lost the product is one exact product of matrices; otherwise each conversion is made on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.crossbar.chain import Chain, Programmed
from cimc.crossbar.device import Device, Reading, device_of
from cimc.crossbar.feed import Feed
from cimc.crossbar.lossless import ExactProduct, may_lose
from cimc.isa.program import Matrix, extent
from cimc.numerics import quant
from cimc.numerics.keys import NOTHING_DRAWN, Key
from cimc.runtime.cells import Stored
from cimc.runtime.machine import Action, AnyArray, Scratch, Words
from cimc.target.model import Target


@dataclass(frozen=True, slots=True)
class Mvmu:
    """A programmed MVMU. product: the exact one, or the cells where products go conversion by conversion.

    accumulator, word: widths of XbarOut and XbarIn, in bits. key: of the MVMU, for the noise of its reads.
    """

    matrix: Matrix
    feed: Feed
    product: ExactProduct | Programmed
    accumulator: int
    word: int
    key: Key = NOTHING_DRAWN

    @property
    def noisy(self) -> bool:
        """Whether its reads have noise."""
        if not isinstance(self.product, Programmed):
            return False
        return self.product.conductances.variances is not None or self.product.conductances.adc_noise > 0


Held = tuple[Matrix, npt.NDArray[np.int64], npt.NDArray[np.float64] | None]
"""A matrix, its weights (rows, columns), and its converters' steps (cimc.crossbar.converter.Steps)."""


def joined(matrices: tuple[Matrix, ...], arrays: Mapping[str, AnyArray], stored: Stored | None = None) -> Held:
    """The matrices of one MVMU as one: each at its place, zeros elsewhere; or those that were written to its cells."""
    rows, columns = extent(matrices)
    ranges = max(np.ndim(arrays[m.steps]) if m.steps else 1 for m in matrices)
    weights = np.zeros((rows, columns), np.int64) if stored is None else stored.weights()
    steps = np.ones((ranges, columns))
    for m in matrices:
        taken = slice(m.at_column, m.at_column + m.columns)
        if stored is None:
            weights[m.at_row : m.at_row + m.rows, taken] = arrays[m.array]
        if m.steps:
            steps[:, taken] = arrays[m.steps]
    whole = replace(matrices[0], rows=rows, columns=columns, at_row=0, at_column=0)
    return whole, weights, None if (steps == 1).all() else steps[0] if ranges == 1 else steps


def program_mvmu(
    matrix: Matrix,
    logical: npt.NDArray[np.int64],
    steps: npt.NDArray[np.float64] | None,
    target: Target,
    exact: bool | None = None,
    device: Device | None = None,
    key: Key = NOTHING_DRAWN,
) -> Mvmu:
    """Store a matrix, int (rows, columns). steps: see Held. exact: False to convert step by step even where nothing is
    lost, True to take the exact product even where something is; None decides by the chain of stages. device: other
    cells than the target's. key: of this MVMU and this write."""
    numbers = target.numbers
    chain = Chain.of(target.crossbar, target.mvmu, device or device_of(target))
    feed, bits = chain.feed(matrix.input_bits, matrix.input_signed), matrix.weight_bits
    lossless = not may_lose(chain, feed, logical, bits, steps) if exact is None else exact
    product = ExactProduct.of(logical, feed, matrix.shift) if lossless else chain.program(logical, bits, key, steps)
    return Mvmu(matrix, feed, product, numbers.accumulator, numbers.word, key.around)


def compile_mvmu(
    mvmu: Mvmu, xin: Words, xout: Words, scratch: Scratch, reading: Callable[[], Reading] | None = None
) -> Action:
    """xout = round(weights, transposed, times xin). xin: (rows, lanes); xout: (columns, lanes). reading: says which
    reads the next product makes, where they have noise."""
    if isinstance(mvmu.product, ExactProduct):
        return _exact(mvmu, mvmu.product, xin, xout, scratch)
    return _converted(mvmu, mvmu.product, xin, xout, reading)


def _converted(
    mvmu: Mvmu, product: Programmed, xin: Words, xout: Words, reading: Callable[[], Reading] | None
) -> Action:
    def multiply() -> None:
        sums = product.multiply(xin.T.astype(np.int64), mvmu.feed, None if reading is None else reading())
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
