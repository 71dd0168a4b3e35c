"""Where the elements of a tensor lie, without a number for each: pieces of maps, affine in the digits of an index.

The flat index of an element is taken apart into digits (mixed radix, the most significant first). A tensor is a few
pieces, boxes of digits; within a piece the element of the map is base + the sum of digit * stride. What no piece holds
is zero. Layout operations work on digits and pieces, in a time that does not grow with the tensor.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from cimc.base.moves import Box, Moves

MOST_PIECES = 1 << 12
"""Of a tensor whose digits are joined piece by piece; more of them would be slower than a number for each element."""

Elements = npt.NDArray[np.int64]
Shape = tuple[int, ...]
Span = tuple[int, int, int]
"""(first, behind the last, stride) of a digit in a box."""


class Scattered(Exception):
    """The axes of a tensor do not fall on digits, or an operation cuts through them: no pieces describe the result."""

    def __str__(self) -> str:
        return "its input is rearranged in a way that is not built yet (its axes mix rows, columns and channels)"


@dataclass(frozen=True, slots=True)
class Piece:
    """A box of digits that lies in map number `map`. base: the element that the digits 0, 0, ... would have."""

    map: int
    base: int
    spans: tuple[Span, ...]

    @property
    def low(self) -> Shape:
        """The box's first digits."""
        return tuple(low for low, _, _ in self.spans)

    @property
    def count(self) -> int:
        """Elements of the box."""
        return math.prod(high - low for low, high, _ in self.spans)

    def put(self, digit: int, spans: Iterable[Span], drop: int = 1, base: int = 0) -> Piece:
        """The piece with other spans in place of `drop` digits from `digit` on, and `base` added."""
        kept = (*self.spans[:digit], *spans, *self.spans[digit + drop :])
        return Piece(self.map, self.base + base, kept)


@dataclass(frozen=True, slots=True)
class IndexMap:
    """A tensor of a shape on maps. sizes: of the digits, none of them 1; their product is the shape's."""

    shape: Shape
    sizes: Shape
    pieces: tuple[Piece, ...]

    @classmethod
    def whole(cls, number: int, shape: Sequence[int]) -> IndexMap:
        """All elements of map `number`, in order."""
        count = math.prod(shape)
        sizes = (count,) if count > 1 else ()
        return cls(tuple(shape), sizes, (Piece(number, 0, tuple((0, size, 1) for size in sizes)),))

    @property
    def count(self) -> int:
        """Elements."""
        return math.prod(self.shape)

    @property
    def maps(self) -> tuple[int, ...]:
        """The maps that it has elements in, in order of first occurrence."""
        return tuple(dict.fromkeys(piece.map for piece in sorted(self.pieces, key=lambda piece: piece.low)))

    @property
    def has_zeros(self) -> bool:
        """Whether some elements lie nowhere."""
        return sum(piece.count for piece in self.pieces) < self.count

    def moves(self, starts: Sequence[int]) -> Moves:
        """Its elements, and starts[map] + the element of the map as words."""
        steps = [*accumulate(self.sizes[:0:-1], operator.mul, initial=1)][::-1]
        boxes = []
        for piece in self.pieces:
            element = sum(low * step for low, step in zip(piece.low, steps, strict=False))
            word = starts[piece.map] + piece.base + sum(low * stride for low, _, stride in piece.spans)
            axes = ((high - low, step, by) for (low, high, by), step in zip(piece.spans, steps, strict=False))
            boxes.append(Box.of((element, word), axes))
        return Moves(tuple(boxes))

    def elements(self, starts: Sequence[int]) -> Elements:
        """starts[map] + the element of the map, for every element of the tensor; -1 for zeros."""
        return self.moves(starts).words(self.count).reshape(self.shape)

    def on_maps(self, numbers: dict[int, int]) -> IndexMap:
        """The same elements of other maps. numbers: the new one's by the old one's, where it changes."""
        return replace(self, pieces=tuple(replace(p, map=numbers.get(p.map, p.map)) for p in self.pieces))

    # layout operations

    def reshape(self, shape: Sequence[int]) -> IndexMap:
        """Other axes over the same order of elements."""
        assert math.prod(shape) == self.count, f"{self.shape} as {tuple(shape)}"
        return replace(self, shape=tuple(shape))

    def transpose(self, perm: Sequence[int]) -> IndexMap:
        """Axes in another order."""
        tensor, axes = self.by_axes()
        order = [digit for axis in perm for digit in axes[axis]]
        pieces = tuple(replace(p, spans=tuple(p.spans[digit] for digit in order)) for p in tensor.pieces)
        return IndexMap(tuple(self.shape[a] for a in perm), tuple(tensor.sizes[digit] for digit in order), pieces)

    def slice(self, axis: int, start: int, count: int, step: int) -> IndexMap:
        """Elements start, start + step, ... of an axis, `count` of them (1 or more)."""
        tensor, axes = self.by_axes()
        shape = (*self.shape[:axis], count, *self.shape[axis + 1 :])
        tensor, digits = tensor.merged(axes[axis])
        while len(digits) > 1:
            inner = math.prod(tensor.sizes[digit] for digit in digits[1:])
            if step == 1 and start % inner == 0 and count % inner == 0:
                start, count = start // inner, count // inner
                break
            if start // inner != (start + (count - 1) * step) // inner:
                tensor, digits = tensor._flat(digits)
                break
            tensor, start = tensor._cut(digits[0], start // inner, 1, 1), start % inner
            digits = [digit - 1 for digit in digits[1:]]
        return replace(tensor._cut(digits[0], start, count, step) if digits else tensor, shape=shape)

    def pad(self, axis: int, before: int, after: int) -> IndexMap:
        """Zeros around an axis."""
        if not before and not after:
            return self
        shape = (*self.shape[:axis], before + self.shape[axis] + after, *self.shape[axis + 1 :])
        tensor, axes = self.by_axes()
        tensor, digits = tensor.merged(axes[axis])
        inner = math.prod(tensor.sizes[digit] for digit in digits[1:])
        if before % inner or after % inner:
            tensor, digits, inner = *tensor._flat(digits), 1
        before, after = before // inner, after // inner
        if not digits:
            digits = [sum(map(len, axes[:axis]))]
            tensor = tensor._repeated(digits[0], 1)
        at, size = digits[0], before + tensor.sizes[digits[0]] + after
        pieces = []
        for piece in tensor.pieces:
            low, high, stride = piece.spans[at]
            pieces.append(piece.put(at, ((low + before, high + before, stride),), base=-before * stride))
        return IndexMap(shape, (*tensor.sizes[:at], size, *tensor.sizes[at + 1 :]), tuple(pieces))

    def broadcast(self, shape: Sequence[int]) -> IndexMap:
        """The tensor repeated along axes of size 1 and along new ones in front, as numpy does it."""
        tensor, axes = self.by_axes()
        at = 0
        for axis, size in zip([[]] * (len(shape) - len(axes)) + axes, shape, strict=True):
            if not axis and size > 1:
                tensor = tensor._repeated(at, size)
                at += 1
            at += len(axis)
        return replace(tensor, shape=tuple(shape))

    # digits

    def by_axes(self) -> tuple[IndexMap, list[list[int]]]:
        """The tensor with digits that do not reach across its axes, and the digits of each axis."""
        tensor = self.split_at(self.shape)
        axes: list[list[int]] = []
        for size in self.shape:
            first = last = sum(map(len, axes))
            while math.prod(tensor.sizes[first:last]) < size:
                last += 1
            axes.append(list(range(first, last)))
        return tensor, axes

    def split_at(self, sizes: Sequence[int]) -> IndexMap:
        """The tensor with digits so fine that every number of these sizes is made of whole ones."""
        bounds = sorted({*_bounds(self.sizes), *_bounds(sizes)})
        if any(b % a for a, b in pairwise(bounds)):
            raise Scattered
        tensor, inner = self, 1
        for digit in reversed(range(len(self.sizes))):
            outer = inner * self.sizes[digit]
            for low, high in pairwise(bound for bound in bounds if inner <= bound <= outer):
                if high < outer:
                    tensor = tensor._divided(digit, high // low)
            inner = outer
        return tensor

    def merged(self, digits: Sequence[int]) -> tuple[IndexMap, list[int]]:
        """The tensor with neighbouring digits joined where all pieces allow it, and what is left of them."""
        tensor, left = self, list(digits)
        for digit in reversed(left[:-1]):
            size = tensor.sizes[digit + 1]
            pieces = [_joined(piece, digit, size) for piece in tensor.pieces]
            found = tuple(piece for piece in pieces if piece is not None)
            if len(found) == len(pieces):
                sizes = (*tensor.sizes[:digit], tensor.sizes[digit] * size, *tensor.sizes[digit + 2 :])
                tensor = IndexMap(tensor.shape, sizes, found)
                left.pop()
        return tensor, left

    def _flat(self, digits: Sequence[int]) -> tuple[IndexMap, list[int]]:
        """The tensor with neighbouring digits joined whatever it takes: a piece for each value of the outer ones."""
        tensor = self
        for digit in reversed(digits[:-1]):
            size = tensor.sizes[digit + 1]
            if sum(piece.spans[digit][1] - piece.spans[digit][0] for piece in tensor.pieces) > MOST_PIECES:
                raise Scattered
            pieces = []
            for piece in tensor.pieces:
                low, high, stride = piece.spans[digit]
                for value in range(low, high):
                    one = _joined(piece.put(digit, ((value, value + 1, stride),)), digit, size)
                    assert one is not None, "one value of a digit joins the next one"
                    pieces.append(one)
            sizes = (*tensor.sizes[:digit], tensor.sizes[digit] * size, *tensor.sizes[digit + 2 :])
            tensor = IndexMap(tensor.shape, sizes, tuple(pieces))
        return tensor, [digits[0]]

    def _divided(self, digit: int, inner: int) -> IndexMap:
        """The tensor with a digit taken apart into two, the second of size `inner`."""
        pieces = []
        for piece in self.pieces:
            low, high, stride = piece.spans[digit]
            for (a, b), (c, d) in _rounds(low, high, inner):
                pieces.append(piece.put(digit, ((a, b, stride * inner), (c, d, stride))))
        sizes = (*self.sizes[:digit], self.sizes[digit] // inner, inner, *self.sizes[digit + 1 :])
        return replace(self, sizes=sizes, pieces=tuple(pieces))

    def _repeated(self, digit: int, size: int) -> IndexMap:
        """The tensor with a digit more, on which nothing depends."""
        pieces = tuple(piece.put(digit, ((0, size, 0),), drop=0) for piece in self.pieces)
        return replace(self, sizes=(*self.sizes[:digit], size, *self.sizes[digit:]), pieces=pieces)

    def _cut(self, digit: int, start: int, count: int, step: int) -> IndexMap:
        """start, start + step, ... of a digit, `count` of them; a digit of one is dropped."""
        pieces = []
        for piece in self.pieces:
            low, high, stride = piece.spans[digit]
            ends = (low - start, high - start) if step > 0 else (start - high + 1, start - low + 1)
            first, behind = (-(-end // abs(step)) for end in ends)
            first, behind = max(first, 0), min(behind, count)
            if first < behind:
                spans = ((first, behind, stride * step),) if count > 1 else ()
                pieces.append(piece.put(digit, spans, base=start * stride))
        sizes = (*self.sizes[:digit], *((count,) if count > 1 else ()), *self.sizes[digit + 1 :])
        return replace(self, sizes=sizes, pieces=tuple(pieces))


def joined(tensors: Sequence[IndexMap], axis: int) -> IndexMap:
    """Tensors one behind the other along an axis."""
    before = [sum(tensor.shape[axis] for tensor in tensors[:number]) for number in range(len(tensors))]
    whole = sum(tensor.shape[axis] for tensor in tensors)
    apart = [
        tensor.pad(axis, start, whole - start - tensor.shape[axis])
        for tensor, start in zip(tensors, before, strict=True)
    ]
    bounds = sorted({bound for tensor in apart for bound in _bounds(tensor.sizes)})
    if any(b % a for a, b in pairwise(bounds)):
        raise Scattered
    sizes = tuple(b // a for a, b in pairwise(bounds))[::-1]
    pieces = tuple(piece for tensor in apart for piece in tensor.split_at(sizes).pieces)
    return IndexMap(apart[0].shape, sizes, pieces)


def _bounds(sizes: Sequence[int]) -> Iterator[int]:
    """Elements that one step of each digit moves by, and all."""
    bound = 1
    yield bound
    for size in reversed(sizes):
        bound *= size
        yield bound


def _rounds(low: int, high: int, inner: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """low .. high - 1 as boxes of (number // inner, number % inner): whole rounds, and what stands around them."""
    first, last = -(-low // inner), high // inner
    if first > last:
        yield (last, first), (low - last * inner, high - last * inner)
        return
    if low < first * inner:
        yield (first - 1, first), (low - (first - 1) * inner, inner)
    if first < last:
        yield (first, last), (0, inner)
    if last * inner < high:
        yield (last, last + 1), (0, high - last * inner)


def _joined(piece: Piece, digit: int, size: int) -> Piece | None:
    """A piece with a digit and the next one, which has this size, made one; None where that is no box."""
    (low, high, outer), (first, behind, inner) = piece.spans[digit : digit + 2]
    if high - low > 1 and ((first, behind) != (0, size) or outer != inner * size):
        return None
    span = (low * size + first, (high - 1) * size + behind, inner)
    return piece.put(digit, (span,), drop=2, base=low * (outer - inner * size))
