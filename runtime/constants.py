"""The arrays of the weights file that a program names: present, of the right size and kind."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.isa.program import Matrix, Plug, Program, TileCode
from cimc.runtime.machine import AnyArray, Reals, Wide
from cimc.target.model import Target


class Constants:
    """The arrays of a program, checked once. Raises CimcError with everything that is missing or misshapen."""

    def __init__(self, program: Program, weights: Mapping[str, AnyArray], target: Target) -> None:
        self._target = target
        self._weights = weights
        self._file = program.name
        self._found: list[Diagnostic] = []
        for plug, writes in [*((p, True) for p in program.inputs), *((p, False) for p in program.outputs)]:
            self._check_index(program, plug, writes)
        for tile in program.tiles:
            self._check_tile(tile)
        if self._found:
            raise CimcError(self._found)

    def integers(self, name: str) -> Wide:
        """An array of integers, int64."""
        return np.asarray(self._weights[name], np.int64)

    def reals(self, name: str) -> Reals:
        """An array of float32."""
        return np.asarray(self._weights[name], np.float32)

    def matrix(self, matrix: Matrix) -> npt.NDArray[np.int64]:
        """The logical weights of an MVMU, (rows, columns)."""
        return self.integers(matrix.array)

    def _check_tile(self, tile: TileCode) -> None:
        for scale in tile.scales:
            shape = (scale.rows, scale.entries) if scale.rows > 1 else (scale.entries,)
            self._check(scale.array, shape, "f", f"tile {tile.number}, scale {scale.name}")
        for vector in tile.vectors:
            self._check(vector.array, (vector.entries,), "iu", f"tile {tile.number}, vector {vector.name}")
        for table in tile.tables:
            self._check(table.array, (table.entries,), "iu", f"tile {tile.number}, table {table.name}")
        for core in tile.cores:
            for matrix in core.matrices:
                item = f"tile {tile.number} core {core.number}, MVMU {matrix.mvmu}"
                if self._check(matrix.array, (matrix.rows, matrix.columns), "iu", item):
                    self._check_weights(matrix, item)

    def _check_weights(self, matrix: Matrix, item: str) -> None:
        values = self._weights[matrix.array]
        low, high = int(values.min(initial=0)), int(values.max(initial=0))
        limit = 1 << (matrix.weight_bits - 1)
        cells = self._target.slices(matrix.weight_bits) * self._target.crossbar.cell_bits
        pair = self._target.mvmu.encoding == "differential"
        if low < -limit or high >= limit or (pair and max(-low, high) >= 1 << cells):
            way = f"{matrix.weight_bits} bits" + (" in differential pairs" if pair else "")
            what = f'array "{matrix.array}" has weights {low} to {high}, which {way} do not hold'
            self._add(what, item)

    def _check_index(self, program: Program, plug: Plug, writes: bool) -> None:
        rings = {(tile.number, ring.name): ring for tile in program.tiles for ring in tile.rings}
        maps = [rings[ref.tile, ref.ring] for ref in plug.rings if (ref.tile, ref.ring) in rings]
        words = sum(ring.height * ring.width * ring.channels for ring in maps)
        elements = int(np.prod(plug.shape, dtype=np.int64))
        size, limit = (words, elements) if writes else (elements, words)
        item = f'{"input" if writes else "output"} "{plug.name}"'
        if self._check(plug.index, (size,), "iu", item):
            values = self._weights[plug.index]
            low, high = (int(values.min()), int(values.max())) if values.size else (0, limit - 1)
            if low < (-1 if writes else 0) or high >= limit:
                self._add(f'array "{plug.index}" has indices {low} to {high} for {limit} elements', item)

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
        self._found.append(Diagnostic("run.weights", what, Place(self._file, item=item), todo))
