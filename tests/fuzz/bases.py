"""What is mutated: networks as ONNX, inputs for them, and compiled programs as files."""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, helper, load_model_from_string

import cimc
from cimc import examples
from tests.passes.cases import CASES

CORPUS = Path(__file__).parent / "corpus"
BUNDLED = ("digits_plain.onnx", "digits_residual.onnx", "digits_plain_int8_qdq.onnx")
LANES = 3
MOST_ELEMENTS = 1 << 14
SYMBOLIC = 2

BASES = {
    "digits on puma": ("digits_plain.onnx", "puma"),
    "quantised on ideal": ("digits_plain_int8_qdq.onnx", "ideal"),
    "two inputs on isaac": ("two_inputs_of_two_sizes", "isaac"),
    "softmax on puma": ("softmax_of_a_concat", "puma"),
    "outputs on puma": ("two_outputs", "puma"),
    "digits in rounds": ("digits_plain.onnx", "atomlayer"),
}
"""Networks, bundled or of tests.passes.cases, and the targets they are compiled for."""


@cache
def corpus_networks() -> tuple[str, ...]:
    """The networks of the corpus, by path: what failed once may fail again a step further."""
    return tuple(sorted(str(path) for path in CORPUS.glob("*/*.onnx") if _is_model(path.read_bytes())))


def _is_model(content: bytes) -> bool:
    try:
        return bool(load_model_from_string(content).graph.node)
    except DecodeError:
        return False


@cache
def _bytes_of(name: str) -> bytes:
    if name in corpus_networks():
        return Path(name).read_bytes()
    if name.endswith(".onnx"):
        return examples.path(name).read_bytes()
    content: bytes = CASES[name]().SerializeToString()
    return content


def network(name: str) -> ModelProto:
    """A bundled network, one of the corpus or one of tests.passes.cases, to be changed."""
    return load_model_from_string(_bytes_of(name))


def npz(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """Arrays as a file."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def inputs_for(model: ModelProto, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Lanes for every input of a model, as far as its shapes and types allow. An axis 0 of 1 or of no known size is
    taken for a batch."""
    rng = np.random.default_rng(seed)
    initial = {tensor.name for tensor in model.graph.initializer}
    made: dict[str, np.ndarray[Any, Any]] = {}
    for value in model.graph.input:
        tensor = value.type.tensor_type
        known = [dim.dim_value if dim.HasField("dim_value") else SYMBOLIC for dim in tensor.shape.dim]
        if value.name in initial or any(not 0 <= size <= MOST_ELEMENTS for size in known):
            continue
        free = bool(tensor.shape.dim) and (known[0] == 1 or not tensor.shape.dim[0].HasField("dim_value"))
        shape = (LANES, *known[1:]) if free else (LANES, *known)
        if math.prod(shape) > MOST_ELEMENTS or tensor.elem_type not in _KINDS:
            continue
        drawn = rng.standard_normal(shape) * _KINDS[tensor.elem_type]
        made[value.name] = drawn.astype(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    return made


_KINDS: dict[int, int] = {
    TensorProto.FLOAT: 1, TensorProto.DOUBLE: 1, TensorProto.FLOAT16: 1, TensorProto.INT8: 40, TensorProto.UINT8: 40,
    TensorProto.INT16: 4000, TensorProto.UINT16: 4000, TensorProto.INT32: 40, TensorProto.INT64: 40,
    TensorProto.BOOL: 1,
}  # fmt: skip
"""How wide values of a type are drawn."""


@cache
def base_files(name: str) -> Mapping[str, bytes]:
    """A compiled program below net/, and inputs for it in input.npz."""
    network_name, target = BASES[name]
    model = network(network_name)
    arrays = inputs_for(model)
    with tempfile.TemporaryDirectory() as folder:
        cimc.compile(model, target=target, calibration=arrays).save(Path(folder) / "net")
        found = {f"net/{file.name}": file.read_bytes() for file in sorted((Path(folder) / "net").iterdir())}
    return {**found, "input.npz": npz(arrays)}
