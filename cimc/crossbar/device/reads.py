"""Noise of reads.

A cell's conductance has, at every read, the deviation sigma^2 = read_noise^2 + (read_noise_relative G)^2 [+ pcm^2],
independent of other cells and reads. A column sums digits times conductances, so its sum has the variance sum of
digit^2 sigma^2 over its rows, and is drawn with it: one normal number for each column sum that is converted.

The 1/f noise of phase-change cells, t seconds after programming (t_read = 250 ns):
    pcm = G(t) Q sqrt(ln((t + t_read) / (2 t_read))),  Q = min(0.0088 / g^0.65, 0.2),  g = G / 25 uS as programmed.
The factor 2 is as in IBM's public toolkit, after Nandakumar et al., ICECS 2019; some papers print it without. Each read
is drawn anew, though 1/f noise is correlated from read to read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cimc.crossbar.device.drift import LEAST
from cimc.crossbar.device.ideal import Conductances
from cimc.crossbar.device.levels import ADC, READ, UNIT_COLUMN
from cimc.crossbar.device.writing import PCM_FULL
from cimc.crossbar.storage import Floats
from cimc.numerics.keys import Hashes, Ints, Key, mixed, normal
from cimc.target.device import DeviceKeys

READ_SECONDS = 250e-9
"""t_read of phase-change cells."""


def read_variance(now: Floats, written: Floats, device: DeviceKeys, seconds: float) -> Floats | None:
    """Variance in S^2 of one read of cells that conduct `now`, and did `written`; None where there is no noise."""
    if not (device.read_noise or device.read_noise_relative or device.read_law == "pcm"):
        return None
    variance = device.read_noise**2 + (device.read_noise_relative * now) ** 2
    if device.read_law == "pcm":
        since = max(seconds, device.drift_start)
        q = np.minimum(0.0088 / np.maximum(written / PCM_FULL, LEAST) ** 0.65, 0.2)
        variance = variance + (now * q) ** 2 * np.log((since + READ_SECONDS) / (2 * READ_SECONDS))
    return np.asarray(variance)


@dataclass(frozen=True, slots=True)
class Reading:
    """Which reads of an MVMU these are: those of one product for some inputs. hashes: of that, (lanes, 1), to which
    each read adds its step, sign, slice and column."""

    hashes: Hashes

    @classmethod
    def of(cls, mvmu: Key, inputs: Ints, product: int) -> Reading:
        """mvmu: its key. inputs: their numbers in the data, (lanes,); product: its number among those that the MVMU
        makes for an input."""
        return cls(mvmu.at(READ).hashed(inputs[:, None], np.asarray(product)))

    def part(self, start: int, stop: int) -> Reading:
        """Of some of the inputs."""
        return Reading(self.hashes[start:stop])

    def conversions(self, shape: tuple[int, ...], number: int) -> Floats:
        """A normal number for each conversion of column sums (signs, slices, lanes, columns). number: as of noisy."""
        signs, slices, _, columns = (np.arange(count) for count in shape)
        now = mixed(self.hashes, number)
        return normal(mixed(now, signs[:, None, None, None], slices[:, None, None], ADC - columns))

    def noisy(
        self, cells: Floats, unit: Floats | None, squares: Floats, conductances: Conductances, rows: slice, number: int
    ) -> tuple[Floats, Floats | None]:
        """Column sums of cells (signs, slices, lanes, columns) and of the unit column (lanes, 1) with their noise.

        squares: of what those of the rows that are read are driven with, (lanes, rows). number: of the conversion in
        its product.
        """
        if conductances.variances is None:
            return cells, unit
        now = mixed(self.hashes, number)
        signs, slices, _, columns = (np.arange(count) for count in cells.shape)
        drawn = normal(mixed(now, signs[:, None, None, None], slices[:, None, None], columns))
        cells = cells + np.sqrt(squares @ conductances.variances[:, :, rows]) * drawn
        if unit is not None and conductances.unit_variances is not None:
            drawn = normal(mixed(now, 0, 0, UNIT_COLUMN))
            unit = unit + np.sqrt(squares @ conductances.unit_variances[rows]) * drawn
        return cells, unit
