"""The network structures in the onnx package (opset 9), with seeded weights in place of their uniform ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.backend.test
import pytest
from onnx import ModelProto, numpy_helper

from tests.frontends.against_onnxruntime import check

LIGHT = Path(onnx.backend.test.__file__).parent / "data" / "light"


def seeded(network: str) -> ModelProto:
    """The network with every ConstantOfShape parameter replaced: matrices He-normal, vectors between 0.5 and 1.5."""
    made = onnx.load(LIGHT / f"light_{network}.onnx")
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    generator = np.random.default_rng(0)
    kept = []
    for node in made.graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape = tuple(int(dim) for dim in shapes[node.input[0]])
        if len(shape) >= 2:
            values = generator.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        else:
            values = generator.uniform(0.5, 1.5, shape)
        made.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), node.output[0]))
    del made.graph.node[:]
    made.graph.node.extend(kept)
    return made


@pytest.mark.parametrize(
    "network", ["densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet"]
)
def test_a_light_model(network: str) -> None:
    check(seeded(network), lanes=1)
