"""Oracle 1 on real networks: the Graph evaluator against onnxruntime, on real inputs, lane by lane."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cimc.base.diagnostics import CimcError
from cimc.frontends import load_onnx
from cimc.ir.evaluate import evaluate, lanes_of
from cimc.ir.graph import Dequantize
from tests.frontends.against_onnxruntime import session_of
from tests.shared_data import MODELS, SHARED, require

LANES = 3

FLOAT = (
    "cifar10_resnet20",
    "cifar10_resnet20_ft",
    "cifar10_vgg8_bn",
    "mnist-8_zoo_cntk",
    "mnist_lenet5x5_b-rram",
    "mnist_mlp_784-256-128-10",
    "mnist_tfc_w2a2_ternary",
    "mnist_tiny_transformer",
    "squeezenet1.0-deepcompressed",
    "superres_espcn_x3",
)
QUANTISED = (
    "cifar10_resnet20_ft_int8_qdq_perchannel",
    "cifar10_vgg8_int8_qdq_perchannel",
    "mnist_lenet5x5_int8_qdq_perchannel",
    "mnist_lenet5x5_int8_qdq_pertensor",
    "mnist_lenet5x5_int8_qdq_symmetric",
    "mnist_lenet5x5_int8_qoperator",
    "mnist_mlp_int8_qdq_perchannel",
    "mobilenet_v1_0.25_128_uint8_qdq",
    "squeezenet1.0_int8_qdq_perchannel",
)


def real_inputs(network: str) -> tuple[str, npt.NDArray[Any]]:
    """The input's name and LANES inputs, as the data's own preparation makes them."""
    spec = importlib.util.spec_from_file_location("prepare", require(SHARED / "prepare.py"))
    assert spec is not None and spec.loader is not None
    prepare = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(prepare)
    name, make = prepare.NETWORKS[network]
    return name, make()[0][0][:LANES]


def relative_error(network: str) -> tuple[float, bool]:
    """Largest difference over the largest output, and whether every lane has the same arg max."""
    file = require(MODELS / f"{network}.onnx")
    name, x = real_inputs(network)
    graph = load_onnx(file)
    ((output, ours),) = evaluate(graph, lanes_of(graph, {name: x})).items()
    session = session_of(str(file))
    wanted = np.stack([session.run([output], {name: x[lane : lane + 1]})[0] for lane in range(len(x))])
    assert ours.shape == wanted.shape
    assert ours.dtype == wanted.dtype
    flat = (array.reshape(len(x), -1).astype(np.float64) for array in (ours, wanted))
    a, b = flat
    return float(np.abs(a - b).max() / np.abs(b).max()), bool((a.argmax(1) == b.argmax(1)).all())


@pytest.mark.parametrize("network", FLOAT)
def test_float_network(network: str) -> None:
    """1e-4: float32 sums in another order; measured at most 1.2e-6."""
    error, _ = relative_error(network)
    assert error < 1e-4


@pytest.mark.parametrize("network", QUANTISED)
def test_quantised_network(network: str) -> None:
    """Exact on most. A float sum on a tie may round a step apart: MobileNet's softmax then differs by one step of its
    uint8 output, and SqueezeNet's by 0.4 % (onnxruntime, unoptimised, sums floats here too, in another order)."""
    error, same_class = relative_error(network)
    assert error < (0.01 if "net_v1" in network or "squeezenet" in network else 1e-4)
    assert same_class


@pytest.mark.parametrize("network", QUANTISED)
def test_quantised_weights_stay_integers(network: str) -> None:
    graph = load_onnx(require(MODELS / f"{network}.onnx"))
    weights = [
        node.inputs[0] for node in graph.nodes if isinstance(node, Dequantize) and node.inputs[0] in graph.constants
    ]
    assert weights
    assert all(array.size < 10_000 for array in graph.constants.values() if array.dtype == np.float32)


def test_an_lstm_is_refused_by_name() -> None:
    with pytest.raises(CimcError) as caught:
        load_onnx(require(MODELS / "mnist_lstm_h64.onnx"))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "onnx.unsupported"
    assert 'LSTM node "lstm"' in diagnostic.what


def test_every_network_is_tested() -> None:
    found = {file.stem for file in require(MODELS).glob("*.onnx")}
    assert found == {*FLOAT, *QUANTISED, "mnist_lstm_h64"}
