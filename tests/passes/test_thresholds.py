"""The calibration methods are onnxruntime's."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from onnxruntime.quantization.calibrate import HistogramCollector

from cimc.frontends.onnx_loader import load_onnx
from cimc.ir.lanes import lanes_of
from cimc.passes.numbers import calibrate
from cimc.passes.numbers.calibrate import PERCENTILE, measure_ranges
from cimc.passes.numbers.thresholds import BINS, QUANTISED_BINS, Histogram, entropy_range, percentile_range
from tests.cli.commands import CALIBRATION, DIGITS

DICE = np.random.default_rng(0)
SAMPLES = {
    "normal": DICE.standard_normal(20_000),
    "after relu": np.maximum(DICE.standard_normal(20_000), 0),
    "heavy tail": DICE.exponential(size=5_000) ** 3,
    "few values": np.repeat([1.0, 2.0, 3.0, 50.0], 300),
    "negative": -DICE.exponential(size=3_000),
}


def theirs(method: str, values: np.ndarray) -> tuple[float, float]:
    collector = HistogramCollector(method, False, BINS, QUANTISED_BINS, PERCENTILE, "same")
    with contextlib.redirect_stdout(io.StringIO()):
        collector.collect({"x": values})
        low, high = collector.compute_collection_result()["x"][:2]
    return float(low), float(high)


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("method", ["percentile", "entropy"])
def test_ranges_are_those_of_onnxruntime(sample: str, method: str) -> None:
    values = SAMPLES[sample].astype(np.float32)
    histogram = Histogram.between(float(values.min()), float(values.max()))
    histogram.add(values)
    found = percentile_range(histogram, PERCENTILE) if method == "percentile" else entropy_range(histogram)
    # Theirs are float32; the same bin was chosen if they agree to far less than the width of one.
    assert found == pytest.approx(theirs(method, values), abs=histogram.threshold / BINS / 100)


def test_a_constant_zero_has_the_range_zero() -> None:
    histogram = Histogram.between(0.0, 0.0)
    histogram.add(np.zeros(10))
    assert percentile_range(histogram, PERCENTILE) == entropy_range(histogram) == (0.0, 0.0)


@pytest.mark.parametrize("method", calibrate.METHODS)
def test_the_size_of_chunks_does_not_matter(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = load_onnx(DIGITS)
    with np.load(CALIBRATION) as data:
        lanes = lanes_of(graph, {"input": data["input"][:40]})
    names = [node.output for node in graph.nodes]
    at_once = measure_ranges(graph, names, lanes, method)
    monkeypatch.setattr(calibrate, "CHUNK", 40)
    again = measure_ranges(graph, names, lanes, method)
    for name, found in at_once.items():
        assert again[name] == pytest.approx(found, rel=1e-5)  # float32 sums in another order
    assert all(low <= high for low, high in at_once.values())
