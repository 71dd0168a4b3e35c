"""The layers that each construct becomes, as text: a fusion that silently stops is seen here."""

from __future__ import annotations

import difflib

import pytest

from cimc.passes.lower.fusion_group import FusionGroup
from cimc.passes.lower.state import Lowering
from tests.passes.cases import CASES
from tests.passes.golden_layers import FOLDER, text_of


def difference(name: str) -> str:
    """How the layers of a construct differ from the golden text; "" where they do not."""
    golden = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    return "\n".join(
        difflib.unified_diff(golden.splitlines(), text_of(name).splitlines(), "golden", "now", lineterm="")
    )


@pytest.mark.parametrize("name", CASES)
def test_layers_are_the_golden_ones(name: str) -> None:
    assert difference(name) == "", "if it is meant: python -m tests.passes.golden_layers write"


def test_every_golden_text_has_its_construct() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(CASES)


def test_a_fusion_that_stops_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switched off by hand: gains that fold into constants, then all that a layer absorbs."""
    monkeypatch.setattr(FusionGroup, "scale_by", lambda *_: False)
    assert difference("batch_norm_twice_behind") and sum(difference(name) != "" for name in CASES) > 10
    monkeypatch.setattr(Lowering, "open_group", lambda *_: None)
    assert difference("residual") and sum(difference(name) != "" for name in CASES) > 40
