"""Wires with resistance, nearly: two terms of a series, and the rest of it by its sum.

With all columns at ground a row is a ladder of its own: alpha is the share of its voltage at each of its cells. With
all rows at ground a column is one: beta is the share of a cell's current that leaves through the sense. So the first
term of the effective conductances is alpha G beta. But columns are not at ground, and feed back through the rows: the
second term is what comes back once. Further terms shrink like a geometric series and have the second one's shape. Their
sum over the rows is found exactly, with all rows driven; the second term is scaled so that it has it.

A ladder's matrix is tridiagonal, and its inverse u_i v_j for i <= j, symmetric: so the second term takes as many steps
as the crossbar has cells times columns, and further sums of the series as many as it has cells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cimc.crossbar.storage import Floats
from cimc.target.device import WireKeys

MOST_SCALE = 1.3
"""How much larger the series may be than its second term where that stands for it; beyond, columns could be off by more
than a hundredth of the largest one."""

MOST_TERMS, ENOUGH = 100, 1e-5
"""Of the sum with all rows driven; it ends with a term below this share of it."""


AT_ONCE = 1 << 20
"""Numbers of the second term that are worked on at once (8 MiB)."""


class _Ladders(NamedTuple):
    """Lines of cells, the other side of each at ground, (lines, cells). inner v_i, outer u_i: the voltage at cell i for
    a current into cell j is u_min(i,j) v_max(i,j), counted from where the line is held. share: for 1 V there."""

    outer: Floats
    inner: Floats
    share: Floats

    def volts(self, currents: Floats) -> Floats:
        """Voltages at cells (lines, cells) for currents into them."""
        nearer = np.cumsum(self.outer * currents, axis=1)
        further = np.cumsum((self.inner * currents)[:, ::-1], axis=1)[:, ::-1]
        return np.asarray(self.inner * nearer + self.outer * (further - self.inner * currents))


def _ladders(cells: Floats, segment: float, end: float) -> _Ladders:
    """Of cells (lines, cells), in S, with a segment (ohm) in front of each, and `end` in front of the first."""
    count = cells.shape[1]
    if not segment and not end:
        return _Ladders(np.zeros_like(cells), np.zeros_like(cells), np.ones_like(cells))
    if not segment:
        answer = 1 / (1 / end + cells.sum(axis=1, keepdims=True)) * np.ones_like(cells)
        return _Ladders(np.ones_like(cells), answer, answer / end)
    diagonal = cells * segment + 2.0
    diagonal[:, 0] += segment / (segment + end) - 1
    diagonal[:, -1] -= 1
    outer, inner = np.ones_like(cells), np.ones_like(cells)
    for i in range(count - 1):
        outer[:, i + 1] = diagonal[:, i] * outer[:, i] - (outer[:, i - 1] if i else 0)
    for i in range(count - 1, 0, -1):
        inner[:, i - 1] = diagonal[:, i] * inner[:, i] - (inner[:, i + 1] if i < count - 1 else 0)
    first = diagonal[:, 0] * inner[:, 0] - (inner[:, 1] if count > 1 else 0)
    inner *= segment / first[:, None]
    return _Ladders(outer, inner, inner / (segment + end))


def two_terms(cells: Floats, wires: WireKeys, tail: float) -> Floats | None:
    """Effective conductances of cells (rows, columns), in S; None where two terms are not near enough. tail: ohm
    between a column's last used segment and ground."""
    with np.errstate(over="ignore", invalid="ignore"):  # of ladders that decay beyond the floats: then None
        rows = _ladders(cells, wires.row_segment, wires.driver)
        turned = _ladders(cells[::-1].T, wires.column_segment, tail)
        columns = _Ladders(*(part[:, ::-1] for part in turned))  # (columns, rows), from the top
        taken = cells * columns.share.T
        first = rows.share * taken
        second = _second(cells, rows, columns, taken)
        rest, there = _rest(cells, rows, turned, taken), second.sum(axis=0)
        scale = np.divide(rest, there, out=np.ones_like(rest), where=there > 0)
    return np.asarray(first + second * scale) if np.all(scale <= MOST_SCALE) else None


def _rest(cells: Floats, rows: _Ladders, columns: _Ladders, taken: Floats) -> Floats:
    """All terms but the first, summed over driven rows: (columns,). columns: from the bottom."""
    volts, total, found = rows.share, (rows.share * taken).sum(axis=0), np.zeros(cells.shape[1])
    for _ in range(MOST_TERMS):
        low = columns.volts((cells * volts)[::-1].T)[:, ::-1].T
        volts = rows.volts(cells * low)
        term = (taken * volts).sum(axis=0)
        found = found + term
        if not term.max() > ENOUGH * (total + found).max():
            return np.asarray(found)
    return np.full(len(found), np.inf)


def _second(cells: Floats, rows: _Ladders, columns: _Ladders, taken: Floats) -> Floats:
    """What comes back once: from driven row s down column c, at row r into the ladder, and out of column d."""
    count = cells.shape[1]
    fed, outer, inner = cells * rows.share, columns.outer.T, columns.inner.T
    found = np.empty_like(cells)
    each = max(1, AT_ONCE // cells.size)
    for low in range(0, count, each):
        part = slice(low, low + each)
        nearer = np.arange(count) <= np.arange(count)[part, None]  # c <= d
        one, other = rows.inner[:, part, None] * rows.outer[:, None], rows.outer[:, part, None] * rows.inner[:, None]
        back = np.where(nearer, one, other) * taken[:, part, None] * cells[:, None]  # (r, d, c)
        above = np.cumsum(back * inner[:, None], axis=0) @ (outer * fed)[:, :, None]  # r <= s
        back *= outer[:, None]
        below = (back.sum(axis=0) - np.cumsum(back, axis=0)) @ (inner * fed)[:, :, None]
        found[:, part] = (above + below)[:, :, 0]
    return np.asarray(found)
