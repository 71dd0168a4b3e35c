"""Loops over sums of physical cells that are compiled by numba. Only imported where it is installed (see
cimc.crossbar.noisy)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from cimc.crossbar.device.levels import ADC
from cimc.numerics.keys import FIRST, GOLDEN, SECOND
from cimc.numerics.normal import ALL, BITS, DEGREE, HALF, ONE, PIECE_BITS
from cimc.numerics.normal import FIRST as FIRST_NUMBER
from cimc.numerics.normal import TABLE as COEFFICIENTS

REST, MANTISSA = np.uint64(64 - BITS), np.uint64(52 - PIECE_BITS)
SHIFT, THIRTY, TWENTY_SEVEN, THIRTY_ONE = (np.uint64(bits) for bits in (PIECE_BITS, 30, 27, 31))
FIRST_PIECE = np.uint64(FIRST_NUMBER)
UNIT, TWO, THREE = (np.uint64(power) for power in (1, 2, 3))
TABLE = np.ascontiguousarray(COEFFICIENTS.T).ravel()
"""Four coefficients, lowest first, of one piece after the other."""
assert DEGREE == 3


def _cast(source: Any, target: Any) -> Any:
    """An intrinsic that takes the bits of one type for those of another."""

    def typed(context: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], context.get_value_type(target))

        return target(source), generate

    return intrinsic(typed)


bits_of: Any = _cast(types.float64, types.uint64)
float_of: Any = _cast(types.uint64, types.float64)


@njit(inline="always")
def mixed(state: Any, number: Any) -> Any:
    """cimc.numerics.keys.mixed, of one number."""
    z = (state ^ np.uint64(number)) + GOLDEN
    z = (z ^ (z >> THIRTY)) * FIRST
    z = (z ^ (z >> TWENTY_SEVEN)) * SECOND
    return z ^ (z >> THIRTY_ONE)


@njit(nogil=True)
def draw(
    state: Any, sign: Any, number: Any, first: Any, by: Any, table: Any, pieces: Any, rests: Any, drawn: Any
) -> None:
    """cimc.numerics.normal.normal_of the hashes of columns first, first + by, ..., into drawn (columns,).

    state: the hash of the read, to which sign and number of the slice are added; table: TABLE, which as a global would
    be slow; pieces, rests: buffers. In two loops, of which the first can be done several columns at once.
    """
    cell = mixed(mixed(state, sign), number)
    for column in range(drawn.size):
        r = mixed(cell, np.int64(first + by * column)) >> REST
        upper = r >= HALF
        x = float(np.int64(r ^ ALL if upper else r)) + 0.5
        bits = bits_of(x)
        pieces[column] = ((bits >> MANTISSA) - FIRST_PIECE) << np.uint64(2)
        rests[column] = float_of(((bits << SHIFT) & ALL) | ONE) - 1.0
        drawn[column] = -1.0 if upper else 1.0
    for column in range(drawn.size):
        piece, t = pieces[column], rests[column]
        found = (table[piece + THREE] * t + table[piece + TWO]) * t + table[piece + UNIT]
        drawn[column] *= found * t + table[piece]


@njit(nogil=True)
def read_column_sums(
    sums: Any, variances: Any, state: Any, sign: Any, number: Any, first: Any, table: Any, buffers: Any, found: Any
) -> None:
    """Column sums (columns,) with their noise, where variances are not empty, into `found`, in float64. For the rest
    see draw; buffers: pieces, rests and drawn."""
    if not variances.size:
        for column in range(found.size):
            found[column] = sums[column]
        return
    pieces, rests, drawn = buffers
    draw(state, sign, number, first, 1, table, pieces, rests, drawn)
    for column in range(found.size):
        found[column] = sums[column] + math.sqrt(float(variances[column])) * drawn[column]


@njit(cache=True, nogil=True)
def add_codes(
    sums: Any, variances: Any, hashes: Any, slices: Any, first: Any, subtracted: Any, offsets: Any, spread: Any,
    converted: Any, steps: Any, low: Any, high: Any, down: Any, worths: Any, counts: Any, table: Any, total: Any,
) -> None:  # fmt: skip
    """Add to total (lanes, columns) the codes of sums (lanes, reads, cells, columns) times what they count: worths
    (reads,) times counts (cells or, where pairs are subtracted, half as many, columns).

    variances: of the sums, or of no reads; hashes: (lanes, reads); cells are signs times `slices`, first: the number of
    the first column. offsets: of converters, (cells, columns), spread: the deviation of their noise, (columns,), both
    empty where there is none; converted: the hashes of conversions. steps: (columns,), or empty for steps of 1; low,
    high, down: of the converter. table: TABLE.
    """
    lanes, reads, _, columns = sums.shape
    cells, noisy = counts.shape[0], variances.shape[1] > 0
    none = np.zeros(0, sums.dtype)
    one, other, codes = np.zeros(columns), np.zeros(columns), np.zeros(columns)
    buffers = np.zeros(columns, np.uint64), np.zeros(columns), np.zeros(columns)
    for lane in range(lanes):
        for cell in range(cells):
            sign, number, lower, count = cell // slices, cell % slices, cell + cells, counts[cell]
            codes[:] = 0  # below 2^48 times the number of reads: exact
            for read in range(reads):
                worth, state = float(worths[read]), hashes[lane, read] if noisy else np.uint64(0)
                variance = variances[lane, read, cell] if noisy else none
                read_column_sums(sums[lane, read, cell], variance, state, sign, number, first, table, buffers, one)
                if subtracted:
                    variance = variances[lane, read, lower] if noisy else none
                    read_column_sums(sums[lane, read, lower], variance, state, 1, number, first, table, buffers, other)
                    for column in range(columns):
                        one[column] -= other[column]
                if offsets.size:
                    for column in range(columns):
                        one[column] += offsets[cell, column]
                if spread.size:
                    pieces, rests, drawn = buffers
                    draw(converted[lane, read], sign, number, ADC, -1, table, pieces, rests, drawn)
                    for column in range(columns):
                        one[column] += spread[column] * drawn[column]
                if steps.size:
                    for column in range(columns):
                        one[column] /= steps[column]
                if down:
                    for column in range(columns):
                        codes[column] += worth * min(max(np.floor(one[column]), low), high)
                else:
                    for column in range(columns):
                        codes[column] += worth * min(max(np.rint(one[column]), low), high)
            for column in range(columns):
                total[lane, column] += count[column] * np.int64(codes[column])
