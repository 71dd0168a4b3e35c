"""Constants of a tile - scales, vectors, tables - with their place in shared memory, and the arrays behind them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.ir.epilogue import Epilogue, TableValues
from cimc.isa.operands import DataRef, Name
from cimc.isa.program import Scale, Table, Vector
from cimc.numerics.quant import fits
from cimc.target.model import Target


class Constants:
    """What a tile keeps behind its rings. arrays: the weights file's, shared by all tiles."""

    def __init__(self, tile: int, target: Target, arrays: dict[str, npt.NDArray[Any]], start: int) -> None:
        self.tile = tile
        self.target = target
        self.arrays = arrays
        self.next = start
        self.scales: list[Scale] = []
        self.vectors: list[Vector] = []
        self.tables: list[Table] = []
        self.names: set[str] = set()

    def scale(self, label: str, epilogue: Epilogue, low: int, high: int) -> DataRef:
        """Multipliers for channels low .. high of a layer; two rows where there are two terms."""
        m, n = epilogue.m[low:high], epilogue.n
        values = np.asarray(m if n is None else np.stack([m, n[low:high]]), np.float32)
        name = self._name(label)
        words = values.size * math.ceil(32 / self.target.numbers.word)
        self.scales.append(
            Scale(name, self._take(words), high - low, values.ndim, epilogue.zero, epilogue.low, epilogue.high,
                  epilogue.a0, epilogue.b0, self._array(name, values))
        )  # fmt: skip
        return DataRef(name, 0, high - low)

    def vector(self, label: str, values: npt.NDArray[Any]) -> DataRef:
        """A constant vector of words."""
        assert fits(values, self.target.numbers.word), f"{label} does not fit words"
        name = self._name(label)
        address = self._take(len(values))
        self.vectors.append(Vector(name, address, len(values), self._array(name, values.astype(np.int32))))
        return DataRef(name, 0, len(values))

    def table(self, label: str, values: TableValues) -> Name:
        """A lookup table."""
        name = self._name(label)
        entries = values.entries.astype(np.int32)
        self.tables.append(Table(name, self._take(len(entries)), len(entries), values.first, values.step,
                                 self._array(name, entries)))  # fmt: skip
        return Name(name)

    def _take(self, words: int) -> int:
        address, self.next = self.next, self.next + words
        return address

    def _name(self, label: str) -> str:
        name, number = label, 1
        while name in self.names:
            number += 1
            name = f"{label}.{number}"
        self.names.add(name)
        return name

    def _array(self, name: str, values: npt.NDArray[Any]) -> str:
        key = f"t{self.tile}/{name}"
        self.arrays[key] = values
        return key
