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


@pytest.mark.slow
@pytest.mark.parametrize("calibrated", [False, True])
def test_a_large_picture(calibrated: bool, tmp_path: Path) -> None:
    """4 million pixels, 16 MiB a map in float32: at most 1,000 MiB, besides the 256 MiB of 16 pictures to calibrate."""
    size = 2048
    made = model(
        [node("Conv", "x w", pads=[1, 1, 1, 1])], {"x": [1, 1, size, size]}, {"w": np.ones((1, 1, 3, 3), np.float32)}
    )
    (tmp_path / "net.onnx").write_bytes(made.SerializeToString())
    words = [str(tmp_path / "net.onnx"), "--target", "puma", "-o", str(tmp_path / "net")]
    if calibrated:
        np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).random((16, 1, size, size), np.float32))
        words += ["--calibration", str(tmp_path / "x.npz")]
    done = subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True, check=True)
    code, kibibytes = map(int, done.stdout.split())
    print(f"{kibibytes >> 10} MiB")
    assert code == 0
    assert kibibytes >> 10 <= 1000 + (256 if calibrated else 0)
