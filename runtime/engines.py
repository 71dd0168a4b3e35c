"""The one place that names an engine."""

from __future__ import annotations

from collections.abc import Mapping

from cimc.crossbar.device import IDEAL, NEW, Specimen, device_of
from cimc.isa.program import Program
from cimc.runtime.execution import Engine
from cimc.runtime.machine import AnyArray
from cimc.runtime.rounds import RoundsEngine
from cimc.runtime.step import StepEngine
from cimc.target.model import Target


def engine_for(
    program: Program,
    weights: Mapping[str, AnyArray],
    target: Target,
    max_memory: int | None = None,
    specimen: Specimen | None = NEW,
) -> Engine:
    """An engine for a program that the verifier finds right for the target. weights: the arrays that belong to it.
    specimen: the chip that runs it; None for one with ideal cells."""
    device = IDEAL if specimen is None else device_of(target, specimen)
    seed = 0 if specimen is None else specimen.seed
    if program.phases:
        return RoundsEngine(program, weights, target, max_memory=max_memory, device=device, seed=seed)
    return StepEngine(program, weights, target, max_memory=max_memory, device=device, seed=seed)
