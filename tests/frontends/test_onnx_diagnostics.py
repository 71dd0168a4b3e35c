"""What a user is told about an ONNX file that cannot be taken: the messages, word for word, and never a traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import AttributeProto, ModelProto, TensorProto, helper

from cimc.base.diagnostics import CimcError
from cimc.frontends import load_onnx
from tests.frontends.against_onnxruntime import floats, model, node


def message(made: ModelProto | Path, bind: dict[str, int] | None = None) -> str:
    with pytest.raises(CimcError) as caught:
        load_onnx(made, bind)
    return str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    file = tmp_path / "absent.onnx"
    assert message(file) == f"error[onnx.file]: there is no such file\n  at {file}\n  help: check the path"
    assert "this is a folder, not an ONNX file" in message(tmp_path)


@pytest.mark.parametrize("data", [b"not a protobuf", b"\x08\x08garbage\xff", b"PK\x03\x04" + bytes(100)])
def test_not_an_onnx_file(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "picture.onnx"
    file.write_bytes(data)
    assert message(file).startswith(f"error[onnx.file]: this is not an ONNX file\n  at {file}\n  help: it may be tr")


def test_an_empty_file_holds_no_graph(tmp_path: Path) -> None:
    file = tmp_path / "empty.onnx"
    file.write_bytes(b"")
    assert "error[onnx.file]: this is not an ONNX file: it holds no graph" in message(file)


def test_every_truncation_is_refused_without_a_traceback(tmp_path: Path) -> None:
    data = small().SerializeToString()
    file = tmp_path / "cut.onnx"
    for length in range(0, len(data) - 1, 7):
        file.write_bytes(data[:length])
        message(file)


@settings(max_examples=200)
@given(st.data())
def test_changed_bytes_never_give_a_traceback(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    file = tmp_path_factory.getbasetemp() / "changed.onnx"
    raw = bytearray(small().SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(raw)
    try:
        load_onnx(file)
    except CimcError as error:
        assert error.diagnostics


def small() -> ModelProto:
    constants = {
        "w": floats(2, 1, 3, 3),
        "v": floats(2, 4),
        "s": np.float32(0.1),
        "z": np.int8(0),
        "n": np.array([0, -1]),
    }
    nodes = [
        node("Conv", "x w", "c", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("MaxPool", "c", "p", kernel_shape=[2, 2], ceil_mode=1),
        node("QuantizeLinear", "p s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        node("Reshape", "d n", "f"),
        node("Gemm", "f v", "y", transB=1),
    ]
    return model(nodes, {"x": ["N", 1, 4, 4]}, constants)


def test_every_unsupported_node_is_named_at_once() -> None:
    nodes = [
        node("LSTM", "x w r", "h", hidden_size=4),
        node("Squeeze", "h one", "s"),
        node("Pad", "s p", "t", mode="reflect"),
        node("Einsum", "t", "u", equation="abc->ab"),
        node("Resize", "x - sc", "v", mode="linear"),
        node("Custom", "v", "y", domain="my.company"),
    ]
    constants = {
        "w": floats(1, 16, 3), "r": floats(1, 16, 4), "one": np.array([1]), "p": np.array([0, 0, 1, 0, 0, 0]),
        "sc": np.float32([1, 2, 2]),
    }  # fmt: skip
    made = model(nodes, {"x": [5, 1, 3]}, constants, outputs=("y", "u"), domains=["my.company"])
    unsupported = "replace it by supported operators, or export the network without it"
    assert message(made) == (
        'error[onnx.unsupported]: LSTM node "lstm_h": the operator is not supported\n'
        f'  at node "lstm_h"\n  help: {unsupported}\n'
        'error[onnx.unsupported]: Pad node "pad_t": mode "reflect"; only "constant" is supported\n'
        '  at node "pad_t"\n'
        'error[onnx.unsupported]: Einsum node "einsum_u": the operator is not supported\n'
        f'  at node "einsum_u"\n  help: {unsupported}\n'
        'error[onnx.unsupported]: Resize node "resize_v": mode "linear"; only "nearest" by whole factors is supported\n'
        '  at node "resize_v"\n'
        'error[onnx.unsupported]: my.company::Custom node "custom_y": the operator is not supported\n'
        f'  at node "custom_y"\n  help: {unsupported}'
    )


def test_an_operator_that_onnx_does_not_know() -> None:
    assert message(model([node("Convv", "x")], {"x": ["N", 3]})) == (
        'error[onnx.unsupported]: Convv node "convv_y": ONNX has no such operator\n'
        '  at node "convv_y"\n  help: did you mean "Conv"?'
    )


def test_open_dimensions_are_listed() -> None:
    made = model([node("Relu", "x", "y"), node("Relu", "z", "q")], {"x": ["N", 3, "h", "w"], "z": ["N", None]})
    assert message(made) == (
        'error[onnx.shape]: input "x" of shape (1, 3, h, w) has dimensions that are not fixed: h, w\n'
        '  at input "x"\n  help: fix them: --bind h=INT --bind w=INT\n'
        'error[onnx.shape]: input "z" of shape (1, ?) has dimensions that are not fixed: axis 1\n'
        '  at input "z"\n  help: export the network with a fixed shape'
    )
    assert 'no input has a symbolic dimension "hh"\n  help: did you mean "h"?' in message(made, {"hh": 3, "w": 4})
    assert 'the dimension "h" cannot be 0' in message(made, {"h": 0, "w": 4})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_in_weights(bad: float) -> None:
    weight = floats(6, 4)
    weight[2, 3] = bad
    made = model([node("MatMul", "x fc.weight")], {"x": ["N", 6]}, {"fc.weight": weight})
    assert message(made) == (
        'error[onnx.nan]: the tensor "fc.weight" holds NaN or infinity: 1 of 24 elements, the first at (2, 3)\n'
        '  at tensor "fc.weight"\n  help: train or export the network again'
    )


def test_infinite_clip_bounds_are_no_weights() -> None:
    load_onnx(model([node("Clip", "x low high")], {"x": ["N", 6]}, {"low": np.float32(0), "high": np.float32(np.inf)}))


def test_shapes_that_contradict_each_other() -> None:
    made = model([node("Conv", "x w")], {"x": ["N", 4, 6, 6]}, {"w": floats(2, 3, 3, 3)})
    assert message(made).startswith(
        'error[onnx.shape]: Conv node "conv_y": Conv of 4 input channels by a weight of '
        "shape (2, 3, 3, 3) in 1 group(s)"
    )
    made = model([node("Reshape", "x s")], {"x": ["N", 4]}, {"s": np.array([3, -1])})
    assert "a tensor of shape (1, 4) cannot be reshaped to (3, -1)" in message(made)


def test_operands_known_only_at_run_time() -> None:
    made = model([node("Conv", "x w")], {"x": ["N", 3, 6, 6], "w": [2, 3, 3, 3]})
    assert "its weight is computed at run time; it must be a constant" in message(made)
    made = model([node("Reshape", "x s")], {"x": ["N", 4], "s": [2]}, types={"s": TensorProto.INT64})
    assert 'shape "s" is computed at run time; it must be a constant' in message(made)


def test_results_that_are_not_made() -> None:
    made = model([node("MaxPool", "x", "y i", kernel_shape=[2, 2])], {"x": ["N", 3, 6, 6]}, outputs=("y", "i"))
    assert 'its result "i" is read; only the first result is supported' in message(made)
    assert 'nothing makes the output "z"' in message(model([node("Relu", "x")], {"x": ["N", 3]}, outputs=("z",)))
    made = model([node("Relu", "x"), node("Identity", "c", "z")], {"x": ["N", 3]}, {"c": floats(3)}, ("y", "z"))
    assert 'the output "z" is a constant: it does not depend on any input' in message(made)


def test_a_graph_out_of_order_or_with_a_name_twice() -> None:
    made = model([node("Relu", "a"), node("Relu", "x", "a")], {"x": ["N", 3]})
    assert 'Relu node "relu_y": it reads "a", which nothing before it makes' in message(made)
    made = model([node("Relu", "x"), node("Neg", "x")], {"x": ["N", 3]})
    assert 'Neg node "neg_y": it makes "y", which is made already' in message(made)


def test_inputs_of_other_types() -> None:
    made = model([node("Identity", "x")], {"x": ["N", 3]}, types={"x": TensorProto.STRING, "y": TensorProto.STRING})
    assert 'error[onnx.unsupported]: input "x" has type string' in message(made)


def test_attributes_of_the_wrong_type() -> None:
    made = model([node("Flatten", "x", axis=1)], {"x": ["N", 3]})
    made.graph.node[0].attribute[0].type = AttributeProto.STRING
    assert 'Flatten node "flatten_y"' in message(made)


def test_a_damaged_tensor() -> None:
    made = model([node("MatMul", "x w")], {"x": ["N", 6]}, {"w": floats(6, 4)})
    made.graph.initializer[0].raw_data = made.graph.initializer[0].raw_data[:-4]
    assert 'error[onnx.file]: the tensor "w" is damaged' in message(made)


def test_sizes_that_would_fill_the_memory() -> None:
    nodes = [node("ConstantOfShape", "s", "c"), node("Add", "x c")]
    made = model(nodes, {"x": ["N", 3]}, {"s": np.array([1 << 20, 1 << 20])})
    assert "its result would have 1.1e+12 elements" in message(made)
    made = model([node("Relu", "x")], {"x": [1 << 20, 1 << 20]})
    assert "has more than 2^28 elements" in message(made)


def test_an_opset_from_the_future() -> None:
    made = model([node("Relu", "x")], {"x": ["N", 3]})
    made.opset_import[0].version = 99
    assert "the model uses opset 99; this onnx package knows opsets up to" in message(made)


def test_a_scale_of_zero() -> None:
    made = model([node("QuantizeLinear", "x s z")], {"x": ["N", 3]}, {"s": np.float32(0), "z": np.int8(0)})
    assert 'the scale "s" is not positive everywhere' in message(made)


def test_control_flow() -> None:
    branch = helper.make_graph([helper.make_node("Relu", ["x"], ["b"])], "branch", [], [
        helper.make_tensor_value_info("b", TensorProto.FLOAT, None)])  # fmt: skip
    made = model([node("If", "c", then_branch=branch, else_branch=branch)], {"x": ["N", 3]}, {"c": np.array(True)})
    assert 'If node "if_y": the operator is not supported' in message(made)
