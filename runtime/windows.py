"""Windows of rings, and the instructions that move words through them: load, store, send, receive.

Pixel (row y, column x) of the present input lies at slot ((image * height + y) * width + x) mod pixels of its ring.
The common case, a window inside the map whose rows do not wrap around the ring, is one slice of one array; all others
are taken apart into pieces that are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from cimc.base.diagnostics import Place, fail
from cimc.isa.operands import Window
from cimc.runtime.machine import (
    IMAGE,
    Action,
    Counters,
    FifoState,
    Number,
    RingState,
    Thing,
    Words,
    compile_affine,
    limits,
)
from cimc.runtime.sites import Site

Step = Callable[[], Site | None]
Wake = Callable[[Thing], None]
Span = tuple[int, int, int]
"""Indices of a window along one axis that lie inside of the map: first, one past the last, and where the first is."""


@dataclass(frozen=True, slots=True)
class BoundWindow:
    """A window ready to be moved: its ring and where it begins, as functions of the counters."""

    state: RingState
    window: Window
    counters: Counters
    row: Number
    column: Number
    channel: Number

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Rows, columns, channels, lanes."""
        counts = self.window.rows.count, self.window.columns.count, self.window.channels.count
        return *counts, self.state.words.shape[1]

    @property
    def is_run(self) -> bool:
        """Whether it is one run of memory, as long as it does not reach around the ring's end."""
        window = self.window
        whole = window.channels.count == self.state.ring.channels and window.columns.step == 1
        return window.rows.count == 1 and (window.columns.count == 1 or whole)

    def pieces(self) -> Iterator[tuple[Words, slice, slice]]:
        """The window's part inside the map: views of the ring with the rows and columns of the window they are."""
        window, ring = self.window, self.state.ring
        first, last, row = inside(self.row(), window.rows.count, window.rows.step, ring.height)
        left, right, column = inside(self.column(), window.columns.count, window.columns.step, ring.width)
        if first >= last or left >= right:
            return
        row += self.counters[IMAGE] * ring.height
        row_step, step, low = window.rows.step, window.columns.step, self.channel()
        within = slice(low, low + window.channels.count)
        if (by_row := self.state.by_row) is not None:
            across = slice(column, column + (right - left - 1) * step + 1, step)
            for slots, rows in _unwrapped(first, last, row, row_step, by_row.shape[0]):
                yield by_row[slots, across, within], rows, slice(left, right)
            return
        for number in range(first, last):
            start = (row + (number - first) * row_step) * ring.width + column
            for slots, columns in _unwrapped(left, right, start, step, ring.pixels):
                yield self.state.by_pixel[None, slots, within], slice(number, number + 1), columns


def _unwrapped(first: int, last: int, start: int, step: int, size: int) -> Iterator[tuple[slice, slice]]:
    """Steps first .. last - 1 along a ring of so many slots, the first of them at `start`: pieces that do not reach
    around its end, as slots and as steps."""
    while first < last:
        slot = start % size
        count = min(last - first, (size - 1 - slot) // step + 1)
        yield slice(slot, slot + (count - 1) * step + 1, step), slice(first, first + count)
        first, start = first + count, start + count * step


def compile_window(state: RingState, window: Window, counters: Counters, slots: Mapping[str, int]) -> BoundWindow:
    """A window of a ring of the stream's tile."""
    starts = [compile_affine(axis.start, counters, slots) for axis in (window.rows, window.columns, window.channels)]
    return BoundWindow(state, window, counters, *starts)


def inside(start: int, count: int, step: int, size: int) -> Span:
    """Which of start, start + step, ... (count of them) lie in 0 .. size - 1."""
    first = max(0, -(start // step)) if start < 0 else 0
    last = min(count, (size - 1 - start) // step + 1)
    return first, last, start + first * step


def compile_view(reach: BoundWindow) -> Callable[[], Words | None]:
    """A function that gives the window as one view of its ring, (words, lanes) where it is a run, else (rows, columns,
    channels, lanes) - or None where it is not one: over the border, or around the ring's end."""
    ring, by_pixel, by_row, counters = reach.state.ring, reach.state.by_pixel, reach.state.by_row, reach.counters
    row, column, channel, window = reach.row, reach.column, reach.channel, reach.window
    height, width, step, count = ring.height, ring.width, window.columns.step, window.channels.count
    row_span, span = (window.rows.count - 1) * window.rows.step + 1, (window.columns.count - 1) * step + 1
    last_row, last_column = height - row_span, width - span
    pixels, last_pixel = ring.pixels, ring.pixels - span
    if reach.is_run:
        words, channels, length = reach.state.words, ring.channels, window.words

        def run() -> Words | None:
            y, x = row(), column()
            if 0 <= y < height and 0 <= x <= last_column:
                slot = ((counters[IMAGE] * height + y) * width + x) % pixels
                if slot <= last_pixel:
                    first = slot * channels + channel()
                    return words[first : first + length]
            return None

        return run
    if by_row is None:

        def one_row() -> Words | None:
            y, x = row(), column()
            if 0 <= y < height and 0 <= x <= last_column:
                slot = ((counters[IMAGE] * height + y) * width + x) % pixels
                if slot <= last_pixel:
                    first = channel()
                    return by_pixel[None, slot : slot + span : step, first : first + count]
            return None

        return one_row if window.rows.count == 1 else lambda: None
    rows, row_step, last_slot = by_row.shape[0], window.rows.step, by_row.shape[0] - row_span

    def view() -> Words | None:
        y, x = row(), column()
        if 0 <= y <= last_row and 0 <= x <= last_column:
            slot = (counters[IMAGE] * height + y) % rows
            if slot <= last_slot:
                first = channel()
                return by_row[slot : slot + row_span : row_step, x : x + span : step, first : first + count]
        return None

    return view


def compile_load(reach: BoundWindow, dest: Words, fill: int, bits: int | None = None) -> Action:
    """dest = the window; `fill` where it leaves the map. dest: (words, lanes). bits: what dest saturates to, where it
    is narrower than a word."""
    view = compile_view(reach)
    block = dest.reshape(reach.shape)
    target = dest if reach.is_run else block

    def load() -> None:
        source = view()
        if source is not None:
            target[...] = source
            return
        dest.fill(fill)
        for piece, rows, columns in reach.pieces():
            block[rows, columns] = piece

    if bits is None:
        return load
    low, high = limits(bits)

    def load_limited() -> None:
        load()
        np.clip(dest, low, high, out=dest)

    return load_limited


def compile_store(reach: BoundWindow, source: Words, bits: int | None = None) -> Action:
    """The window = source, (words, lanes). bits: what it saturates to, where source is wider than a word."""
    view = compile_view(reach)
    if bits is not None:
        wide, source = source, np.empty_like(source)
        low, high = limits(bits)
        limit = partial(np.clip, wide, low, high, out=source)
        store_limited = compile_store(reach, source)

        def limit_and_store() -> None:
            limit()
            store_limited()

        return limit_and_store
    block = source.reshape(reach.shape)
    taken = source if reach.is_run else block

    def store() -> None:
        target = view()
        if target is not None:
            target[...] = taken
            return
        for piece, rows, columns in reach.pieces():
            piece[...] = block[rows, columns]

    return store


def compile_send(reach: BoundWindow, fifo: FifoState, wake: Wake, site: Site) -> Step:
    """Put the window into a FIFO; gives `site` while it is full."""
    words, lanes = reach.window.words, reach.shape[3]
    queue, depth = fifo.queue, fifo.depth

    def send() -> Site | None:
        if len(queue) >= depth:
            return site
        message = np.empty((words, lanes), np.int32)
        compile_load(reach, message, 0)()
        queue.append(message)
        if fifo.sleepers:
            wake(fifo)
        return None

    return send


def compile_receive(reach: BoundWindow, fifo: FifoState, wake: Wake, site: Site) -> Step:
    """The window = the oldest message of a FIFO; gives `site` while there is none."""
    queue, words = fifo.queue, reach.window.words

    def receive() -> Site | None:
        if not queue:
            return site
        message = queue.popleft()
        if message.shape[0] != words:
            what = f"a message of {message.shape[0]} words arrives where {words} are received"
            raise fail(
                "run.message", what, Place(item=f"tile {fifo.tile}, FIFO {fifo.name}"), "run `cimc verify` first"
            )
        compile_store(reach, message)()
        if fifo.sleepers:
            wake(fifo)
        return None

    return receive
