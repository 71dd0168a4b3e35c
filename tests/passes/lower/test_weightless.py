"""Layers of a network whose weights are not known are the layers of the network itself."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from benchmarks.networks import lenet, resnet18, vgg8
from cimc.frontends.onnx_loader import load_onnx
from cimc.frontends.structure import load_structure
from cimc.ir.layers import Layer, LayerGraph
from cimc.passes.lower.layers import lower
from tests.cli.commands import DIGITS, QUANTISED, RESIDUAL, node, write_network
from tests.shared_data import MODELS, require

MEANINGLESS = ("weight", "bias", "gains", "low", "high", "grid", "functions")
"""Numbers that follow from the weights; the functions' operands may."""


def outlined(model: str) -> LayerGraph:
    """Layers of a file's shapes."""
    found = load_structure(model)
    assert found.outline is not None, found.obstacle
    return lower(found.outline, weightless=True)


def shown(layer: Layer) -> dict[str, Any]:
    """What a layer is, without numbers that stand in for others."""
    held = {field.name: getattr(layer, field.name) for field in fields(layer) if field.name not in MEANINGLESS}
    held["functions"] = [function.name for function in layer.functions]
    return held | {name: held[name] is not None for name in ("given",) if name in held}


def check(model: str) -> None:
    """Layers, maps with their formats, and outputs are the same."""
    mine, theirs = outlined(model), lower(load_onnx(model))
    assert [shown(layer) for layer in mine.layers] == [shown(layer) for layer in theirs.layers]
    assert dict(mine.maps) == dict(theirs.maps)
    assert [binding.maps for binding in mine.outputs] == [binding.maps for binding in theirs.outputs]


@pytest.mark.parametrize("model", [DIGITS, RESIDUAL, QUANTISED], ids=["plain", "residual", "quantised"])
def test_bundled_networks(model: str) -> None:
    check(model)


@pytest.mark.parametrize("build", [lenet, vgg8, resnet18])
def test_built_networks(build: Any, tmp_path: Path) -> None:
    onnx.save(build(False), tmp_path / "net.onnx")
    check(str(tmp_path / "net.onnx"))


REAL = ("cifar10_resnet20", "cifar10_resnet20_ft_int8_qdq_perchannel", "cifar10_vgg8_bn",
        "cifar10_vgg8_int8_qdq_perchannel", "mnist-8_zoo_cntk", "mnist_lenet5x5_b-rram",
        "mnist_lenet5x5_int8_qdq_symmetric", "mnist_lenet5x5_int8_qoperator", "mnist_mlp_784-256-128-10",
        "mnist_tfc_w2a2_ternary", "mobilenet_v1_0.25_128_uint8_qdq")  # fmt: skip
LARGE = ("squeezenet1.0-deepcompressed", "squeezenet1.0_int8_qdq_perchannel", "superres_espcn_x3")


@pytest.mark.parametrize("name", [*REAL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
def test_real_networks(name: str) -> None:
    check(str(require(MODELS / f"{name}.onnx")))


def test_views(tmp_path: Path) -> None:
    """Slices, strided ones too, padding of rows and of channels, joins, sums with and without a broadcast."""
    nodes = [
        helper.make_node("Slice", ["x", "starts", "ends", "axes", "steps"], ["sliced"], name="slice"),
        helper.make_node("Pad", ["sliced", "pads"], ["padded"], name="pad"),
        helper.make_node("Conv", ["padded", "w"], ["conv"], name="conv", pads=[1] * 4),
        helper.make_node("Conv", ["conv", "v"], ["next"], name="next"),
        node("Add", ["next", "conv"], "sum"),
        helper.make_node("GlobalMaxPool", ["sum"], ["most"], name="most"),
        node("Mul", ["sum", "most"], "scaled"),
        helper.make_node("Concat", ["scaled", "sum"], ["joined"], name="join", axis=1),
        helper.make_node("MaxPool", ["joined"], ["pooled"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Transpose", ["pooled"], ["turned"], name="turn", perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["turned", "shape"], ["tokens"], name="tokens"),
        helper.make_node("MatMul", ["tokens", "u"], ["y"], name="dense"),
    ]
    generator = np.random.default_rng(0)
    constants: dict[str, np.ndarray] = {
        "starts": np.array([0, 1]), "ends": np.array([9, 9]), "axes": np.array([2, 3]), "steps": np.array([2, 2]),
        "pads": np.array([0, 1, 1, 1, 0, 2, 1, 1]), "shape": np.array([1, 9, 12]),
        "w": generator.standard_normal((6, 8, 3, 3)).astype(np.float32),
        "v": generator.standard_normal((6, 6, 1, 1)).astype(np.float32),
        "u": generator.standard_normal((12, 7)).astype(np.float32),
    }  # fmt: skip
    write_network(tmp_path / "net.onnx", nodes, (1, 5, 9, 9), (1, 9, 7), constants)
    check(str(tmp_path / "net.onnx"))
