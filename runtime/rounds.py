"""Runs a program that runs in rounds: its phases one after the other, each on the step engine.

Crossbars (cimc.runtime.cells) and off-chip memory keep what they hold from phase to phase; tiles begin each at rest.
Phases that write crossbars run once, on one lane: weights are the same for all. With several inputs, as many as share a
round go through all phases before the next ones come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cimc.base.diagnostics import Place, fail
from cimc.crossbar.device import Device
from cimc.isa.program import Program
from cimc.runtime.cells import Cells
from cimc.runtime.check_arrays import check_arrays
from cimc.runtime.execution import Execution, Writer
from cimc.runtime.host import quantised_inputs
from cimc.runtime.machine import AnyArray, Words
from cimc.runtime.sites import Probe
from cimc.runtime.step import StepEngine
from cimc.target.model import Target


class RoundsEngine:
    """Runs a program that cimc.isa.verify.verifier finds right for the target. The arguments are those of
    StepEngine."""

    def __init__(
        self,
        program: Program,
        weights: Mapping[str, AnyArray],
        target: Target,
        *,
        exact: bool | None = None,
        max_memory: int | None = None,
        device: Device | None = None,
        seed: int = 0,
    ) -> None:
        assert program.phases, f"{program.name} runs in no rounds"
        check_arrays(program, weights, target, program.name)
        self.program, self.weights, self.target, self.max_memory = program, weights, target, max_memory
        self._options: dict[str, Any] = {"exact": exact, "device": device, "seed": seed}

    def run(
        self,
        inputs: Mapping[str, AnyArray],
        images: int = 1,
        schedule_seed: int | None = None,
        capture: Collection[str] | bool | None = None,
        probe: Probe | None = None,
        first: int = 0,
    ) -> Execution:
        """As Engine says. schedule_seed: run the streams in a random order."""
        if probe is not None:
            what = "the program runs in rounds, and a probe does not say in which phase it is to stop"
            raise fail(
                "run.rounds", what, Place(self.program.name), "compile the network without --rounds to look at it"
            )
        quantised_inputs(self.program, inputs, images, self.target.numbers.word)  # all that is wrong with them, at once
        cells, parts = Cells(self.target.numbers.word), []
        for start in range(0, images, self.program.shared):
            count = min(self.program.shared, images - start)
            part = {
                name: np.asarray(values)[start : start + count] if images > 1 else np.asarray(values)
                for name, values in inputs.items()
            }
            if images > 1 and count == 1:
                part = {name: values[0] for name, values in part.items()}
            found = self._round(part, count, cells, schedule_seed, capture, first, (start, images))
            if images > 1 and count == 1:
                found = replace(found, outputs={name: values[None] for name, values in found.outputs.items()})
            parts.append(found)
        return parts[0] if images == 1 else _joined(parts)

    def _round(
        self,
        inputs: Mapping[str, AnyArray],
        images: int,
        cells: Cells,
        schedule_seed: int | None,
        capture: Collection[str] | bool | None,
        first: int,
        stream: tuple[int, int],
    ) -> Execution:
        """All phases for inputs that share them, each (lanes, *shape), or (images, lanes, *shape) of several. stream:
        see StepEngine."""
        memory: dict[str, AnyArray] = {}
        outputs: dict[str, AnyArray] = {}
        counts: Counter[str] = Counter()
        stored: dict[str, Words] = {}
        writers: dict[str, tuple[Writer, ...]] = {}
        for number, (phase, part) in enumerate(zip(self.program.phases, self.program.parts, strict=True)):
            engine = StepEngine(
                part, self.weights, self.target, max_memory=self.max_memory, cells=cells, stream=stream, **self._options
            )
            if phase.once:
                given = {plug.name: self.weights[plug.name][None] for plug in phase.inputs}
                counts.update(engine.run(given, 1, schedule_seed).counts)
                continue
            given = {plug.name: (memory if plug.memory else inputs)[plug.name] for plug in phase.inputs}
            found = engine.run(given, images, schedule_seed, capture, first=first)
            counts.update(found.counts)
            for plug in phase.outputs:
                (memory if plug.memory else outputs)[plug.name] = found.outputs[plug.name]
            stored |= found.stored
            writers |= {name: tuple(replace(w, phase=number) for w in ws) for name, ws in found.writers.items()}
        return Execution(outputs, dict(sorted(counts.items())), stored, writers)


def _joined(parts: list[Execution]) -> Execution:
    """Runs of some inputs after the other as one, (images, lanes, ...)."""
    counts = sum((Counter(part.counts) for part in parts), Counter[str]())
    stored = {name: np.concatenate([part.stored[name] for part in parts]) for name in parts[0].stored}
    outputs = {name: np.concatenate([part.outputs[name] for part in parts]) for name in parts[0].outputs}
    return Execution(outputs, dict(sorted(counts.items())), stored, parts[0].writers)
