"""The verifier's look at the phases of a program that runs in rounds: what one leaves for those behind it in crossbars
and in off-chip memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from cimc.isa.kinds.numbers import Cells, Mask, Mvmu, members
from cimc.isa.kinds.rings import Row
from cimc.isa.operands import Affine
from cimc.isa.program import CoreCode, Phase, Plug, Program, RingRef, extent
from cimc.isa.table import FORM
from cimc.isa.tree import Loop, build_tree, leaves
from cimc.isa.verify.findings import Findings, stop_at
from cimc.target.model import Target

Stored = dict[tuple[int, int, int], tuple[int, int, int]]
"""(rows, columns, weight bits) of what lies in an MVMU, by tile, core and MVMU."""

WRITE = "write"
Shapes = dict[str, tuple[str, tuple[int, ...]]]
"""Type and shape by name."""

MOST_WRITES = 1 << 20
"""Rows that one instruction may write in a phase."""


def check_phases(program: Program, target: Target) -> None:
    """Rounds in order, crossbars written in phases that run once alone, and nothing taken out of off-chip memory that
    nobody put there. Raises CimcError with everything that is wrong."""
    findings = [Findings(program, number) for number in range(len(program.parts))]
    if not program.phases:
        _check_resident(program, findings[0])
    elif program.shared < 1:
        findings[0].add("phase", f"it runs in rounds, and {program.shared} inputs go through each", "shared")
    before, held, host = 0, Shapes(), Shapes()
    for phase, found in zip(program.phases, findings, strict=False):
        if not before <= phase.round <= before + 1:
            found.add("phase", f"round {phase.round} behind round {before}", "round", "number rounds 0, 1, 2, ...")
        before = phase.round
        _check_plugs(phase, held, found)
        _check_host(phase, host, found)
        _check_cells(phase, found)
    if target.chip.resident == "one layer":
        for part, found in zip(program.parts, findings, strict=True):
            _check_residence(part, target, found)
    stop_at(*findings)
    if program.phases:
        _check_areas(program, findings)
        stop_at(*findings)


def _check_residence(part: Program, target: Target, findings: Findings) -> None:
    """Crossbars that hold one layer at a time hold no more in a phase."""
    layers = {matrix.layer for tile in part.tiles for core in tile.cores for matrix in core.matrices}
    if len(layers) > 1:
        what = f"its crossbars hold {len(layers)} layers; those of {target.name} hold one at a time"
        findings.add("resident", what, "all tiles", "compile the network for this target: it runs in rounds there")


def _check_areas(program: Program, findings: Sequence[Findings]) -> None:
    """Who reads out of an area finds there what was put there: every phase in between has the same area, and room in it
    for the inputs that share a round."""
    held: dict[str, tuple[int, Plug]] = {}
    areas = [{(t.number, a.name): a for t in phase.tiles for a in t.areas} for phase in program.phases]
    for number, (phase, found) in enumerate(zip(program.phases, findings, strict=True)):
        for kind, plugs in (("input", phase.inputs), ("output", phase.outputs)):
            for plug in plugs:
                item, made = f'{kind} "{plug.name}"', held.get(plug.name, (number, plug))
                if kind == "output" and plug.memory:
                    held[plug.name] = made = number, plug
                if len(plug.areas) > 1 or (plug.areas and (phase.once or not plug.memory)):
                    found.add("area", "one area holds a map that waits between rounds, and nothing else", item)
                elif plug.areas != made[1].areas:
                    found.add("area", "it does not lie where the phase that made it put it", item)
                elif plug.areas:
                    at = plug.areas[0].tile, plug.areas[0].ring
                    there = [one.get(at) for one in areas[made[0] : number + 1]]
                    words = program.shared * math.prod(plug.shape)
                    if there[0] is None or any(area != there[0] for area in there):
                        what = f"phases {made[0]} to {number} do not all have area {at[1]} of tile {at[0]} alike"
                        found.add("area", what, item, "declare it in each of them, at the same words")
                    elif there[0].words < words:
                        what = f"{words} words, and area {at[1]} of tile {at[0]} has {there[0].words}"
                        found.add("area", what, item)
    _check_shared_areas(program, findings)


def _check_shared_areas(program: Program, findings: Sequence[Findings]) -> None:
    """What waits in an area is not overwritten before it is read for the last time."""
    last = {plug.name: n for n, phase in enumerate(program.phases) for plug in phase.inputs if plug.areas}
    held: dict[RingRef, str] = {}
    for number, (phase, found) in enumerate(zip(program.phases, findings, strict=True)):
        for plug in phase.outputs:
            for at in plug.areas:
                other = held.get(at)
                if other is not None and last.get(other, -1) >= number:
                    what = f'"{other}" still waits in area {at.ring} of tile {at.tile}'
                    found.add("area", what, f'output "{plug.name}"', "give each an area of its own")
                held[at] = plug.name


def _check_host(phase: Phase, host: Shapes, findings: Findings) -> None:
    """What several phases take of the host is one input, and an output comes once. host: both so far, by kind and
    name."""
    for kind, plugs in (("input", phase.inputs), ("output", phase.outputs)):
        for plug in (plug for plug in plugs if not plug.memory):
            item, what = f'{kind} "{plug.name}"', (plug.dtype, plug.shape)
            if kind == "output" and item in host:
                findings.add("plug", "an earlier phase gives it", item, "give each a name of its own")
            elif host.setdefault(item, what) != what:
                findings.add("plug", f"an earlier phase takes {host[item][0]} of shape {host[item][1]}", item)


def _check_plugs(phase: Phase, held: Shapes, findings: Findings) -> None:
    """held: type and shape of what lies in off-chip memory beside weights; what the phase puts there joins it."""
    for kind, plugs in (("input", phase.inputs), ("output", phase.outputs)):
        for plug in plugs:
            item, what = f'{kind} "{plug.name}"', (plug.dtype, plug.shape)
            if phase.once and (kind == "output" or not plug.memory):
                todo = "let it stand in a phase that runs for every input"
                findings.add("phase", "a phase that runs once takes weights out of off-chip memory alone", item, todo)
            elif plug.memory and plug.scale != 0:
                findings.add("plug", f"its scale is {plug.scale}; off-chip memory holds words, scale 0", item)
            elif plug.memory and kind == "output":
                if plug.name in held:
                    findings.add("plug", "an earlier phase has put it there", item, "give each a name of its own")
                held[plug.name] = what
            elif plug.memory and not phase.once and held.get(plug.name) != what:
                findings.add("plug", "no phase before this one puts it into off-chip memory", item)


def _check_cells(phase: Phase, findings: Findings) -> None:
    """No weights from the start, and no `write` where a phase runs for every input."""
    for tile in phase.tiles:
        for core in tile.cores:
            if any(matrix.array for matrix in core.matrices):
                what = "an MVMU has an array from the start, in a program whose phases write crossbars"
                todo = 'write array="", and let `write` bring the weights'
                findings.add("cells", what, f"tile {tile.number} core {core.number}", todo)
            if not phase.once:
                _refuse_writes(tile.number, core, "it stands in a phase that runs for every input", findings)
            _refuse_uses(tile.number, core, findings)


def _check_resident(program: Program, findings: Findings) -> None:
    """A program without phases writes no crossbar, and has no part in off-chip memory."""
    for kind, plugs in (("input", program.inputs), ("output", program.outputs)):
        for plug in plugs:
            if plug.memory or plug.areas:
                findings.add(
                    "plug", "it lies in off-chip memory, and the program has no phases", f'{kind} "{plug.name}"'
                )
    for tile in program.tiles:
        for core in tile.cores:
            _refuse_writes(tile.number, core, "the program has no phases", findings)


def _refuse_writes(tile: int, core: CoreCode, why: str, findings: Findings) -> None:
    for index, instruction in enumerate(core.stream):
        if instruction.mnemonic == WRITE:
            findings.at((tile, core.unit, core.number, index), "cells", why, "write in a phase with once=true")


def _refuse_uses(tile: int, core: CoreCode, findings: Findings) -> None:
    """Cells are not read while they are written: what they held would depend on how far that is."""
    written = mvmus_written(core)
    for index, instruction in enumerate(core.stream) if written else ():
        form = FORM[instruction.mnemonic]
        used = members(form.operand(instruction, Mask)) if form.has(Mask) else []
        used += [form.operand(instruction, Mvmu)] if form.has(Mvmu) else []
        for mvmu in written.intersection(used):
            what = f"MVMU {mvmu} is used in the phase that writes it"
            findings.at((tile, core.unit, core.number, index), "cells", what, "use it in a phase behind this one")


def note_written(program: Program, findings: Findings, stored: Stored) -> None:
    """What a phase, which is right in itself, leaves in crossbars. An MVMU that is written in part is refused."""
    for tile in program.tiles:
        for core in tile.cores:
            for loops, leaf in leaves(build_tree(core.stream)):
                if leaf.instruction.mnemonic == WRITE and math.prod(loop.count for loop in loops) > MOST_WRITES:
                    what = f"it runs more than {MOST_WRITES} times; a row is written once"
                    findings.at((tile.number, core.unit, core.number, leaf.index), "too-long", what)
    stop_at(findings)
    for at, rows in rows_written(program).items():
        core = next(c for t in program.tiles if t.number == at[0] for c in t.cores if c.number == at[1])
        held = core.by_mvmu()[at[2]]
        if rows.all():
            stored[at] = (*extent(held), held[0].weight_bits)
        else:
            missing = int(np.argmin(rows > 0))
            item = f"tile {at[0]} core {at[1]}, mvmu {at[2]}"
            findings.add("cells", f"row {missing} of the MVMU is not written", item, "write all its rows")
    stop_at(findings)


def rows_written(program: Program) -> dict[tuple[int, int, int], npt.NDArray[np.int64]]:
    """How often a run of a part writes each row of the MVMUs that it writes, by tile, core and MVMU."""
    found: dict[tuple[int, int, int], npt.NDArray[np.int64]] = {}
    for tile in program.tiles:
        for core in tile.cores:
            held = core.by_mvmu()
            for loops, leaf in leaves(build_tree(core.stream)):
                form = FORM[leaf.instruction.mnemonic]
                if form.mnemonic != WRITE:
                    continue
                counts = _counts(form.operand(leaf.instruction, Row), loops)
                for mvmu in members(form.operand(leaf.instruction, Cells)):
                    rows = found.setdefault((tile.number, core.number, mvmu), np.zeros(extent(held[mvmu])[0], np.int64))
                    for row, times in counts.items():
                        rows[row] += times
    return found


def _counts(row: Affine, loops: Sequence[Loop]) -> Mapping[int, int]:
    """How often an affine number has each of its values while loops run, that over inputs once."""
    terms = dict(row.terms)
    rows, times = np.array([row.constant]), 1
    for loop in loops:
        if loop.counter in terms:
            rows = (rows[:, None] + terms[loop.counter] * np.arange(loop.count)).ravel()
        else:
            times *= max(1, loop.count)
    values, found = np.unique(rows, return_counts=True)
    return dict(zip(values.tolist(), (times * found).tolist(), strict=True))


def mvmus_written(core: CoreCode) -> frozenset[int]:
    """The MVMUs that a core writes."""
    masks = (FORM[one.mnemonic].operand(one, Cells) for one in core.stream if one.mnemonic == WRITE)
    return frozenset(mvmu for mask in masks for mvmu in members(mask))


def writes_of(program: Program) -> int:
    """How often the most written cell is written while the inputs that share a round go through all rounds."""
    most: dict[tuple[int, int, int], npt.NDArray[np.int64]] = {}
    for part in program.parts:
        for at, rows in rows_written(part).items():
            old = most.get(at, np.zeros(0, np.int64))
            size = max(len(old), len(rows))
            most[at] = np.pad(old, (0, size - len(old))) + np.pad(rows, (0, size - len(rows)))
    return max((int(rows.max()) for rows in most.values()), default=0)
