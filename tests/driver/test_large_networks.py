"""Networks for 224x224 inputs on several chips: copies, places and timing in bounded time and memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks import networks
from benchmarks.large_networks import MVMUS, measured
from cimc.driver.options import CompileOptions
from cimc.driver.verify import verify_network
from tests.driver.fastest import slowness

SECONDS, GIB = 60, 6


@pytest.mark.slow
@pytest.mark.parametrize("name", MVMUS)
def test_large_networks_compile_with_copies_and_time_within_a_minute(name: str) -> None:
    found = measured(name, MVMUS[name])
    assert found["seconds"] < SECONDS * slowness(), found["steps"]  # processor time of one process
    assert found["gib"] < GIB
    assert found["chips"] > 1
    before, after = found["hops"]
    assert after < before
    # Copies pay: one copy of every layer takes 137 ms (VGG-16) and 29 ms (ResNet-50) an input.
    assert found["interval"] < {"vgg16": 0.137, "resnet50": 0.029}[name] / 5


@pytest.mark.slow
def test_resnet50_on_two_chips_equals_its_reference_bit_for_bit(tmp_path: Path) -> None:
    """Partial sums in trees, relays, copies that share rows, and ways between chips, all in one program."""
    onnx.save(networks.resnet50(), tmp_path / "resnet50.onnx")
    data = {"x": np.random.default_rng(1).standard_normal((1, 3, 224, 224)).astype(np.float32)}
    options = CompileOptions(target="puma", mvmus=MVMUS["resnet50"], chips=2)
    found = verify_network(tmp_path / "resnet50.onnx", data, options)
    assert found.mismatches == 0
    assert found.snr_db is not None and found.snr_db > 60  # 73.4 dB against onnxruntime
