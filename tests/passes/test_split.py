"""Blocks cover every weight exactly once, fit the crossbars, and give the layer's product when added up."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from cimc.frontends import load_onnx
from cimc.ir.layers import window_of
from cimc.ir.mapped import MappedGraph, MappedLayer
from cimc.passes.formats import Widths
from cimc.passes.pipelines import MapOptions, map_network
from cimc.passes.split import block_weights
from cimc.target.model import Target
from tests.laws.digits import varied
from tests.passes.cases import Net
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
    groups = mapped.matrix.groups
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
    (kh, kw), *_ = window_of(mapped.layer)
    for task in mapped.tasks:
        assert 1 <= len(task.blocks) <= mvmus
        for block in task.blocks:
            assert 1 <= block.rows <= rows
            assert 1 <= block.high - block.low <= columns
            wanted = block_weights(
                cast("np.ndarray", mapped.weights), mapped.matrix.groups, block.runs, block.low, block.high
            )
            assert np.array_equal(block.weights, wanted)
            if how == "channels" and kh * kw <= rows:
                assert all(run.start == 0 and run.length == kh * kw * run.channels for run in block.runs)
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
