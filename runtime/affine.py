"""Affine numbers as functions of the counters of a running stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cimc.isa.operands import Affine

Counters = list[int]
"""Counters of a stream's loops by depth; number 0 is the input that the stream is at."""

IMAGE = 0
"""Where the number of the present input stands."""

Number = Callable[[], int]


def compile_affine(value: Affine, counters: Counters, slots: Mapping[str, int]) -> Number:
    """The number as a function without arguments. slots: the place of each named counter."""
    constant = value.constant
    terms = [(slots[name], coefficient) for name, coefficient in value.terms]
    match terms:
        case []:
            return lambda: constant
        case [(slot, 1)] if constant == 0:
            return lambda: counters[slot]
        case [(slot, 1)]:
            return lambda: counters[slot] + constant
        case [(slot, factor)]:
            return lambda: counters[slot] * factor + constant
        case [(slot, factor), (other, weight)]:
            return lambda: counters[slot] * factor + counters[other] * weight + constant
    return lambda: sum(counters[slot] * factor for slot, factor in terms) + constant
