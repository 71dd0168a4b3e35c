"""Windows of rings against the definition: pixel (y, x) of input n is ((n * height + y) * width + x) mod pixels."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cimc.isa.operands import Axis, Window
from cimc.isa.program import Ring
from cimc.runtime.machine import RingState
from cimc.runtime.windows import compile_load, compile_store, compile_window
from tests.runtime.programs import affine

FILL = -77


@st.composite
def rings(draw: st.DrawFn) -> Ring:
    height, segments, part = draw(st.integers(1, 6)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    capacity = draw(st.integers(1, height * segments + 2))
    return Ring("x", 3, height, segments * part, draw(st.integers(1, 4)), segments, capacity * part, 1)


@st.composite
def windows(draw: st.DrawFn, ring: Ring, inside: bool) -> Window:
    """Any window of a ring; inside: of the map."""
    axes = []
    for size in (ring.height, ring.width):
        step = draw(st.integers(1, 3))
        count = draw(st.integers(1, (size - 1) // step + 1 if inside else 4))
        last = size - 1 - (count - 1) * step if inside else size + 2
        axes.append(Axis(affine(draw(st.integers(0 if inside else -5, last))), count, step))
    first = draw(st.integers(0, ring.channels - 1))
    channels = Axis(affine(first), draw(st.integers(1, ring.channels - first)))
    return Window("x", axes[0], axes[1], channels)


def addresses(ring: Ring, window: Window, image: int) -> list[int]:
    """Word of the ring for each word of the window, -1 outside of the map, by the definition."""
    found = []
    for row in range(window.rows.count):
        for column in range(window.columns.count):
            y = window.rows.start.constant + row * window.rows.step
            x = window.columns.start.constant + column * window.columns.step
            slot = ((image * ring.height + y) * ring.width + x) % ring.pixels
            outside = not (0 <= y < ring.height and 0 <= x < ring.width)
            for channel in range(window.channels.count):
                word = slot * ring.channels + window.channels.start.constant + channel
                found.append(-1 if outside else word)
    return found


@given(st.data(), rings(), st.integers(0, 5))
def test_load(data: st.DataObject, ring: Ring, image: int) -> None:
    window = data.draw(windows(ring, inside=False))
    memory = np.arange((3 + ring.words) * 2, dtype=np.int32).reshape(-1, 2)
    state = RingState(0, ring, memory)
    dest = np.zeros((window.words, 2), np.int32)
    compile_load(compile_window(state, window, [image], {}), dest, FILL)()
    padded = np.concatenate([state.words, np.full((1, 2), FILL, np.int32)])
    assert dest.tolist() == padded[addresses(ring, window, image)].tolist()


@given(st.data(), rings(), st.integers(0, 5))
def test_store(data: st.DataObject, ring: Ring, image: int) -> None:
    window = data.draw(windows(ring, inside=True))
    state = RingState(0, ring, np.zeros((3 + ring.words, 2), np.int32))
    source = np.arange(1, 1 + 2 * window.words, dtype=np.int32).reshape(-1, 2)
    compile_store(compile_window(state, window, [image], {}), source)()
    expected = np.zeros((ring.words, 2), np.int32)
    for word, values in zip(addresses(ring, window, image), source, strict=True):
        expected[word] = values  # a window longer than the ring: the last word stays
    assert state.words.tolist() == expected.tolist()


@given(st.integers(-3, 3), st.integers(0, 4), st.integers(0, 4), st.integers(-2, 2))
def test_addresses_follow_the_counters(constant: int, outer: int, inner: int, factor: int) -> None:
    ring = Ring("x", 0, 20, 20, 1, 1, 400, 1)
    state = RingState(0, ring, np.arange(400, dtype=np.int32).reshape(400, 1))
    row, column = affine(constant, a=factor, b=1), affine(constant, b=2)
    window = Window("x", Axis(row), Axis(column), Axis(affine()))
    dest = np.zeros((1, 1), np.int32)
    compile_load(compile_window(state, window, [0, outer, inner], {"a": 1, "b": 2}), dest, FILL)()
    y, x = constant + factor * outer + inner, constant + 2 * inner
    assert dest[0, 0] == (20 * y + x if 0 <= y < 20 and 0 <= x < 20 else FILL)
