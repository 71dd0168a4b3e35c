"""What an ONNX file may look like: opsets, external data, functions, sparse and listed initialisers, open shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from cimc.base.diagnostics import CimcError
from cimc.frontends import load_onnx
from cimc.ir.evaluate import evaluate
from tests.frontends.against_onnxruntime import check, floats, model, node


def gemm() -> ModelProto:
    return model([node("Gemm", "x w b", transB=1), ], {"x": ["N", 6]}, {"w": floats(4, 6), "b": floats(4)})  # fmt: skip


@pytest.mark.parametrize("opset", [7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21])
def test_every_opset(opset: int) -> None:
    constants = {"w": floats(4, 3, 3, 3), "v": floats(5, 4), "b": floats(5)}
    nodes = [
        node("Conv", "x w", "c", pads=[1, 1, 1, 1]),
        node("Relu", "c", "r"),
        node("MaxPool", "r", "p", kernel_shape=[2, 2]),
        node("GlobalAveragePool", "p", "g"),
        node("Flatten", "g", "f"),
        node("Gemm", "f v b", "l", transB=1),
        node("Softmax", "l"),
    ]
    check(model(nodes, {"x": ["N", 3, 6, 6]}, constants, opset=opset))


def test_an_opset_before_7_is_converted() -> None:
    made = model([node("Add", "x c", broadcast=1), ], {"x": [1, 3]}, {"c": floats(3)}, opset=6)  # fmt: skip
    made.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 1
    made.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 3
    graph = load_onnx(made)
    result = evaluate(graph, {"x": np.ones((1, 1, 3), np.float32)})["y"]
    np.testing.assert_allclose(result[0, 0], 1 + floats(3))


def test_the_newest_opset() -> None:
    made = gemm()
    made.opset_import[0].version = onnx.defs.onnx_opset_version()
    assert len(load_onnx(made).nodes) == 1


def test_initialisers_listed_as_inputs_are_no_inputs() -> None:
    made = gemm()
    made.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 6]))
    assert check(made).inputs == ("x",)


def test_weights_in_constant_nodes() -> None:
    weight = numpy_helper.from_array(floats(6, 4), "w")
    graph = check(model([node("Constant", "", "w", value=weight), node("MatMul", "x w")], {"x": ["N", 6]}))
    assert len(graph.nodes) == 1


def test_sparse_initialisers() -> None:
    dense = np.zeros((6, 4), np.float32)
    dense.reshape(-1)[[1, 7, 20]] = [1.5, -2, 3]
    made = model([node("MatMul", "x w")], {"x": ["N", 6]})
    values = numpy_helper.from_array(np.float32([1.5, -2, 3]), "w")
    for indices in (np.array([1, 7, 20]), np.array([[0, 1], [1, 3], [5, 0]])):
        del made.graph.sparse_initializer[:]
        sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(indices, "i"), [6, 4])
        made.graph.sparse_initializer.append(sparse)
        np.testing.assert_array_equal(load_onnx(made).constants["w"], dense)


def test_functions_are_inlined() -> None:
    made = model([node("Twice", "x", domain="mine")], {"x": ["N", 4]}, domains=["mine"])
    opsets = [helper.make_opsetid("", 17)]
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    made.functions.append(helper.make_function("mine", "Twice", ["a"], ["b"], body, opsets))
    assert len(check(made).nodes) == 1


def test_half_and_double_precision_become_float32() -> None:
    for dtype in (np.float16, np.float64):
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        made = model([node("Add", "x c")], {"x": ["N", 4]}, {"c": np.ones(4, dtype)}, types={"x": kind, "y": kind})
        graph = load_onnx(made)
        assert {tensor.dtype for tensor in graph.tensors.values()} == {"float32"}


def save_with_external_data(folder: Path) -> Path:
    made = gemm()
    file = folder / "model.onnx"
    onnx.save(made, file, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return file


def test_external_data(tmp_path: Path) -> None:
    file = save_with_external_data(tmp_path)
    graph = load_onnx(file)
    np.testing.assert_array_equal(next(array for array in graph.constants.values() if array.ndim == 2), floats(4, 6).T)
    assert graph.name == "test"


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "sub/../../secret.bin", "link.bin"])
def test_external_data_must_not_leave_the_folder(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    file = save_with_external_data(folder)
    (tmp_path / "secret.bin").write_bytes(b"x" * 1000)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    made = onnx.load(file, load_external_data=False)
    for tensor in made.graph.initializer:
        tensor.external_data[0].value = location
    file.write_bytes(made.SerializeToString())
    with pytest.raises(CimcError, match="lies outside the model's folder"):
        load_onnx(file)


def test_external_data_cut_short_or_missing(tmp_path: Path) -> None:
    file = save_with_external_data(tmp_path)
    weights = tmp_path / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:50])
    with pytest.raises(CimcError, match=r'lie outside "weights.bin", which holds 50'):
        load_onnx(file)
    weights.unlink()
    with pytest.raises(CimcError, match="cannot be read: No such file") as caught:
        load_onnx(file)
    assert len(caught.value.diagnostics) == 2
    with pytest.raises(CimcError, match="a model given as an object has no folder"):
        load_onnx(onnx.load(file, load_external_data=False))


def test_the_batch_is_bound_to_1_and_other_dimensions_by_the_user() -> None:
    made = model([node("Relu", "x")], {"x": ["N", 3, "height", "width"]})
    graph = check(made, bind={"height": 4, "width": 5})
    assert graph.tensors["x"].shape == (1, 3, 4, 5)
    assert check(model([node("Relu", "x")], {"x": [None, 3]})).tensors["x"].shape == (1, 3)
    assert check(model([node("Relu", "x")], {"x": ["N", 3]}), bind={"N": 2}).tensors["x"].shape == (2, 3)
    assert check(model([node("Relu", "x")], {"x": [4, 3]})).tensors["x"].shape == (4, 3)


def test_a_channels_last_network_with_a_transpose_in_front() -> None:
    nodes = [node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node("Conv", "t w")]
    graph = check(model(nodes, {"x": ["N", 6, 6, 3]}, {"w": floats(2, 3, 3, 3)}))
    assert graph.tensors["x"].shape == (1, 6, 6, 3)


def test_several_inputs_and_outputs_in_the_files_order() -> None:
    nodes = [node("Add", "b a", "s"), node("Sub", "b a", "d")]
    graph = check(model(nodes, {"b": ["N", 3], "a": ["N", 3]}, outputs=("d", "s")))
    assert (graph.inputs, graph.outputs) == (("b", "a"), ("d", "s"))


def test_nodes_without_a_name_are_named_after_their_operator() -> None:
    made = gemm()
    made.graph.node[0].name = ""
    assert load_onnx(made).nodes[0].origin == "Gemm_0"


def test_helper_tensors_take_no_name_of_the_file() -> None:
    nodes = [node("Relu", "x", "y/product"), node("Gemm", "y/product w c", "y")]
    check(model(nodes, {"x": [2, 6]}, {"w": floats(6, 4), "c": floats(2, 1)}))
