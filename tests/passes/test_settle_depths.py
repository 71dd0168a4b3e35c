"""Ring depths: a residual branch that is longer than its ring blocks the network, and settle_depths lets it run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cimc.backends.emit import emit
from cimc.base.diagnostics import CimcError
from cimc.driver.compile import Compiled
from cimc.driver.verify import differences, reference_maps
from cimc.frontends import load_onnx
from cimc.ir.scheduled import ScheduledGraph
from cimc.ir.widths import Widths
from cimc.isa.program import Program
from cimc.isa.verify.verifier import verify as verify_program
from cimc.passes.crossbars.segments import choose_segments
from cimc.passes.pipelines import MapOptions, map_network
from cimc.passes.placement.depths import Depths
from cimc.passes.placement.place import Placer
from cimc.passes.scheduling.schedule import Scheduler
from cimc.passes.scheduling.settle_depths import settle_depths
from cimc.runtime.sites import Deadlock
from cimc.runtime.step import StepEngine
from cimc.target.model import Target
from tests.laws.digits import varied
from tests.passes.cases.net import Net
from tests.passes.end_to_end import IDEAL, PUMA, build, random_inputs

CONVOLUTIONS = 14
"""Each 3x3 window looks one row ahead: the branch's end needs 15 rows of its start, and a ring first holds
four; a copy of it on another tile as many again, and a FIFO two."""


def branching(target: Target) -> tuple[ScheduledGraph, Compiled]:
    """A residual over 3x3 convolutions, with rings at their first depths; and the rest of its Compiled."""
    net = Net(1, 4, 20, 6)
    a = net.node("Relu", net.same("x", 4, 4))
    b = a
    for _ in range(CONVOLUTIONS):
        b = net.node("Relu", net.same(b, 4, 4))
    graph = load_onnx(net.model(net.node("Add", b, a)))
    mapped = map_network(graph, target, random_inputs(graph), MapOptions(Widths(8, 8, {}, {})))
    segments = choose_segments(mapped, target)
    placer = Placer(mapped, target, segments, Depths(), 1)
    first = Scheduler(mapped, placer, placer.run(), segments).run()
    return first, Compiled(graph, mapped, first, Program("", "", ""), {}, target, ())


def finished(made: Compiled, scheduled: ScheduledGraph) -> Compiled:
    """With the program of a schedule."""
    program, weights = emit(scheduled, made.target)
    return replace(made, scheduled=scheduled, program=program, weights=weights)


@pytest.mark.parametrize("target", [IDEAL, PUMA, varied(PUMA, tile={"cores": 2})], ids=["ideal", "puma", "spread"])
def test_a_residual_deadlocks_with_its_first_depths_and_runs_after(target: Target) -> None:
    first, made = branching(target)
    data = random_inputs(made.graph)
    before = finished(made, first)
    with pytest.raises(CimcError, match="wait for each other"):
        verify_program(before.program, target)
    with pytest.raises(Deadlock):
        StepEngine(before.program, before.weights, target).run(data)
    after = finished(made, settle_depths(first, target))
    verify_program(after.program, target)
    execution = StepEngine(after.program, after.weights, target).run(data, capture=True)
    assert differences(after, reference_maps(after, data), execution) == (0, None)


def test_only_the_ring_of_the_branch_grows_and_only_as_far_as_it_must() -> None:
    """One row less than it gets deadlocks again."""
    first, made = branching(IDEAL)
    settled = settle_depths(first, IDEAL)
    changed = {at for at in first.rings if settled.rings[at] != first.rings[at]}
    assert len(changed) == 1
    (at,) = changed
    assert settled.rings[at].ports == 2
    assert settled.rings[at].tensor.startswith("relu")
    for ring in changed:
        plan = settled.rings[ring]
        shallow = replace(settled, rings=settled.rings | {ring: replace(plan, pixels=plan.pixels - plan.width)})
        with pytest.raises(CimcError, match="wait for each other"):
            verify_program(finished(made, shallow).program, IDEAL)


def test_settling_twice_changes_nothing() -> None:
    first, _ = branching(PUMA)
    once = settle_depths(first, PUMA)
    assert settle_depths(once, PUMA).rings == once.rings


def test_three_images_follow_each_other_through_settled_rings() -> None:
    first, made = branching(PUMA)
    after = finished(made, settle_depths(first, PUMA))
    engine = StepEngine(after.program, after.weights, PUMA)
    x = np.random.default_rng(0).standard_normal((3, 2, 1, 4, 20, 6)).astype(np.float32)
    (output,) = made.graph.outputs
    streamed = engine.run({"x": x}, images=3).outputs[output]
    assert all(np.array_equal(streamed[i], engine.run({"x": x[i]}).outputs[output]) for i in range(3))


def test_row_level_rings_hold_windows_not_maps() -> None:
    """A chain of 3x3 convolutions on 40 rows: each ring holds the window's 3 rows, the next one and 4, not the map."""
    net = Net(1, 4, 40, 8)
    a = net.same(net.same(net.same("x", 4, 4), 4, 4), 4, 4)
    graph = load_onnx(net.model(a))
    made = build(graph, IDEAL, random_inputs(graph, 2))
    for (_, name), plan in made.scheduled.rings.items():
        if name != a:
            assert plan.pixels == (4 + 4) * plan.width, name


SPREAD = varied(PUMA, tile={"cores": 2})


def grown_tiles(first: ScheduledGraph, settled: ScheduledGraph) -> list[int]:
    """Tiles with a ring that grew."""
    return sorted({tile for tile, name in first.rings if settled.rings[tile, name] != first.rings[tile, name]})


def ends_of_the_branch(graph: ScheduledGraph) -> tuple[int, int]:
    """The tile where the branch's start is made, and the one where its end is added to it."""
    start = next(placed for placed in graph.tasks if placed.layer == 0)
    return start.tile, graph.tasks[-1].tile


def test_a_ring_grows_on_the_tile_that_has_room() -> None:
    """The branch's start lies in a ring of two tiles, either of which may hold it while the branch is on its way."""
    first, made = branching(SPREAD)
    start, end = ends_of_the_branch(first)
    assert start != end
    full = SPREAD.tile.memory_words
    for crowded, roomy in ((start, end), (end, start)):
        settled = settle_depths(first, SPREAD, {crowded: full})
        assert grown_tiles(first, settled) == [roomy]
        verify_program(finished(made, settled).program, SPREAD)


def test_a_ring_grows_as_far_as_its_tile_has_room_and_then_another_one() -> None:
    first, made = branching(SPREAD)
    start, end = ends_of_the_branch(first)
    free = SPREAD.tile.memory_words
    words = {tile: sum(plan.words for at, plan in first.rings.items() if at[0] == tile) for tile in (start, end)}
    everywhere = settle_depths(first, SPREAD)  # of two that grow as much the first does
    assert grown_tiles(first, everywhere) == [start]
    needed = sum(plan.words for at, plan in everywhere.rings.items() if at[0] == start) - words[start]
    leaving = {start: free - words[start] - needed // 2}
    settled = settle_depths(first, SPREAD, leaving)
    assert grown_tiles(first, settled) == [start, end]
    for tile in (start, end):
        used = sum(plan.words for at, plan in settled.rings.items() if at[0] == tile)
        assert used + leaving.get(tile, 0) <= free
    verify_program(finished(made, settled).program, SPREAD)


def test_without_room_the_ring_grows_whose_rest_others_can_hold() -> None:
    """What comes from another tile may pass through relays; a ring that is filled where it lies has none."""
    first, made = branching(SPREAD)
    start, end = ends_of_the_branch(first)
    full = SPREAD.tile.memory_words
    settled = settle_depths(first, SPREAD, dict.fromkeys(range(40), full))
    assert grown_tiles(first, settled) == [end]
    assert {name for tile, name in first.rings if settled.rings[tile, name] != first.rings[tile, name]} <= {
        transfer.ring for transfer in first.transfers if transfer.tile == end
    }
    verify_program(finished(made, settled).program, SPREAD)
    assert start not in grown_tiles(first, settled)
