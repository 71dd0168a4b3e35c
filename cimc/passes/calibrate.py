"""calibrate: the range of every tensor that needs a number format, measured on the float Graph with the user's data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.ir.evaluate import evaluate
from cimc.ir.graph import Graph

CHUNK = 16  # lanes evaluated at once


def measure_ranges(
    graph: Graph, names: Iterable[str], data: Mapping[str, npt.NDArray[Any]]
) -> dict[str, tuple[float, float]]:
    """(smallest, largest) value of the named tensors. data: lanes of every network input, (lanes, *shape)."""
    wanted = {name for name in names if name in graph.tensors}
    lanes = len(next(iter(data.values())))
    found: dict[str, tuple[float, float]] = {}
    for start in range(0, lanes, CHUNK):
        part = {name: array[start : start + CHUNK] for name, array in data.items()}
        values = {**part, **evaluate(graph, part, wanted)}
        for name in wanted:
            low, high = float(values[name].min()), float(values[name].max())
            old = found.get(name, (np.inf, -np.inf))
            found[name] = (min(old[0], low), max(old[1], high))
    return found
