"""Networks that join tensors of different formats, or are written as integer operators, keep what they carry."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cimc.driver.options import CompileOptions
from cimc.driver.verify import verify_network
from tests.oracles.inputs import INPUTS
from tests.shared_data import MODELS, require


def test_integer_operators_give_onnxruntimes_output() -> None:
    data = INPUTS["mnist_lenet5x5_int8_qdq_pertensor"]()
    path = require(MODELS / "mnist_lenet5x5_int8_qoperator.onnx")
    found = verify_network(path, data.data(50), CompileOptions("ideal"))
    assert found.bit_exact, str(found.first_mismatch)
    assert found.snr_db is None, f"{found.snr_db} dB"


def test_maps_of_two_formats_joined_into_a_third(tmp_path: object) -> None:
    generator = np.random.default_rng(0)

    def constant(name: str, value: object, kind: type) -> onnx.TensorProto:
        return numpy_helper.from_array(np.asarray(value, kind), name)

    nodes, constants = [], []
    for k, scale in enumerate((0.02, 0.05)):
        weights = generator.integers(-100, 100, (3, 2, 1, 1))
        constants += [constant(f"w{k}", weights, np.int8), constant(f"s{k}", scale, np.float32)]
        nodes += [
            helper.make_node("DequantizeLinear", [f"w{k}", "sw", "zw"], [f"W{k}"]),
            helper.make_node("Conv", ["X", f"W{k}"], [f"c{k}"]),
            helper.make_node("QuantizeLinear", [f"c{k}", f"s{k}", "z"], [f"q{k}"]),
            helper.make_node("DequantizeLinear", [f"q{k}", f"s{k}", "z"], [f"d{k}"]),
        ]
    constants += [constant("sw", 0.01, np.float32), constant("zw", 0, np.int8), constant("z", 7, np.uint8)]
    constants += [constant("sx", 0.01, np.float32), constant("sy", 0.0371, np.float32)]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "sx", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "sx", "z"], ["X"]),
        *nodes,
        helper.make_node("Concat", ["d0", "d1"], ["j"], axis=1),
        helper.make_node("QuantizeLinear", ["j", "sy", "z"], ["yq"]),
        helper.make_node("DequantizeLinear", ["yq", "sy", "z"], ["y"]),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "joined", [info("x", TensorProto.FLOAT, ["N", 2, 4, 4])], [info("y", TensorProto.FLOAT, None)], constants
    )
    path = f"{tmp_path}/joined.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    x = generator.standard_normal((20, 2, 4, 4)).astype(np.float32)
    found = verify_network(path, {"x": x}, CompileOptions("ideal"))
    assert found.bit_exact, str(found.first_mismatch)
    assert found.max_abs_error < 0.5 * 0.0371, "an output is a step away from onnxruntime's"
