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
from cimc.isa.program import Program
from cimc.isa.verify import verify as verify_program
from cimc.passes.depths import Depths
from cimc.passes.formats import Widths
from cimc.passes.pipelines import MapOptions, map_network
from cimc.passes.place import Placer
from cimc.passes.schedule import Scheduler
from cimc.passes.segments import choose_segments
from cimc.passes.settle_depths import settle_depths
from cimc.runtime.sites import Deadlock
from cimc.runtime.step import StepEngine
from cimc.target.model import Target
from tests.laws.digits import varied
from tests.passes.cases import Net
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
