"""The arrays of the weights file that a program names: present, of the right size and kind, and values that fit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.base.moves import ELEMENTS, WORDS, Moves
from cimc.isa.program import Matrix, Program, Scale, Table, Vector
from cimc.isa.verify.records import signed_range
from cimc.runtime.machine import AnyArray
from cimc.target.emulated import require_emulated
from cimc.target.model import Target

WIDEST = 32
"""Bits of the widest word or accumulator that a target may have."""


def check_arrays(program: Program, weights: Mapping[str, AnyArray], target: Target, file: str) -> None:
    """Check the arrays of a program that the verifier finds right for the target; file: where they come from.

    Raises CimcError (run.weights) with everything that is missing, misshapen or out of range.
    """
    check = _Check(weights, target, file)
    for array in arrays_of(program):
        check.look(array)
    if check.found:
        raise CimcError(check.found)


def check_emulated(program: Program, target: Target) -> None:
    """Raise CimcError where the target's converters or crossbars are not emulated for the inputs of the program."""
    widths = {matrix.input_bits for tile in program.tiles for core in tile.cores for matrix in core.matrices}
    if widths:
        require_emulated(target, max(widths))


class Ends(NamedTuple):
    """What moves are between: so many elements and words, each of one side with one partner."""

    side: int
    sizes: tuple[int, int]


class Named(NamedTuple):
    """An array that a program names, its shape (of moves: the most numbers), and the directive that names it, in words
    and as data."""

    name: str
    shape: tuple[int, ...]
    item: str
    holds: Scale | Vector | Table | Matrix | Ends


def arrays_of(program: Program) -> Iterator[Named]:
    """The array of every directive."""
    rings = {(tile.number, ring.name): ring for tile in program.tiles for ring in tile.rings}
    for kind, plugs in (("input", program.inputs), ("output", program.outputs)):
        for plug in plugs:
            maps = [rings[ref.tile, ref.ring] for ref in plug.rings if (ref.tile, ref.ring) in rings]
            words = sum(ring.height * ring.width * ring.channels for ring in maps)
            ends = Ends(WORDS if kind == "input" else ELEMENTS, (math.prod(plug.shape), words))
            yield Named(plug.index, (3 * ends.sizes[ends.side],), f'{kind} "{plug.name}"', ends)
    for tile in program.tiles:
        where = f"tile {tile.number}"
        for scale in tile.scales:
            shape = (scale.rows, scale.entries) if scale.rows > 1 else (scale.entries,)
            yield Named(scale.array, shape, f"{where}, scale {scale.name}", scale)
        for vector in tile.vectors:
            yield Named(vector.array, (vector.entries,), f"{where}, vector {vector.name}", vector)
        for table in tile.tables:
            yield Named(table.array, (table.entries,), f"{where}, table {table.name}", table)
        for core in tile.cores:
            for matrix in core.matrices:
                item = f"{where} core {core.number}, MVMU {matrix.mvmu}"
                yield Named(matrix.array, (matrix.rows, matrix.columns), item, matrix)


class _Check:
    """One look at all arrays. found: what is wrong."""

    def __init__(self, weights: Mapping[str, AnyArray], target: Target, file: str) -> None:
        self._weights, self._target, self._file = weights, target, file
        self._spans: dict[str, tuple[int, int]] = {}
        self.found: list[Diagnostic] = []

    def look(self, array: Named) -> None:
        """The array is there, has its shape, and holds what it may hold."""
        kinds = "f" if isinstance(array.holds, Scale) else "iu"
        shape = None if isinstance(array.holds, Ends) else array.shape
        if not self._check(array.name, shape, kinds, array.item):
            return
        match array.holds:
            case Scale():
                self._check_multipliers(array.name, array.item)
            case Matrix():
                self._check_weights(array.holds, array.item)
            case Ends():
                self._check_moves(array.name, array.holds, array.item)
            case _:
                self._check_values(array.name, array.item)

    def _check_multipliers(self, name: str, item: str) -> None:
        """Multipliers may be 0 or negative, as gains may be."""
        with np.errstate(over="ignore"):
            finite = np.isfinite(self._weights[name].astype(np.float32, copy=False))
        if not finite.all():
            count = finite.size - int(finite.sum())
            self._add(f'array "{name}" has {count} multipliers that are no finite numbers of 32 bits', item)

    def _check_values(self, name: str, item: str) -> None:
        """Entries saturate to the register that they go to; no target has one of more than WIDEST bits."""
        (low, high), (least, most) = self._span(name), signed_range(WIDEST)
        if low < least or high > most:
            self._add(f'array "{name}" has values {low} to {high}; they must be {least} to {most}', item)

    def _check_weights(self, matrix: Matrix, item: str) -> None:
        low, high = self._span(matrix.array)
        limit = 1 << (matrix.weight_bits - 1)
        cells = self._target.slices(matrix.weight_bits) * self._target.crossbar.cell_bits
        pair = self._target.mvmu.encoding == "differential"
        if low < -limit or high >= limit or (pair and max(-low, high) >= 1 << cells):
            way = f"{matrix.weight_bits} bits" + (" in differential pairs" if pair else "")
            what = f'array "{matrix.array}" has weights {low} to {high}, which {way} do not hold'
            self._add(what, item)

    def _check_moves(self, name: str, ends: Ends, item: str) -> None:
        try:
            problem = Moves.read(self._weights[name]).problem(*ends)
        except ValueError as error:
            problem = str(error)
        if problem:
            self._add(f'array "{name}" {problem}', item)

    def _span(self, name: str) -> tuple[int, int]:
        """The least and the largest value of an array of integers; many matrices may name the same."""
        if name not in self._spans:
            values = self._weights[name]
            self._spans[name] = (int(values.min()), int(values.max())) if values.size else (0, 0)
        return self._spans[name]

    def _check(self, name: str, shape: tuple[int, ...] | None, kinds: str, item: str) -> bool:
        """Whether an array is there, has the shape, which may be any, and is of integers or reals."""
        if name not in self._weights:
            self._add(f'there is no array "{name}"', item)
            return False
        array = self._weights[name]
        if array.dtype.kind not in kinds:
            self._add(f'array "{name}" is of {array.dtype}, not of {"reals" if kinds == "f" else "integers"}', item)
            return False
        if shape is not None and array.shape != shape and not (shape[0:1] == (1,) and array.shape == shape[1:]):
            self._add(f'array "{name}" has the shape {array.shape}, not {shape}', item)
            return False
        return True

    def _add(self, what: str, item: str) -> None:
        todo = "give the weights file that was written with the program"
        self.found.append(Diagnostic("run.weights", what, Place(self._file, item=item), todo))
