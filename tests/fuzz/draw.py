"""What a maker of examples draws from: random numbers, and networks and targets of hypothesis strategies."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from onnx import ModelProto

from cimc.target.model import Target
from tests.laws.random_targets import problems, targets
from tests.passes.random_networks import networks

BATCH = 8


class Draw(random.Random):
    """Random numbers of one example, the same for the same kind, seed and number."""

    def __new__(cls, kind: str, seed: int, number: int) -> Draw:
        return super().__new__(cls)

    def __init__(self, kind: str, seed: int, number: int) -> None:
        super().__init__(f"{kind}/{seed}/{number}")
        self.place = seed * 1_000_003 + number // BATCH, number % BATCH

    def network(self) -> ModelProto:
        """A random network."""
        made: ModelProto = self._drawn("network")
        return made

    def target(self) -> Target:
        """A random target, free of contradictions as far as eight tries find one."""
        made: Target = self._drawn("target")
        return made

    def _drawn(self, what: str) -> Any:
        batch, index = self.place
        found = _batch(what, batch)
        return found[index % len(found)]


@lru_cache(maxsize=4)
def _batch(what: str, number: int) -> list[Any]:
    """BATCH networks or targets; the simplest, with which hypothesis starts, is left out."""
    found: list[Any] = []
    strategy: st.SearchStrategy[Any] = networks() if what == "network" else targets()

    @seed(number)
    @settings(
        max_examples=BATCH + 1, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        deadline=None,
    )  # fmt: skip
    @given(strategy)
    def take(made: Any) -> None:
        found.append(made)

    take()
    fine = [made for made in found[1:] if not isinstance(made, Target) or not problems(made)]
    return fine or found
