"""The MappedGraph verifier sees what a faulty pass could do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto

from cimc.estimator.weightless import map_weightless
from cimc.frontends import load_onnx
from cimc.frontends.structure import load_structure
from cimc.ir.mapped import MappedGraph, RowRun
from cimc.ir.verify_stage import verify_stage
from cimc.ir.widths import Widths
from cimc.layer_kinds.matrix.layer import MatrixLayer
from cimc.passes.pipelines import MapOptions, map_network
from tests.laws.digits import varied
from tests.passes.cases import CASES
from tests.passes.cases.net import Net
from tests.passes.end_to_end import PUMA, random_inputs
from tests.passes.test_constructs import NOT_FINITE, REFUSED

SMALL = varied(PUMA, tile={"cores": 2}, core={"mvmus": 2}, crossbar={"rows": 16})


@cache
def mapped() -> MappedGraph:
    """Layer 0: 36 rows in three blocks, the last of them a partial sum. Layer 1: two groups of two outputs, side by
    side on an MVMU that layer 4 shares. Layers 2 and 5 have no weights."""
    net = Net(1, 4, 3, 3)
    a = net.node("Relu", net.same("x", 4, 6))
    b = net.node("Relu", net.conv(a, 6, 4, (1, 1), group=2))
    c = net.node("Relu", net.gemm(net.node("Flatten", net.node("GlobalAveragePool", b)), 4, 3))
    model = net.model(net.node("Softmax", net.gemm(c, 3, 3), axis=1))
    graph = load_onnx(model)
    widths = Widths(SMALL.numbers.weight, SMALL.numbers.input, {}, {})
    return map_network(graph, SMALL, random_inputs(graph, 2), MapOptions(widths, pack=True))


def change(number: int, **changes: Any) -> Callable[[MappedGraph], MappedGraph]:
    """The graph with another layer in a place."""

    def done(graph: MappedGraph) -> MappedGraph:
        layers = list(graph.layers)
        layers[number] = replace(layers[number], **changes)
        return replace(graph, layers=tuple(layers))

    return done


def task(number: int, index: int, **changes: Any) -> Callable[[MappedGraph], MappedGraph]:
    """The graph with another task in a layer."""

    def done(graph: MappedGraph) -> MappedGraph:
        tasks = list(graph.layers[number].tasks)
        tasks[index] = replace(tasks[index], **changes)
        return change(number, tasks=tuple(tasks))(graph)

    return done


def block(number: int, index: int, at: int, **changes: Any) -> Callable[[MappedGraph], MappedGraph]:
    """The graph with another block in a task."""

    def done(graph: MappedGraph) -> MappedGraph:
        blocks = list(graph.layers[number].tasks[index].blocks)
        blocks[at] = replace(blocks[at], **changes)
        return task(number, index, blocks=tuple(blocks))(graph)

    return done


def finish(number: int, **changes: Any) -> Callable[[MappedGraph], MappedGraph]:
    return lambda graph: change(number, epilogue=replace(graph.layers[number].epilogue, **changes))(graph)


def block_of_another_run(**changes: Any) -> Callable[[MappedGraph], MappedGraph]:
    """Another run of the first block of layer 0: words 0 .. 16 of the window of x."""
    return block(0, 0, 0, runs=(replace(RowRun("x", 0, 4, 0, 16, 0), **changes),))


def test_a_good_graph_passes() -> None:
    verify_stage(mapped())
    assert sorted(one.shares for layer in mapped().layers for one in layer.tasks) == [-1, -1, -1, -1, -1, 0, 0]


def test_before_there_are_tasks() -> None:
    layers = tuple(replace(layer, tasks=()) for layer in mapped().layers)
    verify_stage(replace(mapped(), layers=layers))


@pytest.mark.parametrize(
    ("breaks", "complaint"),
    [
        (lambda g: replace(g, quants={k: v for k, v in g.quants.items() if k != "x"}), r"without a format: \['x'\]"),
        (lambda g: replace(g, layers=g.layers[::-1]), "before it is made"),
        (finish(0, m=np.ones(5, np.float32)), r"\(5,\) multipliers for 6 channels"),
        (finish(0, n=np.ones(7, np.float32)), r"\(7,\) multipliers for 6 channels"),
        (finish(0, low=1, high=0), "clamp 1, 0"),
        (change(0, weights=np.zeros((6, 4, 3, 1), np.int32)), r"weights \(6, 4, 3, 1\)"),
        (change(0, bias=np.zeros(5, np.int64)), "bias, scales or steps"),
        (change(0, weight_scale=np.zeros(5, np.float32)), "bias, scales or steps"),
        (change(0, steps=np.ones(5)), "bias, scales or steps"),
        (change(0, weight_bits=0), "0 bits"),
        (change(0, shift=-1), "shift -1"),
        (change(2, first=mapped().layers[2].epilogue), "2 epilogues of a pool of whole windows"),
        (change(0, copies=3, across=2), "3 copies, 2 across"),
        (change(0, copies=0), "0 copies"),
        (change(0, copies=4), r"\(4, 1\) copies of 3 x 3 pixels"),
        (change(0, copies=4, across=4), r"\(1, 4\) copies of 3 x 3 pixels"),
        (change(0, replicas=3), "3 blocks, 3 replicas, 3 wide"),
        (change(1, replicas=2), "1 blocks, 2 replicas, 3 wide"),
        (change(2, tasks=()), r"tasks make \[\] of 4 channels"),
        (task(2, 0, high=3), r"tasks make \[\(0, 3\)\] of 4 channels"),
        (task(2, 0, low=1), r"tasks make \[\(1, 4\)\] of 4 channels"),
        (lambda g: change(2, tasks=g.layers[2].tasks * 2)(g), "tasks make"),
        (task(0, 0, partials=()), r"partial sums of tasks \[1\], and \[\] are added"),
        (task(0, 0, partials=(1, 1)), r"and \[1, 1\] are added"),
        (task(0, 0, partials=(2,)), r"and \[2\] are added"),
        (lambda g: task(0, 1, partials=(1,))(task(0, 0, partials=())(g)), "go round in a circle"),
        (lambda g: task(2, 0, blocks=g.layers[1].tasks[0].blocks)(g), "has blocks or partial sums"),
        (task(0, 1, low=1), r"are added to \(0, 6\)"),
        (task(0, 0, blocks=()), r"blocks of \[\] for \(0, 6\)"),
        (block(1, 0, 0, high=3), r"blocks of \[\(0, 3\)\] for \(0, 4\)"),
        (block(1, 0, 0, weights=np.zeros((6, 3), np.int32)), r"a block's weights are \(6, 3\), not \(6, 4\)"),
        (block(1, 0, 0, weights=np.zeros((0, 0), np.int32)), r"are \(0, 0\), not \(6, 4\)"),
        (lambda g: task(0, 0, blocks=g.layers[0].tasks[0].blocks[:1])(g), r"words \[\(0, 16\), \(32, 36\)\] of 36"),
        (lambda g: task(0, 0, blocks=g.layers[0].tasks[0].blocks[:1] * 2)(g), r"words \[\(0, 16\), \(0, 16\), \(32"),
        (block_of_another_run(start=4), r"words \[\(4, 20\), \(16, 32\)"),
        (block_of_another_run(operand_channel=1), "words"),
        (block(1, 0, 0, runs=(RowRun("relu1", 0, 6, 0, 6, 1),)), 'channel 0 of "relu1" is not channel 1'),
        (block(1, 0, 0, runs=(RowRun("relu1", 1, 6, 0, 6, 0),)), 'channel 1 of "relu1" is not channel 0'),
        (block(1, 0, 0, runs=(RowRun("x", 0, 6, 0, 6, 0),)), 'channel 0 of "x" is not channel 0'),
        (
            block(1, 0, 0, runs=(RowRun("relu1", 0, 3, 0, 3, 0), RowRun("relu1", 2, 3, 0, 3, 2))),
            r"columns \(0, 4\) have channels \[\(0, 3\), \(2, 5\)\]",
        ),
        (
            block(1, 0, 0, runs=(RowRun("relu1", 0, 5, 0, 5, 0),), weights=np.zeros((5, 4), np.int32)),
            r"columns \(0, 4\) have channels \[\(0, 5\)\]",
        ),
        (task(1, 0, corners=((0, 0, 0), (1, 0, 0))), "2 corners, 1 blocks"),
        (task(1, 0, shares=-1), "corners on a core of its own"),
        (task(4, 0, corners=((0, 5, 4),)), "blocks overlap in their rows"),
        (task(4, 0, corners=((0, 6, 3),)), "blocks overlap in their columns"),
        (task(4, 0, corners=((0, 14, 4),)), "ends at row 17 of 16"),
        (task(4, 0, corners=((0, 6, -1),)), r"a block at \(0, 6, -1\)"),
    ],
)
def test_a_broken_graph_is_caught(breaks: Callable[[MappedGraph], MappedGraph], complaint: str) -> None:
    broken = breaks(mapped())
    with pytest.raises(AssertionError, match=complaint):
        verify_stage(broken)


@pytest.mark.parametrize("rows", ["dense", "channels"])
@pytest.mark.parametrize("model", [case for name, case in CASES.items() if name not in {*REFUSED, *NOT_FINITE}])
def test_weightless_graphs_pass(model: Callable[[], ModelProto], rows: str) -> None:
    """The estimator's, which know no weights and no values."""
    outline = load_structure(model()).outline
    if outline is not None:
        graph = map_weightless(outline, SMALL, 8, rows)
        assert all(one.layer.weight is None for one in graph.layers if isinstance(one.layer, MatrixLayer))
        verify_stage(graph)
