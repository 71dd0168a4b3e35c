"""Arrays from files that lie: each is refused in words, and nothing is unpacked or allocated that was not asked for."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cimc.base.diagnostics import CimcError
from cimc.driver import arrays
from cimc.driver.arrays import ONLY, read_arrays

X = np.arange(24, dtype=np.float32).reshape(4, 3, 2)


def npy(header: str, data: bytes = b"", version: tuple[int, int] = (1, 0), length: int | None = None) -> bytes:
    """The bytes of an .npy file with any header."""
    text = header.encode("latin1")
    form = "<H" if version[0] == 1 else "<I"
    return b"\x93NUMPY" + bytes(version) + struct.pack(form, len(text) if length is None else length) + text + data


def said(path: Path, first: int | None = None) -> str:
    with pytest.raises(CimcError) as caught:
        read_arrays(str(path), first)
    assert {d.code for d in caught.value.diagnostics} <= {"data.file", "data.size"}
    return str(caught.value)


def head(shape: object = (4, 3, 2), descr: object = "<f4", fortran: object = False) -> str:
    return repr({"descr": descr, "fortran_order": fortran, "shape": shape})


HEADERS: dict[str, str] = {
    "a brace that is not closed": "{'descr': '<f4', ",
    "a bracket that is not closed": "{'descr': ('<f4', 'fortran_order': False}",
    "a text that is not closed": "{'descr': '<f4",
    "indentation": "  {\n 'descr'\n:\t1",
    "a call": "__import__('os').getpid()",
    "a number": "3",
    "nothing": "",
    "a NUL": "{'descr': '<f4\0', 'fortran_order': False, 'shape': ()}",
    "many brackets": "(" * 900 + ")" * 900,
    "deep brackets": "[" * 4000,
    "a missing key": "{'descr': '<f4', 'shape': (4,)}",
    "a key more": "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'more': 1}",
    "keys that are no texts": "{1: 2, (): 3}",
    "a key without a hash": "{[]: 2}",
    "a digit too many": head()[:-1].replace("(4, ", f"({'9' * 5000}, ") + "}",
    "a negative size": head((-4, 3, 2)),
    "two negative sizes": head((-4, -3, 2)),
    "a size that is a truth": head((True, 24)),
    "a size that is a fraction": head((4.0, 6)),
    "a shape that is a list": head([4, 3, 2]),
    "a shape that is a number": head(24),
    "too many axes": head((1,) * 65 + (24,)),
    "no elements, but huge": head((0, 1 << 62)),
    "huge": head((1 << 62, 1 << 62)),
    "huge, and an axis of 0": head((1 << 62, 1 << 62, 0)),
    "an order that is a number": head(fortran=0),
    "no bytes an element": head(descr="|V0"),
    "no letters an element": head(descr="<U0"),
    "an array an element": head(descr="(2,3)<f4"),
    "an array an element, as a pair": head(descr=("<f4", (2,))),
    "records": head(descr=[("a", "<f4"), ("b", "<i4")]),
    "records of nothing": head(descr=[]),
    "fields": head(descr="f4,i4"),
    "a dictionary": head(descr={"names": ["a"], "formats": ["<f4"]}),
    "an unknown type": head(descr="<f3"),
    "a type that is a word": head(descr="float32"),
    "a type with code": head(descr="f4#'"),
    "a type without end": head(descr="<V9999999999999999999"),
    "dates of nothing": head(descr="<M8[parsecs]"),
    "objects": head(descr="|O"),
    "objects of a size": head(descr="<O8"),
    "an object and a number": head(descr=[("a", "|O")]),
    "no type": head(descr=None),
}


@pytest.mark.parametrize("form", ["npy", "npz"])
@pytest.mark.parametrize("case", HEADERS)
def test_headers_that_are_damaged(tmp_path: Path, case: str, form: str) -> None:
    path = tmp_path / f"x.{form}"
    content = npy(HEADERS[case], X.tobytes())
    if form == "npy":
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", content)
    said(path)
    said(path, 1)


@pytest.mark.parametrize("version", [(0, 0), (1, 1), (2, 7), (4, 0), (255, 255)])
def test_versions_that_are_not_known(tmp_path: Path, version: tuple[int, int]) -> None:
    (tmp_path / "x.npy").write_bytes(npy(head(), X.tobytes(), version))
    assert f"version {version[0]}.{version[1]} of the .npy format is not read" in said(tmp_path / "x.npy")


@pytest.mark.parametrize("length", [0, 5, 60_000, 4_000_000_000])
def test_a_header_of_another_length(tmp_path: Path, length: int) -> None:
    (tmp_path / "x.npy").write_bytes(npy(head(), X.tobytes(), (2, 0), length))
    said(tmp_path / "x.npy")


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize(
    "x", [X, X.astype(">f8"), X.astype(np.float16), X > 3, X.astype("<U3"), X[:0], X.astype(">i2")]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_is_right_is_read(tmp_path: Path, x: np.ndarray, version: tuple[int, int], order: str) -> None:
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array(file, np.asarray(x, order=order), version)  # type: ignore[call-overload]
    for first in (None, 1, 2, 99):
        found = read_arrays(str(tmp_path / "x.npy"), first)[ONLY]
        assert found.dtype == x.dtype
        assert np.array_equal(found, x[:first])


def test_a_header_of_python_2(tmp_path: Path) -> None:
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (4L, 3L, 2L), }\n"
    (tmp_path / "x.npy").write_bytes(npy(text, X.tobytes()))
    assert np.array_equal(read_arrays(str(tmp_path / "x.npy"))[ONLY], X)


def archive_of(tmp_path: Path, change: Callable[[bytearray], None], pack: bool = True) -> Path:
    content = io.BytesIO()
    (np.savez_compressed if pack else np.savez)(content, x=X)
    data = bytearray(content.getvalue())
    change(data)
    (tmp_path / "x.npz").write_bytes(data)
    return tmp_path / "x.npz"


def set_in_both_headers(data: bytearray, local: int, central: int, value: bytes) -> None:
    """Change a field of the one member, in its own header and in the list at the end."""
    start = data.index(b"PK\x01\x02")
    data[local : local + len(value)] = value
    data[start + central : start + central + len(value)] = value


def test_an_encrypted_member(tmp_path: Path) -> None:
    path = archive_of(tmp_path, lambda data: set_in_both_headers(data, 6, 8, b"\x01"))
    assert "it is encrypted, which is not read" in said(path)


@pytest.mark.parametrize("method", [1, 9, 12, 14, 95])
def test_a_member_packed_in_another_way(tmp_path: Path, method: int) -> None:
    path = archive_of(tmp_path, lambda data: set_in_both_headers(data, 8, 10, bytes([method, 0])))
    assert "numpy.savez does not use" in said(path)


def test_a_wrong_checksum(tmp_path: Path) -> None:
    def change(data: bytearray) -> None:
        data[data.index(X[1:].tobytes())] ^= 1

    assert "the array cannot be unpacked" in said(archive_of(tmp_path, change, pack=False))


def test_two_members_of_one_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for name in ("x.npy", "y.npy", "x"):
            archive.writestr(name, npy(head(), X.tobytes()))
    assert "more than one array of the name 'x'" in said(tmp_path / "x.npz")


def test_archives_that_are_damaged_anywhere(tmp_path: Path) -> None:
    """Every byte of a small archive changed, and every length of it: read or refused, never anything else."""
    content = io.BytesIO()
    np.savez_compressed(content, x=X, y=X[0])
    whole = content.getvalue()
    random_ = random.Random(0)
    damaged = [whole[:size] for size in range(0, len(whole), 3)]
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] = random_.choice([0, 255, changed[at] ^ 1 << random_.randrange(8), random_.randrange(256)])
        damaged.append(bytes(changed))
    refused = 0
    for data in damaged:
        (tmp_path / "x.npz").write_bytes(data)
        try:
            found = read_arrays(str(tmp_path / "x.npz"))
        except CimcError:
            refused += 1
        else:
            assert all(isinstance(array, np.ndarray) for array in found.values())
    assert refused > len(damaged) // 2


def bomb(path: Path, mib: int) -> None:
    """Zeros, which pack to a thousandth."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        header = npy(head((mib, 1 << 20), "|u1"))
        with archive.open("input.npy", "w") as stream:
            stream.write(header)
            for _ in range(mib):
                stream.write(bytes(1 << 20))


def peak(action: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_no_more_is_unpacked_than_the_first_lanes(tmp_path: Path) -> None:
    bomb(tmp_path / "x.npz", 64)
    assert (tmp_path / "x.npz").stat().st_size < 1 << 18
    found: dict[str, np.ndarray] = {}
    assert peak(lambda: found.update(read_arrays(str(tmp_path / "x.npz"), 2))) < 8 << 20
    assert found["input"].shape == (2, 1 << 20)
    np.save(tmp_path / "y.npy", np.zeros((64, 1 << 20), np.uint8))
    assert peak(lambda: found.update(read_arrays(str(tmp_path / "y.npy"), 2))) < 8 << 20
    assert found[ONLY].shape == (2, 1 << 20)


def test_more_than_memory_holds_is_refused_before_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb(tmp_path / "x.npz", 64)
    monkeypatch.setattr(arrays, "LIMIT", 32 << 20)
    assert peak(lambda: said(tmp_path / "x.npz")) < 8 << 20
    assert said(tmp_path / "x.npz") == (
        f"error[data.size]: the arrays would take {64 << 20} bytes of memory; at most {32 << 20} are read\n"
        f"  at {tmp_path / 'x.npz'}\n  help: give fewer lanes (--limit N), or a file with fewer"
    )
    assert read_arrays(str(tmp_path / "x.npz"), 2)["input"].shape == (2, 1 << 20)


def test_a_list_of_members_without_end(tmp_path: Path) -> None:
    """The end of an archive says how long the list of members is, and so much would be read at once."""
    size = 40 << 20
    with (tmp_path / "x.npz").open("wb") as file:
        file.truncate(size)
        file.seek(size)
        file.write(struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, size, 0, 0))
    assert peak(lambda: said(tmp_path / "x.npz")) < 8 << 20


def test_lanes_that_do_not_agree_are_seen_with_a_limit_too(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=X, b=X[:3])
    with pytest.raises(CimcError, match=r'number of lanes: "a" holds 4, "b" holds 3'):
        read_arrays(str(tmp_path / "x.npz"), 1)
