"""run_windows: the windows of a run fetch exactly the words asked for, in order, each one strided 2-D piece."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cimc.backends.loads import PIXEL, ROW, SEGMENT, View, run_windows
from cimc.ir.scheduled import RingPlan
from cimc.isa.operands import Affine, Window

Word = tuple[int, int, int]


def value(number: Affine, counters: dict[str, int]) -> int:
    return number.constant + sum(counters[name] * factor for name, factor in number.terms)


def words_of(window: Window, counters: dict[str, int]) -> list[Word]:
    """(row, column, channel) of every word, in the order in which a load delivers them."""
    row, column, channel = (value(axis.start, counters) for axis in (window.rows, window.columns, window.channels))
    return [
        (row + y * window.rows.step, column + x * window.columns.step, channel + c)
        for y in range(window.rows.count)
        for x in range(window.columns.count)
        for c in range(window.channels.count)
    ]


PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(st.data())
def test_windows_fetch_the_run(data: st.DataObject) -> None:
    kernel = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    view = View(
        data.draw(st.tuples(st.integers(-3, 3), st.integers(-3, 3))), data.draw(PAIRS), data.draw(PAIRS), kernel,
        data.draw(st.integers(1, 4)),
    )  # fmt: skip
    held = data.draw(st.integers(1, 6))
    channel = data.draw(st.integers(0, held - 1))
    channels = data.draw(st.integers(1, held - channel))
    total = kernel[0] * kernel[1] * channels
    start = data.draw(st.integers(0, total - 1))
    length = data.draw(st.integers(1, total - start))
    ring = RingPlan("r", 0, 9, 9, held, 1, 81, 1, "r", 0)
    windows = run_windows(ring, view, channel, channels, start, length)
    counters = {
        ROW: data.draw(st.integers(0, 5)),
        SEGMENT: data.draw(st.integers(0, 2)),
        PIXEL: data.draw(st.integers(0, 3)),
    }
    origin = [
        view.first[0] + counters[ROW] * view.advance[0],
        view.first[1] + (counters[SEGMENT] * view.segment_pixels + counters[PIXEL]) * view.advance[1],
    ]
    expected = []
    for word in range(start, start + length):
        ky, rest = divmod(word, kernel[1] * channels)
        kx, c = divmod(rest, channels)
        expected.append((origin[0] + ky * view.step[0], origin[1] + kx * view.step[1], channel + c))
    assert [word for window in windows for word in words_of(window, counters)] == expected
    for window in windows:
        two_dimensional = window.rows.count == 1 or window.columns.count == 1
        run_of_words = window.columns.step == 1 and window.channels.count == held
        assert two_dimensional or run_of_words, "rows x columns x channels at once is no two-dimensional piece"


def test_a_whole_window_is_one_load() -> None:
    view = View((0, 0), (1, 1), (1, 1), (3, 3), 1)
    assert len(run_windows(RingPlan("r", 0, 9, 9, 4, 1, 81, 1, "r", 0), view, 0, 4, 0, 36)) == 1
    assert len(run_windows(RingPlan("r", 0, 9, 9, 5, 1, 81, 1, "r", 0), view, 0, 4, 0, 36)) == 3, "a row a load"
