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
from typing import cast

import numpy as np
from numpy.typing import NDArray

from cimc.isa.findings import Findings
from cimc.isa.operands import Axis, Window
from cimc.isa.program import Ring
from cimc.isa.reach import Reach
from cimc.isa.tree import build_tree, leaves
from cimc.isa.wiring import Stream, Wiring

_LARGEST_PRODUCT = 1 << 14
_Box = tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]
_Write = tuple[tuple[tuple[str, int], ...], tuple[Axis, Axis, Axis]]
"""A store or receive: counter and count of the loops around it, and the axes of its window."""
_Found = tuple[tuple[int, int, int] | None, tuple[int, int] | None]


def check_coverage(wiring: Wiring, findings: Findings) -> None:
    """Complain about rings that their producers do not fill, and about slots that two of them write."""
    writes: dict[str, dict[str, list[_Write]]] = {}
    known: dict[tuple[object, ...], _Found] = {}  # many rings of a large network are filled alike
    for key, ring in wiring.rings.items():
        streams = {str(one): one for one in wiring.producers.get(key, []) if isinstance(one, Stream)}
        if not streams or len(streams) != ring.producers:
            continue
        for name, stream in streams.items():
            if name not in writes:
                writes[name] = _writes(stream)
        filled = [tuple(writes[name].get(key[1], ())) for name in streams]
        alike = ring.height, ring.width, ring.channels, *filled
        if alike not in known:
            boxes = [[box for write in one for box in _boxes(write, ring)] for one in filled]
            known[alike] = _hole(ring, [box for one in boxes for box in one]), _pixel_of_two(boxes)
        hole, twice = known[alike]
        item = f"tile {key[0]}, ring {ring.name}, filled by {', '.join(streams)}"
        if hole is not None:
            row, column, channel = hole
            findings.add(
                "unstored",
                f"row {row}, column {column}, channel {channel} is never written",
                item,
                "store or receive every pixel before it is signalled",
            )
        if twice is not None:
            what = f"row {twice[0]}, column {twice[1]} is written by two producers"
            findings.add("written-twice", what, item, "let each producer write pixels of its own")


def _writes(stream: Stream) -> dict[str, list[_Write]]:
    """What a stream writes, by ring."""
    found: dict[str, list[_Write]] = defaultdict(list)
    for loops, leaf in leaves(build_tree(stream.instructions)):
        if leaf.instruction.mnemonic in ("store", "receive"):
            window = cast(Window, leaf.instruction.operands[0])
            around = tuple((loop.counter, loop.count) for loop in loops)
            found[window.ring].append((around, (window.rows, window.columns, window.channels)))
    return found


def _boxes(write: _Write, ring: Ring) -> Iterator[_Box]:
    """The boxes that an instruction writes in a ring."""
    loops, axes = write
    counts = {counter: count for counter, count in loops if count >= 0}
    used = [{name for name, _ in axis.start.terms} for axis in axes]
    shared = {name for name in counts if sum(name in names for names in used) > 1}
    shared = shared if math.prod(count for counter, count in loops if counter in shared) <= _LARGEST_PRODUCT else set()
    inner = {name: count for name, count in counts.items() if name not in shared}
    reaches = [Reach.of(axis, inner) for axis in axes]
    for numbers in product(*(range(counts[name]) for name in sorted(shared))):
        counters = dict(zip(sorted(shared), numbers, strict=True))
        rows, columns, channels = (
            _members(reach, counters, size)
            for reach, size in zip(reaches, (ring.height, ring.width, ring.channels), strict=True)
        )
        yield rows, columns, channels


def _pixel_of_two(boxes: Sequence[Sequence[_Box]]) -> tuple[int, int] | None:
    """A (row, column) that more than one producer writes, or None."""
    pixels = [np.any([np.outer(rows, columns) for rows, columns, _ in one], axis=0) for one in boxes if one]
    several = np.argwhere(np.sum(pixels, axis=0) > 1)
    return (int(several[0][0]), int(several[0][1])) if len(pixels) > 1 and len(several) else None


def _members(reach: Reach, counters: Mapping[str, int], size: int) -> NDArray[np.bool_]:
    """Which of 0 .. size - 1 are reached."""
    indices = np.asarray(reach.offsets, dtype=np.int64) + reach.base(counters)
    members = np.zeros(size, dtype=np.bool_)
    members[indices[(indices >= 0) & (indices < size)]] = True
    return members


def _hole(ring: Ring, boxes: Sequence[_Box]) -> tuple[int, int, int] | None:
    """The first row, column and channel in none of the boxes, or None. Equal lines of an axis are looked at once."""
    if not boxes:
        return 0, 0, 0
    axes = [np.unique(np.stack([box[axis] for box in boxes]), axis=1, return_index=True) for axis in range(3)]
    covered = np.einsum("br,bc,bk->rck", *(members.astype(np.int64) for members, _ in axes)) > 0
    holes = [tuple(int(axes[axis][1][place[axis]]) for axis in range(3)) for place in np.argwhere(~covered)]
    return cast(tuple[int, int, int], min(holes)) if holes else None
