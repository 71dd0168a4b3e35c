from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cimc.base.diagnostics import CimcError
from cimc.driver import arrays
from cimc.driver.arrays import ONLY, named, read_arrays, write_arrays

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def message(path: Path) -> str:
    with pytest.raises(CimcError) as caught:
        read_arrays(str(path))
    return str(caught.value)


@pytest.mark.parametrize("x", [X, X.astype(np.uint8), np.asfortranarray(X), X[:, :0], np.int64(3) + np.zeros(())])
@pytest.mark.parametrize("packed", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path: Path, x: np.ndarray, packed: object) -> None:
    assert callable(packed)
    packed(tmp_path / "x.npz", a=x, b=X)
    found = read_arrays(str(tmp_path / "x.npz"))
    assert list(found) == ["a", "b"]
    assert found["a"].dtype == x.dtype
    assert np.array_equal(found["a"], x)


def test_one_array_takes_the_name_of_the_one_input(tmp_path: Path) -> None:
    path = str(tmp_path / "x.npy")
    np.save(path, X)
    found = read_arrays(path)
    assert list(found) == [ONLY]
    assert list(named(found, ("image",), path)) == ["image"]
    with pytest.raises(CimcError, match=r"an \.npy file holds one array; the network has 2 inputs"):
        named(found, ("a", "b"), path)


def test_what_is_written_is_read_and_always_the_same(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        write_arrays(tmp_path / name, {"x": X, "out/y:0": X[0]})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as found:
        assert np.array_equal(found["x"], X)
        assert np.array_equal(found["out/y:0"], X[0])


@pytest.mark.parametrize("name", ["x.npz", "x.npy"])
def test_pickled_objects_are_refused(tmp_path: Path, name: str) -> None:
    objects = np.array([{}, 1], dtype=object)
    if name.endswith("z"):
        np.savez(tmp_path / name, a=objects)
    else:
        np.save(tmp_path / name, objects)
    assert "it holds pickled Python objects, which are not read: they could run code" in message(tmp_path / name)


@pytest.mark.parametrize("keep", [0, 1, 7, 60, 100, 140, 200])
@pytest.mark.parametrize("name", ["x.npz", "x.npy"])
def test_a_file_cut_short_is_refused(tmp_path: Path, name: str, keep: int) -> None:
    path = tmp_path / name
    if name.endswith("z"):
        np.savez(path, a=X)
    else:
        np.save(path, X)
    path.write_bytes(path.read_bytes()[:keep])
    assert message(path).startswith("error[data.file]: ")


def test_a_damaged_member_is_named_with_all_others(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", b"not an array")
        archive.writestr("b.npy", b"nor this")
    said = message(tmp_path / "x.npz")
    assert 'x.npz, array "a"' in said
    assert 'x.npz, array "b"' in said


def test_a_header_that_promises_more_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f4", "fortran_order": False, "shape": (1 << 20, 1 << 10)})
    (tmp_path / "x.npy").write_bytes(content.getvalue() + b"\0" * 64)
    assert f"its header announces {1 << 32} bytes and 64 are there" in message(tmp_path / "x.npy")
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(huge, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)})
    (tmp_path / "y.npy").write_bytes(huge.getvalue())
    assert f"at most {arrays.LIMIT} are read" in message(tmp_path / "y.npy")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(1 << 20, np.uint8))
    monkeypatch.setattr(arrays, "LIMIT", 1 << 16)
    assert message(tmp_path / "x.npz").startswith("error[data.size]: the arrays would take ")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert "there is no such file" in message(tmp_path / "x.npz")
    assert "it can't be read" in message(tmp_path)
