"""External data: only what a tensor declares is read, and only from regular files."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cimc.base.diagnostics import CimcError
from cimc.frontends import onnx_file
from cimc.frontends.onnx_file import read_model

W = np.arange(12, dtype=np.float32).reshape(3, 4)


def saved(folder: Path, **entries: str) -> Path:
    """A model whose two weights lie in weights.bin; entries: changes of what is declared, None for one taken out."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Add", ["h", "v"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(W, "w"), numpy_helper.from_array(W[0], "v")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file = folder / "net.onnx"
    onnx.save(made, file, save_as_external_data=True, location="weights.bin", size_threshold=0)
    made = onnx.load(file, load_external_data=False)
    for entry in made.graph.initializer[0].external_data:
        entry.value = entries.get(entry.key, entry.value)
    file.write_bytes(made.SerializeToString())
    return file


def said(file: Path) -> list[str]:
    with pytest.raises(CimcError) as caught:
        read_model(file)
    return [d.what for d in caught.value.diagnostics]


def test_what_is_declared_is_read(tmp_path: Path) -> None:
    w, v = map(numpy_helper.to_array, read_model(saved(tmp_path)).graph.initializer)
    assert np.array_equal(w, W)
    assert np.array_equal(v, W[0])


KINDS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "link to itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_regular_files_are_read(tmp_path: Path, kind: str) -> None:
    file = saved(tmp_path)
    (tmp_path / "weights.bin").unlink()
    KINDS[kind](tmp_path / "weights.bin")
    whats = said(file)
    assert len(whats) == 2
    assert all(what.startswith('the external data "weights.bin" cannot be read: ') for what in whats)


@pytest.mark.parametrize(
    ("offset", "length"),
    [("0", "1000"), ("-1", "48"), ("0", "-1"), ("60", "48"), ("x", "48"), ("0", "4.5"), ("9" * 5000, "1")],
)
def test_what_is_declared_and_not_there(tmp_path: Path, offset: str, length: str) -> None:
    (what,) = said(saved(tmp_path, offset=offset, length=length))
    assert 'lie outside "weights.bin", which holds ' in what


def test_no_more_is_read_than_the_shape_takes(tmp_path: Path) -> None:
    file = saved(tmp_path, offset="0", length=str(1 << 39))
    os.truncate(tmp_path / "weights.bin", 1 << 40)  # a hole, which takes no room
    tracemalloc.start()
    try:
        (what,) = said(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert what == f'{1 << 39} bytes of "weights.bin" are declared; the shape takes 48 at most'
    assert peak < 8 << 20


def test_all_tensors_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = saved(tmp_path)
    monkeypatch.setattr(onnx_file, "EXTERNAL_LIMIT", 63)
    (what,) = said(file)
    assert "16 bytes of" in what
    monkeypatch.setattr(onnx_file, "EXTERNAL_LIMIT", 64)
    read_model(file)
