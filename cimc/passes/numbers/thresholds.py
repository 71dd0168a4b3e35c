"""Where to cut a tensor's range: histograms, percentiles and the least Kullback-Leibler divergence.

The definitions are those of onnxruntime.quantization.calibrate (HistogramCollector: collect_value, compute_percentile,
get_entropy_threshold), which a test holds them to; the entropy method is Migacz, "8-bit inference with TensorRT"
(GTC 2017, s7310). One thing differs: onnxruntime's EntropyCalibrater starts with 128 bins, which leaves a single
candidate; BINS is what its PercentileCalibrater and TensorRT use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BINS = 2048
QUANTISED_BINS = 128
SMOOTHING = 0.0001

Counts = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float32]


@dataclass(slots=True)
class Histogram:
    """Counts in BINS equal bins from -threshold to threshold; low, high: the extremes."""

    low: float
    high: float
    counts: Counts

    @classmethod
    def between(cls, low: float, high: float) -> Histogram:
        """An empty histogram for values from low to high."""
        return cls(low, high, np.zeros(BINS, np.int64))

    @property
    def threshold(self) -> float:
        """The largest magnitude."""
        return max(abs(self.low), abs(self.high))

    @property
    def edges(self) -> npt.NDArray[np.float64]:
        """Edges of the bins, (BINS + 1,)."""
        return np.linspace(-self.threshold, self.threshold, BINS + 1)

    def add(self, values: npt.NDArray[Any]) -> None:
        """Count values."""
        if self.threshold:
            wide = values.astype(np.float64)  # differences of float32 values may be beyond float32
            self.counts += np.histogram(wide, BINS, (-self.threshold, self.threshold))[0]

    def within(self, low: float, high: float) -> tuple[float, float]:
        """A range, no wider than the extremes."""
        return max(low, self.low), min(high, self.high)


def percentile_range(histogram: Histogram, percentile: float) -> tuple[float, float]:
    """The range that keeps `percentile` percent of the values, half of the rest cut off at either end."""
    if not histogram.threshold:
        return histogram.low, histogram.high
    share = np.cumsum(histogram.counts / histogram.counts.sum())
    cut = (100.0 - percentile) / 200.0
    right = int(np.searchsorted(share, 1.0 - cut))
    left = int(np.searchsorted(share, cut))
    return histogram.within(float(histogram.edges[left]), float(histogram.edges[right]))


def entropy_range(histogram: Histogram) -> tuple[float, float]:
    """The symmetric range whose values, in QUANTISED_BINS steps, tell most of the original distribution."""
    if not histogram.threshold:
        return histogram.low, histogram.high
    middle, half = BINS // 2, QUANTISED_BINS // 2
    spans = [(middle - i, min(middle + i + 1, BINS)) for i in range(half, middle + 1)]
    left, right = min(spans, key=lambda span: _divergence(histogram.counts, *span))
    return histogram.within(float(histogram.edges[left]), float(histogram.edges[right]))


def _divergence(counts: Counts, start: int, end: int) -> float:
    """Divergence of bins start .. end in QUANTISED_BINS steps from the same bins with all outliers at their ends."""
    kept = counts[start:end]
    reference = kept.copy()
    reference[0] += counts[:start].sum()
    reference[-1] += counts[end:].sum()
    together = kept.size // QUANTISED_BINS
    whole = together * QUANTISED_BINS
    steps = kept[:whole].reshape(QUANTISED_BINS, together).sum(axis=1)
    steps[-1] += kept[whole:].sum()
    filled = (reference[:whole] != 0).reshape(QUANTISED_BINS, together).sum(axis=1)
    spread = np.zeros(kept.size, np.int64)
    spread[:whole] = np.repeat(steps // np.maximum(filled, 1) * (filled > 0), together)
    p, q = _smooth(reference), _smooth(spread)
    if p is None or q is None:
        return float(np.inf)
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum(p * np.log(p / q)))


def _smooth(counts: Counts) -> Reals | None:
    """Counts with a little moved from the filled to the empty bins; None where there is too little to move."""
    empty = counts == 0
    if empty.all():
        return None
    taken = SMOOTHING * float(empty.sum()) / float((~empty).sum())
    smooth = counts.astype(np.float32) + np.where(empty, SMOOTHING, -taken).astype(np.float32)
    return smooth if taken < 1 else None
