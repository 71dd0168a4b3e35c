"""The hardware a program is compiled for: numbers, crossbars, cores, tiles, chip. SI units throughout.

Every field says what a TOML file may give for it, and what it means; cimc.target.load reads, checks and resolves it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from cimc.target.device import DeviceKeys, WireKeys
from cimc.target.fields import Choice, Count, Number, Quantity


@dataclass(frozen=True, slots=True)
class Numbers:
    """Widths in bits."""

    word: Annotated[int, Count("bits", 8, 32, "a register or memory word, a multiple of 8")]
    accumulator: Annotated[int, Count("bits", 8, 32, "a sum of products on its way to requant")]
    weight: Annotated[int, Count("bits", 2, 16, "a stored weight, where the network does not say")]
    input: Annotated[int, Count("bits", 2, 16, "an activation fed to a crossbar, where the network does not say")]


@dataclass(frozen=True, slots=True)
class Crossbar:
    """One array of cells and its converters.

    A unit is what a cell at level 1 adds to a column's sum at digit 1. conversions: "each step" (a column sum is
    converted after every step, and shifted and added as a number), or "once" (the steps' currents are weighted in the
    analog domain, and their sum is converted). adc_keeps: of a sum that is wider than the ADC, the "low bits" (steps of
    one unit; what is above clips), the "high bits" (the least step 2^k at which the largest sum is a code), or a
    "range" (adc_range). rows_at_once: 0 for all.
    """

    rows: Annotated[int, Count("rows", 1, 65_536, "cells driven at once")]
    columns: Annotated[int, Count("columns", 1, 65_536, "cells read at once, beside a unit column if there is one")]
    cell_bits: Annotated[int, Count("bits", 1, 8, "bits that one cell stores")]
    dac_bits: Annotated[int, Count("bits", 1, 16, "input bits applied in one step")]
    adc_bits: Annotated[int, Count("bits", 1, 32, "bits of one conversion")]
    conversions: Annotated[
        str, Choice(("each step", "once"), "a column sum is converted at every step, or once in all")
    ] = "each step"
    adc_keeps: Annotated[
        str, Choice(("low bits", "high bits", "range"), "of a wider sum; the rest clips or is rounded away")
    ] = "low bits"
    adc_range: Annotated[
        str,
        Choice(
            ("full", "fixed", "minmax", "percentile", "least squares"),
            'with adc_keeps = "range": all possible sums, up to adc_top, or from calibration data',
        ),
    ] = "full"
    adc_top: Annotated[
        float,
        Number(
            "units",
            0.0,
            2.0**31,
            'with adc_range = "fixed": the sum at the largest code; with '
            'conversions = "once" of the steps\' weighted mean, 1/2 for the last step, 1/4, ...',
        ),
    ] = 0.0
    adc_scale: Annotated[
        str, Choice(("layer", "column"), "whether a range from calibration data is a layer's or a column's")
    ] = "layer"
    adc_signed: Annotated[
        bool, Choice((True, False), "codes -(2^(adc_bits - 1) - 1) to 2^(adc_bits - 1), not 0 to 2^adc_bits - 1")
    ] = False
    adc_rounds: Annotated[
        str,
        Choice(("nearest", "down"), "a sum between two codes becomes the nearest (of two the even one) or the lower"),
    ] = "nearest"
    adc_kind: Annotated[
        str,
        Choice(
            ("SAR", "twin range", "ramp", "flash"),
            "how it finds a code, by which comparisons count; twin range: "
            "2^adc_bits fine codes of small sums and as many coarse ones of large sums",
        ),
    ] = "SAR"
    adc_noise: Annotated[
        float, Number("steps", 0.0, 1e6, "standard deviation of what an ADC reads, anew with every conversion")
    ] = 0.0
    adc_offset: Annotated[
        float, Number("steps", 0.0, 1e6, "standard deviation from one column's ADC to the next, for life")
    ] = 0.0
    signed_inputs: Annotated[
        str,
        Choice(
            ("twos complement", "halves"),
            "how an input with a sign is fed: its bits, or its positive and then "
            "its negative part, whose conversions are subtracted",
        ),
    ] = "twos complement"
    rows_at_once: Annotated[int, Count("rows", 0, 65_536, "rows that a conversion sums up; 0: all")] = 0


@dataclass(frozen=True, slots=True)
class Mvmu:
    """A matrix-vector multiplication unit: crossbars that hold the slices of one logical matrix.

    encoding: "offset" (w + 2^(bits-1) with a unit column) or "differential" (a positive and a negative cell).
    flipped: store a column inverted where more than half of its range would be set (offset encoding only).
    pairs: of a differential pair, "apart" (both halves are converted, then subtracted) or "subtracted" (their currents
    are, and the difference is converted). correction: of an offset and of flipped columns, by a converted "unit column"
    or "digital" by the known sum of what is fed.
    slices: "crossbars" (each slice on a crossbar of its own) or "columns" (slices side by side in one crossbar).
    """

    encoding: Annotated[str, Choice(("offset", "differential"), "how a signed weight becomes cells")]
    flipped: Annotated[
        bool, Choice((True, False), "columns stored inverted where more than half of their range would be set")
    ]
    slices: Annotated[str, Choice(("crossbars", "columns"), "slices on crossbars of their own, or side by side in one")]
    crossbars: Annotated[int, Count("crossbars", 1, 1024, "crossbars of one MVMU")]
    round: Annotated[str, Choice(("none", "shift"), "whether XbarOut is rounded to a word by a shift fixed per MVMU")]
    pairs: Annotated[
        str, Choice(("apart", "subtracted"), "the halves of a pair are converted apart, or subtracted before that")
    ] = "apart"
    correction: Annotated[
        str, Choice(("unit column", "digital"), "an offset is taken off by a converted unit column, or digitally")
    ] = "unit column"


@dataclass(frozen=True, slots=True)
class Core:
    """A core: its MVMUs, general registers (words) and instruction memory (bytes)."""

    mvmus: Annotated[int, Count("MVMUs", 1, 64, "MVMUs of one core")]
    registers: Annotated[int, Count("words", 1, 2**24, "general registers")]
    instruction_bytes: Annotated[int, Count("bytes", 1, 2**32, "instruction memory of a core")]


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile: its cores, shared memory (words), instruction memory (bytes), receive FIFOs and their depth."""

    cores: Annotated[int, Count("cores", 1, 4096, "cores of one tile")]
    memory_words: Annotated[int, Count("words", 1, 2**32, "shared memory")]
    instruction_bytes: Annotated[
        int, Count("bytes", 1, 2**32, "instruction memory of a tile's send and receive stream")
    ]
    fifos: Annotated[int, Count("FIFOs", 0, 65_536, "receive FIFOs")]
    fifo_depth: Annotated[int, Count("entries", 1, 65_536, "depth of a FIFO")]


@dataclass(frozen=True, slots=True)
class Chip:
    """A chip: its tiles, and whose weights its crossbars hold: "all layers" or "one layer" at a time, each written
    anew when its turn comes (see cimc.estimator.layer_by_layer)."""

    tiles: Annotated[int, Count("tiles", 1, 2**20, "tiles of one chip")]
    resident: Annotated[
        str, Choice(("all layers", "one layer"), "whose weights crossbars hold: all layers' or one's in turn")
    ] = "all layers"


@dataclass(frozen=True, slots=True)
class Price:
    """What one action takes: seconds and joules, and where the figures come from."""

    seconds: float
    joules: float
    source: str


@dataclass(frozen=True, slots=True)
class Writing:
    """What writing weights takes: seconds for one row of an array, joules a cell, and how many writes a cell bears."""

    row_seconds: Annotated[
        float, Quantity("s", 0.0, 1.0, "how long it takes to write one row of an array, verification included")
    ]
    cell_joules: Annotated[float, Quantity("J", 0.0, 1.0, "energy to write one cell")]
    endurance: Annotated[int, Count("writes", 1, 10**15, "how often a cell can be written until it is worn out")]


@dataclass(frozen=True, slots=True)
class Target:
    """A whole target. prices: cost of an action by its name (see docs/targets.md), possibly empty.

    writing: what writing weights takes, or None where the target does not say. device, wires: what cells and wires do,
    or None for ideal ones. sources: where each value comes from, by section and key; prices hold their own.
    """

    name: str
    description: str
    numbers: Numbers
    crossbar: Crossbar
    mvmu: Mvmu
    core: Core
    tile: Tile
    chip: Chip
    prices: Mapping[str, Price]
    writing: Writing | None = None
    device: DeviceKeys | None = None
    wires: WireKeys | None = None
    sources: Mapping[tuple[str, ...], str] = field(default_factory=dict, compare=False, repr=False)

    def slices(self, weight_bits: int) -> int:
        """Cells that one weight of `weight_bits` bits needs (a differential pair counts once)."""
        bits = weight_bits if self.mvmu.encoding == "offset" else weight_bits - 1
        return max(1, math.ceil(bits / self.crossbar.cell_bits))

    @property
    def cells_abreast(self) -> int:
        """Columns that hold one slice: two in a differential pair."""
        return 2 if self.mvmu.encoding == "differential" else 1

    @property
    def largest_weight_bits(self) -> int:
        """Widest weight that an MVMU can hold."""
        places = self.mvmu.crossbars if self.mvmu.slices == "crossbars" else self.crossbar.columns
        bits = places // self.cells_abreast * self.crossbar.cell_bits
        return min(16, bits if self.mvmu.encoding == "offset" else bits + 1)

    @property
    def mvmu_rows(self) -> int:
        """Inputs of one MVMU, in words."""
        return self.crossbar.rows

    def mvmu_columns(self, weight_bits: int) -> int:
        """Outputs of one MVMU, in words: logical weight columns that fit beside each other."""
        if self.mvmu.slices == "crossbars":
            return self.crossbar.columns
        return self.crossbar.columns // (self.slices(weight_bits) * self.cells_abreast) * self.mvmu.crossbars

    @property
    def xin_words(self) -> int:
        """Words of a core's XbarIn registers, MVMU after MVMU."""
        return self.core.mvmus * self.mvmu_rows

    @property
    def xout_stride(self) -> int:
        """Words of XbarOut that each MVMU has (its columns at the narrowest weights)."""
        return self.mvmu_columns(2) if self.mvmu.slices == "columns" else self.crossbar.columns

    @property
    def action_prices(self) -> Mapping[str, Price]:
        """The prices of all actions, those of [writing] among them: of a row the time, of a cell the energy."""
        paid = self.writing
        if paid is None:
            return self.prices
        row, cell = Price(paid.row_seconds, 0.0, "[writing]"), Price(0.0, paid.cell_joules, "[writing]")
        return {**self.prices, "row_write": row, "cell_write": cell}

    def write_cost(self, cells: int, rows: int) -> tuple[float, float] | None:
        """(s, J) of writing so many cells, where no MVMU writes more than `rows` rows of its crossbars. None where the
        target has no [writing].

        The rows of an MVMU are written one after the other, the cells of a row at once, and MVMUs side by side, as are
        the crossbars of one MVMU. Power is not limited, and moving the weights to the arrays is not counted.
        """
        assert cells >= 0 and 0 <= rows <= self.crossbar.rows, f"{cells} cells, {rows} of {self.crossbar.rows} rows"
        paid = self.writing
        return None if paid is None else (rows * paid.row_seconds, cells * paid.cell_joules)
