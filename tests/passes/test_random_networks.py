"""Random networks end to end: refused with a message, or right."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, event, given, settings
from onnx import ModelProto

from cimc.base.diagnostics import CimcError
from cimc.target.model import Target
from tests.laws.digits import varied
from tests.passes.end_to_end import IDEAL, PUMA, run_case
from tests.passes.random_networks import networks

CROWDED = varied(PUMA, tile={"cores": 2}, crossbar={"rows": 32, "columns": 16})
"""puma with small crossbars and tiles: partial sums, column groups and transfers everywhere."""

FLOOR = {"ideal": 15.0, "puma": 40.0, "crowded": 40.0}
"""Decibels, far below those of single constructs: up to nine roundings follow each other here, and a difference of two
nearly equal maps keeps their noise without their signal. A wrong element in a hundred leaves 20 dB on puma."""


@pytest.mark.parametrize("name", ["ideal", "puma", "crowded"])
@given(model=networks())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_right_or_refused(name: str, model: ModelProto) -> None:
    target: Target = {"ideal": IDEAL, "puma": PUMA, "crowded": CROWDED}[name]
    try:
        outcome = run_case(model, target, lanes=3)
    except CimcError as refused:
        codes = {d.code for d in refused.diagnostics}
        assert codes <= {"lower.unsupported", "place.memory", "code.registers"}, str(refused)
        event("refused")
        return
    event("right")
    assert outcome.mismatches == 0, str(outcome.first)
    assert min(outcome.snr.values()) >= FLOOR[name], dict(outcome.snr)
