"""Copies: equal to trying everything on small networks, and the rules of the papers on large ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.networks import vgg16
from cimc.base.diagnostics import CimcError
from cimc.frontends.structure import load_structure
from cimc.passes.crossbars import balance_one_input
from cimc.passes.crossbars.balance import Load, Objective, at_pace_of, balance, copies_in_one, crossbars_of, judge

SECOND = Fraction(1)
OBJECTIVES: tuple[Objective, ...] = ("throughput", "latency")


def load(name: str, vectors: int, crossbars: int = 1, together: int = 1, most: int | None = None) -> Load:
    return Load(name, vectors, SECOND, crossbars, together, vectors if most is None else most)


@st.composite
def loads(draw: st.DrawFn) -> list[Load]:
    found = []
    for number in range(draw(st.integers(1, 3))):
        crossbars = draw(st.integers(1, 3))
        vectors = draw(st.integers(1, 12))
        given = draw(offers(vectors)) if draw(st.booleans()) else ()
        found.append(
            Load(
                f"layer{number}",
                vectors,
                draw(st.sampled_from([Fraction(1), Fraction(2, 3), Fraction(9, 7)])),
                crossbars,
                draw(st.integers(1, 3)) if crossbars == 1 else 1,
                given[-1][0] if given else draw(st.integers(1, 8)),
                draw(st.sampled_from([Fraction(0), Fraction(0), Fraction(5, 2)])),
                given,
            )
        )
    return found


@st.composite
def offers(draw: st.DrawFn, vectors: int) -> tuple[tuple[int, int], ...]:
    """One copy, and more numbers of copies, each with fewer turns than the one before, evenly shared or not."""
    copies = sorted(draw(st.sets(st.integers(2, 8), max_size=4)))
    turns = sorted(draw(st.sets(st.integers(1, vectors), max_size=4)) - {vectors}, reverse=True)
    return ((1, vectors), *zip(copies, turns, strict=False))


def busy(one: Load, copies: int) -> Fraction:
    """Seconds that an input keeps a layer: it makes its vectors in turns, and is no faster than its input."""
    turns = math.ceil(Fraction(one.vectors, copies))
    if one.offers:
        turns = [offered for number, offered in one.offers if number <= copies][-1]
    return max(one.seconds * turns, one.input_seconds)


def crossbars(one: Load, copies: int) -> int:
    """Crossbars of copies, `together` of which share one."""
    return math.ceil(Fraction(copies, one.together)) * one.crossbars


def everything(layers: list[Load]) -> list[tuple[tuple[int, ...], int]]:
    """All copies that there can be, with their crossbars."""
    choices = product(*(range(1, one.max_copies + 1) for one in layers))
    return [(c, sum(crossbars(one, k) for one, k in zip(layers, c, strict=True))) for c in choices]


def slowest(layers: list[Load], copies: tuple[int, ...]) -> Fraction:
    return max(busy(one, k) for one, k in zip(layers, copies, strict=True))


def one_input(layers: list[Load], copies: tuple[int, ...]) -> Fraction:
    return sum((busy(one, k) for one, k in zip(layers, copies, strict=True)), Fraction(0))


def least(layers: list[Load]) -> int:
    return sum(one.crossbars for one in layers)


@given(loads(), st.integers(0, 12))
def test_a_stream_is_as_fast_as_any_copies_make_it(layers: list[Load], more: int) -> None:
    budget = least(layers) + more
    found = balance(layers, budget)
    best = min(slowest(layers, copies) for copies, cost in everything(layers) if cost <= budget)
    assert found.seconds == slowest(layers, found.copies) == best
    assert found.crossbars + found.left_over == budget
    assert (found.copies, found.crossbars) in everything(layers)


@given(loads(), st.integers(0, 12))
def test_one_input_is_as_fast_as_any_copies_make_it(layers: list[Load], more: int) -> None:
    budget = least(layers) + more
    found = balance(layers, budget, "latency")
    assert found.exact
    assert found.crossbars <= budget
    best = min(one_input(layers, c) for c, cost in everything(layers) if cost <= budget)
    assert one_input(layers, found.copies) == best
    assert found.crossbars == min(cost for c, cost in everything(layers) if one_input(layers, c) == best)


@given(loads(), st.fractions(Fraction(1, 2), 20, max_denominator=6))
def test_a_rate_takes_the_fewest_crossbars(layers: list[Load], seconds: Fraction) -> None:
    costs = [cost for copies, cost in everything(layers) if slowest(layers, copies) <= seconds]
    if costs:
        found = balance(layers, None, "area", seconds)
        assert found.crossbars == min(costs)
        assert found.seconds <= seconds
    else:
        with pytest.raises(CimcError, match=r"balance\.rate"):
            balance(layers, None, "area", seconds)


@given(loads(), st.integers(0, 12), st.integers(0, 12))
def test_a_larger_budget_is_never_slower(layers: list[Load], more: int, still_more: int) -> None:
    small, large = least(layers) + more, least(layers) + more + still_more
    assert balance(layers, large).seconds <= balance(layers, small).seconds
    before, after = balance(layers, small, "latency"), balance(layers, large, "latency")
    assert one_input(layers, after.copies) <= one_input(layers, before.copies)


@given(loads(), st.integers(0, 12))
def test_what_is_left_over_buys_nothing_more(layers: list[Load], more: int) -> None:
    found = balance(layers, least(layers) + more)
    for number, one in enumerate(layers):
        for copies in one.steps():
            changed = (*found.copies[:number], copies, *found.copies[number + 1 :])
            cost = sum(crossbars(other, k) for other, k in zip(layers, changed, strict=True))
            if cost <= least(layers) + more:
                assert one_input(layers, changed) >= one_input(layers, found.copies)


@given(loads())
def test_without_a_budget_nothing_can_be_faster(layers: list[Load]) -> None:
    found = balance(layers, None)
    assert found.seconds == min(slowest(layers, copies) for copies, _ in everything(layers))
    assert one_input(layers, balance(layers, None, "latency").copies) == min(
        one_input(layers, copies) for copies, _ in everything(layers)
    )


@given(loads(), st.integers(0, 12))
def test_large_problems_fall_back_and_say_so(layers: list[Load], more: int) -> None:
    limit = balance_one_input.WORK_LIMIT
    balance_one_input.WORK_LIMIT = 0
    try:
        found = balance(layers, least(layers) + more, "latency")
    finally:
        balance_one_input.WORK_LIMIT = limit
    assert found.crossbars <= least(layers) + more
    best = balance(layers, least(layers) + more, "latency")
    assert one_input(layers, found.copies) >= one_input(layers, best.copies)
    assert not found.exact or one_input(layers, found.copies) == one_input(layers, best.copies)


def offering(*given: tuple[int, int]) -> Load:
    return Load("grid", given[0][1], SECOND, 1, 1, given[-1][0], offers=given)


@given(loads(), st.integers(0, 12))
def test_only_copies_that_are_offered_are_chosen(layers: list[Load], more: int) -> None:
    for objective in OBJECTIVES:
        found = balance(layers, least(layers) + more, objective)
        for one, copies in zip(layers, found.copies, strict=True):
            if one.offers:
                assert copies in dict(one.offers)
                assert one.turns(copies) == dict(one.offers)[copies]


def test_offers_by_hand() -> None:
    """12 vectors; 3 copies are not to be had, and 4 of them take 4 turns, not 3."""
    grid = offering((1, 12), (2, 6), (4, 4), (6, 2))
    assert [grid.turns(copies) for copies in (1, 2, 3, 4, 5, 6)] == [12, 6, 6, 4, 4, 2]
    assert [grid.copies_for(Fraction(turns)) for turns in (12, 11, 6, 5, 4, 3, 2)] == [1, 2, 2, 4, 4, 6, 6]
    assert grid.copies_for(Fraction(1)) is None
    # 5 MVMUs: both at 6 turns take 2 + 1; a faster stream takes 4 + 2 (5 turns are offered by nobody).
    found = balance([grid, load("b", 6)], 5)
    assert (found.copies, found.seconds, found.left_over) == ((2, 3), Fraction(6), 0)
    assert (found.bottleneck, found.reason) == ("grid", "the next faster step takes 6 MVMUs; the budget is 5")
    assert balance([grid, load("b", 6)], 6).copies == (4, 2)


def test_a_layer_with_all_that_is_offered_says_so() -> None:
    found = balance([offering((1, 12), (4, 3)), load("other", 1)], 100)
    assert (found.copies, found.bottleneck, found.reason) == ((4, 1), "grid", "it may have 4 copies at most")


def test_by_hand() -> None:
    # 8 and 4 vectors, 6 crossbars: 4 + 2 copies take 2 turns each; anything faster takes 8 + 4.
    found = balance([load("a", 8), load("b", 4)], 6)
    assert (found.copies, found.seconds, found.crossbars) == ((4, 2), Fraction(2), 6)
    assert (found.bottleneck, found.reason) == ("a", "the next faster step takes 12 MVMUs; the budget is 6")


def test_left_over_crossbars_shorten_one_input() -> None:
    # "a" cannot be faster; "b" takes all that is left: 4 vectors in 4 turns, 2, then 1 (3 copies would still take 2).
    for budget, copies, left in ((2, 1, 0), (3, 2, 0), (4, 2, 1), (5, 4, 0), (9, 4, 4)):
        found = balance([load("a", 8, most=1), load("b", 4)], budget)
        assert (found.copies, found.left_over) == ((1, copies), left)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (load("fc", 1), "it has one vector an input, so a second copy would have nothing to do"),
        (load("conv", 3), "every vector has a copy of its own"),
        (load("conv", 9, most=2), "it may have 2 copies at most"),
        (Load("conv", 9, SECOND, 1, 1, 9, Fraction(4)), "its input arrives no faster"),
    ],
)
def test_a_layer_that_cannot_be_faster_is_named(layer: Load, reason: str) -> None:
    found = balance([layer, load("other", 1)], 100)
    assert (found.bottleneck, found.reason) == (layer.name, reason)


def test_other_reasons() -> None:
    layers = [load("a", 8), load("b", 40, 10)]
    assert balance(layers, None, "area", Fraction(4)).reason == "it keeps up with the rate that was asked for"
    assert judge(layers, (1, 2)).reason == "it has 2 copies, and more would make it faster"
    # One crossbar is left when both have a copy: it goes to "a", the next faster stream needs a second copy of "b".
    assert balance(layers, 12, "latency").reason == "the next faster step takes 21 MVMUs; the budget is 12"


@pytest.mark.parametrize(
    ("budget", "objective", "seconds", "message"),
    [
        (3, "throughput", None, "one copy of every layer takes 4 MVMUs; the budget is 3"),
        (5, "area", Fraction(2), "an input every 2 s takes 10 MVMUs; the budget is 5"),
        (None, "area", Fraction(1, 2), "an input keeps it busy for 1 s at best (every vector has a copy of its own)"),
    ],
)
def test_refusals(budget: int | None, objective: Objective, seconds: Fraction | None, message: str) -> None:
    with pytest.raises(CimcError) as caught:
        balance([load("a", 8), load("b", 4, 3)], budget, objective, seconds)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("copies", "rows", "columns", "crossbars"),
    [
        (1, 25, 8, 1),
        (8, 25, 8, 4),  # LeNet's first layer in 64 x 64: two copies share the rows
        (8, 8, 40, 8),  # and here the columns do not hold two
        (4, 65, 8, 8),
        (4, 27, 64, 4),
        (3, 130, 70, 18),
    ],
)
def test_crossbars_of_copies(copies: int, rows: int, columns: int, crossbars: int) -> None:
    assert crossbars_of(copies, rows, columns, 64, 64) == crossbars


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_blocks_that_share_a_crossbar_fit_its_diagonal(rows: int, columns: int, height: int, width: int) -> None:
    together = copies_in_one(rows, columns, height, width)
    if rows <= height and columns <= width:
        assert together * rows <= height and together * columns <= width
        assert (together + 1) * rows > height or (together + 1) * columns > width
    else:
        assert together == 1


def loads_of(build: Callable[[bool], onnx.ModelProto], folder: Path) -> list[Load]:
    onnx.save(build(False), folder / "network.onnx")
    matrices = load_structure(str(folder / "network.onnx")).matrices
    return [load(matrix.name, matrix.vectors, -(-matrix.rows // 128) * -(-matrix.outputs // 16)) for matrix in matrices]


def test_isaac_gives_vgg16_copies_in_proportion(tmp_path: Path) -> None:
    # ISAAC (ISCA 2016): the last conv layer gets one copy, the others as many as their windows are more than its.
    layers = loads_of(vgg16, tmp_path)
    copies = dict(zip((one.name for one in layers), at_pace_of(layers, "conv5_3"), strict=True))
    windows = {one.name: one.vectors for one in layers if one.name.startswith("conv")}
    assert len(windows) == 13
    assert {name: copies[name] for name in windows} == {name: n // 14**2 for name, n in windows.items()}
    assert set(windows.values()) == {n**2 for n in (14, 28, 56, 112, 224)}
    busy = [one.busy(copies[one.name]) for one in layers if one.name in windows]
    assert max(busy) <= min(busy) * Fraction(11, 10)
    assert all(copies[f"fc{n}"] == 1 for n in (1, 2, 3))


def test_the_budget_of_isaacs_copies_gives_isaacs_copies(tmp_path: Path) -> None:
    layers = loads_of(vgg16, tmp_path)
    paced = judge(layers, at_pace_of(layers, "conv5_3"))
    assert balance(layers, paced.crossbars).copies == paced.copies
