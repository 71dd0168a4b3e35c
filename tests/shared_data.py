"""The real networks and labelled data beside the checkout; tests that need them skip where they are missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
"""The data folder beside the project."""

MODELS = SHARED / "models"


def require(path: Path) -> Path:
    """`path`, or a skip with its reason; with CIMC_REQUIRE_DATA=1 a failure, so that CI cannot skip unseen."""
    if not path.exists():
        reason = f"{path.name} is not there (the data sets lie beside the checkout, in {SHARED})"
        if os.environ.get("CIMC_REQUIRE_DATA") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
