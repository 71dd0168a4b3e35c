"""The cells of a chip and the wires between them, as a target file describes them: [device] and [wires].

Every default is neutral: cells that conduct exactly what they are written to, wires without resistance. What the keys
do is in cimc.crossbar.device, and for users in docs/devices.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cimc.target.fields import Choice, Count, Listing, Number, Quantity

DEVICE_PRESETS: tuple[str, ...] = ("ideal", "b-rram", "pcm", "rram-binary", "rram-filamentary", "sram")
"""Cells that are bundled: files of cimc/target/devices, and "ideal", which none describes."""


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """A kind of cell. Conductances in S; deviations are standard deviations, of a conductance or relative to it.

    preset: the bundled kind from which keys that are not given come.
    """

    preset: Annotated[str, Choice(DEVICE_PRESETS, "the bundled cell that fills in all keys that are not given")] = (
        "ideal"
    )
    on_conductance: Annotated[float, Quantity("S", 1e-9, 1e-2, "of a cell at its highest level")] = 1e-4
    off_conductance: Annotated[float, Quantity("S", 0.0, 1e-2, "of a cell at level 0")] = 0.0
    levels: Annotated[
        str,
        Choice(
            ("even", "even in resistance", "logarithmic", "listed"),
            "how conductances lie between off and on: at equal steps, of the resistance, at equal ratios, or as listed",
        ),
    ] = "even"
    level_list: Annotated[
        tuple[float, ...], Listing("S", 0.0, 1e-2, "measured conductances of all levels, lowest first")
    ] = ()
    read_voltage: Annotated[float, Quantity("V", 1e-3, 10.0, "of a row that is driven with the digit 1")] = 0.2
    variation: Annotated[
        float, Number("ratio", 0.0, 10.0, "device to device: how much a cell answers a write too strongly, for life")
    ] = 0.0
    cycle_variation: Annotated[
        float, Number("ratio", 0.0, 10.0, "cycle to cycle: the same, anew with every try of a write")
    ] = 0.0
    write_tries: Annotated[int, Count("tries", 1, 100, "of write and verify; the first within the tolerance stays")] = 1
    write_tolerance: Annotated[
        float, Quantity("S", 0.0, 1e-2, "how far off a try may be to stay; where none is, the nearest one stays")
    ] = 0.0
    program_error: Annotated[float, Quantity("S", 0.0, 1e-2, "what remains of a write's error, at every level")] = 0.0
    program_error_relative: Annotated[
        float, Number("ratio", 0.0, 10.0, "what remains of a write's error, relative to the conductance")
    ] = 0.0
    program_law: Annotated[
        str, Choice(("constant", "pcm"), "the two above, or besides them the error of phase-change cells by level")
    ] = "constant"
    read_noise: Annotated[float, Quantity("S", 0.0, 1e-2, "of a cell, anew with every read, at every level")] = 0.0
    read_noise_relative: Annotated[
        float, Number("ratio", 0.0, 10.0, "of a cell, anew with every read, relative to its conductance")
    ] = 0.0
    read_law: Annotated[
        str, Choice(("constant", "pcm"), "the two above, or besides them the 1/f noise of phase-change cells")
    ] = "constant"
    drift_exponent: Annotated[
        float, Number("ratio", 0.0, 1.0, "nu of the conductance's decay with time, (t / drift_start)^-nu")
    ] = 0.0
    drift_spread: Annotated[float, Number("ratio", 0.0, 1.0, "deviation of nu from cell to cell")] = 0.0
    drift_start: Annotated[
        float, Quantity("s", 1e-9, 1e9, "after programming; conductances are what was written until then")
    ] = 1.0
    drift_law: Annotated[str, Choice(("constant", "pcm"), "nu as above, or of phase-change cells by level")] = (
        "constant"
    )
    stuck_on: Annotated[float, Number("ratio", 0.0, 1.0, "share of cells that conduct on_conductance for ever")] = 0.0
    stuck_off: Annotated[float, Number("ratio", 0.0, 1.0, "share of cells that conduct off_conductance for ever")] = 0.0
    read_disturb: Annotated[
        float, Number("ratio", 0.0, 1.0, "share of its distance to on_conductance that a read moves a cell")
    ] = 0.0
    endurance_spread: Annotated[
        float, Number("ratio", 0.0, 10.0, "deviation from cell to cell of the logarithm of writing.endurance")
    ] = 0.0
    worn: Annotated[
        str, Choice(("stuck off", "stuck on"), "what a cell does once it has been written more often than it bears")
    ] = "stuck off"


@dataclass(frozen=True, slots=True)
class WireKeys:
    """Resistances in ohm. Rows are driven at column 0, columns sensed below the last row of the array."""

    row_segment: Annotated[float, Quantity("ohm", 0.0, 1e6, "of a row's wire from cell to cell")] = 0.0
    column_segment: Annotated[float, Quantity("ohm", 0.0, 1e6, "of a column's wire from cell to cell")] = 0.0
    driver: Annotated[float, Quantity("ohm", 0.0, 1e6, "between the voltage and a row's first segment")] = 0.0
    sense: Annotated[float, Quantity("ohm", 0.0, 1e6, "between a column's last segment and ground")] = 0.0
    solution: Annotated[
        str, Choice(("fast", "exact"), "of the network: two terms of a series where they are near enough, or its nodes")
    ] = "fast"
