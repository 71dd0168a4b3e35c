"""Files are looked at before they are opened: a device may do something when it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cimc.base.reading import inputs_read, noting_inputs, open_regular, read_bytes


def test_what_is_no_regular_file_is_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")

    def opened(*_: object) -> int:
        raise AssertionError("it was opened")

    monkeypatch.setattr(os, "open", opened)
    for path in (tmp_path / "pipe", "/dev/null", tmp_path):
        with pytest.raises(OSError):
            open_regular(path)


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert read_bytes(tmp_path / "x", 5) == b"12345"
    with pytest.raises(OSError) as caught:
        read_bytes(tmp_path / "x", 4)
    assert caught.value.strerror == "it holds 5 bytes; at most 4 are read"


def test_inputs_are_noted_inside_only(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    read_bytes(tmp_path / "x", 5)
    assert inputs_read() == set()
    with noting_inputs():
        read_bytes(tmp_path / "x", 5)
        assert inputs_read() == {(os.stat(tmp_path / "x").st_dev, os.stat(tmp_path / "x").st_ino)}
        with noting_inputs():
            assert inputs_read() == set()
    assert inputs_read() == set()
