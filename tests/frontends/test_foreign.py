"""Calls of other packages' code: what they raise, and what ends their process, is one error that is caught."""

from __future__ import annotations

import os
import sys
import warnings

import pytest

from cimc.frontends.foreign import ForeignError, foreign, foreign_apart


def answer(text: str) -> bytes:
    return text.encode() * 100_000


def shout() -> bytes:
    os.write(2, b"assertion failed")
    os.abort()


def refuse() -> bytes:
    warnings.warn("look out", stacklevel=1)
    raise LookupError("no such thing\nand more")


def test_what_is_made_apart_comes_back_whole() -> None:
    assert foreign_apart(answer, "ab") == b"ab" * 100_000


@pytest.mark.parametrize("call", [foreign, foreign_apart])
def test_what_is_raised_is_one_line(call: object) -> None:
    assert callable(call)
    with pytest.raises(ForeignError, match=r"^no such thing$"):
        call(refuse)


@pytest.mark.skipif(sys.platform != "linux", reason="calls are made apart on Linux")
def test_code_that_ends_its_process_ends_no_other(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ForeignError, match="without an answer"):
        foreign_apart(shout)
    assert capfd.readouterr() == ("", "")
