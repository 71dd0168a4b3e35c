"""Networks in rounds, made of what a resident build has mapped: what tests of rounds compare."""

from __future__ import annotations

from dataclasses import replace

from cimc.backends.rounds import emit_rounds
from cimc.driver.compile import Compiled
from cimc.ir.verify_stage import verify_stage
from cimc.isa.verify.verifier import verify
from cimc.passes.pipelines import Context
from cimc.passes.rounds import schedule_rounds
from cimc.runtime.package import weights_digest
from cimc.target.model import Target
from tests.laws.digits import varied


def in_rounds(made: Compiled, target: Target | None = None, one_layer: bool = False, shared: int = 1) -> Compiled:
    """The same numbers in rounds, on a target with the same crossbars."""
    target = target or made.target
    rounds = schedule_rounds(made.mapped, Context(target), one_layer)
    for one in rounds:
        verify_stage(one)
    program, weights = emit_rounds(rounds, made.mapped, target, shared)
    program = replace(program, weights=weights_digest(weights))
    verify(program, target)
    return replace(made, program=program, weights=weights, target=target, scheduled=rounds[0], later=rounds[1:])


def with_tiles(target: Target, tiles: int, cores: int) -> Target:
    """A target with so many tiles of so many cores."""
    return varied(target, chip={"tiles": tiles}, tile={"cores": cores})
