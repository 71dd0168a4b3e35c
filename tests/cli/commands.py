"""Runs commands in this process, as a user would type them, and makes small inputs for them."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cimc import examples
from cimc.cli.guard import run

DIGITS = str(examples.path("digits_plain.onnx"))
RESIDUAL = str(examples.path("digits_residual.onnx"))
QUANTISED = str(examples.path("digits_plain_int8_qdq.onnx"))
CALIBRATION = str(examples.path("digits_calibration.npz"))
TEST = str(examples.path("digits_test.npz"))
INPUTS: np.ndarray = np.load(TEST)["input"][:8]


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


def cimc(*arguments: str | Path) -> Ran:
    """Run `cimc` with these arguments."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    return Ran(code, out.getvalue(), err.getvalue())


def compiled(folder: Path, model: str = DIGITS, target: str = "puma") -> Path:
    """A compiled program in a folder."""
    done = cimc("compile", model, "--target", target, "--calibration", CALIBRATION, "-o", folder)
    assert done.code == 0, done.err
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its content."""
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def write_network(
    path: Path,
    nodes: list[onnx.NodeProto],
    x: tuple[int | str, ...],
    y: tuple[int | str, ...],
    constants: dict[str, np.ndarray] | None = None,
) -> None:
    """An ONNX file from "x" to "y", float32."""
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, y)],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


def node(kind: str, inputs: list[str], output: str = "y", name: str = "") -> onnx.NodeProto:
    """A node without attributes."""
    return helper.make_node(kind, inputs, [output], name=name or kind.lower())
