"""Cells as a target's [device] and [wires] describe them, on one chip at one time: all effects, one after the other.

levels -> write (or measured) -> drift -> read disturb -> stuck cells -> wires -> a grid, in units of one level's step.

The grid: conductances are multiples of 2^-12 of a step, or of a larger power of two where sums of a column would not
stay below 2^24 of them, and variances of reads likewise of 2^-24. So sums are exact in float32 and float64, and no
order of summation, batch or number of threads changes a bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from cimc.crossbar.device.drift import disturbed, drifted
from cimc.crossbar.device.faults import States, faults_of
from cimc.crossbar.device.ideal import IDEAL, Conductances, Device
from cimc.crossbar.device.layout import Layout
from cimc.crossbar.device.levels import ADC, LIFE, Places, conductances_of
from cimc.crossbar.device.reads import read_variance
from cimc.crossbar.device.specimen import NEW, Measured, Specimen
from cimc.crossbar.device.wires import effective, without_resistance
from cimc.crossbar.device.writing import written
from cimc.crossbar.storage import Cells, Floats
from cimc.numerics.keys import Key
from cimc.target.device import DeviceKeys, WireKeys
from cimc.target.model import Target

GRID, VARIANCE_GRID = 12, 24
"""Bits behind the point of a conductance, and of a variance of reads, at most."""

EXACT_BITS = 24
"""Sums of a column, in units of the grid, have fewer bits."""


NOT_MEASURED = Measured(None, None)


class Now(NamedTuple):
    """What cells conduct, in S, and the variance of a read of each, in S^2, or None."""

    conductances: Floats
    variances: Floats | None


@dataclass(frozen=True, slots=True)
class PhysicalCells:
    """A device. endurance: writes that a cell bears, where the target says it; largest_digit: that rows are driven
    with; adc_noise, adc_offset: of the converters, see cimc.target.model."""

    device: DeviceKeys
    wires: WireKeys
    layout: Layout
    largest_digit: int
    endurance: int | None = None
    specimen: Specimen = NEW
    adc_noise: float = 0.0
    adc_offset: float = 0.0

    @property
    def exact(self) -> bool:
        """They are not."""
        return False

    def wanted(self, cells: Cells) -> tuple[Floats, Floats | None]:
        """What cells, and those of the unit column, are meant to conduct, in S; shapes as in Conductances."""
        table = conductances_of(self.device, cells.storage.top)
        return table[cells.levels], np.full((cells.rows, 1), table[1]) if cells.offset else None

    def step(self, top: int) -> float:
        """One level's step in S."""
        table = conductances_of(self.device, top)
        return float((table[-1] - table[0]) / top)

    def program(self, cells: Cells, key: Key) -> Conductances:
        """What cells conduct as the converters see it. key: of this MVMU and this write."""
        wanted, wanted_unit = self.wanted(cells)
        place, top = key.path[:-1], cells.storage.top
        known, faults = self.specimen.measured.get(place, NOT_MEASURED), self.specimen.faults.get(place)
        step = self.step(top)
        now = self._now(wanted, known.cells, faults, Places.of(key, wanted.shape))
        unit = None
        if wanted_unit is not None:
            unit = self._now(wanted_unit, known.unit, None, Places.of_unit(key, cells.rows))
        if not without_resistance(self.wires):
            now, unit = self._wired(now, unit)
        main, variances = self._in_steps(now, step)
        beside, beside_variances = (None, None) if unit is None else self._in_steps(unit, step)
        off = float(conductances_of(self.device, top)[0]) / step
        offsets = None
        if self.adc_offset:
            drawn = Places.of(key, (*main.shape[:2], 1, main.shape[3]))
            offsets = self.adc_offset * drawn.life.at(LIFE).normal(np.asarray(ADC), *drawn.coordinates)
        return Conductances(main, beside, off, variances, beside_variances, self.adc_noise, offsets)

    def _now(self, wanted: Floats, known: Floats | None, faults: States | None, places: Places) -> Now:
        """What cells conduct at the time of the specimen; known: measured."""
        device, specimen = self.device, self.specimen
        first = written(wanted, device, places) if known is None else known
        now = disturbed(drifted(first, device, places, specimen.seconds), device, specimen.reads)
        states = faults_of(device, self.endurance, specimen, places, faults) if known is None else faults
        if states is not None:
            now = np.where(states > 0, device.on_conductance, np.where(states < 0, device.off_conductance, now))
        return Now(now, read_variance(now, first, device, specimen.seconds))

    def _wired(self, now: Now, unit: Now | None) -> tuple[Now, Now | None]:
        """The same through the wires of each crossbar. The unit column is the last of the first crossbar. A cell's
        noise reaches the converter as its current does."""
        found = Now(now.conductances.copy(), None if now.variances is None else now.variances.copy())
        for number, columns in enumerate(self.layout.crossbars(now.conductances.shape)):
            cells = columns.of(now.conductances)
            beside = None if number or unit is None else unit.conductances
            whole = cells if beside is None else np.concatenate([cells, beside], axis=1)
            seen = np.maximum(effective(whole, self.wires, self.layout.rows), 0.0)
            share = np.divide(seen, whole, out=np.ones_like(seen), where=whole > 0) ** 2
            at, count = (columns.signs, columns.slices, slice(None), columns.columns), cells.shape[1]
            found.conductances[at] = seen[:, :count].T
            if found.variances is not None:
                found.variances[at] *= share[:, :count].T
            if beside is not None and unit is not None:
                variances = None if unit.variances is None else unit.variances * share[:, count:]
                unit = Now(seen[:, count:], variances)
        return found, unit

    def _in_steps(self, now: Now, step: float) -> Now:
        """In units of a level's step, on the grid."""
        digit, variances = self.largest_digit, now.variances
        conductances = on_grid(now.conductances / step, digit, GRID)
        return Now(conductances, None if variances is None else on_grid(variances / step**2, digit**2, VARIANCE_GRID))


def on_grid(values: Floats, factor: int, finest: int) -> Floats:
    """Values (..., rows, columns) at the nearest multiples of 2^-finest; or of a larger power of two, where a column's
    sum, each value times up to `factor`, would have more than EXACT_BITS bits in it."""
    largest = factor * float(values.sum(axis=-2).max(initial=0.0))
    room = (1 << EXACT_BITS) - factor * values.shape[-2]  # rounding adds half a unit a value
    bits = finest if largest * 2**finest < room else math.floor(math.log2(room / largest))
    return np.asarray(np.rint(values * 2.0**bits) * 2.0**-bits)


def device_of(target: Target, specimen: Specimen = NEW) -> Device:
    """The cells of a target on one chip: ideal ones, where nothing says otherwise."""
    found = physical_cells(target, specimen)
    told = specimen.measured or specimen.faults or (specimen.writes and found.endurance is not None)
    cells = changes_nothing(found.device) and without_resistance(found.wires)
    neutral = cells and not (told or found.adc_noise or found.adc_offset)
    return IDEAL if neutral else found


def physical_cells(target: Target, specimen: Specimen = NEW) -> PhysicalCells:
    """The cells of a target on one chip, with all that the target says of them."""
    endurance = None if target.writing is None else target.writing.endurance
    device, wires = target.device or DeviceKeys(), target.wires or WireKeys()
    crossbar = target.crossbar
    return PhysicalCells(
        device, wires, Layout.of(target), (1 << crossbar.dac_bits) - 1, endurance, specimen,
        crossbar.adc_noise, crossbar.adc_offset,
    )  # fmt: skip


def changes_nothing(device: DeviceKeys) -> bool:
    """Whether cells conduct exactly their level, whatever the chip and its age."""
    neutral = replace(
        DeviceKeys(),
        preset=device.preset,
        on_conductance=device.on_conductance,
        read_voltage=device.read_voltage,
        write_tries=device.write_tries,
        write_tolerance=device.write_tolerance,
        drift_start=device.drift_start,
        endurance_spread=device.endurance_spread,
        worn=device.worn,
    )
    return device == neutral
