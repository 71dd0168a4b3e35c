"""balance: how many copies of its weights each layer gets (weight duplication).

Needs the load of every layer and a budget of crossbars. Promises whole numbers of copies that fit, exact for the
objective; nothing is rounded on the way, as all times are fractions. Copies of a layer share its vectors: with k of
them it takes ceil(vectors / k) turns, so its busy time steps through turns x seconds, and these steps are all the
bottleneck times there can be. For a bottleneck time T a layer needs ceil(vectors / floor(T / seconds)) copies; the
least T whose copies fit is found by bisection over the steps of all layers.

Where an MVMU is several crossbars (a slice on each), they are bought together: count MVMUs as crossbars then.
Source of the rule: ISAAC (Shafiee et al., ISCA 2016), where every layer finishes an input at the same time.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from cimc.base.diagnostics import CimcError, Diagnostic, Place, fail
from cimc.passes.crossbars.balance_one_input import Step, fastest_sum, spend

Objective = Literal["throughput", "latency", "area"]


@dataclass(frozen=True, slots=True)
class Load:
    """What a layer asks for.

    vectors: of one input. seconds: of one vector on one copy. crossbars: of one copy. together: copies that share one
    crossbar block-diagonally (see copies_in_one), 1 where a copy is larger. max_copies: more cannot be placed, or have
    nothing to do. input_seconds: the time that the layer's input takes to arrive, which no copy shortens. offers: the
    numbers of copies that can be had with the turns of each, rising and falling; where there are none any number can,
    and copies share the vectors evenly.
    """

    name: str
    vectors: int
    seconds: Fraction
    crossbars: int
    together: int
    max_copies: int
    input_seconds: Fraction = Fraction(0)
    offers: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        assert self.vectors > 0 and self.seconds > 0 and self.crossbars > 0, self
        assert self.together == 1 or self.crossbars == 1, f"copies of several crossbars do not share one: {self}"
        assert self.max_copies >= 1 and self.together >= 1, self
        assert not self.offers or self.offers[0] == (1, self.vectors), f"one copy makes every vector: {self}"

    def crossbars_of(self, copies: int) -> int:
        """Crossbars of so many copies."""
        return -(-copies // self.together) * self.crossbars

    def turns(self, copies: int) -> int:
        """Vectors of the copy that has most."""
        if self.offers:
            return min(turns for offered, turns in self.offers if offered <= copies)
        return -(-self.vectors // copies)

    def busy(self, copies: int) -> Fraction:
        """Seconds that an input keeps the layer busy."""
        return max(self.turns(copies) * self.seconds, self.input_seconds)

    def copies_for(self, seconds: Fraction) -> int | None:
        """The fewest copies whose busy time is at most this, or None where there are none."""
        turns = seconds // self.seconds
        if turns < 1 or seconds < self.input_seconds:
            return None
        if self.offers:
            return next((copies for copies, taken in self.offers if taken <= turns), None)
        copies = -(-self.vectors // turns)
        return copies if copies <= self.max_copies else None

    def steps(self) -> Iterator[int]:
        """The numbers of copies that are worth having: the fewest for each number of turns, rising."""
        if self.offers:
            yield from (copies for copies, _ in self.offers)
            return
        copies = 1
        while copies <= self.max_copies:
            yield copies
            turns = -(-self.vectors // copies)
            if turns == 1:
                return
            copies = -(-self.vectors // (turns - 1))


@dataclass(frozen=True, slots=True)
class Balance:
    """Copies, in the order of the layers, and what they cost.

    seconds: busy time of the slowest layer, `bottleneck`; reason: why it is no faster. left_over: crossbars of the
    budget that buy nothing more (0 without a budget). exact: False where the latency of one input was too large a
    problem to be solved exactly and copies were chosen by time saved for each crossbar.
    """

    copies: tuple[int, ...]
    crossbars: int
    seconds: Fraction
    bottleneck: str
    reason: str
    left_over: int
    exact: bool = True


def copies_in_one(rows: int, columns: int, crossbar_rows: int, crossbar_columns: int) -> int:
    """Blocks of rows x columns that fit a crossbar block-diagonally, at least 1. They share no row and no column, as
    each has inputs of its own and sums of its own."""
    return max(1, min(crossbar_rows // rows, crossbar_columns // columns))


def crossbars_of(copies: int, rows: int, columns: int, crossbar_rows: int, crossbar_columns: int) -> int:
    """Crossbars of so many dense blocks of rows x columns, block-diagonally where two fit one crossbar."""
    together = copies_in_one(rows, columns, crossbar_rows, crossbar_columns)
    return -(-copies // together) * -(-rows // crossbar_rows) * -(-columns // crossbar_columns)


def require_objective(objective: Objective, rate: float | None, budget: int | None, option: str) -> None:
    """Raise CimcError unless the objective is known; "area", and no other, has a rate to keep (inputs a second); and
    "latency" has a budget (MVMUs), which `option` gives."""
    if objective not in get_args(Objective):
        todo = f"choose one of {', '.join(get_args(Objective))}"
        raise fail("options.copies", f'there is no objective "{objective}"', todo=todo)
    if (objective == "area") != (rate is not None):
        todo = "write --objective area --rate INPUTS_PER_SECOND"
        raise fail("options.copies", 'objective "area" and --rate belong together', todo=todo)
    if objective == "latency" and budget is None:
        what = 'objective "latency" chooses copies, and there is no budget for any'
        raise fail("options.copies", what, todo=f"give {option} N")
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        what = f"a rate of {rate} inputs a second cannot be kept"
        raise fail("options.copies", what, Place(item="--rate"), "give a number above 0")


def balance(
    layers: Sequence[Load],
    budget: int | None,
    objective: Objective = "throughput",
    seconds: Fraction | None = None,
) -> Balance:
    """Choose copies. budget: crossbars, or None for as many as it takes.

    throughput: the fastest stream of inputs, that is the least busy time of the slowest layer; what is left of the
    budget then shortens one input, copy by copy where a crossbar saves most time, and changes no layer for the worse.
    latency: the least sum of busy times - one input, layer after layer. area: the fewest crossbars that take an input
    every `seconds`. Raises CimcError where that cannot be, and where there is no layer.
    """
    if not layers:
        what = "the network has no matrix, so there is nothing to copy"
        raise fail("balance.empty", what, todo="leave out --mvmus and --rate")
    least = sum(load.crossbars_of(1) for load in layers)
    if budget is not None and budget < least:
        what = f"one copy of every layer takes {least:,} MVMUs; the budget is {budget:,}"
        raise fail("balance.budget", what, todo=f"give a budget of {least} or more")
    exact = True
    if objective == "area":
        assert seconds is not None, "no rate to keep"
        copies = _for_rate(layers, budget, seconds)
    elif objective == "latency":
        copies, exact = fastest_sum([_price_list(load) for load in layers], budget)
    else:
        copies = _fastest_stream(layers, budget)
        if budget is not None:
            copies = spend([_price_list(load) for load in layers], copies, budget)
    return _judged(layers, copies, budget, objective, exact)


def at_pace_of(layers: Sequence[Load], name: str) -> tuple[int, ...]:
    """ISAAC's rule: the fewest copies that let every layer keep up with one copy of layer `name`; its copies are in
    proportion to its vectors. A layer that cannot keep up gets all the copies it may have."""
    pace = next(load for load in layers if load.name == name).busy(1)
    return tuple(load.copies_for(pace) or max(load.steps()) for load in layers)


def judge(layers: Sequence[Load], copies: tuple[int, ...]) -> Balance:
    """The same figures for copies that somebody else chose."""
    return _judged(layers, copies, None, None, True)


def _fastest_stream(layers: Sequence[Load], budget: int | None) -> tuple[int, ...]:
    """The fewest copies at the least bottleneck that fits."""
    times = _times(layers)
    return _copies_at(layers, times[bisect_left(times, True, key=lambda time: _fits(layers, time, budget))])


def _for_rate(layers: Sequence[Load], budget: int | None, seconds: Fraction) -> tuple[int, ...]:
    wrong = []
    for load in layers:
        if load.copies_for(seconds) is None:
            most = max(load.steps())
            what = f"an input keeps it busy for {_time(load.busy(most))} at best ({_limit(load, most)})"
            wrong.append(Diagnostic("balance.rate", what, Place(item=load.name), "ask for a lower rate"))
    if wrong:
        raise CimcError(wrong)
    copies = _copies_at(layers, seconds)
    needed = _cost(layers, copies)
    if budget is not None and needed > budget:
        what = f"an input every {_time(seconds)} takes {needed:,} MVMUs; the budget is {budget:,}"
        raise fail("balance.budget", what, todo="ask for a lower rate, or give a larger budget")
    return copies


def _times(layers: Sequence[Load]) -> list[Fraction]:
    """Every busy time that a layer can have, rising."""
    return sorted({load.busy(copies) for load in layers for copies in load.steps()})


def _fits(layers: Sequence[Load], time: Fraction, budget: int | None) -> bool:
    needed = [load.copies_for(time) for load in layers]
    return None not in needed and (budget is None or _cost(layers, [k for k in needed if k is not None]) <= budget)


def _copies_at(layers: Sequence[Load], time: Fraction) -> tuple[int, ...]:
    needed = [load.copies_for(time) for load in layers]
    assert None not in needed, f"no copies for {time} s: {needed}"
    return tuple(k for k in needed if k is not None)


def _cost(layers: Sequence[Load], copies: Sequence[int]) -> int:
    return sum(load.crossbars_of(k) for load, k in zip(layers, copies, strict=True))


def _next_cost(layers: Sequence[Load], bottleneck: Fraction) -> int:
    """Crossbars of the slowest bottleneck that is faster than this one; 0 where there is none."""
    faster = [time for time in _times(layers) if time < bottleneck and _fits(layers, time, None)]
    return _cost(layers, _copies_at(layers, faster[-1])) if faster else 0


def _price_list(load: Load) -> list[Step]:
    return [Step(copies, load.crossbars_of(copies), load.busy(copies)) for copies in load.steps()]


def _judged(
    layers: Sequence[Load], copies: tuple[int, ...], budget: int | None, objective: Objective | None, exact: bool
) -> Balance:
    """The result, with the slowest layer and why it is no faster: one that nothing can speed up before any other."""
    busy = [load.busy(k) for load, k in zip(layers, copies, strict=True)]
    slowest = [(load, k) for load, k, time in zip(layers, copies, busy, strict=True) if time == max(busy)]
    load, k = next(((load, k) for load, k in slowest if _limit(load, k)), slowest[0])
    reason = _limit(load, k)
    if not reason:
        needed = 0 if budget is None else _next_cost(layers, max(busy))
        if budget is not None and needed > budget:
            reason = f"the next faster step takes {needed:,} MVMUs; the budget is {budget:,}"
        elif objective == "latency":
            reason = "an MVMU saves more time in another layer"
        elif objective == "area":
            reason = "it keeps up with the rate that was asked for"
        else:
            reason = f"it has {k} {'copy' if k == 1 else 'copies'}, and more would make it faster"
    cost = _cost(layers, copies)
    left = 0 if budget is None else budget - cost
    return Balance(copies, cost, max(busy), load.name, reason, left, exact)


def _limit(load: Load, copies: int) -> str:
    """Why no further copy speeds up a layer, or ""."""
    if load.busy(copies) == load.input_seconds:
        return "its input arrives no faster"
    if load.vectors == 1:
        return "it has one vector an input, so a second copy would have nothing to do"
    if copies >= load.vectors:
        return "every vector has a copy of its own"
    if not any(step > copies for step in load.steps()):
        return f"it may have {load.max_copies} copies at most"
    return ""


def _time(seconds: Fraction) -> str:
    return f"{float(seconds):.6g} s"
