"""Networks for 224x224 inputs on several chips: copies, places and timing in bounded time and memory."""

from __future__ import annotations

import pytest

from benchmarks.large_networks import MVMUS, measured

SECONDS, GIB = 60, 6


@pytest.mark.slow
@pytest.mark.parametrize("name", MVMUS)
def test_large_networks_compile_with_copies_and_time_within_a_minute(name: str) -> None:
    found = measured(name, MVMUS[name])
    assert found["seconds"] < SECONDS, found["steps"]  # processor time of one process, whatever else runs
    assert found["gib"] < GIB
    assert found["chips"] > 1
    before, after = found["hops"]
    assert after < before
    # Copies pay: one copy of every layer takes 137 ms (VGG-16) and 29 ms (ResNet-50) an input.
    assert found["interval"] < {"vgg16": 0.137, "resnet50": 0.029}[name] / 5
