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
from cimc.ir.placed import PlacedGraph, RingKey
from cimc.ir.widths import Widths
from cimc.isa.program import Program
from cimc.isa.verify.verifier import verify as verify_program
from cimc.passes.crossbars.choose_segments import choose_segments
from cimc.passes.pipelines import MapOptions, map_network
from cimc.passes.placement.depths import Depths
from cimc.passes.placement.place import place_tasks
from cimc.passes.scheduling.schedule import schedule
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


def branching(target: Target) -> tuple[PlacedGraph, Compiled]:
    """A residual over 3x3 convolutions, with rings at their first depths; and the rest of its Compiled."""
    net = Net(1, 4, 20, 6)
    a = net.node("Relu", net.same("x", 4, 4))
    b = a
    for _ in range(CONVOLUTIONS):
        b = net.node("Relu", net.same(b, 4, 4))
    graph = load_onnx(net.model(net.node("Add", b, a)))
    mapped = map_network(graph, target, random_inputs(graph), MapOptions(Widths(8, 8, {}, {})))
    first = place_tasks(choose_segments(mapped, target), target, Depths(), 1)
    return first, Compiled(graph, mapped, schedule(first), Program("", "", ""), {}, target, ())


def finished(made: Compiled, placed: PlacedGraph) -> Compiled:
    """With the program of placed tasks."""
    scheduled = schedule(placed)
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
    after = finished(made, settle_depths(first))
    verify_program(after.program, target)
    execution = StepEngine(after.program, after.weights, target).run(data, capture=True)
    assert differences(after, reference_maps(after, data), execution) == (0, None)


def test_only_the_ring_of_the_branch_grows_and_only_as_far_as_it_must() -> None:
    """One row less than it gets deadlocks again."""
    first, made = branching(IDEAL)
    settled = settle_depths(first)
    (grown,) = grown_rings(first, settled)
    names = zip(settled.rings(), schedule(settled).rings.values(), strict=True)
    (plan,) = [plan for (tile, key, _), plan in names if (tile, key) == grown]
    assert plan.ports == 2
    assert plan.tensor.startswith("relu")
    shallow = settled.with_pixels(
        ring.pixels - plan.width * ((tile, key) == grown) for tile, key, ring in settled.rings()
    )
    with pytest.raises(CimcError, match="wait for each other"):
        verify_program(finished(made, shallow).program, IDEAL)


def test_a_depth_is_learned_for_those_who_read_the_ring_last() -> None:
    """The end of the branch, not its start, which reads the same ring on the same tile."""
    first, _ = branching(IDEAL)
    settled = settle_depths(first)
    ((tile, key),) = grown_rings(first, settled)
    depths = Depths()
    depths.learn(first, settled)
    assert not depths.grown, "it has room"
    narrow = replace(settled, room=replace(settled.room, memory_words=settled.tiles[tile].words - 1))
    depths.learn(first, narrow)
    last = len(first.mapped.layers) - 1
    assert depths.grown == {((last, 0, 0), key): settled.tiles[tile].rings[key].pixels}


def test_settling_twice_changes_nothing() -> None:
    first, _ = branching(PUMA)
    once = settle_depths(first)
    assert settle_depths(once).tiles == once.tiles


def test_three_images_follow_each_other_through_settled_rings() -> None:
    first, made = branching(PUMA)
    after = finished(made, settle_depths(first))
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


def grown_rings(first: PlacedGraph, settled: PlacedGraph) -> list[tuple[int, RingKey]]:
    """Rings that grew, by (tile, key)."""
    both = zip(first.rings(), settled.rings(), strict=True)
    return [(tile, key) for (tile, key, old), (_, _, new) in both if old != new]


def grown_tiles(first: PlacedGraph, settled: PlacedGraph) -> list[int]:
    """Tiles with a ring that grew."""
    return sorted({tile for tile, _ in grown_rings(first, settled)})


def ends_of_the_branch(graph: PlacedGraph) -> tuple[int, int]:
    """The tile where the branch's start is made, and the one where its end is added to it."""
    tiles = {task.layer: tile.number for tile in graph.tiles for task in tile.tasks}
    return tiles[0], tiles[max(tiles)]


def with_constants(graph: PlacedGraph, words: dict[int, int]) -> PlacedGraph:
    """The same with so many words of constants on tiles, by number, and none on the others."""
    return replace(graph, tiles=tuple(replace(tile, constants=words.get(tile.number, 0)) for tile in graph.tiles))


def test_a_ring_grows_on_the_tile_that_has_room() -> None:
    """The branch's start lies in a ring of two tiles, either of which may hold it while the branch is on its way."""
    first, made = branching(SPREAD)
    start, end = ends_of_the_branch(first)
    assert start != end
    full = SPREAD.tile.memory_words
    for crowded, roomy in ((start, end), (end, start)):
        settled = settle_depths(with_constants(first, {crowded: full}))
        assert grown_tiles(first, settled) == [roomy]
        verify_program(finished(made, settled).program, SPREAD)


def test_a_ring_grows_as_far_as_its_tile_has_room_and_then_another_one() -> None:
    first, made = branching(SPREAD)
    first = with_constants(first, {})
    start, end = ends_of_the_branch(first)
    free = SPREAD.tile.memory_words
    everywhere = settle_depths(first)  # of two that grow as much the first does
    assert grown_tiles(first, everywhere) == [start]
    words = first.tiles[start].words
    needed = everywhere.tiles[start].words - words
    settled = settle_depths(with_constants(first, {start: free - words - needed // 2}))
    assert grown_tiles(first, settled) == [start, end]
    assert all(settled.tiles[tile].words <= free for tile in (start, end))
    verify_program(finished(made, settled).program, SPREAD)


def test_without_room_the_ring_grows_whose_rest_others_can_hold() -> None:
    """What comes from another tile may pass through relays; a ring that is filled where it lies has none."""
    first, made = branching(SPREAD)
    start, end = ends_of_the_branch(first)
    full = SPREAD.tile.memory_words
    settled = settle_depths(with_constants(first, dict.fromkeys(range(40), full)))
    assert grown_tiles(first, settled) == [end] != [start]
    assert all(settled.tiles[tile].rings[key].remote for tile, key in grown_rings(first, settled))
    verify_program(finished(made, settled).program, SPREAD)
