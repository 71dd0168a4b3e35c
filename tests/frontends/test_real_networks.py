"""Oracle 1 on real networks: the Graph evaluator against onnxruntime, on real inputs, lane by lane."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import helper

from cimc.base.diagnostics import CimcError
from cimc.frontends import load_onnx
from cimc.ir.evaluate import evaluate, lanes_of
from cimc.ir.graph import Dequantize, Graph, Quantize
from tests.frontends.against_onnxruntime import session_of
from tests.oracles.integer_oracle import MakeSession, exact_session, reference_session
from tests.shared_data import MODELS, SHARED, require

Array = npt.NDArray[Any]

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


def real_inputs(network: str, lanes: int = LANES) -> tuple[str, npt.NDArray[Any]]:
    """The input's name and so many inputs, as the data's own preparation makes them."""
    spec = importlib.util.spec_from_file_location("prepare", require(SHARED / "prepare.py"))
    assert spec is not None and spec.loader is not None
    prepare = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(prepare)
    name, make = prepare.NETWORKS[network]
    return name, make()[0][0][:lanes]


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


def cut_at_integers(graph: Graph) -> tuple[Graph, list[str]]:
    """The graph with an input "NAME/given" in place of each quantised activation, and these activations' names.

    What it computes is one layer deep: a value that rounds the other way does not change the next layer."""
    made = [node.output for node in graph.nodes if isinstance(node, Quantize)]
    given = {name: f"{name}/given" for name in made}
    nodes = [replace(node, inputs=tuple(given.get(name, name) for name in node.inputs)) for node in graph.nodes]
    tensors = {given[name]: replace(graph.tensors[name], name=given[name]) for name in made}
    inputs = (*graph.inputs, *tensors)
    outputs = tuple(dict.fromkeys((*graph.outputs, *made)))
    cut = replace(graph, nodes=tuple(nodes), tensors={**graph.tensors, **tensors}, inputs=inputs, outputs=outputs)
    return cut, made


def integers_of(network: str, session_of: MakeSession) -> tuple[Graph, dict[str, Array], dict[str, Array]]:
    """(the cut graph, what it computes behind the oracle's integers, what the oracle does), LANES lanes each."""
    file = require(MODELS / f"{network}.onnx")
    name, x = real_inputs(network)
    graph = load_onnx(file)
    cut, quantised = cut_at_integers(graph)
    model = onnx.load(file)
    known = {info.name for info in model.graph.output}
    for made in quantised:
        if made not in known:
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(graph.tensors[made].dtype))
            model.graph.output.append(helper.make_tensor_value_info(made, kind, None))
    session = session_of(model)
    lanes = [session.run(list(cut.outputs), {name: x[lane : lane + 1]}) for lane in range(len(x))]
    right = {made: np.stack([lane[i] for lane in lanes]) for i, made in enumerate(cut.outputs)}
    given = {f"{made}/given": right[made] for made in quantised}
    return graph, evaluate(cut, {**lanes_of(graph, {name: x}), **given}), right


@pytest.mark.parametrize("network", QUANTISED)
@pytest.mark.parametrize("oracle", [exact_session, reference_session])
def test_quantised_network(network: str, oracle: MakeSession) -> None:
    """Every quantised activation from the oracle's own ones before it: equal, or on a tie a step apart.

    The Graph evaluator sums float32 products in an order that depends on the BLAS kernel of the processor; the oracles
    sum integers, or floats in another order. Sums differ by some 1e-6 of a value of at most 255 steps, so about one in
    10,000 values can lie near enough to a tie; measured: at most 5 in 100,000, over four BLAS kernels. From end to end
    no tolerance is justified: one step of MobileNet's logits is up to nine of its uint8 softmax.
    """
    graph, ours, right = integers_of(network, oracle)
    apart = total = 0
    for name, wanted in right.items():
        assert ours[name].shape == wanted.shape
        assert ours[name].dtype == wanted.dtype
        if wanted.dtype.kind == "f":
            np.testing.assert_allclose(ours[name], wanted, rtol=0, atol=1e-5 * float(np.abs(wanted).max()))
            continue
        steps = np.abs(ours[name].astype(np.int64) - wanted.astype(np.int64))
        assert steps.max() <= 1, f"{name}: {steps.max()} steps"
        apart, total = apart + int(steps.sum()), total + steps.size
    print(f"{network}: {apart} of {total} integers are a step apart")
    assert apart <= max(1, total / 10_000)
    assert total > 1000 and len(right) > 2
    assert set(graph.outputs) <= set(right)


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
