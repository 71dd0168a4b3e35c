"""What some constructs become on crossbars, on tiles and in time, as text."""

from __future__ import annotations

import difflib

import pytest

from tests.passes.golden_stages import CHOSEN, FOLDER, PARTS, texts_of


@pytest.mark.parametrize("made", PARTS)
@pytest.mark.parametrize("name", CHOSEN)
def test_stages_are_the_golden_ones(name: str, made: str) -> None:
    golden = (FOLDER / f"{name}.{made}.txt").read_text(encoding="utf-8").splitlines()
    changed = difflib.unified_diff(golden, texts_of(name)[made].splitlines(), "golden", "now", lineterm="")
    assert "\n".join(changed) == "", "if it is meant: python -m tests.passes.golden_stages write"


def test_every_golden_text_has_its_stage() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {f"{name}.{made}.txt" for name in CHOSEN for made in PARTS}
