"""The bundled networks are what examples/README.md says, down to the accuracy."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from cimc import examples
from cimc.driver.onnx_oracle import session_options

README = (Path(__file__).parent.parent / "examples" / "README.md").read_text(encoding="utf-8")
NETWORKS = ("digits_plain.onnx", "digits_residual.onnx", "digits_plain_int8_qdq.onnx")


ROOT = Path(__file__).parent.parent
SCRIPTS = sorted([*ROOT.glob("benchmarks/*.py"), *ROOT.glob("examples/*.py")])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_imports_what_there_is(script: Path) -> None:
    """Scripts of benchmarks and examples are run by hand: what they import must not have moved meanwhile."""
    for one in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(one, ast.ImportFrom) and one.module and one.module.split(".")[0] in ("cimc", "benchmarks"):
            module = importlib.import_module(one.module)
            for name in one.names:
                if not hasattr(module, name.name):
                    importlib.import_module(f"{one.module}.{name.name}")


def test_all_files_are_named_in_the_readme() -> None:
    assert sorted(re.findall(r"^\| `(\S+)` \|", README, re.MULTILINE)) == list(examples.names())


@pytest.mark.parametrize("name", examples.names())
def test_sizes_are_those_of_the_readme(name: str) -> None:
    assert f"{examples.path(name).stat().st_size:,} bytes" in re.findall(rf"^\| `{name}` .*$", README, re.MULTILINE)[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_accuracy_is_that_of_the_readme(name: str) -> None:
    data = np.load(examples.path("digits_test.npz"))
    session = onnxruntime.InferenceSession(examples.path(name), session_options(), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"input": data["input"]})
    percent = 100 * float(np.mean(logits.argmax(axis=1) == data["labels"]))
    (row,) = re.findall(rf"^\| `{name}` .*$", README, re.MULTILINE)
    (stated,) = re.findall(r"([\d.]+) %", row)
    # Another processor may sum floats in another order: one image of 600 may fall on the other side.
    assert percent == pytest.approx(float(stated), abs=0.2)


@pytest.mark.parametrize("name", NETWORKS)
def test_models_are_pinned(name: str) -> None:
    model = onnx.load(examples.path(name))
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
    assert model.ir_version == 8
    (x,), (y,) = model.graph.input, model.graph.output
    shape = [dim.dim_param or dim.dim_value for dim in x.type.tensor_type.shape.dim]
    assert (x.name, shape, y.name) == ("input", ["N", 1, 8, 8], "logits")


def test_the_data_are_images_and_do_not_overlap() -> None:
    held_back, calibration = (np.load(examples.path(f"digits_{part}.npz")) for part in ("test", "calibration"))
    for data, count in ((held_back, 600), (calibration, 200)):
        assert data["input"].shape == (count, 1, 8, 8)
        assert data["input"].dtype == np.float32
        assert data["input"].min() == 0
        assert data["input"].max() == 1
        assert data["labels"].shape == (count,)
        assert set(data["labels"].tolist()) == set(range(10))
    assert not {image.tobytes() for image in held_back["input"]} & {image.tobytes() for image in calibration["input"]}


def test_the_residual_network_keeps_its_batch_normalisation() -> None:
    operators = [node.op_type for node in onnx.load(examples.path("digits_residual.onnx")).graph.node]
    assert operators.count("BatchNormalization") == operators.count("Add") == 1
