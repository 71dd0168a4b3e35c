"""How long some work takes when nothing else is in its way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
RUNS = 5


def fastest(work: Callable[[], Result]) -> tuple[Result, float]:
    """The result, and the least processor time (s) of a few runs: others use the machine at the same time, and what
    they take of its caches and clock only ever makes a run longer."""
    least = float("inf")
    for _ in range(RUNS):
        start = time.process_time()
        result = work()
        least = min(least, time.process_time() - start)
    return result, least
