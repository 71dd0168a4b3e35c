"""Fewer slices in a trace: what is kept, and what short ones become."""

from __future__ import annotations

from itertools import pairwise

import pytest

import cimc
from cimc.report.trace import thinned
from cimc.runtime.timing.engine import time_program
from cimc.runtime.timing.result import Interval
from tests.cli.commands import CALIBRATION, RESIDUAL


def _one(stream: int, name: str, start: float, end: float, waiting: bool = False) -> Interval:
    return Interval(stream, ord(name), name if waiting else "", start, end)


def test_few_are_all_kept() -> None:
    given = [_one(0, "a", 0, 1), _one(0, "b", 1, 2)]
    assert thinned(given, 2) == (given, 0.0)
    assert thinned([], 0) == ([], 0.0)


def test_short_ones_become_what_took_most_and_long_ones_stay() -> None:
    short = [part for k in range(100) for part in (_one(0, "a", k, k + 0.7), _one(0, "r", k + 0.7, k + 1, True))]
    given = [*short, _one(0, "b", 100, 200), _one(1, "c", 0, 200)]
    kept, resolution = thinned(given, 3)
    assert resolution > 1
    assert kept == [_one(0, "a", 0, 100), _one(0, "b", 100, 200), _one(1, "c", 0, 200)]


def test_a_gap_is_not_filled() -> None:
    given = [*(_one(0, "a", k, k + 0.5) for k in range(10)), *(_one(0, "a", k, k + 0.5) for k in range(90, 100))]
    kept, _ = thinned(given, 2)
    assert [(one.start, one.end) for one in kept] == [(0, 9.5), (90, 99.5)]


@pytest.mark.parametrize("most", [20, 40])
def test_a_real_run(most: int) -> None:
    program = cimc.compile(RESIDUAL, "puma", CALIBRATION)
    intervals = time_program(program.program, program.target, 2, record=True).intervals
    kept, resolution = thinned(intervals, most)
    assert len(intervals) > most >= len(kept) and resolution > 0
    assert max(one.end for one in kept) == max(one.end for one in intervals)
    assert {one.stream for one in kept} == {one.stream for one in intervals}
    for stream in {one.stream for one in kept}:
        own = [one for one in kept if one.stream == stream]
        assert all(a.end <= b.start + 1e-12 for a, b in pairwise(own))
        longest = max(one.end - one.start for one in intervals if one.stream == stream)
        assert max(one.end - one.start for one in own) >= longest
