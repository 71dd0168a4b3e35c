"""onnxruntime's answers in float, lane by lane where a network's batch is fixed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from cimc.ir.graph import Graph


class OnnxOracle:
    """An onnxruntime session that takes lanes as cimc does."""

    def __init__(self, model: str | os.PathLike[str], graph: Graph) -> None:
        options = session_options()
        self.session = onnxruntime.InferenceSession(os.fspath(model), options, providers=["CPUExecutionProvider"])
        self.graph = graph

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Outputs, (lanes, *shape), for inputs (lanes, *shape), run one lane at a time."""
        lanes = len(next(iter(inputs.values())))
        names = list(self.graph.outputs)
        found = [
            self.session.run(names, {name: array[lane] for name, array in inputs.items()}) for lane in range(lanes)
        ]
        return {name: np.stack([outputs[i] for outputs in found]) for i, name in enumerate(names)}


def session_options() -> onnxruntime.SessionOptions:
    """Quiet options, and integer products that are exact on every processor."""
    options = quiet_options()
    if products_saturate():
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def quiet_options() -> onnxruntime.SessionOptions:
    """One thread, and no warnings."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


@cache
def products_saturate() -> bool:
    """Whether onnxruntime's kernels for uint8 by int8 are wrong here: without VNNI, they add two products in 16 bits.

    session.x64quantprecision then turns int8 weights into uint8 ones; elsewhere it only takes away int8 kernels.
    """
    weight = numpy_helper.from_array(np.full((4, 16), 127, np.int8), "w")
    x = helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 4])
    y = helper.make_tensor_value_info("y", TensorProto.INT32, [1, 16])
    graph = helper.make_graph([helper.make_node("MatMulInteger", ["x", "w"], ["y"])], "probe", [x], [y], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 10)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), quiet_options(), ["CPUExecutionProvider"])
    (sums,) = session.run(None, {"x": np.full((1, 4), 255, np.uint8)})
    return bool((sums != 4 * 255 * 127).any())
