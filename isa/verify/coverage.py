"""Every pixel and channel of every ring is written in every input: no load without its store.

The discipline sees to it that a store comes before its slot is signalled; so it is enough that all stores of one
input together cover the map. A store is a box: the rows, columns and channels it reaches while all its loops run.
Axes that share a counter are unrolled over it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cimc.isa.effects import access_of
from cimc.isa.operands import Axis
from cimc.isa.program import Ring
from cimc.isa.tree import build_tree, leaves
from cimc.isa.verify.findings import Findings
from cimc.isa.verify.reach import Reach
from cimc.isa.verify.wiring import Stream, Wiring

_LARGEST_PRODUCT = 1 << 14
_MOST_WORK = 1 << 27
"""Boxes times the lines of all axes, and times rows, columns and channels that differ: a ring that takes more is
refused."""
_Box = tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]
_Write = tuple[tuple[tuple[str, int], ...], tuple[Axis, Axis, Axis]]
"""A store or receive: counter and count of the loops around it, and the axes of its window."""
_Pixel = tuple[int, ...]
_Found = tuple[_Pixel | None, _Pixel | None]


class _TooMuch(Exception):
    """A ring that is written in too many pieces."""


def check_coverage(wiring: Wiring, findings: Findings) -> None:
    """Complain about rings that their producers do not fill, and about slots that two of them write."""
    writes: dict[str, dict[str, list[_Write]]] = {}
    known: dict[tuple[object, ...], _Found] = {}  # many rings of a large network are filled alike
    for key, ring in wiring.rings.items():
        members = wiring.producers.get(key, {}).items()
        streams = {name: one for name, one in members if isinstance(one, Stream)}
        if not streams or len(streams) != ring.producers:
            continue
        for name, stream in streams.items():
            if name not in writes:
                writes[name] = _writes(stream)
        filled = [tuple(writes[name].get(key[1], ())) for name in streams]
        alike = ring.height, ring.width, ring.channels, *filled
        item = f"tile {key[0]}, ring {ring.name}, filled by {', '.join(streams)}"
        if alike not in known:
            try:
                known[alike] = _find(ring, filled)
            except _TooMuch:
                what = "the ring is written in too many pieces to see whether they cover it"
                findings.add("too-long", what, item, "store rows or columns of it in loops of their own")
                continue
        hole, twice = known[alike]
        if hole is not None:
            what = f"row {hole[0]}, column {hole[1]}, channel {hole[2]} is never written"
            findings.add("unstored", what, item, "store or receive every pixel before it is signalled")
        if twice is not None:
            what = f"row {twice[0]}, column {twice[1]} is written by two producers"
            findings.add("written-twice", what, item, "let each producer write pixels of its own")


def _writes(stream: Stream) -> dict[str, list[_Write]]:
    """What a stream writes, by ring."""
    found: dict[str, list[_Write]] = defaultdict(list)
    for loops, leaf in leaves(build_tree(stream.instructions)):
        access = access_of(leaf.instruction)
        if access is not None and access.writes:
            window, around = access.window, tuple((loop.counter, loop.count) for loop in loops)
            found[window.ring].append((around, (window.rows, window.columns, window.channels)))
    return found


def _find(ring: Ring, filled: Sequence[Sequence[_Write]]) -> _Found:
    """The first row, column and channel that nobody writes, and the first row and column that two producers write;
    filled: what each of them writes. Lines of an axis that are reached alike are looked at once."""
    pieces = sum(math.prod(counts for _, counts in _shared(write)) for one in filled for write in one)
    if pieces * (ring.height + ring.width + ring.channels) > _MOST_WORK:
        raise _TooMuch
    by_producer = [[box for write in one for box in _boxes(write, ring)] for one in filled]
    boxes = [box for one in by_producer for box in one]
    if not boxes:
        return (0, 0, 0), None
    axes = [np.stack([box[axis] for box in boxes]) for axis in range(3)]
    places = [_kinds(lines) for lines in axes]
    rows, columns, channels = (lines[:, first].astype(np.int64) for lines, first in zip(axes, places, strict=True))
    if len(boxes) * rows.shape[1] * columns.shape[1] * channels.shape[1] > _MOST_WORK:
        raise _TooMuch
    hole = _first(np.einsum("br,bc,bk->rck", rows, columns, channels) == 0, places)
    writers = np.zeros((rows.shape[1], columns.shape[1]), np.int64)
    start = 0
    for one in by_producer:
        own = slice(start, start + len(one))
        writers += np.einsum("br,bc->rc", rows[own], columns[own]) > 0
        start += len(one)
    return hole, _first(writers > 1, places[:2])


def _kinds(lines: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The first of each kind of line of an axis. lines: by box and line, whether the box reaches it."""
    packed = np.ascontiguousarray(np.packbits(lines, axis=0).T)
    whole = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    return np.unique(whole, return_index=True)[1]


def _first(found: NDArray[np.bool_], places: Sequence[NDArray[np.int64]]) -> _Pixel | None:
    """The first place of the ring that a true element stands for. places: by axis, the first line of each kind."""
    return min((tuple(int(p[i]) for p, i in zip(places, at, strict=True)) for at in np.argwhere(found)), default=None)


def _shared(write: _Write) -> list[tuple[str, int]]:
    """Counters, with their counts, that more than one axis of a window moves with; none where they are too many."""
    loops, axes = write
    used = [{name for name, _ in axis.start.terms} for axis in axes]
    shared = [(name, count) for name, count in loops if count >= 0 and sum(name in names for names in used) > 1]
    return shared if math.prod(count for _, count in shared) <= _LARGEST_PRODUCT else []


def _boxes(write: _Write, ring: Ring) -> Iterator[_Box]:
    """The boxes that an instruction writes in a ring."""
    loops, axes = write
    shared = dict(_shared(write))
    reaches = [
        Reach.of(axis, {name: count for name, count in loops if count >= 0 and name not in shared}) for axis in axes
    ]
    for numbers in product(*map(range, shared.values())):
        counters = dict(zip(shared, numbers, strict=True))
        rows, columns, channels = (
            _members(reach, counters, size)
            for reach, size in zip(reaches, (ring.height, ring.width, ring.channels), strict=True)
        )
        yield rows, columns, channels


def _members(reach: Reach, counters: Mapping[str, int], size: int) -> NDArray[np.bool_]:
    """Which of 0 .. size - 1 are reached."""
    indices = np.asarray(reach.offsets, dtype=np.int64) + reach.base(counters)
    members = np.zeros(size, dtype=np.bool_)
    members[indices[(indices >= 0) & (indices < size)]] = True
    return members
