"""What a write leaves in cells that are meant to conduct G.

    try k     G (1 + variation n) (1 + cycle_variation n_k)      n for the cell's life, n_k anew with every try
    verified  the first of write_tries that is within write_tolerance of G, else the nearest of them
    left      verified + deviation n', deviation^2 = program_error^2 + (program_error_relative G)^2 [+ pcm(G)^2]

What is left behind verification is what verification cannot see: its own reading, and how cells relax. Conductances
stay at or above 0. pcm(G) = -1.1731 g^2 + 1.9650 g + 0.2635 uS with g = G / 25 uS (Joshi et al., Nature Communications
2020: one million phase-change cells after iterative programming).
"""

from __future__ import annotations

import numpy as np

from cimc.crossbar.device.levels import CYCLE, PROGRAM, VARIATION, Places
from cimc.crossbar.storage import Floats
from cimc.target.device import DeviceKeys

PCM_FULL = 25e-6
"""Conductance (S) that counts as g = 1 in the statistics of phase-change cells."""


def written(wanted: Floats, device: DeviceKeys, places: Places) -> Floats:
    """What cells conduct after a write that wanted these conductances; all in S."""
    found = _verified(wanted, device, places)
    if device.program_error or device.program_error_relative or device.program_law == "pcm":
        found = found + program_deviation(wanted, device) * places.for_write(PROGRAM)
    return np.maximum(found, 0.0)


def program_deviation(wanted: Floats, device: DeviceKeys) -> Floats:
    """Standard deviation in S of what a write leaves."""
    variance = device.program_error**2 + (device.program_error_relative * wanted) ** 2
    if device.program_law == "pcm":
        g = wanted / PCM_FULL
        variance = variance + (1e-6 * np.maximum(-1.1731 * g**2 + 1.9650 * g + 0.2635, 0.0)) ** 2
    return np.sqrt(variance)


def _verified(wanted: Floats, device: DeviceKeys, places: Places) -> Floats:
    answer = wanted * (1 + device.variation * places.for_life(VARIATION)) if device.variation else wanted
    if not device.cycle_variation:
        return answer  # every try would give the same
    best = np.full_like(wanted, np.inf)
    for number in range(device.write_tries):
        tried = answer * (1 + device.cycle_variation * places.for_write(CYCLE, number))
        open_still = np.abs(best - wanted) > device.write_tolerance
        nearer = np.abs(tried - wanted) < np.abs(best - wanted)
        best = np.where(open_still & nearer, tried, best)
    return best
