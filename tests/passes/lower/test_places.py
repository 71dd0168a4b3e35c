"""The oracle of the tests beside this file: an Operand and the places that it reads are two views of one thing."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cimc.ir.layers import FeatureMap, Operand, Part
from tests.passes.lower.places import PlaceBook

SIZES = st.integers(1, 7)


@st.composite
def books_and_operands(draw: st.DrawFn) -> tuple[PlaceBook, Operand]:
    """Maps of one height and width, and a strided, shifted view of runs of their channels and of padding."""
    book = PlaceBook()
    height, width = draw(SIZES), draw(SIZES)
    for number in range(draw(st.integers(1, 3))):
        book.add(FeatureMap(f"m{number}", height, width, draw(SIZES)))
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        m = draw(st.sampled_from([None, *book.maps]))
        first = 0 if m is None else draw(st.integers(0, m.channels - 1))
        count = draw(st.integers(1, 3 if m is None else m.channels - first))
        parts.append(Part("" if m is None else m.name, first, count))
    steps = tuple(draw(st.integers(0, 3)) for _ in range(2))
    offset = tuple(draw(st.integers(-4, 6)) for _ in range(2))
    return book, Operand(tuple(parts), draw(SIZES), draw(SIZES), (offset[0], offset[1]), (steps[0], steps[1]))


@given(books_and_operands())
def test_what_an_operand_reads_is_read_by_an_operand(made: tuple[PlaceBook, Operand]) -> None:
    """The found Operand may be another one (a step over one row is any step), but reads the same places.

    Where all rows but one lie outside, the step cannot be seen; one of 1 is tried, and none may be found.
    """
    book, operand = made
    places = book.places_of(operand)
    found = book.read_as(places)
    if found is None:
        inside = (places >= 0).any(axis=2)
        assert min(inside.any(axis=1).sum(), inside.any(axis=0).sum()) == 1
        return
    assert np.array_equal(book.places_of(found), places)


@given(books_and_operands(), st.integers(0, 1 << 20))
def test_what_no_view_reads_is_never_misread(made: tuple[PlaceBook, Operand], seed: int) -> None:
    """Two places exchanged: either no Operand is found, or one that reads exactly that."""
    book, operand = made
    places = book.places_of(operand)
    flat = places.reshape(-1)
    a, b = np.random.default_rng(seed).integers(0, flat.size, 2)
    flat[[a, b]] = flat[[b, a]]
    found = book.read_as(places)
    assert found is None or np.array_equal(book.places_of(found), places)


def test_elements_are_numbered_map_after_map_channels_innermost() -> None:
    book = PlaceBook()
    book.add(FeatureMap("a", 2, 2, 3))
    numbers = book.add(FeatureMap("b", 1, 2, 2))
    assert numbers.tolist() == [[[12, 13], [14, 15]]]
    places = np.asarray([[[11, 12, -1, 3]]])
    assert book.index_of(places).tolist() == [[[0, 1, -1, 0]]]
    assert book.maps_in(places) == [0, 1]


def test_golden_views() -> None:
    """By hand: a 4 x 4 x 2 map whose element (y, x, c) is 8 y + 2 x + c."""
    book = PlaceBook()
    whole = book.add(FeatureMap("a", 4, 4, 2))
    assert book.read_as(whole) == Operand((Part("a", 0, 2),), 4, 4)
    assert book.read_as(whole[1::2, ::3, 1:]) == Operand((Part("a", 1, 1),), 2, 2, (1, 0), (2, 3))
    padded = np.pad(whole, ((1, 0), (0, 2), (0, 1)), constant_values=-1)
    assert book.read_as(padded) == Operand((Part("a", 0, 2), Part("", 0, 1)), 5, 6, (-1, 0))
    assert book.read_as(np.broadcast_to(whole[2:3, 1:2], (3, 3, 2))) == Operand(
        (Part("a", 0, 2),), 3, 3, (2, 1), (0, 0)
    )
    assert book.read_as(whole[::-1]) is None, "rows do not run backwards"
    assert book.read_as(whole.transpose(0, 2, 1)) is None, "columns are no channels"
    assert book.read_as(np.where(whole == 5, -1, whole)) is None, "a hole in the middle"
