"""Which rows and columns an instruction reaches while loops around it run that have no synchronisation inside.

Such inner loops are not unrolled: what they reach along an axis is a set of indices relative to a base, and the base
is known once the outer counters are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cimc.isa.operands import Axis

_LARGEST_SET = 1 << 16
_LARGEST_SPAN = 1 << 20
"""Of sets that are looked for bit by bit."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Indices along one axis: constant + the terms of outer counters + each of `offsets`, ascending, once each.

    Sets of more than 65,536 indices are taken as all from the first to the last.
    """

    constant: int
    terms: tuple[tuple[str, int], ...]
    offsets: Sequence[int]

    @staticmethod
    def of(axis: Axis, inner: Mapping[str, int]) -> Reach:
        """The reach of a window's axis. inner: counts of the loops that are not unrolled, by counter."""
        steps = [(axis.step, axis.count)]
        steps += [(coefficient, inner[name]) for name, coefficient in axis.start.terms if name in inner]
        outer = tuple(term for term in axis.start.terms if term[0] not in inner)
        return Reach(axis.start.constant, outer, _sums(steps))

    def base(self, counters: Mapping[str, int]) -> int:
        """What the outer counters make of it."""
        base = self.constant
        for name, coefficient in self.terms:
            base += coefficient * counters[name]
        return base

    def inside(self, base: int, size: int) -> tuple[int, int] | None:
        """First and last index that lies in 0 .. size - 1, or None."""
        first = bisect_left(self.offsets, -base)
        last = bisect_right(self.offsets, size - 1 - base) - 1
        return (base + self.offsets[first], base + self.offsets[last]) if first <= last else None


def _sums(steps: Sequence[tuple[int, int]]) -> Sequence[int]:
    """All sums of one multiple each: step * (0 .. count - 1) for each step and count; ascending."""
    low = sum(min(0, step * (count - 1)) for step, count in steps)
    high = sum(max(0, step * (count - 1)) for step, count in steps)
    size = 1
    for _, count in steps:
        size *= count
    if min(size, high - low + 1) > _LARGEST_SET or any(count > _LARGEST_SET for _, count in steps):
        return range(low, high + 1)
    if high - low > _LARGEST_SPAN:
        found = {0}
        for step, count in steps:
            found = {known + step * times for known in found for times in range(count)}
        return sorted(found)
    sums = 1 << -low  # bit s - low says whether s is a sum
    for step, count in steps:
        sums = _spread(sums, step, count)
    return [low + place for place, bit in enumerate(reversed(f"{sums:b}")) if bit == "1"]


def _spread(sums: int, step: int, count: int) -> int:
    """The bits of `sums` and all of them moved by step * (1 .. count - 1), in as many steps as count has digits."""
    done = 1
    while done < count:
        more = min(done, count - done)
        by = step * more
        sums |= sums << by if by >= 0 else sums >> -by
        done += more
    return sums
