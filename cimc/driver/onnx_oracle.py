"""What an ONNX file means, by somebody else: onnxruntime, or onnx's reference evaluator where onnxruntime can't."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.version_converter import convert_version

from cimc.base.diagnostics import fail
from cimc.frontends.foreign import ForeignError, foreign
from cimc.frontends.onnx_file import ModelLike, parse_model, place_of, read_model
from cimc.ir.graph import Graph

Arrays = Mapping[str, npt.NDArray[Any]]

ONNXRUNTIME, REFERENCE = "onnxruntime", "onnx's reference evaluator"

REFERENCE_OPSET = 21
"""To which older models are converted where the reference evaluator lacks an operator: it knows these best."""


class OnnxOracle:
    """A model's outputs by the first session (see _sessions) that gives them in the shapes that the Graph has.

    name: who gave them, ONNXRUNTIME or REFERENCE.
    """

    def __init__(self, model: ModelLike, graph: Graph) -> None:
        self.graph = graph
        self.name = ""
        self._place = place_of(model)
        self._types = _input_types(parse_model(model))
        self._sessions = _sessions(model)
        self._session: Any = None
        self._problems: list[str] = []

    def run(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Outputs, (lanes, *shape), for inputs (lanes, *shape), run one lane at a time. Inputs are cast to the types
        that the model wants.

        Raises CimcError(onnx.oracle) where no session gives outputs.
        """
        lanes = range(len(next(iter(inputs.values()))))
        feeds = {name: array.astype(self._types[name], copy=False) for name, array in inputs.items()}
        while True:
            try:
                if self._session is None:
                    self._session = self._next()
                found = [self._outputs({name: np.asarray(array[n]) for name, array in feeds.items()}) for n in lanes]
                return {name: np.stack([one[i] for one in found]) for i, name in enumerate(self.graph.outputs)}
            except ForeignError as error:
                self._problems.append(f"{self.name}: {error}")
                self._session = None

    def _next(self) -> Any:
        for name, open_session in self._sessions:
            self.name = name
            return foreign(open_session)
        problems = "; ".join(dict.fromkeys(self._problems))
        todo = "onnx.checker.check_model may tell what is wrong with it"
        what = f"nothing can run this network, so there is nothing to compare with: {problems}"
        raise fail("onnx.oracle", what, self._place, todo)

    def _outputs(self, feeds: Arrays) -> list[npt.NDArray[Any]]:
        names = list(self.graph.outputs)
        outputs = [np.asarray(array) for array in foreign(self._session.run, names, dict(feeds))]
        for name, array in zip(names, outputs, strict=True):
            if array.shape != self.graph.tensors[name].shape:
                raise ForeignError(f'"{name}" has shape {array.shape}, not {self.graph.tensors[name].shape}')
        return outputs


def _sessions(source: ModelLike) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Who is asked, in order: onnxruntime on the model, onnxruntime on the model as the frontend reads it (functions
    inlined, old opsets converted) without its nodes' names, the reference evaluator on that, and on a newer opset."""
    as_it_is = source.SerializeToString() if isinstance(source, ModelProto) else source
    yield ONNXRUNTIME, partial(_onnxruntime, as_it_is if isinstance(as_it_is, bytes) else os.fspath(as_it_is))
    model = read_model(source)
    for node in model.graph.node:
        node.name = ""
    yield ONNXRUNTIME, lambda: _onnxruntime(model.SerializeToString())
    yield REFERENCE, partial(ReferenceEvaluator, model)
    yield REFERENCE, lambda: ReferenceEvaluator(convert_version(model, REFERENCE_OPSET))


def _onnxruntime(model: str | bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, session_options(), providers=["CPUExecutionProvider"])


def _input_types(model: ModelProto) -> dict[str, np.dtype[Any]]:
    """numpy's type of every input."""
    types = {info.name: info.type.tensor_type.elem_type for info in model.graph.input}
    return {name: np.dtype(helper.tensor_dtype_to_np_dtype(number)) for name, number in types.items()}


def session_options() -> onnxruntime.SessionOptions:
    """Quiet options, and integer products that are exact on every processor."""
    options = quiet_options()
    if products_saturate():
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def quiet_options() -> onnxruntime.SessionOptions:
    """One thread, and nothing on standard error."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
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
