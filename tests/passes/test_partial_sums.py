"""Partial sums come together in a tree of tasks, each added once, in an order that the emulator keeps."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cimc.backends.emit import emit
from cimc.driver.compile import Compiled
from cimc.driver.verify import differences, reference_maps
from cimc.frontends import load_onnx
from cimc.ir.graph import Graph
from cimc.ir.mapped import MappedGraph, Task
from cimc.ir.verify_stage import verify_stage
from cimc.ir.widths import Widths
from cimc.isa.verify.verifier import verify as verify_program
from cimc.passes.crossbars.split import FAN_IN, partners_of
from cimc.passes.pipelines import MapOptions, map_network, schedule_network
from cimc.runtime.step import StepEngine
from tests.laws.digits import varied
from tests.passes.cases.net import Net
from tests.passes.end_to_end import PUMA, random_inputs

COUNTS = st.integers(1, 600)
GROUPS = st.integers(1, 16)


@given(COUNTS, GROUPS)
def test_every_sum_is_added_once_in_a_tree_that_ends_at_the_first(count: int, group: int) -> None:
    found = partners_of(count, group)
    assert len(found) == count
    assert sorted(partner for partners in found for partner in partners) == list(range(1, count))
    assert all(partner > task for task, partners in enumerate(found) for partner in partners)


@given(COUNTS, GROUPS)
def test_few_sums_come_together_at_one_task_and_the_way_is_short(count: int, group: int) -> None:
    """A group is a tile's cores, so that only sums of other groups need a FIFO."""
    into = {partner: task for task, partners in enumerate(partners_of(count, group)) for partner in partners}
    for task, partners in enumerate(partners_of(count, group)):
        own = [partner for partner in partners if partner // group == task // group]
        others = [partner for partner in partners if partner // group != task // group]
        assert len(own) <= group - 1
        assert len(others) <= FAN_IN
        assert all(partner % group == 0 for partner in others)
        assert not partners or task % group == 0
    for task in range(count):
        steps, at = 0, task
        while at:
            steps, at = steps + 1, into[at]
        levels = math.log(3 * (task // group) + 1, FAN_IN)  # of a full tree that has so many groups before this one
        assert steps <= (task % group > 0) + math.ceil(levels - 1e-9)


@given(GROUPS, st.data())
def test_one_group_is_a_flat_list(group: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, group))
    assert partners_of(count, group) == [tuple(range(1, count)), *[()] * (count - 1)]


def test_by_hand() -> None:
    """Ten tasks in groups of two: the firsts 2, 4, 6 and 8 send to 0, whose four places they take; 10 is below 2."""
    found = partners_of(11, 2)
    assert found[0] == (1, 2, 4, 6, 8)
    assert found[2] == (3, 10)
    assert [found[k] for k in (4, 6, 8)] == [(5,), (7,), (9,)]
    assert found[10] == found[1] == found[9] == ()


CUT_SMALL = varied(PUMA, tile={"cores": 2}, core={"mvmus": 1}, crossbar={"rows": 16})
"""One block a task and two tasks a tile: 270 rows make 17 tasks, so a tree of two levels of groups."""


def deep_sums() -> tuple[Graph, MappedGraph]:
    """A 3x3 convolution over 30 channels."""
    net = Net(1, 30, 4, 5)
    graph = load_onnx(net.model(net.node("Relu", net.same("x", 30, 6))))
    widths = Widths(CUT_SMALL.numbers.weight, CUT_SMALL.numbers.input, {}, {})
    return graph, map_network(graph, CUT_SMALL, random_inputs(graph), MapOptions(widths))


def finished(graph: Graph, mapped: MappedGraph) -> Compiled:
    scheduled = schedule_network(mapped, CUT_SMALL)
    verify_stage(scheduled)
    program, weights = emit(scheduled, CUT_SMALL)
    verify_program(program, CUT_SMALL)
    return Compiled(graph, mapped, scheduled, program, weights, CUT_SMALL, ())


def flat(tasks: tuple[Task, ...]) -> tuple[Task, ...]:
    """The same tasks, all added by the first."""
    return (replace(tasks[0], partials=tuple(range(1, len(tasks)))), *(replace(t, partials=()) for t in tasks[1:]))


@pytest.mark.parametrize("less_shift", [0, 4])
def test_a_partial_with_partials_is_bit_exact(less_shift: int) -> None:
    """With a smaller shift sums saturate on the way, so that the order in which they are added is in the result."""
    graph, mapped = deep_sums()
    (layer,) = mapped.layers
    assert len(layer.tasks) == 17
    assert any(task.is_partial and task.partials for task in layer.tasks)
    layer = replace(layer, shift=layer.shift - less_shift)
    made = finished(graph, replace(mapped, layers=(layer,)))
    data = random_inputs(graph)
    execution = StepEngine(made.program, made.weights, CUT_SMALL).run(data, capture=True)
    assert differences(made, reference_maps(made, data), execution) == (0, None)
    other = replace(made, mapped=replace(made.mapped, layers=(replace(layer, tasks=flat(layer.tasks)),)))
    name = layer.layer.output
    same = np.array_equal(reference_maps(other, data)[name], reference_maps(made, data)[name])
    assert same == (less_shift == 0), "the test would not see another order"


def test_sums_of_a_tile_are_added_there() -> None:
    """Half of the tasks share a tile with the one that adds them: only firsts of groups send."""
    graph, mapped = deep_sums()
    made = finished(graph, mapped)
    sums = [t for t in made.scheduled.transfers if not made.scheduled.rings[t.source_tile, t.source].tensor]
    assert 0 < len(sums) <= -(-17 // 2)
    into: dict[int, int] = {}
    for transfer in sums:
        into[transfer.tile] = into.get(transfer.tile, 0) + 1
    assert max(into.values()) <= FAN_IN + 1  # a tile may begin inside of a group
