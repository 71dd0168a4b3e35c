"""One chip of its kind, and what it has been through: what a run is told beside the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cimc.crossbar.storage import Floats

Place = tuple[int, ...]
"""Tile, core, MVMU: as the key of a write names them."""


class Measured(NamedTuple):
    """Conductances of an MVMU in S: cells (signs, slices, rows, columns) and the unit column, (rows, 1); None for what
    is not known, or not there."""

    cells: Floats | None
    unit: Floats | None


@dataclass(frozen=True, slots=True)
class Specimen:
    """seed: of all that is drawn. seconds: since programming. reads: that every row has borne since then; writes: that
    every cell has borne in its life, this one not counted.

    measured: what cells conduct, by place, instead of what a write would give. faults: int8 (signs, slices, rows,
    columns) by place, 1 stuck on, -1 stuck off, 0 good, instead of faults at random.
    """

    seed: int = 0
    seconds: float = 0.0
    reads: int = 0
    writes: int = 0
    measured: Mapping[Place, Measured] = field(default_factory=dict)
    faults: Mapping[Place, npt.NDArray[np.int8]] = field(default_factory=dict)


NEW = Specimen()
"""A chip that has just been programmed."""
