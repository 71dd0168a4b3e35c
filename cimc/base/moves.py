"""Moves: which element of a tensor lies at which word, as boxes of both instead of a number for each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

ELEMENTS, WORDS = 0, 1
"""The sides of moves."""

MOST_AXES = 40
"""Of a box; NumPy has 64, and lanes and inputs are some of them."""

Array = npt.NDArray[Any]
Axis = tuple[int, int, int]
"""(extent, step in elements, step in words)."""


@dataclass(frozen=True, slots=True)
class Box:
    """For all i below the extents, element starts[0] + the sum of i * its step lies at word starts[1] + the sum of
    i * its step."""

    starts: tuple[int, int]
    axes: tuple[Axis, ...]

    @classmethod
    def of(cls, starts: tuple[int, int], axes: Iterable[Axis]) -> Box:
        """A box with as few axes as it needs, along which words do not run backwards."""
        element, word = starts
        kept: list[Axis] = []
        for extent, a, b in axes:
            if b < 0:
                element, word, a, b = element + (extent - 1) * a, word + (extent - 1) * b, -a, -b
            if kept and kept[-1][1:] == (extent * a, extent * b):
                kept[-1] = kept[-1][0] * extent, a, b
            elif extent > 1:
                kept.append((extent, a, b))
        return cls((element, word), tuple(kept))

    @property
    def count(self) -> int:
        """Moves of it."""
        return math.prod(extent for extent, _, _ in self.axes)

    def reach(self, side: int) -> tuple[int, int]:
        """The least and the largest number on a side."""
        reaches = [(axis[0] - 1) * axis[1 + side] for axis in self.axes]
        start = self.starts[side]
        return start + sum(min(0, reach) for reach in reaches), start + sum(max(0, reach) for reach in reaches)

    def view(self, array: Array, side: int) -> Array:
        """What of an array, (..., numbers of a side), is in the box, (..., extents)."""
        *outer, last = array.strides
        extents, steps = [axis[0] for axis in self.axes], [axis[1 + side] * last for axis in self.axes]
        return as_strided(array[..., self.starts[side] :], (*array.shape[:-1], *extents), (*outer, *steps))

    def cut(self, number: int, at: int) -> tuple[Box, Box]:
        """The box below `at` of an axis, and what is left."""
        before, (extent, a, b), behind = self.axes[:number], self.axes[number], self.axes[number + 1 :]
        rest = self.starts[0] + at * a, self.starts[1] + at * b
        return (
            Box.of(self.starts, (*before, (at, a, b), *behind)),
            Box.of(rest, (*before, (extent - at, a, b), *behind)),
        )


@dataclass(frozen=True, slots=True)
class Moves:
    """Boxes; see there."""

    boxes: tuple[Box, ...]

    def fill(self, side: int, to: Array, source: Array) -> None:
        """Copy along last axes, to the numbers of a side from those of the other."""
        for box in self.boxes:
            box.view(to, side)[...] = box.view(source, 1 - side)

    def words(self, elements: int) -> npt.NDArray[np.int64]:
        """The word of each of so many elements; -1 for none."""
        found = np.full(elements, -1, np.int64)
        for box in self.boxes:
            numbers = np.asarray(box.starts[WORDS])
            for extent, _, step in box.axes:
                numbers = numbers[..., None] + np.arange(extent) * step
            box.view(found, ELEMENTS)[...] = numbers
        return found

    def shifted(self, words: int) -> Moves:
        """The same with so much added to every word."""
        return Moves(tuple(Box((box.starts[0], box.starts[1] + words), box.axes) for box in self.boxes))

    def within(self, period: int, low: int, high: int) -> Moves:
        """Those to words that are low .. high - 1 modulo `period`, with words numbered as if there were no others."""
        todo, found = list(self.boxes) if (low, high) != (0, period) else [], []
        while todo:
            box = todo.pop()
            rest = box.starts[WORDS] % period
            inner = [number for number, axis in enumerate(box.axes) if axis[2] % period]
            last = rest + sum((box.axes[n][0] - 1) * box.axes[n][2] for n in inner)
            if low <= rest and last < high:
                axes = tuple((n, a, b if b % period else b // period * (high - low)) for n, a, b in box.axes)
                word = box.starts[WORDS] // period * (high - low) + rest - low
                found.append(Box((box.starts[ELEMENTS], word), axes))
            elif last >= period or (rest < high and last >= low):
                todo += _parted(box, max(inner, key=lambda n: box.axes[n][2]), rest, period, (low, high, period))
        return Moves(tuple(found)) if (low, high) != (0, period) else self

    # as an array

    def numbers(self) -> npt.NDArray[np.int64]:
        """How they are stored: of every box the number of axes, both starts, and the axes. At most three numbers a
        move."""
        flat = [n for b in self.boxes for n in (len(b.axes), *b.starts, *(n for axis in b.axes for n in axis))]
        return np.array(flat, np.int64)

    @classmethod
    def read(cls, numbers: npt.NDArray[np.integer[Any]]) -> Moves:
        """What `numbers` gave; `problem` says whether it makes sense. Raises ValueError."""
        left, boxes, at = numbers.ravel().tolist(), [], 0
        while at < len(left):
            end = at + 3 + 3 * left[at]
            if not 0 <= left[at] <= MOST_AXES or end > len(left):
                raise ValueError(f"has a box of {left[at]} axes at number {at} of {len(left)}")
            axes = zip(left[at + 3 : end : 3], left[at + 4 : end : 3], left[at + 5 : end : 3], strict=True)
            boxes.append(Box((left[at + 1], left[at + 2]), tuple(axes)))
            at = end
        return cls(tuple(boxes))

    def problem(self, side: int, sizes: Sequence[int]) -> str:
        """Why they do not give every number of a side one partner on the other; "" where they do. sizes: elements and
        words that there are."""
        for number, box in enumerate(self.boxes):
            if min((axis[0] for axis in box.axes), default=1) < 1:
                return f"has a box, number {number}, of the extents {[axis[0] for axis in box.axes]}"
            for what, size, (low, high) in zip(("elements", "words"), sizes, map(box.reach, (0, 1)), strict=True):
                if low < 0 or high >= size:
                    return f"has a box, number {number}, of the {what} {low} to {high}; there are {size}"
        what, count = ("elements", "words")[side], sum(box.count for box in self.boxes)
        if count == sizes[side]:  # before room is taken for each
            met = np.zeros(sizes[side], np.bool_)
            for box in self.boxes:
                box.view(met, side)[...] = True
            count = int(np.count_nonzero(met))
        return "" if count == sizes[side] else f"has moves for {count} of {sizes[side]} {what}; each needs one"


def _parted(box: Box, number: int, rest: int, period: int, bounds: tuple[int, ...]) -> tuple[Box, ...]:
    """A box taken apart along an axis: into whole periods, where its step divides them, or at the next bound."""
    extent, a, b = box.axes[number]
    size = period // b if period % b == 0 else extent
    if rest < b and size < extent:
        if extent % size == 0:
            whole = (extent // size, a * size, period), (size, a, b)
            return (Box(box.starts, (*box.axes[:number], *whole, *box.axes[number + 1 :])),)
        return box.cut(number, extent // size * size)
    bound = next(bound for bound in bounds if bound > rest)
    return box.cut(number, min(max(1, -((rest - bound) // b)), extent - 1))
