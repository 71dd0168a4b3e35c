"""The ScheduledGraph verifier sees what a faulty pass could do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from cimc.driver.compile import compile_network
from cimc.driver.options import CompileOptions
from cimc.estimator.weightless import map_weightless
from cimc.frontends.structure import load_structure
from cimc.ir.mapped import Share
from cimc.ir.scheduled import ScheduledGraph, ScheduledTask, Sync
from cimc.ir.verify_stage import verify_stage
from cimc.passes.pipelines import schedule_network
from tests.cli.commands import DIGITS, QUANTISED, RESIDUAL
from tests.passes.end_to_end import PUMA
from tests.passes.test_partial_sums import CUT_SMALL, deep_sums
from tests.passes.test_placement import copied

Breaks = Callable[[ScheduledGraph], ScheduledGraph]


@cache
def scheduled() -> ScheduledGraph:
    """One layer of 17 tasks, 16 of them partial sums, in four copies: two rows at a time, in two parts each."""
    return schedule_network(copied(deep_sums()[1], [(2, 2)]), CUT_SMALL)


def task(index: int, **changes: Any) -> Breaks:
    """Another task in the place of one: 0 to 3 add the sums of each copy, and 0 makes its part where the map is."""

    def done(graph: ScheduledGraph) -> ScheduledGraph:
        tasks = list(graph.tasks)
        tasks[index] = replace(tasks[index], **changes)
        return replace(graph, tasks=tuple(tasks))

    return done


def source(**changes: Any) -> Breaks:
    return lambda g: task(0, sources=(replace(g.tasks[0].sources[0], **changes),))(g)


def ring(held: str, /, **changes: Any) -> Breaks:
    """Another plan for the first ring of a tensor."""

    def done(graph: ScheduledGraph) -> ScheduledGraph:
        at = next(at for at, plan in graph.rings.items() if plan.tensor == held)
        return replace(graph, rings={**graph.rings, at: replace(graph.rings[at], **changes)})

    return done


def transfer(**changes: Any) -> Breaks:
    """Another transfer for the first, which brings a partial sum."""

    def done(graph: ScheduledGraph) -> ScheduledGraph:
        return replace(graph, transfers=(replace(graph.transfers[0], **changes), *graph.transfers[1:]))

    return done


def same_fifo(graph: ScheduledGraph) -> ScheduledGraph:
    """All transfers into a tile through one FIFO."""
    return replace(graph, transfers=tuple(replace(one, fifo=0) for one in graph.transfers))


def swapped_partials(graph: ScheduledGraph) -> ScheduledGraph:
    one = graph.tasks[0]
    return task(0, partials=(one.partials[1], one.partials[0], *one.partials[2:]))(graph)


def syncs(change: Callable[[ScheduledTask], tuple[Sync, ...]]) -> Breaks:
    return lambda g: task(0, syncs=change(g.tasks[0]))(g)


def without(kind: str) -> Breaks:
    return syncs(lambda one: tuple(sync for sync in one.syncs if sync.kind != kind))


def test_a_good_graph_passes() -> None:
    verify_stage(scheduled())
    assert len(scheduled().tasks) == 4 * 17 and len(scheduled().transfers) > 16


@pytest.mark.parametrize("options", [{"mvmus": 200}, {"pack": True}, {"rows": "channels"}], ids=str)
@pytest.mark.parametrize("model", [DIGITS, RESIDUAL, QUANTISED], ids=["plain", "residual", "quantised"])
def test_bundled_networks_pass(model: str, options: dict[str, Any]) -> None:
    verify_stage(compile_network(model, CompileOptions(**options)).scheduled)


@pytest.mark.parametrize("model", [DIGITS, RESIDUAL, QUANTISED], ids=["plain", "residual", "quantised"])
def test_weightless_graphs_pass(model: str) -> None:
    """The estimator's, which know no weights and no values."""
    outline = load_structure(model).outline
    assert outline is not None
    verify_stage(schedule_network(map_weightless(outline, PUMA, 8, "dense"), PUMA))


@pytest.mark.parametrize(
    ("breaks", "complaint"),
    [
        (lambda g: replace(g, tasks=g.tasks[1:]), r"missing: \[\(0, 0, 0\)\], too often: \[\]"),
        (lambda g: replace(g, tasks=(*g.tasks, g.tasks[0])), r"missing: \[\], too often: \[\(0, 0, 0\)\]"),
        (task(0, copy=1), r"missing: \[\(0, 0, 0\)\], too often: \[\(0, 0, 1\)\]"),
        (lambda g: task(0, core=1 - g.tasks[0].core)(g), r"tasks of cores \[-1, -1\] are on"),
        (task(0, share=Share()), "makes Share"),
        (task(0, rows=3), r"3 rows, 2 segments; \(2, 2\)"),
        (task(0, segments=3), r"2 rows, 3 segments; \(2, 2\)"),
        (task(0, pixels=2), "segments of 2 pixels of 5"),
        (task(0, out="nowhere"), 'there is no ring "nowhere"'),
        (task(0, out="x"), "fills RingPlan"),
        (source(ring="nowhere"), 'there is no ring "nowhere"'),
        (source(map="relu1"), "in RingPlan"),
        (source(high=31), "high=31"),
        (source(low=-1), "low=-1"),
        (source(low=30), "low=30"),
        (source(role=1), "role=1"),
        (source(port=7), "not its own"),
        (task(0, tile=99), "there is no ring"),
        (without("wait"), "missing .*wait"),
        (without("release"), "missing .*release"),
        (without("space"), "missing .*space"),
        (without("signal"), "missing .*signal"),
        (syncs(lambda one: (*one.syncs, replace(one.syncs[0], port=7))), r"not its own \[\('wait', 'x', 7\)\]"),
        (syncs(lambda one: (replace(one.syncs[0], level="pixel"), *one.syncs[1:])), "level='pixel'"),
        (swapped_partials, r"adds \(layer, task, copy\) \[\(0, 2, 0\), \(0, 1, 0\)"),
        (transfer(source="nowhere"), 'there is no ring "nowhere"'),
        (transfer(ring="nowhere"), 'there is no ring "nowhere"'),
        (transfer(high=7), "high=7"),
        (transfer(low=-1), "low=-1"),
        (transfer(low=1), "low=1"),
        (transfer(segment=1), "segment=1"),
        (transfer(port=1), r"ports \[1\]"),
        (lambda g: transfer(tile=g.transfers[0].source_tile, ring=g.transfers[0].source)(g), "within a tile"),
        (lambda g: replace(g, transfers=g.transfers[1:]), "0 producers"),
        (same_fifo, "the FIFO is taken"),
        (ring("x", ports=3), r"ports \[0, 1\]"),
        (ring("relu1", producers=3), "4 producers: .*producers=3"),
        (ring("relu1", name="other"), "is listed at"),
        (ring("relu1", tile=7), "is listed at"),
        (ring("relu1", pixels=0), "an empty ring"),
        (ring("relu1", segments=2), "uneven segments"),
        (ring("x", pixels=7), "a part of a segment"),
        (ring("x", tensor="z"), "a ring of no map"),
        (ring("x", channel=1), "30 channels"),
        (ring("x", column=1), "5 columns"),
        (ring("x", row=1), "4 rows"),
        (ring("x", channels=29), "high=30"),
        (lambda g: replace(g, feeds=()), "0 feeds or drains for 1 tensors"),
        (lambda g: replace(g, feeds=(g.feeds[0][1:],)), "0 producers"),
        (lambda g: replace(g, feeds=(((0, "relu1", -1),),)), r"""lies on \('x',\), not on "relu1\""""),
        (lambda g: replace(g, feeds=(((0, "x", 0), *g.feeds[0][1:]),)), 'port 0 of "x"'),
        (lambda g: replace(g, drains=(((0, "relu1", -1),),)), 'port -1 of "relu1"'),
        (lambda g: replace(g, drains=(((0, "relu1", 1),),)), r"ports \[1\]"),
        (lambda g: replace(g, drains=(((99, "relu1", 0),),)), 'there is no ring "relu1" on tile 99'),
        (lambda g: replace(g, drains=((),)), "0 of 6 channels are read"),
        (lambda g: replace(g, mapped=replace(g.mapped, quants={})), "without a format"),
    ],
)
def test_a_broken_graph_is_caught(breaks: Breaks, complaint: str) -> None:
    broken = breaks(scheduled())
    with pytest.raises(AssertionError, match=complaint):
        verify_stage(broken)
