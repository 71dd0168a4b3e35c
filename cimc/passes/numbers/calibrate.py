"""calibrate: the range of every tensor that needs a number format, measured on the float Graph with the user's data.

minmax takes the smallest and largest value; percentile and entropy cut rare extremes off
(cimc.passes.numbers.thresholds). Ends of ranges are rounded to RANGE_BITS significant bits, so that the last bits of a
float32 sum, which may differ from one processor to the next, do not get into a program.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.base.diagnostics import CimcError, Diagnostic, Place
from cimc.ir.evaluate import evaluate
from cimc.ir.graph import Graph
from cimc.passes.numbers.thresholds import Histogram, entropy_range, percentile_range

CHUNK = 16
"""Lanes evaluated at once, at most."""

CHUNK_VALUES = 1 << 24
"""Elements of one tensor that are evaluated at once, unless a single lane has more."""

METHODS = ("minmax", "percentile", "entropy")
"""How a range may be chosen."""

PERCENTILE = 99.999
"""Share of the values, in percent, that the percentile method keeps."""

RANGE_BITS = 16
"""Significant bits of an end of a range."""

SAME = 2.0**-20
"""Relative distance within which values are taken for the same: one that is so little above a rounded end is cut."""

Data = Mapping[str, npt.NDArray[Any]]
Ranges = dict[str, tuple[float, float]]


def measure_ranges(graph: Graph, names: Iterable[str], data: Data, method: str = "minmax") -> Ranges:
    """(low, high) of the named tensors. data: lanes of every network input, (lanes, *shape). method: of METHODS.

    percentile and entropy look at the data twice: for the extremes, then for a histogram between them. So the result
    does not depend on CHUNK.
    """
    assert method in METHODS, f"calibration method {method!r}"
    wanted = {name for name in names if name in graph.tensors}
    extremes = _extremes(graph, wanted, data)
    endless = sorted(name for name in extremes if not np.isfinite(extremes[name]).all())
    if endless:
        todo = "give calibration data for which the network's values are finite"
        what = 'the values of "{}" are not all finite on the calibration data, so no number format holds them'
        raise CimcError([Diagnostic("calibration.range", what.format(n), Place(item=n), todo) for n in endless])
    extremes = {name: rounded(*ends) for name, ends in extremes.items()}
    if method == "minmax":
        return extremes
    histograms = {name: Histogram.between(*extremes[name]) for name in sorted(wanted)}
    for values in _values(graph, wanted, data):
        for name, histogram in histograms.items():
            histogram.add(values[name])
    if method == "percentile":
        return {name: rounded(*percentile_range(histogram, PERCENTILE)) for name, histogram in histograms.items()}
    return {name: rounded(*entropy_range(histogram)) for name, histogram in histograms.items()}


def rounded(low: float, high: float) -> tuple[float, float]:
    """A range whose ends have RANGE_BITS significant bits, rounded away from zero but for SAME."""
    return _away(low), _away(high)


def _away(end: float) -> float:
    mantissa, exponent = math.frexp(end)
    steps = math.ceil(abs(mantissa) * (1 - SAME) * (1 << RANGE_BITS))
    return math.copysign(math.ldexp(steps, exponent - RANGE_BITS), end)


def _extremes(graph: Graph, wanted: set[str], data: Data) -> Ranges:
    found: Ranges = {}
    for values in _values(graph, wanted, data):
        for name in wanted:
            low, high = float(values[name].min()), float(values[name].max())
            old = found.get(name, (np.inf, -np.inf))
            found[name] = (float(np.minimum(old[0], low)), float(np.maximum(old[1], high)))
    return found


def _values(graph: Graph, wanted: set[str], data: Data) -> Iterator[Data]:
    """The tensors' values, CHUNK lanes after CHUNK lanes."""
    lanes = len(next(iter(data.values())))
    largest = max(math.prod(tensor.shape) for tensor in graph.tensors.values())
    chunk = max(1, min(CHUNK, CHUNK_VALUES // max(1, largest)))
    for start in range(0, lanes, chunk):
        part = {name: array[start : start + chunk] for name, array in data.items()}
        yield {**part, **evaluate(graph, part, wanted)}
