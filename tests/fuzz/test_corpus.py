"""Everything that ever failed is right or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.bases import CORPUS
from tests.fuzz.example import Example, load
from tests.fuzz.judge import judge

ENTRIES = sorted(folder.name for folder in CORPUS.iterdir())
MOST_BYTES = 200_000


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_failed_once(entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    example = load(CORPUS / entry)
    example.lay_out(tmp_path)
    findings, codes = judge(example, tmp_path)
    assert not findings
    assert len(codes) == len(example.commands)


def test_the_corpus_stays_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < MOST_BYTES


def test_an_example_is_kept_whole(tmp_path: Path) -> None:
    example = Example((("disasm", "a b"), ("time", "net")), {"a b": b"\0", "net/x.toml": b"x"}, "digits on puma")
    example.keep(tmp_path)
    assert load(tmp_path) == example
