"""Models at the edge of what ONNX allows: legal ones are compared with somebody else, others are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from cimc.base.diagnostics import CimcError
from cimc.driver.compile import synthetic_inputs
from cimc.driver.onnx_oracle import ONNXRUNTIME, REFERENCE
from cimc.driver.options import CompileOptions
from cimc.driver.verification import Verification
from cimc.driver.verify import verify_network
from cimc.frontends.foreign import foreign
from cimc.ir.graph import Graph, Tensor
from tests.frontends.against_onnxruntime import floats, model, node

Arrays = dict[str, npt.NDArray[Any]]
LEAST_DB = 50.0
"""16-bit words keep 70 to 90 dB; float16 and bfloat16 outputs of the oracle less, see there."""


def verified(made: ModelProto, folder: Path, data: Arrays, target: str = "puma") -> Verification:
    file = folder / "net.onnx"
    file.write_bytes(made.SerializeToString())
    found = verify_network(file, data, CompileOptions(target=target), data)
    assert found.bit_exact, str(found.first_mismatch)
    return found


def refusal(made: ModelProto, folder: Path, data: Arrays) -> str:
    with pytest.raises(CimcError) as caught:
        verified(made, folder, data)
    return str(caught.value)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1, 2)])
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_inputs_of_every_rank_are_made_up(shape: tuple[int, ...], dtype: str) -> None:
    graph = Graph("g", (), {"x": Tensor("x", shape, dtype)}, {}, ("x",), ())
    made = synthetic_inputs(graph, 0)["x"]
    assert made.shape[1:] == shape and str(made.dtype) == dtype
    assert len(np.unique(made)) > 1


@pytest.mark.filterwarnings("error")
def test_warnings_of_other_packages_are_not_shown() -> None:
    assert np.isnan(foreign(np.mean, np.empty(0)))


X: Arrays = {"x": floats(5, 4, seed=1)}


def gemm(**options: Any) -> ModelProto:
    return model([node("Gemm", "x w")], {"x": ["N", 4]}, {"w": floats(4, 3)}, **options)


def two_nodes_of_one_name() -> ModelProto:
    nodes = [node("Gemm", "x w", "h"), node("Relu", "h")]
    made = model(nodes, {"x": ["N", 4]}, {"w": floats(4, 3)})
    made.graph.node[0].name = made.graph.node[1].name = "same"
    return made


def quantised_nodes_of_one_name() -> ModelProto:
    constants = {"s": np.float32(0.05), "z": np.int8(3)}
    made = model([node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z")], {"x": ["N", 4]}, constants)
    made.graph.node[0].name = made.graph.node[1].name = "same"
    return made


def long_domain() -> ModelProto:
    made = model([node("Reshape", "v s", "w"), node("Gemm", "x w")], {"x": ["N", 4]},
                 {"v": floats(12), "s": np.array([4, 3])})  # fmt: skip
    made.opset_import[0].domain = made.graph.node[1].domain = "ai.onnx"
    return made


def input_with_a_default() -> ModelProto:
    made = gemm()
    made.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 3]))
    return made


def output_that_is_an_input() -> ModelProto:
    return model([node("Relu", "x")], {"x": ["N", 4]}, outputs=("y", "x"))


def no_nodes() -> ModelProto:
    return model([], {"x": ["N", 4]}, outputs=("x",))


def no_names_of_nodes() -> ModelProto:
    made = gemm()
    made.graph.node[0].name = ""
    return made


def scalar_output() -> ModelProto:
    nodes = [node("Gemm", "x w", "h"), node("Reshape", "h s")]
    return model(nodes, {"x": [1, 4]}, {"w": floats(4, 1), "s": np.array([], np.int64)})


@pytest.mark.parametrize(
    "make",
    [
        two_nodes_of_one_name, quantised_nodes_of_one_name, long_domain, input_with_a_default, output_that_is_an_input,
        no_nodes, no_names_of_nodes, scalar_output,
    ],
)  # fmt: skip
def test_legal_models_are_right(make: Callable[[], ModelProto], tmp_path: Path) -> None:
    found = verified(make(), tmp_path, X)
    assert found.snr_db is None or found.snr_db > LEAST_DB


def test_scalar_inputs(tmp_path: Path) -> None:
    made = model([node("Mul", "x s")], {"x": ["N", 4], "s": []})
    found = verified(made, tmp_path, {**X, "s": floats(5, seed=2)})
    assert found.snr_db is not None and found.snr_db > LEAST_DB


def listed_twice(field: str) -> ModelProto:
    made = gemm()
    entries = getattr(made.graph, field)
    entries.append(entries[0])
    return made


def nameless(field: str) -> ModelProto:
    made = gemm()
    getattr(made.graph, field)[0].name = ""
    return made


def recursive_function() -> ModelProto:
    made = model([node("F", "x", domain="mine")], {"x": ["N", 4]}, domains=["mine"])
    body = [helper.make_node("F", ["a"], ["b"], domain="mine")]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    made.functions.append(helper.make_function("mine", "F", ["a"], ["b"], body, opsets))
    return made


def damaged_tensor(*dims: int) -> ModelProto:
    made = gemm()
    del made.graph.initializer[0].dims[:]
    made.graph.initializer[0].dims.extend(dims)
    return made


def huge_sparse() -> ModelProto:
    made = model([node("MatMul", "x w")], {"x": ["N", 4]})
    values, indices = numpy_helper.from_array(floats(1), "w"), numpy_helper.from_array(np.array([0]), "i")
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [1 << 20, 1 << 20]))
    return made


REFUSED: dict[str, tuple[Callable[[], ModelProto], str]] = {
    "input twice": (lambda: listed_twice("input"), 'the input "x" is listed 2 times'),
    "output twice": (lambda: listed_twice("output"), 'the output "y" is listed 2 times'),
    "initialiser twice": (lambda: listed_twice("initializer"), 'the initialiser "w" is listed 2 times'),
    "input without a name": (lambda: nameless("input"), "an input has no name"),
    "output without a name": (lambda: nameless("output"), "an output has no name"),
    "initialiser without a name": (lambda: nameless("initializer"), "an initialiser has no name"),
    "recursive function": (recursive_function, "the model's functions cannot be inlined"),
    "unknown attribute": (
        lambda: model([node("Conv", "x w", strides=[1, 1], colour=3)], {"x": [1, 1, 4, 4]}, {"w": floats(1, 1, 1, 1)}),
        "Unrecognized attribute: colour",
    ),
    "missing operand": (lambda: model([node("Gemm", "x")], {"x": ["N", 4]}), 'Gemm node "gemm_y"'),
    "cycle": (lambda: model([node("Add", "x b", "a"), node("Relu", "a", "b")], {"x": ["N", 4]}, outputs=("b",)),
              'it reads "b", which nothing before it makes'),
    "name made twice": (lambda: model([node("Relu", "x"), node("Abs", "x")], {"x": ["N", 4]}), "which is made already"),
    "name of an input": (lambda: model([node("Relu", "x", "x")], {"x": ["N", 4]}, outputs=("x",)),
                         "which is made already"),
    "dimension of 0": (lambda: model([node("Relu", "x")], {"x": ["N", 0]}), "dimensions that are not fixed"),
    "negative dimension": (lambda: damaged_tensor(-4, -3), 'the tensor "w" is damaged'),
    "tensor of 10^12": (lambda: damaged_tensor(1 << 20, 1 << 20), 'the tensor "w" is damaged'),
    "sparse tensor of 10^12": (huge_sparse, 'the sparse tensor "w" has more than 2^28 elements'),
    "broadcast to 10^12": (
        lambda: model([node("Add", "a b", "c"), node("Add", "x c")], {"x": ["N", 4]},
                      {"a": floats(1 << 20, 1), "b": floats(1, 1 << 20)}),
        "its result would have 1.1e+12 elements",
    ),
    "gathered to 10^12": (
        lambda: model([node("Gather", "a i", "c"), node("Add", "x c")], {"x": ["N", 4]},
                      {"a": floats(1, 1 << 20), "i": np.zeros(1 << 20, np.int64)}),
        "its result would have 1.1e+12 elements",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_said(name: str, tmp_path: Path) -> None:
    make, words = REFUSED[name]
    assert words in refusal(make(), tmp_path, X)


@pytest.mark.parametrize(("kind", "least"), [("float16", 50.0), ("float64", 60.0), ("bfloat16", 35.0)])
def test_other_floating_types(kind: str, least: float, tmp_path: Path) -> None:
    """The oracle is fed with the network's own type and computes in it: float16 rounds to 11 bits, 66 dB below a
    number, bfloat16 to 8 bits, 48 dB; sums and cancellation take some."""
    number = {"float16": TensorProto.FLOAT16, "float64": TensorProto.DOUBLE, "bfloat16": TensorProto.BFLOAT16}[kind]
    dtype = helper.tensor_dtype_to_np_dtype(number)
    nodes = [node("Gemm", "x w", "h"), node("Relu", "h")]
    made = model(nodes, {"x": ["N", 4]}, {"w": floats(4, 3).astype(dtype)}, types={"x": number, "y": number}, opset=18)
    for given in (X["x"], X["x"].astype(dtype)):
        found = verified(made, tmp_path, {"x": given})
        assert found.snr_db is not None and found.snr_db > least


def test_float64_weights_that_float32_does_not_hold(tmp_path: Path) -> None:
    types = {"x": TensorProto.DOUBLE, "y": TensorProto.DOUBLE}
    made = model([node("MatMul", "x w")], {"x": ["N", 4]}, {"w": np.full((4, 3), 1e300)}, types=types)
    assert 'the tensor "w" holds NaN or infinity' in refusal(made, tmp_path, X)


def refused_at_load() -> tuple[ModelProto, Arrays]:
    """Split of 7 rows into two: legal only from opset 18 on, yet its meaning is known."""
    return model([node("Split", "x", "y u", axis=2)], {"x": [1, 1, 7, 4]}), {"x": floats(3, 1, 7, 4)}


def refused_at_run() -> tuple[ModelProto, Arrays]:
    convolution = node("Conv", "x w", auto_pad="SAME_LOWER", dilations=[2, 1], strides=[2, 1])
    return model([convolution], {"x": [1, 2, 8, 7]}, {"w": floats(1, 2, 2, 3)}, opset=11), {"x": floats(3, 2, 8, 7)}


def wrong_shape() -> tuple[ModelProto, Arrays]:
    """onnxruntime forgets the dilation in SAME_UPPER and gives three rows."""
    pool = node("MaxPool", "x", auto_pad="SAME_UPPER", dilations=[2, 1], kernel_shape=[2, 4], strides=[2, 1])
    return model([pool], {"x": [1, 2, 8, 4]}, opset=18), {"x": floats(3, 2, 8, 4)}


@pytest.mark.parametrize("make", [refused_at_load, refused_at_run, wrong_shape])
def test_another_oracle_where_onnxruntime_cannot(make: Callable[[], Any], tmp_path: Path) -> None:
    made, data = make()
    found = verified(made, tmp_path, data)
    assert found.oracle == REFERENCE
    assert found.snr_db is None or found.snr_db > LEAST_DB
    assert f"against {REFERENCE}" in dict(found.figures())


def test_an_opset_without_kernels(tmp_path: Path) -> None:
    """onnxruntime has no Gemm of opset 6; it runs the model that is converted to opset 7."""
    made = model(
        [node("Gemm", "x w b", broadcast=1, transB=1)], {"x": [1, 4]}, {"w": floats(3, 4), "b": floats(3)}, opset=6
    )
    made.ir_version = 3
    for name, shape in (("w", [3, 4]), ("b", [3])):
        made.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    made.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3]))
    found = verified(made, tmp_path, X)
    assert found.oracle == ONNXRUNTIME
    assert found.snr_db is not None and found.snr_db > LEAST_DB


def test_a_model_that_nothing_runs(tmp_path: Path) -> None:
    """A pooling window whose padding onnxruntime and the reference evaluator both compute as negative."""
    pool = node("AveragePool", "x", auto_pad="SAME_UPPER", kernel_shape=[1, 2], strides=[3, 1])
    made = model([pool], {"x": [1, 2, 5, 5]}, opset=12)
    words = refusal(made, tmp_path, {"x": floats(2, 2, 5, 5)})
    assert "error[onnx.oracle]: nothing can run this network" in words


def test_an_ordinary_model_is_onnxruntimes(tmp_path: Path) -> None:
    assert verified(gemm(), tmp_path, X).oracle == ONNXRUNTIME
