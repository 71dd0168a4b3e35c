"""Convolution and pooling against onnxruntime."""

from __future__ import annotations

from typing import Any

import pytest

from cimc.ir.graph import Conv, Pool
from tests.frontends.against_onnxruntime import check, floats, model, node


@pytest.mark.parametrize(
    ("size", "weight", "attributes"),
    [
        ((3, 7, 6), (5, 3, 3, 3), {}),
        ((3, 7, 6), (5, 3, 3, 2), {"pads": [0, 1, 2, 3], "strides": [2, 1]}),
        ((3, 9, 9), (4, 3, 3, 3), {"dilations": [2, 3], "pads": [1, 2, 3, 1]}),
        ((4, 7, 7), (6, 2, 3, 3), {"group": 2}),
        ((4, 7, 7), (4, 1, 3, 3), {"group": 4, "strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ((4, 7, 7), (8, 1, 3, 3), {"group": 4, "kernel_shape": [3, 3]}),
        ((3, 8, 7), (2, 3, 5, 4), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        ((3, 8, 7), (2, 3, 5, 4), {"auto_pad": "SAME_LOWER", "strides": [3, 2]}),
        ((3, 8, 7), (2, 3, 3, 3), {"auto_pad": "VALID"}),
        ((3, 8, 7), (2, 3, 1, 1), {"strides": [2, 3]}),
        ((3, 8, 7), (2, 3, 1, 1), {"pads": [1, 1, 1, 1]}),
    ],
)
def test_conv(size: tuple[int, ...], weight: tuple[int, ...], attributes: dict[str, Any]) -> None:
    made = model(
        [node("Conv", "x w b", **attributes)],
        {"x": ["N", *size]},
        {"w": floats(*weight), "b": floats(weight[0])},
    )
    graph = check(made)
    assert [type(made_node) for made_node in graph.nodes] == [Conv]
    assert graph.nodes[0].origin == "conv_y"


def test_conv_1d_is_a_2d_one_of_height_1() -> None:
    made = model(
        [node("Conv", "x w", strides=[2], pads=[3, 1], dilations=[2])], {"x": ["N", 3, 11]}, {"w": floats(4, 3, 3)}
    )
    graph = check(made)
    (conv,) = (made_node for made_node in graph.nodes if isinstance(made_node, Conv))
    assert conv.pads == (0, 3, 0, 1)


def test_a_map_larger_than_one_chunk_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cimc.ir.windows.COLUMNS_LIMIT", 1)
    check(model([node("Conv", "x w")], {"x": ["N", 3, 7, 6]}, {"w": floats(5, 3, 3, 3)}))


@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1},
        {"kernel_shape": [2, 2], "strides": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1},
        {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"kernel_shape": [2, 3], "auto_pad": "SAME_LOWER"},
        {"kernel_shape": [3, 3], "auto_pad": "VALID"},
    ],
)
@pytest.mark.parametrize("op", ["MaxPool", "AveragePool", "include_pad"])
def test_pool(op: str, attributes: dict[str, Any]) -> None:
    if op == "include_pad":
        op, attributes = "AveragePool", {**attributes, "count_include_pad": 1}
    check(model([node(op, "x", **attributes)], {"x": ["N", 2, 8, 7]}))


def test_dilated_pools() -> None:
    check(model([node("MaxPool", "x", kernel_shape=[2, 3], dilations=[3, 2])], {"x": ["N", 2, 8, 7]}))
    made = [node("AveragePool", "x", kernel_shape=[2, 3], dilations=[3, 2], pads=[1, 1, 1, 1])]
    check(model(made, {"x": ["N", 2, 8, 7]}, opset=19))


def test_pools_of_one_spatial_axis() -> None:
    check(model([node("MaxPool", "x", kernel_shape=[3], strides=[2], pads=[1, 0])], {"x": ["N", 2, 9]}))
    check(model([node("GlobalAveragePool", "x")], {"x": ["N", 2, 9]}))


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
def test_a_global_pool_is_a_pool_over_the_whole_map(op: str) -> None:
    graph = check(model([node(op, "x")], {"x": ["N", 3, 5, 4]}))
    (pool,) = graph.nodes
    assert isinstance(pool, Pool)
    assert pool.kernel == (5, 4)
