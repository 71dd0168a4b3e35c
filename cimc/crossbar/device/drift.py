"""What time, reads and writes make of conductances.

Drift, t seconds after programming, from t0 = drift_start on:  G(t) = G (t / t0)^-nu, nu ~ Normal(drift_exponent,
drift_spread), drawn once for a write of a cell. Of phase-change cells (Joshi et al., Nature Communications 2020), with
g = G / 25 uS: the mean of nu is -0.0155 ln g + 0.0244, cut to 0.049 .. 0.1, its deviation -0.0125 ln g - 0.0059, cut
to 0.008 .. 0.045.

Read disturb, after N reads, which all have the polarity of a set pulse:  G1 - (G1 - G) (1 - read_disturb)^N, with G1 =
on_conductance.

Wear: a cell bears endurance * exp(endurance_spread n) writes, n for its life; beyond them it is stuck.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cimc.crossbar.device.levels import DRIFT, ENDURANCE, Places
from cimc.crossbar.device.writing import PCM_FULL
from cimc.crossbar.storage import Floats
from cimc.target.device import DeviceKeys

LEAST = 1e-12
"""A share of the full conductance below which the logarithms of the laws are those of this share."""


def drifted(written: Floats, device: DeviceKeys, places: Places, seconds: float) -> Floats:
    """What cells conduct so many seconds after they were written."""
    drifts = device.drift_exponent or device.drift_spread or device.drift_law == "pcm"
    if not drifts or seconds <= device.drift_start:
        return written
    mean, spread = np.asarray(device.drift_exponent), np.asarray(device.drift_spread)
    if device.drift_law == "pcm":
        log = np.log(np.maximum(written / PCM_FULL, LEAST))
        mean = np.clip(-0.0155 * log + 0.0244, 0.049, 0.1)
        spread = np.clip(-0.0125 * log - 0.0059, 0.008, 0.045)
    nu = mean + spread * places.for_write(DRIFT)
    return np.asarray(written * (seconds / device.drift_start) ** -nu)


def disturbed(conductances: Floats, device: DeviceKeys, reads: int) -> Floats:
    """What cells conduct after so many reads."""
    if not device.read_disturb or not reads:
        return conductances
    full = device.on_conductance
    return np.asarray(full - (full - conductances) * (1 - device.read_disturb) ** reads)


def worn_out(device: DeviceKeys, endurance: int, places: Places, writes: int) -> npt.NDArray[np.bool_]:
    """Which cells have borne more writes than they bear. endurance: of the target."""
    spread = device.endurance_spread * places.for_life(ENDURANCE) if device.endurance_spread else np.zeros(())
    return np.asarray(writes > endurance * np.exp(spread))
