"""How long some work takes when nothing else is in its way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
RUNS = 5
YARDSTICK = 0.235
"""Processor time (s) that the work of slowness() takes where limits in seconds were set."""


def fastest(work: Callable[[], Result]) -> tuple[Result, float]:
    """The result, and the least processor time (s) of a few runs: others use the machine at the same time, and what
    they take of its caches and clock only ever makes a run longer."""
    least = float("inf")
    for _ in range(RUNS):
        start = time.process_time()
        result = work()
        least = min(least, time.process_time() - start)
    return result, least


def slowness() -> float:
    """How many times slower this machine is at the moment than where limits in seconds were set; 1 where it is not.

    Machines that are shared change their clock by half within a session; a limit in seconds holds for one pace.
    """

    def work() -> int:
        found = {(n % 977, n): (n, str(n)) for n in range(200_000)}
        return sum(len(text) for _, (_, text) in sorted(found.items()))

    return max(1.0, fastest(work)[1] / YARDSTICK)
