"""Small ONNX models for tests, and their comparison with onnxruntime, lane by lane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from cimc.frontends import load_onnx
from cimc.ir.evaluate import evaluate
from cimc.ir.graph import Graph

Arrays = Mapping[str, npt.NDArray[Any]]

TOLERANCE = 1e-4
"""Relative to the largest output: float32 sums of a few thousand products in another order differ by about 1e-6."""


def node(op: str, inputs: str, outputs: str = "y", domain: str = "", **attributes: Any) -> NodeProto:
    """A node named after its operator and result; operands and results are words, "-" for one not given."""
    words = [["" if word == "-" else word for word in text.split()] for text in (inputs, outputs)]
    return helper.make_node(op, words[0], words[1], name=f"{op.lower()}_{words[1][0]}", domain=domain, **attributes)


def model(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Sequence[int | str | None]],
    constants: Arrays | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = 17,
    types: Mapping[str, int] | None = None,
    domains: Sequence[str] = (),
) -> ModelProto:
    """A model of these nodes; types: of inputs and outputs, float unless named."""
    kinds = {name: TensorProto.FLOAT for name in (*inputs, *outputs)} | dict(types or {})
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, kinds[name], list(shape)) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kinds[name], None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8 if opset < 21 else 10)


def floats(*shape: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Seeded normal values."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def session_of(file: str | bytes, optimise: bool = False) -> onnxruntime.InferenceSession:
    """An onnxruntime session on one thread; unoptimised, every operator runs as it stands."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimise else levels.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def check(made: ModelProto, lanes: int = 3, bind: Mapping[str, int] | None = None, steps: float = 0.0) -> Graph:
    """Loads the model, evaluates it on random lanes, and compares every output with onnxruntime's.

    steps: how far integer outputs may be from onnxruntime's (ties that round the other way).
    """
    graph = load_onnx(made, bind)
    session = session_of(made.SerializeToString())
    lane_inputs = {name: _random(graph, name, lanes) for name in graph.inputs}
    results = evaluate(graph, lane_inputs)
    for lane in range(lanes):
        wanted = session.run(list(graph.outputs), {name: array[lane] for name, array in lane_inputs.items()})
        for name, one in zip(graph.outputs, wanted, strict=True):
            ours = results[name][lane]
            assert ours.shape == one.shape, f"{name}: shape {ours.shape}, onnxruntime {one.shape}"
            assert ours.dtype == one.dtype, f"{name}: type {ours.dtype}, onnxruntime {one.dtype}"
            worst = np.abs(ours.astype(np.float64) - one.astype(np.float64)).max()
            limit = TOLERANCE * max(np.abs(one).max(), 1e-30) if one.dtype.kind == "f" else steps
            assert worst <= limit, f"{name}: differs by {worst}, limit {limit}"
    return graph


def _random(graph: Graph, name: str, lanes: int) -> npt.NDArray[Any]:
    tensor = graph.tensors[name]
    generator = np.random.default_rng(len(name))
    if tensor.dtype == "float32":
        return (2 * generator.standard_normal((lanes, *tensor.shape))).astype(np.float32)
    limits = np.iinfo(tensor.dtype)
    low, high = max(limits.min, -1000), min(limits.max, 1000)
    return generator.integers(low, high, (lanes, *tensor.shape), dtype=tensor.dtype, endpoint=True)
