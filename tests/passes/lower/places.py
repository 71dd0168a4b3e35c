"""Where tensor elements live: every element of every map has a number, so that layout operations are index arithmetic.

A tensor's places are an int64 array of its shape; -1 stands for a zero that no map holds (padding).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from cimc.ir.layers import FeatureMap, Operand, Part

Places = npt.NDArray[np.int64]


class PlaceBook:
    """Numbers the elements of maps: map after map, row by row, channels innermost."""

    def __init__(self) -> None:
        self.maps: list[FeatureMap] = []
        self.starts: list[int] = []
        self._next = 0

    def add(self, feature_map: FeatureMap) -> Places:
        """Register a map; its elements' numbers, (height, width, channels)."""
        self.maps.append(feature_map)
        self.starts.append(self._next)
        size = feature_map.words
        numbers = np.arange(self._next, self._next + size, dtype=np.int64)
        self._next += size
        return numbers.reshape(feature_map.height, feature_map.width, feature_map.channels)

    def index_of(self, places: Places) -> npt.NDArray[np.int64]:
        """Which map each element is in (-1 for padding)."""
        index = np.searchsorted(np.asarray(self.starts), places, side="right") - 1
        return np.where(places < 0, -1, index)

    def maps_in(self, places: Places) -> list[int]:
        """The maps that a tensor has elements in, in order of first occurrence."""
        index = self.index_of(places.ravel())
        _, first = np.unique(index, return_index=True)
        return [int(i) for i in index[np.sort(first)] if i >= 0]

    def read_as(self, places: Places) -> Operand | None:
        """The Operand that reads these places, (height, width, channels), or None where no strided view does."""
        height, width, channels = places.shape
        valid = places >= 0
        if not valid.any():
            return Operand((Part("", 0, channels),), height, width)
        counts = valid.sum(axis=2)
        pivot = np.unravel_index(int(np.argmax(counts)), counts.shape)
        at = places[pivot]
        which = self.index_of(at)
        starts = np.asarray(self.starts)
        widths = np.asarray([m.width for m in self.maps])
        depths = np.asarray([m.channels for m in self.maps])
        flat = at - starts[which]
        rows, rest = np.divmod(flat, (widths * depths)[which])
        columns, channel = np.divmod(rest, depths[which])
        real = which >= 0
        if np.ptp(rows[real]) or np.ptp(columns[real]):
            return None
        row, column = int(rows[real][0]), int(columns[real][0])
        lead = int(np.argmax(real))
        step = self._steps(places[:, :, lead], (int(pivot[0]), int(pivot[1])), int(which[lead]))
        if step is None:
            return None
        offset = (row - int(pivot[0]) * step[0], column - int(pivot[1]) * step[1])
        parts = self._parts(which, channel)
        operand = Operand(parts, height, width, offset, step)
        return operand if np.array_equal(self.places_of(operand), places) else None

    def _steps(self, plane: Places, pivot: tuple[int, int], which: int) -> tuple[int, int] | None:
        """Rows and columns that the map advances for one row or column of the plane."""
        found = []
        m = self.maps[which]
        for axis, stride in ((0, m.width * m.channels), (1, m.channels)):
            line = plane[:, pivot[1]] if axis == 0 else plane[pivot[0], :]
            others = np.flatnonzero(line >= 0)
            others = others[others != pivot[axis]]
            if not len(others):
                found.append(1)
                continue
            away = int(others[0]) - pivot[axis]
            difference = int(line[others[0]]) - int(plane[pivot])
            if difference % (away * stride) or difference * away < 0:  # loads do not run backwards
                return None
            found.append(difference // (away * stride))
        return found[0], found[1]

    def _parts(self, which: npt.NDArray[np.int64], channel: npt.NDArray[np.int64]) -> tuple[Part, ...]:
        """Runs of consecutive channels of one map."""
        breaks = np.flatnonzero((np.diff(which) != 0) | ((np.diff(channel) != 1) & (which[1:] >= 0))) + 1
        edges = [0, *breaks.tolist(), len(which)]
        parts = []
        for low, high in pairwise(edges):
            if which[low] < 0:
                parts.append(Part("", 0, high - low))
            else:
                parts.append(Part(self.maps[int(which[low])].name, int(channel[low]), high - low))
        return tuple(parts)

    def places_of(self, operand: Operand) -> Places:
        """The places that an Operand reads, (height, width, channels)."""
        by_name = {m.name: i for i, m in enumerate(self.maps)}
        rows = np.arange(operand.height) * operand.step[0] + operand.offset[0]
        columns = np.arange(operand.width) * operand.step[1] + operand.offset[1]
        out = np.full((operand.height, operand.width, operand.channels), -1, np.int64)
        start = 0
        for part in operand.parts:
            if part.map:
                index = by_name[part.map]
                m = self.maps[index]
                plane = (rows[:, None] * m.width + columns[None, :]) * m.channels
                inside = ((rows >= 0) & (rows < m.height))[:, None] & ((columns >= 0) & (columns < m.width))[None, :]
                numbers = self.starts[index] + plane[:, :, None] + part.channel + np.arange(part.count)
                out[:, :, start : start + part.count] = np.where(inside[:, :, None], numbers, -1)
            start += part.count
        return out
