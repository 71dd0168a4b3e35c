"""Copies that share a row: the verifier sees that each writes columns of its own, and a difference names the copy."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from cimc.base.diagnostics import CimcError
from cimc.driver.compile import Compiled
from cimc.driver.verify import differences, reference_maps
from cimc.ir.scheduled import ScheduledTask
from cimc.isa.operands import Affine, Axis, Window
from cimc.isa.program import Instruction, Program
from cimc.isa.verify.verifier import verify as verify_program
from cimc.target.model import Target
from tests.laws.digits import bits_of, compiled, digits, run, same, varied
from tests.laws.test_mutations import Spot, exchanged, spots
from tests.laws.test_sharing import with_copies
from tests.passes.end_to_end import PUMA

SPREAD = varied(PUMA, tile={"cores": 2})
TARGETS = {"one tile": PUMA, "two cores a tile": SPREAD}
THREE = [(1, 3), (2, 3), (1, 3), (2, 2), (1, 1), (1, 1)]
"""Eight columns in parts of 2, 3 and 3: rows of two copies or more, of unequal parts."""


@cache
def shared(name: str) -> Compiled:
    return with_copies(compiled("digits_residual", TARGETS[name]), THREE)


def stores(program: Program, ring: str) -> list[Spot]:
    """The stores into the rings of a name, and into those of single copies."""
    found = []
    for spot in spots(program, "store"):
        window = spot.instruction.operands[0]
        assert isinstance(window, Window)
        if window.ring.split(".copy")[0] == ring:
            found.append(spot)
    return found


def with_columns(spot: Spot, start: Affine) -> Instruction:
    window = spot.instruction.operands[0]
    assert isinstance(window, Window)
    moved = replace(window, columns=Axis(start, window.columns.count, window.columns.step))
    return replace(spot.instruction, operands=(moved, *spot.instruction.operands[1:]))


def column(spot: Spot) -> Affine:
    window = spot.instruction.operands[0]
    assert isinstance(window, Window)
    return window.columns.start


def refusals(program: Program, target: Target) -> dict[str, list[str]]:
    """What the verifier says, by code."""
    found: dict[str, list[str]] = {}
    try:
        verify_program(program, target)
    except CimcError as refused:
        for d in refused.diagnostics:
            found.setdefault(d.code, []).append(d.what)
    return found


def test_producers_of_a_row_with_columns_of_their_own_are_accepted() -> None:
    made = shared("one tile")
    ring = next(r for r in made.program.tiles[0].rings if r.name == "relu1_out")
    assert ring.producers == 3
    assert [column(spot).constant for spot in stores(made.program, "relu1_out")] == [0, 2, 5]
    assert refusals(made.program, PUMA) == {}


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("copy", [0, 1, 2])
def test_producers_whose_columns_overlap_are_refused(copy: int, by: int) -> None:
    """A copy that begins a column earlier or later: where two write the same pixel it is named, with what is missing
    on the other side. The first can't begin earlier, and the last not later."""
    made = shared("one tile")
    spot = stores(made.program, "relu1_out")[copy]
    found = refusals(exchanged(made.program, spot, with_columns(spot, column(spot) + by)), PUMA)
    assert found
    if (copy, by) in ((0, -1), (2, 1)):
        return
    # Parts are 0-1, 2-4 and 5-7: whose column is taken, and whose is left.
    taken, left = {(0, 1): (2, 0), (1, -1): (1, 4), (1, 1): (5, 2), (2, -1): (4, 7)}[copy, by]
    assert found["verify.written-twice"] == [f"row 0, column {taken} is written by two producers"]
    assert found["verify.unstored"] == [f"row 0, column {left}, channel 0 is never written"]


def test_a_producer_that_writes_one_column_too_many_is_refused() -> None:
    """Nothing is missing then; two write the same."""
    made = shared("one tile")
    first = stores(made.program, "relu1_out")[0]
    loops = [s for s in spots(made.program, "loop") if (s.tile, s.number) == (first.tile, first.number)]
    inner = max((s for s in loops if s.index < first.index), key=lambda s: s.index)
    name, count = inner.instruction.operands
    assert (name, count) == ("pixel", 2) or isinstance(count, int)
    assert isinstance(count, int)
    more = exchanged(made.program, inner, replace(inner.instruction, operands=(name, count + 1)))
    assert "verify.written-twice" in refusals(more, PUMA)


# what a run keeps


@pytest.mark.parametrize("name", TARGETS)
def test_every_element_of_a_map_has_one_writer(name: str) -> None:
    made = shared(name)
    execution = run(made, 1)
    assert same(bits_of(run(made)), bits_of(run(compiled("digits_residual", TARGETS[name]))))
    for mapped in made.mapped.layers:
        m = made.mapped.maps[mapped.layer.output]
        writers = execution.writers[m.name]
        assert len(writers) == mapped.copies * sum(not task.is_partial for task in mapped.tasks)
        for row, x, channel in np.ndindex(m.height, m.width, m.channels):
            assert sum(w.writes(row, x, channel) for w in writers) == 1, (m.name, row, x, channel)


def with_other_weights(made: Compiled, one: ScheduledTask) -> Compiled:
    """With the signs of a task's weights turned around. Copies on a tile have one array in common."""
    tile = next(t for t in made.program.tiles if t.number == one.tile)
    core = next(c for c in tile.cores if c.number == one.core)
    turned = {f"turned/{matrix.array}": -made.weights[matrix.array] for matrix in core.matrices}
    changed = replace(core, matrices=tuple(replace(m, array=f"turned/{m.array}") for m in core.matrices))
    cores = tuple(changed if c is core else c for c in tile.cores)
    tiles = tuple(replace(t, cores=cores) if t is tile else t for t in made.program.tiles)
    return replace(made, program=replace(made.program, tiles=tiles), weights={**made.weights, **turned})


@pytest.mark.parametrize("name", TARGETS)
def test_a_difference_names_the_copy_that_made_it(name: str) -> None:
    """One copy's weights turned around: the first wrong element is in its part, and its store is named."""
    made = shared(name)
    wanted = reference_maps(made, {"input": digits("test", 2)})
    placed = [p for p in made.scheduled.tasks if p.layer == 0]
    assert len({p.copy for p in placed}) == 3
    for one in placed:
        broken = with_other_weights(made, one)
        _, first = differences(broken, wanted, run(broken, 2))
        assert first is not None and first.tensor == "relu1_out"
        assert first.instruction.startswith(f"tile {one.tile}, core {one.core}, instruction ")
        left = one.share.column(8, 8 // one.pixels)
        assert left <= first.element[2] < left + one.segments * one.pixels
