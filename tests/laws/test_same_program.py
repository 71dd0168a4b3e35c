"""The same command gives the same bytes, whatever BLAS, its number of threads and its kernels for a processor."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cimc import examples
from tests.frontends.test_real_networks import real_inputs
from tests.shared_data import MODELS, require

SETTINGS = (
    {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"},
    {"OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell"},
    {"OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "SkylakeX"},
    {"OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Sandybridge"},
)
"""OPENBLAS_CORETYPE chooses the kernels of a processor; one that this processor has not falls back to its own."""


def programs(model: Path, target: str, calibration: Path, folder: Path, *more: str) -> set[str]:
    """Digests of program and weights, one compile for each of SETTINGS."""
    found = set()
    for number, setting in enumerate(SETTINGS):
        place = folder / f"{target}{number}"
        command = [sys.executable, "-m", "cimc", "compile", model, "--target", target, "--calibration", calibration]
        subprocess.run([*command, "-o", place, *more], check=True, capture_output=True, env={**os.environ, **setting})
        files = (place / "program.cimb").read_bytes() + (place / "weights.npz").read_bytes()
        found.add(hashlib.sha256(files).hexdigest())
    return found


@pytest.mark.parametrize("method", ["minmax", "entropy"])
def test_a_bundled_network(method: str, tmp_path: Path) -> None:
    model, data = examples.path("digits_residual.onnx"), examples.path("digits_calibration.npz")
    assert len(programs(model, "puma", data, tmp_path, "--calibration-method", method)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("target", ["ideal", "puma"])
@pytest.mark.parametrize(
    ("network", "lanes"),
    [("mnist_lenet5x5_b-rram", 64), ("cifar10_resnet20", 16), ("squeezenet1.0-deepcompressed", 2)],
)
def test_a_real_network(network: str, lanes: int, target: str, tmp_path: Path) -> None:
    model = require(MODELS / f"{network}.onnx")
    name, x = real_inputs(network, lanes)
    np.savez(tmp_path / "calibration.npz", **{name: x})
    assert len(programs(model, target, tmp_path / "calibration.npz", tmp_path)) == 1
