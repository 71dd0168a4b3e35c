"""Moves: boxes say of every element and word what a number for each says."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cimc.base.moves import ELEMENTS, WORDS, Box, Moves

Numbers = npt.NDArray[np.int64]
STEPS = st.integers(-9, 9)
AXES = st.lists(st.tuples(st.integers(1, 5), STEPS, STEPS), max_size=4)
BOXES = st.lists(st.tuples(st.integers(-40, 200), st.integers(-40, 200), AXES), max_size=3)


def pairs(boxes: list[tuple[int, int, list[tuple[int, int, int]]]]) -> list[tuple[int, int]]:
    """All (element, word) of boxes, one by one."""
    found = []
    for element, word, axes in boxes:
        every = [(element, word)]
        for extent, a, b in axes:
            every = [(e + i * a, w + i * b) for e, w in every for i in range(extent)]
        found += every
    return found


def moves(boxes: list[tuple[int, int, list[tuple[int, int, int]]]]) -> Moves:
    return Moves(tuple(Box.of((element, word), axes) for element, word, axes in boxes))


def listed(found: Moves) -> list[tuple[int, int]]:
    return pairs([(*box.starts, list(box.axes)) for box in found.boxes])


@given(BOXES)
def test_boxes_and_their_numbers_are_the_same_moves(boxes: Any) -> None:
    made = moves(boxes)
    assert sorted(listed(made)) == sorted(pairs(boxes))
    assert Moves.read(made.numbers()) == made
    assert len(made.numbers()) <= 3 * len(pairs(boxes))
    for box in made.boxes:
        words = [word for _, word in listed(Moves((box,)))]
        assert box.reach(WORDS) == (min(words), max(words))
        assert box.starts[WORDS] == min(words)


@given(BOXES, st.integers(1, 24), st.data())
def test_moves_within_a_part_of_every_period(boxes: Any, period: int, data: st.DataObject) -> None:
    low = data.draw(st.integers(0, period - 1))
    high = data.draw(st.integers(low + 1, period))
    found = moves(boxes).within(period, low, high)
    wanted = [(e, w // period * (high - low) + w % period - low) for e, w in pairs(boxes) if low <= w % period < high]
    assert sorted(listed(found)) == sorted(wanted)


def test_whole_rows_are_cut_into_few_boxes() -> None:
    """Channels 2 to 4 of 5, of a map that lies as it is, from the middle of a pixel on: not a box for each pixel."""
    whole = Moves((Box.of((0, 3), [(1_000_001, 1, 1)]),))
    assert len(whole.within(5, 2, 4).boxes) <= 3


@given(st.permutations(range(3)), st.permutations(range(3)), st.lists(st.integers(1, 4), min_size=3, max_size=3))
def test_filling(order: list[int], flipped: list[int], sizes: list[int]) -> None:
    """Against NumPy's transpose and flip, both ways, with axes in front."""
    whole = np.arange(np.prod(sizes)).reshape(sizes)
    laid = np.flip(whole.transpose(order), flipped[:1])
    steps = [stride // whole.itemsize for stride in laid.strides]
    inner = [int(np.prod(laid.shape[at + 1 :])) for at in range(3)]
    made = moves([(int(laid[0, 0, 0]), 0, list(zip(laid.shape, steps, inner, strict=True)))])
    made = Moves(made.boxes[0].cut(0, 1)) if made.boxes[0].axes else made
    source = np.stack([whole.ravel(), whole.ravel() + 100])
    words, back = np.full((2, whole.size), -1), np.full((2, whole.size), -1)
    made.fill(WORDS, words, source)
    made.fill(ELEMENTS, back, words)
    assert np.array_equal(words, np.stack([laid.ravel(), laid.ravel() + 100]))
    assert np.array_equal(back, source)
    assert np.array_equal(made.words(whole.size), np.argsort(laid.ravel()))
    assert made.problem(WORDS, (whole.size, whole.size)) == made.problem(ELEMENTS, (whole.size, whole.size)) == ""


@pytest.mark.parametrize(
    ("boxes", "side", "problem"),
    [
        ([(0, 0, [(6, 1, 1)])], WORDS, ""),
        ([(0, 0, [(3, 0, 1)]), (1, 3, [(3, 0, 1)])], WORDS, ""),
        ([(0, 0, [(3, 0, 1)]), (1, 3, [(3, 0, 1)])], ELEMENTS, "has moves for 2 of 6 elements; each needs one"),
        ([(0, 0, [(3, 1, 1)]), (3, 2, [(3, 1, 1)])], WORDS, "has moves for 5 of 6 words; each needs one"),
        ([(0, 0, [(5, 1, 1)])], WORDS, "has moves for 5 of 6 words; each needs one"),
        ([(0, 0, [(1 << 60, 0, 0)])], WORDS, f"has moves for {1 << 60} of 6 words; each needs one"),
        ([(0, 0, [(6, 1, 1)]), (1, 0, [(6, 1, 1)])], WORDS, "has a box, number 1, of the elements 1 to 6; there are 6"),
        ([(5, 0, [(6, -1, 1)])], WORDS, ""),
        ([(4, 0, [(6, -1, 1)])], WORDS, "has a box, number 0, of the elements -1 to 4; there are 6"),
        ([(0, 1, [(6, 1, 1)])], WORDS, "has a box, number 0, of the words 1 to 6; there are 6"),
        ([(0, 0, [(6, 1, 1), (0, 1, 1)])], WORDS, "has a box, number 0, of the extents [6, 0]"),
    ],
)
def test_what_is_wrong_with_moves(boxes: Any, side: int, problem: str) -> None:
    made = Moves(tuple(Box((element, word), tuple(axes)) for element, word, axes in boxes))
    assert made.problem(side, (6, 6)) == problem


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([1, 0, 0, 6, 1], "has a box of 1 axes at number 0 of 5"),
        ([0, 0, 0, 0, 1], "has a box of 0 axes at number 3 of 5"),
        ([-1, 0, 0], "has a box of -1 axes at number 0 of 3"),
        ([41, 0, 0] + [1] * 123, "has a box of 41 axes at number 0 of 126"),
    ],
)
def test_numbers_that_are_no_boxes(numbers: list[int], said: str) -> None:
    with pytest.raises(ValueError) as error:
        Moves.read(np.array(numbers))
    assert str(error.value) == said
