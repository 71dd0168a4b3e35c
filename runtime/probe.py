"""A probe: stops a run where a core or channel reaches an instruction for the n-th time, to look at the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from cimc.isa.program import Instruction
from cimc.isa.text.printer import Spot
from cimc.isa.tree import nesting
from cimc.runtime.machine import IMAGE, Counters, Machine

Result = TypeVar("Result")


class Stopped(Exception):
    """A run has come to its probe. machine: as it stands before the instruction; counters: of the stream's loops."""

    def __init__(self, machine: Machine, counters: tuple[int, ...]) -> None:
        super().__init__("stopped by a probe")
        self.machine = machine
        self.counters = counters


@dataclass(frozen=True, slots=True)
class Probe:
    """Stop before the instruction at `spot` is executed for the count-th time. Waiting is no new time."""

    spot: Spot
    count: int = 1

    def watched(
        self, spot: Spot, function: Callable[[], Result], machine: Machine, counters: Counters
    ) -> Callable[[], Result]:
        """The function of the instruction at `spot`; where the probe stands, one that raises Stopped in time. A
        result that is not None says that the instruction waits and is tried again."""
        if spot != self.spot:
            return function
        times, waits = 0, False

        def probed() -> Result:
            nonlocal times, waits
            if not waits:
                times += 1
                if times == self.count:
                    raise Stopped(machine, tuple(counters))
            result = function()
            waits = result is not None
            return result

        return probed


def loop_slots(stream: tuple[Instruction, ...], index: int) -> Mapping[str, int]:
    """The loops around an instruction, outermost first: the place of each one's counter (cimc.runtime.coroutines)."""
    for place, (_, around) in enumerate(nesting(stream)):
        if place == index:
            return {name: IMAGE if count == -1 else 1 + depth for depth, (name, count) in enumerate(around)}
    return {}
