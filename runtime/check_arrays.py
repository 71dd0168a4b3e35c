"""The arrays of the weights file that a program names: present, of the right size and kind, and values that fit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.isa.program import Matrix, Plug, Program, TileCode
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
    check = _Check(program, weights, target, file)
    check.run()
    if check.found:
        raise CimcError(check.found)


def check_emulated(program: Program, target: Target) -> None:
    """Raise CimcError where the target's converters or crossbars are not emulated for the inputs of the program."""
    widths = {matrix.input_bits for tile in program.tiles for core in tile.cores for matrix in core.matrices}
    if widths:
        require_emulated(target, max(widths))


class _Check:
    """One look at all arrays. found: what is wrong."""

    def __init__(self, program: Program, weights: Mapping[str, AnyArray], target: Target, file: str) -> None:
        self._program, self._weights, self._target, self._file = program, weights, target, file
        self._spans: dict[str, tuple[int, int]] = {}
        self.found: list[Diagnostic] = []

    def run(self) -> None:
        """Every array of every directive."""
        for plug in self._program.inputs:
            self._check_index(plug, writes=True)
        for plug in self._program.outputs:
            self._check_index(plug, writes=False)
        for tile in self._program.tiles:
            self._check_tile(tile)

    def _check_tile(self, tile: TileCode) -> None:
        for scale in tile.scales:
            shape = (scale.rows, scale.entries) if scale.rows > 1 else (scale.entries,)
            item = f"tile {tile.number}, scale {scale.name}"
            if self._check(scale.array, shape, "f", item):
                self._check_multipliers(scale.array, item)
        for vector in tile.vectors:
            item = f"tile {tile.number}, vector {vector.name}"
            if self._check(vector.array, (vector.entries,), "iu", item):
                self._check_values(vector.array, item)
        for table in tile.tables:
            item = f"tile {tile.number}, table {table.name}"
            if self._check(table.array, (table.entries,), "iu", item):
                self._check_values(table.array, item)
        for core in tile.cores:
            for matrix in core.matrices:
                item = f"tile {tile.number} core {core.number}, MVMU {matrix.mvmu}"
                if self._check(matrix.array, (matrix.rows, matrix.columns), "iu", item):
                    self._check_weights(matrix, item)

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

    def _check_index(self, plug: Plug, writes: bool) -> None:
        rings = {(tile.number, ring.name): ring for tile in self._program.tiles for ring in tile.rings}
        maps = [rings[ref.tile, ref.ring] for ref in plug.rings if (ref.tile, ref.ring) in rings]
        words = sum(ring.height * ring.width * ring.channels for ring in maps)
        elements = int(np.prod(plug.shape, dtype=np.int64))
        size, limit = (words, elements) if writes else (elements, words)
        item = f'{"input" if writes else "output"} "{plug.name}"'
        if self._check(plug.index, (size,), "iu", item):
            low, high = self._span(plug.index)
            if size and (low < (-1 if writes else 0) or high >= limit):
                self._add(f'array "{plug.index}" has indices {low} to {high} for {limit} elements', item)

    def _span(self, name: str) -> tuple[int, int]:
        """The least and the largest value of an array of integers; many matrices may name the same."""
        if name not in self._spans:
            values = self._weights[name]
            self._spans[name] = (int(values.min()), int(values.max())) if values.size else (0, 0)
        return self._spans[name]

    def _check(self, name: str, shape: tuple[int, ...], kinds: str, item: str) -> bool:
        """Whether an array is there, has the shape, and is of integers or reals."""
        if name not in self._weights:
            self._add(f'there is no array "{name}"', item)
            return False
        array = self._weights[name]
        if array.dtype.kind not in kinds:
            self._add(f'array "{name}" is of {array.dtype}, not of {"reals" if kinds == "f" else "integers"}', item)
            return False
        if array.shape != shape and not (shape[0:1] == (1,) and array.shape == shape[1:]):
            self._add(f'array "{name}" has the shape {array.shape}, not {shape}', item)
            return False
        return True

    def _add(self, what: str, item: str) -> None:
        todo = "give the weights file that was written with the program"
        self.found.append(Diagnostic("run.weights", what, Place(self._file, item=item), todo))
