"""Instructions that move words: load, store, send, receive."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from cimc.base.diagnostics import Place, fail
from cimc.runtime.machine import Action, FifoState, Thing, Words, limits
from cimc.runtime.sites import Site
from cimc.runtime.windows import BoundWindow, compile_view

Step = Callable[[], Site | None]
Wake = Callable[[Thing], None]


def compile_load(reach: BoundWindow, dest: Words, fill: int, bits: int | None = None) -> Action:
    """dest = the window; `fill` where it leaves the map. dest: (words, lanes). bits: what dest saturates to, where it
    is narrower than a word."""
    view = compile_view(reach)
    block = dest.reshape(reach.shape)

    def load() -> None:
        source = view()
        if source is not None:
            block[...] = source
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

    def store() -> None:
        target = view()
        if target is not None:
            target[...] = block
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
