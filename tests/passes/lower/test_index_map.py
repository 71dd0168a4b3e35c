"""Index maps: layout operations on pieces say of every element what the same operations on its number say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cimc.ir.layers import FeatureMap, Operand, Part
from cimc.passes.lower.index_map import IndexMap, Scattered, joined
from cimc.passes.lower.layout import layout_as, layout_on, spatial
from cimc.passes.lower.operands import operand_of
from tests.passes.lower.places import PlaceBook

Pair = tuple[IndexMap, npt.NDArray[np.int64]]
"""A tensor as pieces, and with a number for each element."""

SIZES = st.integers(1, 4)


@st.composite
def moved(draw: st.DrawFn) -> tuple[PlaceBook, list[Pair], int]:
    """Maps, tensors made of them by layout operations, and how many operations no pieces described."""
    book, pairs, scattered = PlaceBook(), list[Pair](), 0
    height, width = draw(SIZES), draw(SIZES)
    for number in range(draw(st.integers(1, 3))):
        m = FeatureMap(f"m{number}", height, width, draw(SIZES))
        shape = (1, m.channels, height, width)
        pairs.append((spatial(shape).tensor_of(number, shape), book.add(m).transpose(2, 0, 1)[None]))
    for _ in range(draw(st.integers(0, 6))):
        tensor, numbers = pairs[draw(st.integers(0, len(pairs) - 1))]
        try:
            made = draw(st.sampled_from(OPERATIONS))(draw, tensor, numbers, pairs)
        except Scattered:
            scattered += 1
            continue
        if made[1].size <= 3000:
            pairs.append(made)
    return book, pairs, scattered


def _reshape(draw: st.DrawFn, tensor: IndexMap, numbers: npt.NDArray[Any], _: list[Pair]) -> Pair:
    left, shape = numbers.size, []
    while left > 1:
        shape.append(draw(st.sampled_from([d for d in range(1, left + 1) if left % d == 0])))
        left //= shape[-1]
        if len(shape) > 4:
            shape, left = [*shape, left], 1
    return tensor.reshape(shape), numbers.reshape(shape)


def _transpose(draw: st.DrawFn, tensor: IndexMap, numbers: npt.NDArray[Any], _: list[Pair]) -> Pair:
    perm = draw(st.permutations(range(numbers.ndim)))
    return tensor.transpose(perm), numbers.transpose(perm)


def _slice(draw: st.DrawFn, tensor: IndexMap, numbers: npt.NDArray[Any], _: list[Pair]) -> Pair:
    numbers, tensor = (numbers[None], tensor.reshape((1, *tensor.shape))) if not numbers.ndim else (numbers, tensor)
    axis, step = draw(st.integers(0, numbers.ndim - 1)), draw(st.sampled_from([1, 1, 2, 3, -1]))
    start = draw(st.integers(0, numbers.shape[axis] - 1))
    most = len(range(start, numbers.shape[axis], step)) if step > 0 else len(range(start, -1, step))
    count = draw(st.integers(1, most))
    taken = np.take(numbers, [start + k * step for k in range(count)], axis)
    return tensor.slice(axis, start, count, step), taken


def _pad(draw: st.DrawFn, tensor: IndexMap, numbers: npt.NDArray[Any], _: list[Pair]) -> Pair:
    if not numbers.ndim:
        return tensor, numbers
    widths = [(draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in numbers.shape]
    for axis, (before, after) in enumerate(widths):
        tensor = tensor.pad(axis, before, after)
    return tensor, np.pad(numbers, widths, constant_values=-1)


def _broadcast(draw: st.DrawFn, tensor: IndexMap, numbers: npt.NDArray[Any], _: list[Pair]) -> Pair:
    shape = tuple(draw(SIZES) if size == 1 else size for size in numbers.shape)
    shape = (2, *shape) if draw(st.booleans()) else shape
    return tensor.broadcast(shape), np.broadcast_to(numbers, shape)


def _join(draw: st.DrawFn, tensor: IndexMap, numbers: npt.NDArray[Any], pairs: list[Pair]) -> Pair:
    other, others = pairs[draw(st.integers(0, len(pairs) - 1))]
    axes = [axis for axis in range(numbers.ndim) if _alike(numbers.shape, others.shape, axis)]
    if not axes:
        return tensor, numbers
    axis = draw(st.sampled_from(axes))
    return joined([tensor, other], axis), np.concatenate([numbers, others], axis)


def _alike(a: tuple[int, ...], b: tuple[int, ...], but: int) -> bool:
    return len(a) == len(b) and all(x == y for axis, (x, y) in enumerate(zip(a, b, strict=True)) if axis != but)


OPERATIONS = (_reshape, _transpose, _slice, _pad, _broadcast, _join)


@settings(max_examples=300)
@given(moved())
def test_pieces_say_what_numbers_say(made: tuple[PlaceBook, list[Pair], int]) -> None:
    book, pairs, _ = made
    for tensor, numbers in pairs:
        assert tensor.shape == numbers.shape
        assert np.array_equal(tensor.elements(book.starts), numbers)
        assert tensor.has_zeros == bool((numbers < 0).any())
        assert list(tensor.maps) == book.maps_in(np.ascontiguousarray(numbers))


@settings(max_examples=300)
@given(moved())
def test_the_operand_of_a_tensor_reads_its_elements(made: tuple[PlaceBook, list[Pair], int]) -> None:
    """And there is one wherever a search over the numbers finds one, but where axes are scattered."""
    book, pairs, _ = made
    for tensor, numbers in pairs:
        channels = numbers.shape[-1] if numbers.ndim else 1
        shape = (numbers.size // channels, 1, channels)
        if numbers.ndim == 4 and numbers.shape[0] == 1:
            numbers, shape = numbers.transpose(0, 2, 3, 1), (*numbers.shape[2:], numbers.shape[1])
        arranged = np.ascontiguousarray(numbers).reshape(shape)
        try:
            found = operand_of(spatial(tensor.shape).of(tensor), book.maps)
        except Scattered:
            continue
        assert found == book.read_as(arranged)


@given(moved())
def test_a_layout_and_its_tensor_are_inverse(made: tuple[PlaceBook, list[Pair], int]) -> None:
    book, pairs, _ = made
    for tensor, _ in pairs:
        layout = layout_on(tensor, book.maps)
        assert math.prod(layout.shape) == tensor.count
        held = layout.tensor_of(0, tensor.shape)
        assert held.shape == tensor.shape
        assert np.array_equal(layout.of(held).elements((0,)).ravel(), np.arange(tensor.count))
        whole = IndexMap.whole(0, tensor.shape)
        assert np.array_equal(
            held.elements((0,)).ravel()[layout.of(whole).elements((0,)).ravel()], np.arange(tensor.count)
        )
        again = layout_as(layout.of(whole))
        assert again is not None
        assert np.array_equal(again.of(whole).elements((0,)), layout.of(whole).elements((0,)))


def test_golden_pieces() -> None:
    """By hand: (1, 2, 3, 4) on a 3 x 4 x 2 map, cropped by a column, padded by a row, flattened."""
    tensor = spatial((1, 2, 3, 4)).tensor_of(0, (1, 2, 3, 4)).slice(3, 1, 3, 1).pad(2, 1, 0).reshape((1, 24))
    (piece,) = tensor.pieces
    assert tensor.sizes == (2, 4, 3)
    assert piece.spans == ((0, 2, 1), (1, 4, 8), (0, 3, 2)) and piece.base == 2 - 8
    assert tensor.has_zeros and tensor.maps == (0,)


def test_rounds_and_what_stands_around_them() -> None:
    """Numbers 2 .. 14 of 0 .. 15, in rows of four: a part of the first, two whole ones, a part of the last."""
    numbers = np.pad(np.arange(13), (2, 1), constant_values=-1).reshape(4, 4)
    tensor = IndexMap.whole(0, (13,)).pad(0, 2, 1).reshape((4, 4))
    assert np.array_equal(tensor.elements((0,)), numbers)
    assert np.array_equal(tensor.transpose((1, 0)).elements((0,)), numbers.T)


def test_one_row_among_zeros_is_cut_across_its_ends() -> None:
    """Row 1 of columns 0 and 1 of a 3 x 4 map, between rows of zeros, read as one axis."""
    numbers = np.pad(np.arange(12).reshape(3, 4)[1:2, :2], ((1, 1), (0, 0)), constant_values=-1).reshape(6)
    tensor = IndexMap.whole(0, (3, 4)).slice(1, 0, 2, 1).slice(0, 1, 1, 1).pad(0, 1, 1).reshape((6,))
    assert numbers.tolist() == [-1, -1, 4, 5, -1, -1]
    assert tensor.reshape((3, 2)).reshape((6,)).slice(0, 1, 4, 1).elements((0,)).tolist() == [-1, 4, 5, -1]
    assert tensor.by_axes()[0].merged([0, 1])[0].elements((0,)).tolist() == numbers.tolist()


@pytest.mark.parametrize(("before", "after"), [(1, 0), (0, 1)])
def test_zeros_beside_a_cut_are_no_view(before: int, after: int) -> None:
    """The map has numbers there: an Operand would read them."""
    maps = [FeatureMap("a", 2, 4, 3)]
    middle = IndexMap.whole(0, (2, 4, 3)).slice(1, 1, 2, 1)
    assert operand_of(middle, maps) == Operand((Part("a", 0, 3),), 2, 2, (0, 1))
    assert operand_of(middle.pad(1, before, after), maps) is None
    whole = IndexMap.whole(0, (2, 4, 3)).pad(1, before, after)
    assert operand_of(whole, maps) == Operand((Part("a", 0, 3),), 2, 5, (0, -before))


def test_a_constant_a_channel() -> None:
    """(1, C, 1, 1) is one number a channel whatever the map's size; a number for each row is none."""
    layout = spatial((1, 3, 2048, 2048))
    found = layout.per_channel(np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1), (1, 3, 2048, 2048))
    assert found is not None and found.tolist() == [1, 2, 3]
    small = spatial((1, 3, 4, 4))
    assert small.per_channel(np.arange(4.0).reshape(4, 1), (1, 3, 4, 4)) is None
    rows = small.per_channel(np.ones((4, 1)), (1, 3, 4, 4))
    assert rows is not None and rows.tolist() == [1, 1, 1], "the same number in every row"
