"""Every pixel and channel of every ring is written in every input: no load without its store.

The discipline sees to it that a store comes before its slot is signalled; so it is enough that all stores of one
input together cover the map. A store is a box: the rows, columns and channels it reaches while all its loops run.
Axes that share a counter are unrolled over it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import cast

import numpy as np
from numpy.typing import NDArray

from cimc.isa.findings import Findings
from cimc.isa.operands import Window
from cimc.isa.program import Instruction, Ring
from cimc.isa.reach import Reach
from cimc.isa.tree import Loop, build_tree, leaves
from cimc.isa.wiring import RingKey, Stream, Wiring

_LARGEST_PRODUCT = 1 << 14
_Box = tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]


def check_coverage(wiring: Wiring, findings: Findings) -> None:
    """Complain about rings that their producers do not fill, and about slots that two of them write."""
    for key, ring in wiring.rings.items():
        streams = list({str(one): one for one in wiring.producers.get(key, []) if isinstance(one, Stream)}.values())
        if not streams or len(streams) != ring.producers:
            continue
        boxes = [list(_boxes(stream, key, ring)) for stream in streams]
        item = f"tile {key[0]}, ring {ring.name}, filled by {', '.join(map(str, streams))}"
        hole = _hole(ring, [box for one in boxes for box in one])
        if hole is not None:
            row, column, channel = hole
            findings.add(
                "unstored",
                f"row {row}, column {column}, channel {channel} is never written",
                item,
                "store or receive every pixel before it is signalled",
            )
        twice = _pixel_of_two(boxes)
        if twice is not None:
            what = f"row {twice[0]}, column {twice[1]} is written by two producers"
            findings.add("written-twice", what, item, "let each producer write pixels of its own")


def _boxes(stream: Stream, key: RingKey, ring: Ring) -> Iterator[_Box]:
    """The boxes that a stream writes in a ring."""
    for loops, leaf in leaves(build_tree(stream.instructions)):
        if _written(leaf.instruction) != key[1]:
            continue
        window = cast(Window, leaf.instruction.operands[0])
        counts = {loop.counter: loop.count for loop in loops if loop.count >= 0}
        axes = (window.rows, window.columns, window.channels)
        used = [{name for name, _ in axis.start.terms} for axis in axes]
        shared = {name for name in counts if sum(name in names for names in used) > 1}
        shared = shared if _times(loops, shared) <= _LARGEST_PRODUCT else set()
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
    several = np.argwhere(np.sum(pixels, axis=0) > 1) if len(pixels) > 1 else ()
    return (int(several[0][0]), int(several[0][1])) if len(several) else None


def _written(instruction: Instruction) -> str:
    return cast(Window, instruction.operands[0]).ring if instruction.mnemonic in ("store", "receive") else ""


def _times(loops: Sequence[Loop], counters: set[str]) -> int:
    times = 1
    for loop in loops:
        times *= loop.count if loop.counter in counters else 1
    return times


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
