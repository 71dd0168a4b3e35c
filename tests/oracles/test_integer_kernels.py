"""Oracle 2: on networks that carry their quantisation, every integer that the chip stores is onnxruntime's.

A copy of the network gives out the result of each QuantizeLinear. onnxruntime runs it with its integer kernels, where
they are exact on this processor; where not, the reference evaluator of the onnx package takes its place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import helper

from cimc import examples
from cimc.driver.compile import compile_network
from cimc.driver.options import CompileOptions
from cimc.driver.verify import reference_maps
from cimc.ir.lanes import lanes_of
from cimc.runtime.step import StepEngine
from tests.oracles.inputs import INPUTS
from tests.oracles.integer_oracle import exact_session
from tests.shared_data import MODELS, require

IMAGES = 100

Array = npt.NDArray[Any]


def network(name: str) -> tuple[Path, Array]:
    """The file and its first inputs."""
    if name.startswith("digits"):
        with np.load(examples.path("digits_test.npz")) as file:
            return examples.path(f"{name}.onnx"), file["input"][:IMAGES]
    return require(MODELS / f"{name}.onnx"), INPUTS[name]().x[:IMAGES]


def integer_tensors(path: Path, x: Array) -> dict[str, Array]:
    """Results of all QuantizeLinear nodes of activations, (lanes, ...), lane by lane."""
    model = onnx.load(path)
    constants = {i.name for i in model.graph.initializer}
    types = {i.name: i.data_type for i in model.graph.initializer}
    names = []
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] not in constants:
            names.append(node.output[0])
            model.graph.output.append(helper.make_tensor_value_info(node.output[0], types[node.input[2]], None))
    (input_name,) = (i.name for i in model.graph.input if i.name not in constants)
    session = exact_session(model)
    lanes = [session.run(names, {input_name: x[lane : lane + 1]}) for lane in range(len(x))]
    return {name: np.concatenate([lane[i] for lane in lanes]) for i, name in enumerate(names)}


def as_tensor(stored: Array, like: Array) -> Array:
    """A map (lanes, height, width, channels) in the shape of the network's tensor (lanes, C, H, W) or (lanes, C)."""
    return stored.transpose(0, 3, 1, 2).reshape(like.shape)


@pytest.mark.parametrize(
    "name",
    [
        "digits_plain_int8_qdq",
        "mnist_lenet5x5_int8_qdq_pertensor",
        "mnist_lenet5x5_int8_qdq_perchannel",
        "mnist_lenet5x5_int8_qdq_symmetric",
        "mnist_mlp_int8_qdq_perchannel",
        pytest.param("cifar10_vgg8_int8_qdq_perchannel", marks=pytest.mark.slow),
        pytest.param("cifar10_resnet20_ft_int8_qdq_perchannel", marks=pytest.mark.slow),
    ],
)
def test_every_integer_is_onnxruntimes(name: str) -> None:
    path, x = network(name)
    wanted = integer_tensors(path, x)
    made = compile_network(path, CompileOptions(target="ideal"), {next(iter(inputs_of(path))): x})
    data = lanes_of(made.graph, {made.graph.inputs[0]: x})
    execution = StepEngine(made.program, made.weights, made.target).run(data, capture=True)
    maps = {name: values[0] for name, values in execution.stored.items()}
    border = {b.maps[0] for b in made.mapped.inputs}
    maps |= {name: values for name, values in reference_maps(made, data).items() if name in border}
    compared, moved = {}, []
    for tensor, right in wanted.items():
        source = source_of(path, tensor)
        key = tensor if tensor in maps else next(iter(border)) if source == "" else ""
        if not key:
            moved.append(source)
            continue
        wrong = int((as_tensor(maps[key], right) != right.astype(np.int64)).sum())
        compared[tensor] = (right.size, wrong)
        print(f"{name}: {tensor}: {wrong} of {right.size} integers differ")
    assert all(wrong == 0 for _, wrong in compared.values()), compared
    assert set(moved) <= {"Flatten", "Pad", "Slice"}, "these alone store nothing: others read their source as they do"
    assert set(execution.stored) <= set(compared), "a map is compared with nothing"
    assert any(np.unique(right).size > 50 for right in wanted.values()), "the inputs should move most of the range"


def inputs_of(path: Path) -> list[str]:
    model = onnx.load(path)
    constants = {i.name for i in model.graph.initializer}
    return [i.name for i in model.graph.input if i.name not in constants]


def source_of(path: Path, tensor: str) -> str:
    """The operator whose result a QuantizeLinear quantises; "" for the network input: the host lays it on its map."""
    nodes = {node.output[0]: node for node in onnx.load(path).graph.node}
    before = nodes[tensor].input[0]
    return nodes[before].op_type if before in nodes else ""
