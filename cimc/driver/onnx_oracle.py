"""onnxruntime's answers in float, lane by lane where a network's batch is fixed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from cimc.ir.graph import Graph


class OnnxOracle:
    """An onnxruntime session that takes lanes as cimc does."""

    def __init__(self, model: str | os.PathLike[str], graph: Graph) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
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
