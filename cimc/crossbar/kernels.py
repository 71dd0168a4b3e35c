"""Loops of the crossbar that are compiled by numba. Only imported where it is installed (see cimc.crossbar.packed)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

TOGETHER = 4
"""Planes - a digit's bit, a level's bit and a word of rows - that one pass over the columns counts."""


def _population(context: Any, word: Any) -> Any:
    """The type and the code of population."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


population: Any = intrinsic(_population)
"""How many bits of a word of 64 are set."""


@njit(cache=True, nogil=True)
def add_counts(words: Any, places: Any, levels: Any, sums: Any) -> None:
    """Add to sums (columns,) the rows that both words (planes,) and levels (planes, columns) have, 2^place for each."""
    for first in range(0, words.size, TOGETHER):
        a, b, c, d = words[first], words[first + 1], words[first + 2], words[first + 3]
        p, q, r, s = places[first], places[first + 1], places[first + 2], places[first + 3]
        e, f, g, h = levels[first], levels[first + 1], levels[first + 2], levels[first + 3]
        for column in range(sums.size):
            one = (population(a & e[column]) << p) + (population(b & f[column]) << q)
            sums[column] += one + (population(c & g[column]) << r) + (population(d & h[column]) << s)


@njit(cache=True, nogil=True)
def count_product(
    digits: Any, worths: Any, places: Any, levels: Any, counts: Any, subtracted: Any, clip: Any, tables: Any,
    least: Any, total: Any,
) -> None:  # fmt: skip
    """Add up, into total (lanes, columns), the codes of all conversions times what they count.

    digits: uint64 (lanes, groups, steps, planes), an even number of steps; places: (planes,); levels: uint64 (groups,
    cells, planes, columns), cells for every sign and slice: where pairs are subtracted the second half of them is taken
    off the first. clip: the least and the largest code, where a code is its sum; otherwise empty, and tables hold the
    codes by sum - least, (1 or columns, sums).
    """
    if digits.shape[3] == TOGETHER and not subtracted and tables.shape[0] == 1:
        _count_in_one_pass(digits, worths, places, levels, counts, clip, tables[0], total)
        return
    lanes, groups, steps, _ = digits.shape
    cells, columns = counts.shape
    own = tables.shape[0] > 1
    sums, others, codes = np.zeros(columns, np.int64), np.zeros(columns, np.int64), np.zeros(columns, np.int64)
    for lane in range(lanes):
        for cell in range(cells):
            codes[:] = 0
            for group in range(groups):
                for step in range(steps):
                    worth, words = worths[step], digits[lane, group, step]
                    sums[:] = 0
                    add_counts(words, places, levels[group, cell], sums)
                    if subtracted:
                        others[:] = 0
                        add_counts(words, places, levels[group, cell + cells], others)
                        for column in range(columns):
                            sums[column] -= others[column]
                    if clip.size:
                        low, high = clip[0], clip[1]
                        for column in range(columns):
                            codes[column] += worth * min(max(sums[column], low), high)
                    else:
                        for column in range(columns):
                            codes[column] += worth * tables[column if own else 0, sums[column] - least]
            for column in range(columns):
                total[lane, column] += counts[cell, column] * codes[column]


@njit(cache=True, nogil=True)
def _count_in_one_pass(
    digits: Any, worths: Any, places: Any, levels: Any, counts: Any, clip: Any, table: Any, total: Any
) -> None:
    """count_product where the planes are those of one pass, sums are not negative and columns have one table; two steps
    at once."""
    lanes, groups, steps, _ = digits.shape
    cells, columns = counts.shape
    p, q, r, s = places[0], places[1], places[2], places[3]
    codes = np.zeros(columns, np.int64)
    for lane in range(lanes):
        for cell in range(cells):
            codes[:] = 0
            for group in range(groups):
                rows = levels[group, cell]
                e, f, g, h = rows[0], rows[1], rows[2], rows[3]
                for step in range(0, steps, 2):
                    now, then = digits[lane, group, step], digits[lane, group, step + 1]
                    worth, worth_then = worths[step], worths[step + 1]
                    a, b, c, d = now[0], now[1], now[2], now[3]
                    i, j, k, m = then[0], then[1], then[2], then[3]
                    if clip.size:
                        low, high = clip[0], clip[1]
                        for column in range(columns):
                            e0, f0, g0, h0 = e[column], f[column], g[column], h[column]
                            one = (population(a & e0) << p) + (population(b & f0) << q)
                            one += (population(c & g0) << r) + (population(d & h0) << s)
                            two = (population(i & e0) << p) + (population(j & f0) << q)
                            two += (population(k & g0) << r) + (population(m & h0) << s)
                            codes[column] += worth * min(max(one, low), high) + worth_then * min(max(two, low), high)
                    else:
                        for column in range(columns):
                            e0, f0, g0, h0 = e[column], f[column], g[column], h[column]
                            one = (population(a & e0) << p) + (population(b & f0) << q)
                            one += (population(c & g0) << r) + (population(d & h0) << s)
                            two = (population(i & e0) << p) + (population(j & f0) << q)
                            two += (population(k & g0) << r) + (population(m & h0) << s)
                            codes[column] += worth * table[one] + worth_then * table[two]
            for column in range(columns):
                total[lane, column] += counts[cell, column] * codes[column]


@njit(cache=True, nogil=True)
def pack_digits(
    parts: Any, size: Any, words: Any, steps: Any, all_steps: Any, dac_bits: Any, digit_bits: Any, level_bits: Any,
    planes: Any,
) -> Any:  # fmt: skip
    """Digits as count_product takes them, uint64 (lanes, groups, all_steps, planes). parts: integers (parts, lanes,
    rows) that are fed one after the other in `steps` steps each; size: rows that are read together."""
    count, lanes, rows = parts.shape
    groups = (rows + size - 1) // size
    packed = np.zeros((lanes, groups, all_steps, planes), np.uint64)
    for lane in range(lanes):
        for part in range(count):
            for group in range(groups):
                end = min(rows, (group + 1) * size)
                for word in range(words):
                    first = group * size + 64 * word
                    values = parts[part, lane, first : min(end, first + 64)]
                    for step in range(steps):
                        for i in range(digit_bits):
                            place, found = step * dac_bits + i, np.uint64(0)
                            for row in range(values.size):
                                found |= np.uint64((values[row] >> place) & 1) << np.uint64(row)
                            for k in range(level_bits):
                                plane = (i * level_bits + k) * words + word
                                packed[lane, group, part * steps + step, plane] = found
    return packed


@njit(cache=True, nogil=True)
def add_outer(total: Any, one: Any, other: Any) -> None:
    """Add one (lanes, 1) times other (columns,) to total (lanes, columns)."""
    for lane in range(total.shape[0]):
        for column in range(total.shape[1]):
            total[lane, column] += one[lane, 0] * other[column]
