"""How much memory a large picture takes to compile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.frontends.against_onnxruntime import model, node

CODE = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "cimc", "compile", *sys.argv[1:]], capture_output=True, text=True)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
SIZE = 2048
MOST = 500


@pytest.mark.slow
@pytest.mark.parametrize("target", ["ideal", "puma"])
@pytest.mark.parametrize(("inputs", "outputs", "lanes"), [(3, 1, 1), (3, 8, 1), (1, 1, 16), (1, 1, 0)])
def test_a_large_picture(inputs: int, outputs: int, lanes: int, target: str, tmp_path: Path) -> None:
    """4 million pixels, 16 MiB a channel in float32: at most MOST MiB, the input to calibrate with among them, and what
    more of such inputs take. Without data two are drawn at random."""
    weights = np.random.default_rng(0).standard_normal((outputs, inputs, 3, 3)).astype(np.float32)
    conv = node("Conv", "x w", pads=[1, 1, 1, 1])
    made = model([conv], {"x": [1, inputs, SIZE, SIZE]}, {"w": weights})
    (tmp_path / "net.onnx").write_bytes(made.SerializeToString())
    words = [str(tmp_path / "net.onnx"), "--target", target, "-o", str(tmp_path / "net")]
    if lanes:
        pictures = np.random.default_rng(1).random((lanes, inputs, SIZE, SIZE), np.float32)
        np.savez(tmp_path / "x.npz", x=pictures)
        words += ["--calibration", str(tmp_path / "x.npz")]
    done = subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True, check=True)
    code, kibibytes = map(int, done.stdout.split())
    print(f"{kibibytes >> 10} MiB")
    assert code == 0
    assert kibibytes >> 10 < MOST + 16 * inputs * max(0, lanes - 1)
