"""Wires with resistance: what a crossbar conducts as seen from its drivers and converters.

A row's voltage comes through the driver and one segment to its first cell, and through a segment from each cell to the
next; a column's current goes down through a segment from each cell to the next, and behind the last row of the array
through one more and the sense resistance to ground. Rows and columns that hold no weight are not selected: their cells
carry nothing, their wires remain. Cells are linear, so the currents are those of an effective conductance matrix, found
once for a write:

    current of column c = sum over rows r of effective[r, c] * voltage of row r

exact solves the network's nodes: one sparse factorisation, and a solution for each row or column. fast, the default,
takes two terms of a series (ladders.py); where those are not near enough, the network is solved after all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import splu

from cimc.crossbar.device.ladders import two_terms
from cimc.crossbar.storage import Floats
from cimc.numerics.keys import Ints
from cimc.target.device import WireKeys


def without_resistance(wires: WireKeys) -> bool:
    """Whether wires change nothing."""
    return not (wires.row_segment or wires.column_segment or wires.driver or wires.sense)


def effective(cells: Floats, wires: WireKeys, array_rows: int) -> Floats:
    """What a crossbar's cells (rows, columns), in S, conduct through its wires. array_rows: of the array, of which the
    first are used."""
    found = None if wires.solution == "exact" else two_terms(cells, wires, tail(wires, len(cells), array_rows))
    return exact(cells, wires, array_rows) if found is None else found


class _Lines(NamedTuple):
    """Rows, or columns. nodes: (lines, cells), the node of a cell on its line, or -1 where lines are held at their
    voltage; end: conductance in S from a line's first node to where it is held."""

    nodes: Ints
    end: float

    @property
    def held(self) -> bool:
        """Whether no resistance lies between a line's cells and where it is held."""
        return not self.end


def _lines(lines: int, cells: int, segment: float, end: float, first: int) -> _Lines:
    """Lines of cells, a segment in front of each and a resistance in front of the first. first: number of a node."""
    if segment:
        return _Lines(first + np.arange(lines * cells).reshape(lines, cells), 1 / (segment + end))
    if end:
        return _Lines(first + np.repeat(np.arange(lines)[:, None], cells, axis=1), 1 / end)
    return _Lines(np.full((lines, cells), -1), 0.0)


def tail(wires: WireKeys, rows: int, array_rows: int) -> float:
    """Resistance in ohm between a column's last segment beside a used cell and ground."""
    return wires.column_segment * (array_rows - rows) + wires.sense


class _Sums:
    """A sparse matrix as sums of its entries."""

    def __init__(self) -> None:
        self._parts: list[tuple[Ints, Ints, Floats]] = []

    def add(self, i: Ints, j: Ints, value: npt.ArrayLike) -> None:
        """Add values at places (i, j)."""
        self._parts.append((i.ravel(), j.ravel(), np.broadcast_to(np.asarray(value, np.float64), i.shape).ravel()))

    def link(self, i: Ints, j: Ints, value: npt.ArrayLike) -> None:
        """Add conductances between nodes."""
        for a, b, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
            self.add(a, b, sign * np.asarray(value))

    def matrix(self, shape: tuple[int, int]) -> sparse.csc_matrix:
        """The matrix."""
        i, j, value = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        return sparse.csc_matrix((value, (i, j)), shape=shape)


def exact(cells: Floats, wires: WireKeys, array_rows: int) -> Floats:
    """By the nodes of the network."""
    rows, columns = cells.shape
    across = _lines(rows, columns, wires.row_segment, wires.driver, 0)
    down = _lines(columns, rows, wires.column_segment, tail(wires, rows, array_rows), int(across.nodes.max()) + 1)
    if across.held and down.held:
        return cells.copy()
    left, under = across.nodes, down.nodes.T  # (rows, columns)
    row, column = np.mgrid[:rows, :columns]
    laplace, into, out = _Sums(), _Sums(), _Sums()
    if across.held:  # a row is its voltage, which cells feed into their columns
        laplace.add(under, under, cells)
        into.add(under, row, cells)
    elif down.held:  # a column is ground, and its current that of its cells
        laplace.add(left, left, cells)
        out.add(left, column, cells)
    else:
        laplace.link(left, under, cells)
    if not across.held:
        laplace.add(left[:, 0], left[:, 0], across.end)
        into.add(left[:, 0], row[:, 0], across.end)
    if wires.row_segment:
        laplace.link(left[:, :-1], left[:, 1:], 1 / wires.row_segment)
    if not down.held:
        laplace.add(under[-1], under[-1], down.end)
        out.add(under[-1], column[-1], down.end)
    if wires.column_segment:
        laplace.link(under[:-1], under[1:], 1 / wires.column_segment)
    size = max(int(left.max()), int(under.max())) + 1
    fed, taken = into.matrix((size, rows)), out.matrix((size, columns))
    factors = splu(laplace.matrix((size, size)), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    if rows <= columns:
        return np.asarray(taken.T @ factors.solve(fed.toarray())).T
    return np.asarray(fed.T @ factors.solve(taken.toarray()))
