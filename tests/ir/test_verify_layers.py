"""The LayerGraph verifier sees what a faulty pass could do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cimc.base.moves import Box, Moves
from cimc.ir.formats import Formats
from cimc.ir.layers import (
    Binding,
    FeatureMap,
    LayerGraph,
    Operand,
    Part,
)
from cimc.ir.reference import evaluate_mapped
from cimc.ir.verify_stage import verify_stage
from cimc.ir.widths import Widths
from cimc.layer_kinds.matrix.layer import GivenWeights, MatrixLayer
from cimc.layer_kinds.pool import PoolLayer
from cimc.layer_kinds.softmax import SoftmaxLayer
from cimc.layer_kinds.vector import VectorLayer
from cimc.numerics.quant import Quant
from cimc.passes.numbers.quantise import quantise
from cimc.target.load import load_target


def read(name: str, height: int, width: int, channels: int, first: int = 0) -> Operand:
    return Operand((Part(name, first, channels),), height, width)


CONV = MatrixLayer(
    name="conv", output="a", origin="", x=read("x", 5, 4, 2), shape=(3, 2, 3, 3), weight=np.zeros((3, 2, 3, 3)),
    bias=np.zeros(3), strides=(2, 1), pads=(1, 1, 1, 1), dilations=(1, 1), groups=1, residual=read("r", 3, 4, 3),
)  # fmt: skip
POOL = PoolLayer(name="pool", output="b", origin="", x=read("a", 3, 4, 3), kind="max", kernel=(2, 2), strides=(1, 2),
                 pads=(0, 0, 0, 0))  # fmt: skip
ADD = VectorLayer(name="add", output="c", origin="", kind="sum", bias=np.zeros(3), gains=(np.ones(3), np.ones(3)),
                  operands=(read("b", 2, 2, 3), Operand((Part("a", 1, 2), Part("", 0, 1)), 2, 2, (0, 1))))  # fmt: skip
SOFT = SoftmaxLayer(name="soft", output="y", origin="", x=read("c", 2, 2, 3))
LAST = VectorLayer(
    name="state", output="a", origin="", kind="sum", bias=np.zeros(3), gains=(np.ones(3), np.ones(3)),
    operands=(read("r", 3, 4, 3), Operand((Part("a", 0, 3),), 3, 4, (-1, 0))),
)  # fmt: skip
"""A state: row r of its map is row r of another one and row r - 1 of its own."""
SIZES = {"x": (5, 4, 2), "r": (3, 4, 3), "a": (3, 4, 3), "b": (2, 2, 3), "c": (2, 2, 3), "y": (2, 2, 3)}
MAPS = {name: FeatureMap(name, *size) for name, size in SIZES.items()}
X = Binding("x", (1, 2, 5, 4), "float32", ("x",), Moves((Box.of((0, 0), [(2, 20, 1), (20, 1, 2)]),)))
R = Binding("r", (36,), "float32", ("r",), None)
Y = Binding("y", (1, 3, 2, 2), "float32", ("y",), Moves((Box.of((0, 0), [(3, 4, 1), (4, 1, 3)]),)))
GOOD = LayerGraph("good", (CONV, POOL, ADD, SOFT), MAPS, (X, R), (Y,))
GIVEN = GivenWeights(np.zeros((3, 2, 3, 3), np.int64), np.ones(3, np.float32), None)


def straight(count: int) -> Moves:
    return Moves((Box.of((0, 0), [(count, 1, 1)]),))


def with_layer(number: int, **changes: Any) -> LayerGraph:
    layers = list(GOOD.layers)
    layers[number] = replace(layers[number], **changes)
    return replace(GOOD, layers=tuple(layers))


def with_maps(changes: Mapping[str, FeatureMap]) -> LayerGraph:
    return replace(GOOD, maps={**MAPS, **changes})


def recurrent(*layers: VectorLayer) -> LayerGraph:
    maps = {name: FeatureMap(name, 3, 4, 3) for name in ("r", *(layer.output for layer in layers))}
    output = Binding("y", (36,), "float32", (layers[-1].output,), straight(36))
    return LayerGraph("recurrent", layers, maps, (R,), (output,))


def delayed(name: str, reads: str, rows: int, step: int = 1) -> VectorLayer:
    other = Operand((Part(reads, 0, 3),), 3, 4, (-rows, 0), (step, 1))
    return replace(LAST, name=name, output=name, operands=(LAST.operands[0], other))


def test_a_map_that_is_made_later_is_read_with_a_delay_of_a_row_at_least() -> None:
    verify_stage(recurrent(LAST))
    verify_stage(recurrent(delayed("a", "b", 1), delayed("b", "a", 0)))  # two gates of one cell
    verify_stage(recurrent(delayed("a", "b", 2), delayed("b", "a", 2)))
    for wrong in (delayed("a", "b", 0), delayed("a", "b", -1), delayed("a", "b", 1, 0), delayed("a", "b", 1, 2)):
        with pytest.raises(AssertionError, match='reads "b" before it is made'):
            verify_stage(recurrent(wrong, delayed("b", "a", 0)))


def test_the_reference_says_that_it_does_not_evaluate_a_recurrence() -> None:
    formats = Formats(dict.fromkeys("ra", Quant(1.0, 0, -128, 127)), {}, Widths(8, 8, {}, {}), load_target("puma"))
    mapped = quantise(recurrent(LAST), formats)
    with pytest.raises(AssertionError, match=r'"state" reads .*a.* recurrence is not built yet'):
        evaluate_mapped(mapped, {"r": np.zeros((1, 3, 4, 3), np.int64)})


@pytest.mark.parametrize(
    ("kernel", "pads", "offset", "delay"),
    [(1, 0, -1, 1), (1, 0, 0, 0), (3, 2, 0, 0), (3, 2, -1, 1), (2, 2, 0, 1), (3, 0, -3, 1), (3, 0, -4, 2)],
)
def test_the_delay_of_a_window_is_that_of_its_last_row(kernel: int, pads: int, offset: int, delay: int) -> None:
    x = Operand((Part("r", 0, 3),), 9, 4, (offset, 0))
    pool = replace(POOL, x=x, kernel=(kernel, 1), pads=(pads, 0, 0, 0), strides=(1, 1))
    row = 5  # of its result
    last = row - pads + kernel - 1 + offset  # of the map
    assert pool.delay(0) == row - last == delay


@pytest.mark.parametrize(
    "good", [GOOD, with_layer(0, weight=None), with_layer(0, given=GIVEN), replace(GOOD, outputs=(Y, Y))]
)
def test_a_good_graph_passes(good: LayerGraph) -> None:
    verify_stage(good)


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (replace(GOOD, layers=(POOL, CONV, ADD, SOFT)), 'reads "a" before it is made'),
        (replace(GOOD, layers=(CONV, POOL, SOFT)), 'reads "c" before it is made'),
        (with_layer(1, name="conv"), "the name is taken"),
        (with_layer(1, output="a"), 'map "a" is made twice'),
        (with_layer(1, output="x"), 'map "x" is made twice'),
        (with_layer(3, output="z"), 'its output "z" is no map'),
        (with_maps({"z": MAPS["x"]}), r"maps that nobody makes: \['z'\]"),
        (with_maps({"y": FeatureMap("y", 2, 0, 3)}), 'map "y" has size'),
        (replace(GOOD, outputs=(replace(Y, maps=("z",)),)), r"nobody makes \['z'\]"),
        (replace(GOOD, outputs=(replace(Y, maps=()),)), "nobody makes its maps"),
        (replace(GOOD, inputs=(X,)), 'reads "r" before it is made'),
        (replace(GOOD, inputs=(X, R, R)), "another input lies on"),
        (replace(GOOD, inputs=(replace(X, maps=("x", "r")), R)), "not on one"),
        (replace(GOOD, inputs=(replace(X, maps=("z",)), R)), 'there is no map "z"'),
        (replace(GOOD, inputs=(replace(X, moves=straight(39)), R)), "moves for 39 of 40 words"),
        (replace(GOOD, inputs=(replace(X, moves=straight(41)), R)), "the elements 0 to 40; there are 40"),
        (replace(GOOD, outputs=(replace(Y, moves=straight(12).shifted(-1)),)), "the words -1 to 10; there are 12"),
        (replace(GOOD, outputs=(replace(Y, moves=straight(11)),)), "moves for 11 of 12 elements"),
        (with_layer(3, x=read("c", 2, 2, 3, first=1)), "of 3 channels"),
        (with_layer(3, x=read("c", 2, 2, 3, first=-1)), "channel=-1"),
        (with_layer(3, x=Operand((Part("c", 0, 3), Part("c", 0, 0)), 2, 2)), "count=0"),
        (with_layer(3, x=Operand((Part("c", 0, 3),), 2, 2, step=(-1, 1))), r"step=\(-1, 1\)"),
        (with_layer(3, x=Operand((Part("c", 0, 1), Part("x", 0, 2)), 2, 2)), "maps of the sizes"),
        (with_layer(3, x=read("c", 2, 1, 3)), r"size \(2, 1, 3\)"),
        (with_layer(0, x=read("x", 7, 4, 2)), r"its windows make \(4, 4, 3\)"),
        (with_layer(0, pads=(1, 1, 1, 2)), r"its windows make \(3, 5, 3\)"),
        (with_layer(0, pads=(1, -1, 1, 3)), r"\(1, -1, 1, 3\)"),
        (with_layer(0, strides=(0, 1)), r"\(0, 1\)"),
        (with_layer(0, x=read("x", 5, 4, 1)), "an operand of 1 channels, weights for 2"),
        (with_layer(0, groups=2), "3 outputs in 2 groups"),
        (with_layer(0, shape=(4, 2, 3, 3), residual=None), r"its windows make \(3, 4, 4\)"),
        (with_layer(0, bias=np.zeros(2)), r"bias \(2,\) for 3 outputs"),
        (with_layer(0, weight=np.zeros((3, 2, 3, 1))), r"weights \(3, 2, 3, 1\), declared"),
        (with_layer(0, residual=read("r", 3, 3, 3)), "a residual of size"),
        (with_layer(0, given=replace(GIVEN, weights=GIVEN.weights[:2])), r"given weights \(2, 2, 3, 3\)"),
        (with_layer(0, given=replace(GIVEN, scale=GIVEN.scale[:2])), "given scale or bias"),
        (with_layer(0, given=replace(GIVEN, bias=np.zeros(2, np.int64))), "given scale or bias"),
        (with_layer(1, kernel=(3, 2)), r"its windows make \(1, 2, 3\)"),
        (with_layer(1, kind="median"), "kind 'median'"),
        (with_layer(2, operands=ADD.operands[:1]), ": 2 gains"),
        (with_layer(2, kind="max", operands=ADD.operands[:1]), "'max' of 1 operands"),
        (with_layer(2, kind="mean"), "'mean' of 2 operands"),
        (with_layer(2, operands=(ADD.operands[0], read("a", 3, 4, 3))), r"size \(3, 4, 3\)"),
        (with_layer(2, gains=(np.ones(3), np.ones(2))), "for 3 channels"),
        (with_layer(2, bias=np.zeros(1)), "for 3 channels"),
        (with_layer(2, low=1.0, high=0.0), "1.0, 0.0"),
        (with_layer(2, grid=-1.0), "grid -1.0"),
    ],
)
def test_a_broken_graph_is_caught(broken: LayerGraph, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        verify_stage(broken)
