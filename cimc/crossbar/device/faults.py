"""Cells that are stuck: by rates, from a map, or worn out. They conduct on_conductance or off_conductance whatever is
written into them, and do not drift."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cimc.crossbar.device.drift import worn_out
from cimc.crossbar.device.levels import STUCK, Places
from cimc.crossbar.device.specimen import Specimen
from cimc.target.device import DeviceKeys

States = npt.NDArray[np.int8]
"""1 stuck on, -1 stuck off, 0 good."""


def faults_of(
    device: DeviceKeys, endurance: int | None, specimen: Specimen, places: Places, known: States | None
) -> States | None:
    """The state of cells, or None where all are good. endurance: writes that a cell bears, where the target says it;
    known: of a map."""
    found = known
    if known is None and (device.stuck_on or device.stuck_off):
        lot = places.lot(STUCK)
        found = np.where(lot < device.stuck_on, 1, np.where(lot > 1 - device.stuck_off, -1, 0)).astype(np.int8)
    if endurance is not None and specimen.writes:
        worn = worn_out(device, endurance, places, specimen.writes)
        state = np.int8(1 if device.worn == "stuck on" else -1)
        found = np.where(worn, state, np.int8(0) if found is None else found)
    return found
