"""Copies that make one input fast: the least sum of busy times within a budget of crossbars, exactly where the problem
is of ordinary size, and step by step where crossbars are left over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

import numpy as np
import numpy.typing as npt

WORK_LIMIT = 400_000_000
"""Cells of the exact table: about a second, and the copies of any network in this repository on any of its chips."""

LARGEST_SUM = 1 << 62
"""Sums of ticks stay below this, so that 64-bit integers hold them."""


@dataclass(frozen=True, slots=True)
class Step:
    """A number of copies worth having, the crossbars that they take, and the layer's busy time with them (s)."""

    copies: int
    crossbars: int
    seconds: Fraction


@dataclass(frozen=True, slots=True)
class _Offer:
    """A Step with its time in whole ticks."""

    copies: int
    crossbars: int
    ticks: int


def fastest_sum(layers: Sequence[Sequence[Step]], budget: int | None) -> tuple[tuple[int, ...], bool]:
    """Copies of the least sum of busy times, and whether they are exactly that. layers: the steps of each, rising.

    A table over crossbars, layer after layer: best[w] is the least time of the layers so far with w crossbars more
    than one copy of each takes. Of solutions of one time it takes one of the fewest crossbars.
    """
    offers = [_useful(layer) for layer in _in_ticks(layers)]
    least = sum(layer[0].crossbars for layer in offers)
    most = sum(layer[-1].crossbars for layer in offers)
    room = most - least if budget is None else min(budget, most) - least
    if budget is None or room == most - least:
        return tuple(layer[-1].copies for layer in offers), True
    total = sum(layer[0].ticks for layer in offers)
    if sum(map(len, offers)) * (room + 1) > WORK_LIMIT or total >= LARGEST_SUM:
        return spend(layers, [layer[0].copies for layer in layers], budget), False
    best: npt.NDArray[np.int64] = np.zeros(room + 1, np.int64)
    chosen: list[npt.NDArray[np.int32]] = []
    for layer in offers:
        before, taken = best, np.zeros(room + 1, np.int32)
        best = before + layer[0].ticks
        for number, offer in enumerate(layer[1:], 1):
            extra = offer.crossbars - layer[0].crossbars
            if extra > room:
                break
            reached = before[: room + 1 - extra] + offer.ticks
            better = reached < best[extra:]
            best[extra:][better] = reached[better]
            taken[extra:][better] = number
        chosen.append(taken)
    at = int(np.flatnonzero(best == best.min())[0])
    copies = []
    for layer, taken in zip(reversed(offers), reversed(chosen), strict=True):
        offer = layer[taken[at]]
        copies.append(offer.copies)
        at -= offer.crossbars - layer[0].crossbars
    return tuple(reversed(copies)), True


def spend(layers: Sequence[Sequence[Step]], copies: Sequence[int], budget: int) -> tuple[int, ...]:
    """More copies for what is left of a budget: always the step that saves most time for each crossbar, free ones
    first, the earlier layer where two are equal, until no step fits."""
    offers = _in_ticks(layers)
    now = [
        max(i for i, offer in enumerate(layer) if offer.copies <= k) for layer, k in zip(offers, copies, strict=True)
    ]
    left = budget - sum(layer[i].crossbars for layer, i in zip(offers, now, strict=True))
    while True:
        best, best_saved, best_extra = -1, 0, 1
        for number, layer in enumerate(offers):
            if now[number] + 1 == len(layer):
                continue
            here, there = layer[now[number]], layer[now[number] + 1]
            saved, extra = here.ticks - there.ticks, there.crossbars - here.crossbars
            # saved / extra > best_saved / best_extra in whole numbers; a free step beats every other one
            if extra <= left and saved and saved * best_extra > best_saved * extra:
                best, best_saved, best_extra = number, saved, extra
        if best < 0:
            return tuple(layer[i].copies for layer, i in zip(offers, now, strict=True))
        now[best] += 1
        left -= best_extra


def _in_ticks(layers: Sequence[Sequence[Step]]) -> list[list[_Offer]]:
    """Times as whole multiples of the longest tick that measures all of them."""
    times = [step.seconds for layer in layers for step in layer]
    denominator = lcm(*(time.denominator for time in times))
    common = gcd(*(int(time * denominator) for time in times))
    return [
        [_Offer(step.copies, step.crossbars, int(step.seconds * denominator) // common) for step in layer]
        for layer in layers
    ]


def _useful(layer: Sequence[_Offer]) -> list[_Offer]:
    """Of the steps of one cost or one time only the best: copies that are free are always taken."""
    kept: list[_Offer] = []
    for offer in layer:
        if kept and offer.ticks == kept[-1].ticks:
            continue
        if kept and offer.crossbars == kept[-1].crossbars:
            kept.pop()
        kept.append(offer)
    return kept
