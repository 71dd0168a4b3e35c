"""Cells for the tests of this room: many alike, so that what is drawn for them has the distribution that it should."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.crossbar.chain import Chain, Programmed
from cimc.crossbar.device import NEW, PhysicalCells, Specimen, device_of
from cimc.crossbar.storage import Cells, Storage
from cimc.numerics.keys import Key
from cimc.target.device import DeviceKeys, WireKeys
from cimc.target.load import load_target
from cimc.target.model import Target

Floats = npt.NDArray[np.float64]
WRITE = Key(7).at(1, 2, 3, 0)
"""Of seed 7, tile 1, core 2, MVMU 3, the first write."""

ON, TOP = 30e-6, 3
"""Conductance at the highest level of two-bit cells: a step is 10 uS where nothing is off."""


def levels(values: Any, encoding: str = "differential") -> Cells:
    """Two-bit cells at levels (rows, columns), in one half and one slice."""
    array = np.asarray(values, np.uint8)[None, None]
    return Cells(Storage(encoding, False, 2), array, np.zeros((1, array.shape[3]), bool), 2 * (encoding == "offset"))


def target_with(device: dict[str, Any] | None = None, wires: dict[str, Any] | None = None, **parts: Any) -> Target:
    """`ideal` with such cells and wires."""
    cells = None if device is None else DeviceKeys(**({"on_conductance": ON} | device))
    return replace(load_target("ideal"), device=cells, wires=None if wires is None else WireKeys(**wires), **parts)


def cells_of(specimen: Specimen = NEW, wires: dict[str, Any] | None = None, **keys: Any) -> PhysicalCells:
    """A device with these keys."""
    found = device_of(target_with(keys, wires), specimen)
    assert isinstance(found, PhysicalCells)
    return found


def siemens(
    level: int, specimen: Specimen = NEW, write: Key = WRITE, shape: tuple[int, int] = (200, 200), **keys: Any
) -> Floats:
    """What cells at one level conduct, in S: (rows, columns)."""
    device = cells_of(specimen, **keys)
    found = device.program(levels(np.full(shape, level)), write).cells[0, 0]
    return found * device.step(TOP)


def programmed(target: Target, weights: Any, bits: int, specimen: Specimen = NEW) -> Programmed:
    """A matrix in a target's cells on one chip."""
    device = device_of(target, specimen)
    chain = Chain.of(target.crossbar, target.mvmu, device)
    return chain.program(np.asarray(weights, np.int64), bits, Key(specimen.seed).at(0, 0, 0, 0))
