"""Who computes quantised networks exactly on this processor: onnxruntime, or onnx's reference evaluator.

onnxruntime picks its integer kernels by processor. Without VNNI those for uint8 by int8 add two products in 16 bits,
which saturate. So it is asked: small models whose exact results follow by hand, at the extremes of their types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnx import ModelProto, TensorProto
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx.version_converter import convert_version
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

from cimc.driver.onnx_oracle import quiet_options, session_options
from tests.frontends.against_onnxruntime import model, node

Array = npt.NDArray[Any]

DEPTH = 64
"""Products in every sum of a probe."""

REFERENCE_OPSET = 21


class Session(Protocol):
    """What onnxruntime and the reference evaluator share."""

    def run(self, output_names: Sequence[str], feeds: Mapping[str, Array]) -> list[Array]: ...


MakeSession = Callable[[ModelProto], Session]


class QGemm(OpRun):  # type: ignore[misc]
    """onnxruntime's QGemm, which onnx does not know: an exact integer product, then one scale."""

    op_domain = "com.microsoft"

    def _run(
        self, a: Array, a_scale: Array, a_zero: Array, b: Array, b_scale: Array, b_zero: Array, c: Array | None = None,
        y_scale: Array | None = None, y_zero: Array | None = None, alpha: float = 1.0, transA: int = 0, transB: int = 0,
    ) -> tuple[Array]:  # fmt: skip
        left, right = a.astype(np.int64) - a_zero, b.astype(np.int64)
        left, right = (left.T if transA else left), (right.T if transB else right) - b_zero
        total = left @ right + (0 if c is None else c)
        real = total.astype(np.float32) * (np.float32(alpha) * a_scale * b_scale)
        if y_scale is None or y_zero is None:
            return (real.astype(np.float32),)
        limits = np.iinfo(y_zero.dtype)
        steps = np.rint((real / y_scale).astype(np.float32)) + y_zero
        return (np.clip(steps, limits.min, limits.max).astype(y_zero.dtype),)


def onnxruntime_session(made: ModelProto) -> Session:
    """onnxruntime with its integer kernels: EXTENDED fuses DequantizeLinear - operation - QuantizeLinear."""
    options = session_options() if _has_bytes(made) else quiet_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.add_session_config_entry("session.qdqisint8allowed", "1")  # else int8 activations stay in float
    return cast(Session, onnxruntime.InferenceSession(made.SerializeToString(), options, ["CPUExecutionProvider"]))


def _has_bytes(made: ModelProto) -> bool:
    """Whether a network has uint8 in it: products of int8 alone do not saturate."""
    types = [tensor.data_type for tensor in made.graph.initializer]
    types += [info.type.tensor_type.elem_type for info in made.graph.input]
    return TensorProto.UINT8 in types


def reference_session(made: ModelProto) -> Session:
    """onnx's reference evaluator. It knows DequantizeLinear from opset 19 on."""
    return cast(Session, ReferenceEvaluator(convert_version(made, REFERENCE_OPSET), new_ops=[QGemm]))


def exact_session(made: ModelProto) -> Session:
    """The oracle of a quantised network: onnxruntime where it has kernels for it that are exact, else the reference."""
    if wrong_here():
        return reference_session(made)
    try:
        return onnxruntime_session(made)
    except NoKernel:
        return reference_session(made)


@cache
def wrong_here() -> tuple[str, ...]:
    """What onnxruntime computes wrongly on this processor; empty where all its kernels are exact."""
    return wrong_kernels(onnxruntime_session)


def wrong_kernels(make: MakeSession) -> tuple[str, ...]:
    """The probes that sessions of `make` get wrong. A kernel that is not there is not wrong."""
    wrong = []
    for name, made, x, wanted in probes():
        try:
            session = make(made)
        except NoKernel:
            continue
        (got,) = session.run(["y"], {"x": x})
        if not np.array_equal(got, np.full_like(got, wanted)):
            wrong.append(name)
    return tuple(wrong)


SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "MatMulInteger": ((5, DEPTH), (DEPTH, 32)),
    "MatMulInteger, one row": ((1, DEPTH), (DEPTH, 32)),
    "ConvInteger": ((1, DEPTH, 3, 3), (16, DEPTH, 1, 1)),
    "QLinearMatMul": ((5, DEPTH), (DEPTH, 32)),
    "QLinearConv": ((1, DEPTH, 3, 3), (16, DEPTH, 1, 1)),
    "QLinearConv, depthwise": ((1, 16, 8, 8), (16, 1, 8, 8)),
    "quantised MatMul": ((5, DEPTH), (DEPTH, 32)),
    "quantised Conv": ((1, DEPTH, 3, 3), (16, DEPTH, 1, 1)),
    "quantised Conv, depthwise": ((1, 16, 8, 8), (16, 1, 8, 8)),
}
"""Shapes of x and w by kernel; "quantised" ones stand between DequantizeLinear and QuantizeLinear."""

TYPES = {"int8": TensorProto.INT8, "uint8": TensorProto.UINT8, "int32": TensorProto.INT32}


def probes() -> Iterator[tuple[str, ModelProto, Array, int]]:
    """(name, model, its input "x", the one value of its result): every operand is the extreme of its type.

    A sum is DEPTH * x * w; 255 * -128 twice is below -32,768, where pairs saturate: they then make half of the sum.
    """
    for a, b in (("uint8", "int8"), ("int8", "int8"), ("uint8", "uint8")):
        x = np.iinfo(a).max
        for w in sorted({np.iinfo(b).max, min(np.iinfo(b).min, -1)} - {-1}):
            for kernel, (x_shape, w_shape) in SHAPES.items():
                made, wanted = _probe(kernel, np.full(w_shape, w, b), a, DEPTH * x * w)
                yield f"{kernel}: {a} {x} by {b} {w}", made, np.full(x_shape, x, a), wanted


def _probe(kernel: str, w: Array, x_type: str, total: int) -> tuple[ModelProto, int]:
    """The model that multiplies an x of `x_type` by w, and its result where every sum is `total`: the sum itself, or
    100 steps of the result's 8 bits above or below its zero point."""
    op, _, variant = kernel.partition(", ")
    x_shape, w_shape = SHAPES[kernel]
    if op.endswith("Integer"):
        made = model([node(op, "x w")], {"x": x_shape}, {"w": w}, types={"x": TYPES[x_type], "y": TYPES["int32"]})
        return made, total
    zero = 0 if x_type == "int8" else 100
    group = {"group": w_shape[0]} if variant == "depthwise" else {}
    constants: dict[str, Any] = {
        "w": w, "one": np.float32(1), "xz": np.zeros((), x_type), "wz": np.zeros((), w.dtype),
        "ys": np.float32(abs(total) / 100), "yz": np.full((), zero, x_type),
    }  # fmt: skip
    nodes = [
        node("DequantizeLinear", "x one xz", "X"),
        node("DequantizeLinear", "w one wz", "W"),
        node(op.removeprefix("quantised "), "X W", "Y", **group),
        node("QuantizeLinear", "Y ys yz"),
    ]
    if op.startswith("QLinear"):
        nodes = [node(op, "x one xz w one wz ys yz", **group)]
    made = model(nodes, {"x": x_shape}, constants, types={"x": TYPES[x_type], "y": TYPES[x_type]})
    return made, zero + (100 if total > 0 else -100)
