"""Blocks cover every weight exactly once, fit the crossbars, and give the layer's product when added up."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from cimc.frontends import load_onnx
from cimc.ir.mapped import MappedGraph, MappedLayer
from cimc.ir.widths import Widths
from cimc.layer_kinds.softmax import MappedSoftmax
from cimc.passes.crossbars.split import block_weights
from cimc.passes.lower.split_averages import split_averages
from cimc.passes.pipelines import MapOptions, map_network
from cimc.target.model import Target
from tests.laws.digits import varied
from tests.passes.cases.net import Net
from tests.passes.end_to_end import IDEAL, random_inputs


@st.composite
def convolutions(draw: st.DrawFn) -> ModelProto:
    """A convolution, grouped or not, on a concat of two maps that come in pieces of their own."""
    groups = draw(st.sampled_from((1, 1, 1, 2, 3, 4)))
    per_group = draw(st.integers(1, 24 // groups))
    channels = groups * per_group
    outputs = groups * draw(st.integers(1, 40 // groups))
    kernel = [draw(st.integers(1, 4)) for _ in range(2)]
    net = Net(1, 3, 4, 4)
    first = draw(st.integers(0, channels))
    parts = [net.conv("x", 3, count, (1, 1)) for count in (first, channels - first) if count]
    source = parts[0] if len(parts) == 1 else net.node("Concat", *parts, axis=1)
    return net.model(net.conv(source, channels, outputs, kernel, group=groups))


def mapped_for(model: ModelProto, target: Target, rows: str) -> MappedGraph:
    graph = load_onnx(model)
    options = MapOptions(Widths(8, 8, {}, {}), rows)
    return map_network(graph, target, random_inputs(graph, 2), options)


def covered(mapped: MappedLayer) -> np.ndarray:  # type: ignore[type-arg]
    """How many blocks hold each weight, in the weights' shape; zeros outside of a group are not weights."""
    assert mapped.weights is not None
    outputs, per_group, kh, kw = mapped.weights.shape
    groups = mapped.layer.groups
    count = np.zeros((outputs, per_group * groups, kh, kw), np.int64)
    for task in mapped.tasks:
        for block in task.blocks:
            for run in block.runs:
                for word in range(run.start, run.start + run.length):
                    ky, rest = divmod(word, kw * run.channels)
                    kx, c = divmod(rest, run.channels)
                    count[block.low : block.high, run.operand_channel + c, ky, kx] += 1
    inside = [count[o, (o // (outputs // groups)) * per_group :][:per_group] for o in range(outputs)]
    return np.stack(inside)


@given(
    convolutions(), st.sampled_from((16, 32, 48, 128)), st.sampled_from((4, 16, 64)), st.integers(1, 3),
    st.sampled_from(("dense", "channels")),
)  # fmt: skip
@settings(max_examples=100)
def test_blocks_cover_every_weight_once(model: ModelProto, rows: int, columns: int, mvmus: int, how: str) -> None:
    target = varied(IDEAL, crossbar={"rows": rows, "columns": columns}, core={"mvmus": mvmus})
    mapped = mapped_for(model, target, how).layers[-1]
    assert (covered(mapped) == 1).all()
    kh, kw = mapped.layer.window.kernel
    for task in mapped.tasks:
        assert 1 <= len(task.blocks) <= mvmus
        for block in task.blocks:
            assert 1 <= block.rows <= rows
            assert 1 <= block.high - block.low <= columns
            wanted = block_weights(
                cast("np.ndarray", mapped.weights), mapped.layer.groups, block.runs, block.low, block.high
            )
            assert np.array_equal(block.weights, wanted)
            if how == "channels" and kh * kw <= rows:
                assert all(run.start == 0 and run.length == kh * kw * run.channels for run in block.runs)
    if mapped.layer.groups == 1 and how == "dense":
        total = mapped.layer.weight[0].size
        held = [b.rows for task in mapped.tasks for b in task.blocks if b.low == 0]
        assert held == [rows] * (total // rows) + [total % rows] * (total % rows > 0), "a block that is not full"
    partners = [p for task in mapped.tasks for p in task.partials]
    assert sorted(partners) == [i for i, task in enumerate(mapped.tasks) if task.is_partial]


def test_block_weights_by_hand() -> None:
    """Two groups of one channel, a kernel of 1 x 2: rows are (kernel column, channel), zero across groups."""
    from cimc.ir.mapped import RowRun

    weights = np.arange(1, 9).reshape(4, 1, 1, 2)
    runs = (RowRun("m", 0, 2, 0, 4, 0),)
    assert block_weights(weights, 2, runs, 0, 4).tolist() == [
        [1, 3, 0, 0],
        [0, 0, 5, 7],
        [2, 4, 0, 0],
        [0, 0, 6, 8],
    ]
    assert block_weights(weights, 2, (RowRun("m", 0, 2, 1, 2, 0),), 1, 3).tolist() == [[0, 5], [4, 0]]


@pytest.mark.parametrize(("rows", "dense", "channels"), [(128, 6, 6), (100, 8, 8), (90, 8, 8), (64, 12, 12)])
def test_number_of_blocks(rows: int, dense: int, channels: int) -> None:
    """80 channels x 3 x 3 = 720 rows. Dense: ceil(720 / rows). By channels: rows // 9 channels a block."""
    net = Net(1, 80, 4, 4)
    model = net.model(net.conv("x", 80, 5))
    target = varied(IDEAL, crossbar={"rows": rows})
    for how, expected in (("dense", dense), ("channels", channels)):
        layer = mapped_for(model, target, how).layers[-1]
        assert sum(len(task.blocks) for task in layer.tasks) == expected


def ranges(mapped: MappedLayer) -> list[tuple[int, int]]:
    return [(task.low, task.high) for task in mapped.tasks]


def cut(model: ModelProto, how: str = "dense", **sections: dict[str, int]) -> tuple[MappedLayer, ...]:
    return mapped_for(model, varied(IDEAL, **sections), how).layers


@pytest.mark.parametrize(
    ("outputs", "wanted"),
    [
        (16, [(0, 16)]),
        (17, [(0, 9), (9, 17)]),  # not 16 and 1
        (33, [(0, 11), (11, 22), (22, 33)]),
        (50, [(0, 13), (13, 26), (26, 39), (39, 50)]),
    ],
)
def test_outputs_are_shared_evenly(outputs: int, wanted: list[tuple[int, int]]) -> None:
    """As few ranges as 16 columns allow, and none longer than it must be."""
    net = Net(1, 3, 4, 4)
    (layer,) = cut(net.model(net.conv("x", 3, outputs)), crossbar={"columns": 16}, core={"mvmus": 1})
    assert ranges(layer) == wanted


@pytest.mark.parametrize(
    ("groups", "per_group", "out", "rows", "columns", "wanted"),
    [
        (8, 1, 1, 32, 64, [(0, 3), (3, 6), (6, 8)]),  # 9 rows a group: 3 of them
        (8, 1, 1, 36, 64, [(0, 4), (4, 8)]),  # exactly 4
        (8, 1, 4, 128, 16, [(0, 16), (16, 32)]),  # 4 columns a group: 4 of them
        (4, 2, 3, 35, 64, [(0, 3), (3, 6), (6, 9), (9, 12)]),  # 18 rows: one alone
        (2, 1, 24, 128, 16, [(0, 12), (12, 24), (24, 36), (36, 48)]),  # a group is wider than the crossbar
    ],
)
def test_groups_share_blocks_as_far_as_they_fit(
    groups: int, per_group: int, out: int, rows: int, columns: int, wanted: list[tuple[int, int]]
) -> None:
    net = Net(1, groups * per_group, 4, 4)
    model = net.model(net.conv("x", groups * per_group, groups * out, group=groups))
    (layer,) = cut(model, crossbar={"rows": rows, "columns": columns}, core={"mvmus": 1})
    assert [(b.low, b.high) for task in layer.tasks for b in task.blocks] == wanted


def test_blocks_of_whole_channels_are_even() -> None:
    """80 channels of 9 rows; 100 rows hold 11: 8 blocks, of 10 channels each and not of 11 and 3."""
    net = Net(1, 80, 4, 4)
    (layer,) = cut(net.model(net.conv("x", 80, 5)), "channels", crossbar={"rows": 100}, core={"mvmus": 1})
    assert [block.rows for task in layer.tasks for block in task.blocks] == [90] * 8


@pytest.mark.parametrize(("mvmus", "wanted"), [(1, [1] * 5), (2, [2, 2, 1]), (3, [3, 2]), (5, [5]), (8, [5])])
def test_a_core_takes_as_many_blocks_as_it_has_mvmus(mvmus: int, wanted: list[int]) -> None:
    net = Net(1, 3, 4, 4)
    (layer,) = cut(net.model(net.conv("x", 3, 80)), crossbar={"columns": 16}, core={"mvmus": mvmus})
    assert [len(task.blocks) for task in layer.tasks] == wanted


def test_a_weightless_layer_is_cut_where_its_pieces_end() -> None:
    """20 and 12 channels side by side, made by three tasks of at most 16."""
    net = Net(1, 3, 4, 4)
    both = net.node("Concat", net.conv("x", 3, 20), net.conv("x", 3, 12), axis=1)
    model = net.model(net.node("MaxPool", both, kernel_shape=[2, 2]))
    first, second, pool = cut(model, crossbar={"columns": 16}, core={"mvmus": 1})
    assert (ranges(first), ranges(second)) == ([(0, 10), (10, 20)], [(0, 12)])
    assert ranges(pool) == [(0, 10), (10, 20), (20, 32)]


def test_a_softmax_is_not_cut() -> None:
    """It needs the sum over all of its channels."""
    net = Net(1, 6)
    model = net.model(net.node("Softmax", net.gemm("x", 6, 40), axis=1))
    *_, last = cut(model, crossbar={"columns": 16}, core={"mvmus": 1})
    assert isinstance(last, MappedSoftmax)
    assert ranges(last) == [(0, 40)]


def test_what_reads_partial_sums_reads_every_channel_once() -> None:
    """40 x 9 inputs in 32 rows: 12 blocks, eleven of which make partial sums of the same 8 channels."""
    net = Net(1, 40, 6, 6)
    first, second = cut(net.model(net.conv(net.conv("x", 40, 8), 8, 5)), crossbar={"rows": 32}, core={"mvmus": 1})
    assert sum(task.is_partial for task in first.tasks) == 11
    assert (covered(first) == 1).all()
    assert (covered(second) == 1).all()


@pytest.mark.parametrize(("kernel", "steps"), [((4, 4), 1), ((2, 8), 1), ((4, 5), 2), ((6, 3), 2), ((1, 17), 1)])
def test_averages_of_more_than_16_pixels_go_in_two_steps(kernel: tuple[int, int], steps: int) -> None:
    """Rows and then columns; a window of one row is one step already."""
    net = Net(1, 2, 6, 17)
    graph = split_averages(load_onnx(net.model(net.node("AveragePool", "x", kernel_shape=kernel))))
    assert len(graph.nodes) == steps
