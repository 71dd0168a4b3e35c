"""Chains, matrices and inputs for the tests of this room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from cimc.crossbar.chain import Chain, Programmed
from cimc.crossbar.feed import Feed
from cimc.crossbar.storage import Cells
from cimc.numerics.keys import NOTHING_DRAWN
from cimc.target.model import Crossbar, Mvmu
from tests.crossbar.brute_force import PLAIN, Met, Readout, Step, product

Ints = npt.NDArray[np.int64]

KINDS = (("offset", False), ("offset", True), ("differential", False))
"""Encodings, and whether columns are flipped."""


def integers(rng: np.random.Generator, bits: int, shape: tuple[int, ...], signed: bool = True) -> Ints:
    """Seeded integers of a width, with both ends of the range among them more often than chance has it."""
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    values = rng.integers(low, high, shape, endpoint=True)
    ends = rng.choice([low, high], shape)
    return np.where(rng.random(shape) < 0.2, ends, values)


def stands_for(cells: Cells) -> Ints:
    """The signed integers that a matrix in cells means, (rows, columns), weight by weight."""
    top, (signs, slices, rows, columns) = 2**cells.storage.cell_bits - 1, cells.levels.shape
    found = np.full((rows, columns), -cells.offset)
    for sign, number, row, column in np.ndindex(signs, slices, rows, columns):
        level = int(cells.levels[sign, number, row, column])
        level = top - level if cells.flips[number, column] else level
        found[row, column] += (-1) ** sign * level * (top + 1) ** number
    return found


def keys_of(readout: Readout) -> tuple[dict[str, object], dict[str, object]]:
    """The keys of [crossbar] and [mvmu] that say how columns are read."""
    crossbar = {
        "adc_signed": readout.signed,
        "adc_rounds": "down" if readout.down else "nearest",
        "conversions": "once" if readout.once else "each step",
        "rows_at_once": readout.rows_at_once,
        "signed_inputs": "halves" if readout.halves else "twos complement",
        "adc_kind": "twin range" if readout.twin else "SAR",
    }
    mvmu = {
        "pairs": "subtracted" if readout.subtracted else "apart",
        "correction": "digital" if readout.digital else "unit column",
    }
    return crossbar, mvmu


@dataclass(frozen=True)
class Case:
    """A matrix of `bits` bits with everything around it. way: encoding, and whether columns are flipped. steps: of the
    converter for each column, None for 1."""

    weights: Ints
    bits: int
    input_bits: int
    signed: bool
    cell_bits: int
    dac_bits: int
    adc_bits: int
    way: tuple[str, bool]
    readout: Readout = PLAIN
    steps: tuple[Step, ...] | None = None

    @property
    def chain(self) -> Chain:
        more_crossbar, more_mvmu = keys_of(self.readout)
        crossbar = Crossbar(*self.weights.shape, self.cell_bits, self.dac_bits, self.adc_bits)
        mvmu = Mvmu(*self.way, "crossbars", 32, "none")
        return Chain.of(replace(crossbar, **more_crossbar), replace(mvmu, **more_mvmu))  # type: ignore[arg-type]

    @property
    def feed(self) -> Feed:
        return self.chain.feed(self.input_bits, self.signed)

    @property
    def real_steps(self) -> npt.NDArray[np.float64] | None:
        """As the room takes them."""
        return None if self.steps is None else np.array(self.steps).T

    @property
    def programmed(self) -> Programmed:
        return self.chain.program(self.weights, self.bits, NOTHING_DRAWN, self.real_steps)

    def multiply(self, x: Ints) -> Ints:
        """By the room."""
        return self.programmed.multiply(x, self.feed)

    def by_hand(self, x: Ints, met: Met | None = None) -> list[list[int]]:
        """By the crossbar in plain integers; met: gets every sum that is converted."""
        rows, rest = self.weights.tolist(), (self.bits, self.input_bits, self.signed)
        converters = (self.cell_bits, self.dac_bits, self.adc_bits, *self.way, self.readout, self.steps)
        return [product(rows, lane, *rest, *converters, met) for lane in x.tolist()]


@st.composite
def readouts(draw: st.DrawFn, encoding: str, rows: int, plain: bool = False) -> Readout:
    """Everything that goes with an encoding. plain: a third of them what most chips do."""
    if plain and draw(st.integers(0, 2)) == 0:
        return PLAIN
    subtracted = encoding == "differential" and draw(st.booleans())
    signed = subtracted or draw(st.booleans())
    return Readout(
        signed=signed,
        down=draw(st.booleans()),
        once=draw(st.booleans()),
        subtracted=subtracted,
        digital=encoding == "offset" and draw(st.booleans()),
        rows_at_once=draw(st.sampled_from((0, 1, 2, 3, 5, 8, 64)).filter(lambda n: n <= rows)),
        halves=draw(st.booleans()),
        twin=not signed and draw(st.integers(0, 3)) > 0,
    )


STEPS = (1.0, 2.0, 8.0, 0.5, 0.69, 3.3, 1.0000001)
RATIOS = (1, 2, 3, 4, 10, 16, 64)
"""Of a coarse step and the fine one."""


@st.composite
def steps_of(draw: st.DrawFn, columns: int, alike: bool, twin: bool = False) -> tuple[Step, ...] | None:
    """Steps of converters, of every column or alike for all; None as often as not. twin: mostly of two ranges, of all
    columns then."""
    one: st.SearchStrategy[Step] = st.one_of(st.sampled_from(STEPS), st.floats(2.0**-10, 100.0))
    if twin and draw(st.integers(0, 3)):
        one = st.tuples(one, st.sampled_from(RATIOS)).map(lambda both: (both[0], both[0] * both[1]))
    if draw(st.booleans()):
        return None
    if alike or draw(st.booleans()):
        return (draw(one),) * columns
    return tuple(draw(st.lists(one, min_size=columns, max_size=columns)))


@st.composite
def cases(
    draw: st.DrawFn, bits: int = 9, input_bits: int = 9, cell_bits: int = 4, dac_bits: int = 4, rows: int = 12,
    columns: int = 3, adc_bits: int = 9, steps: bool = True, ways: Sequence[tuple[str, bool]] = KINDS,
) -> Case:  # fmt: skip
    """Cases up to these widths and sizes. steps: also with converters' steps other than 1."""
    way, width = draw(st.sampled_from(ways)), draw(st.integers(2, bits))
    shape = draw(st.integers(1, rows)), draw(st.integers(1, columns))
    weights = integers(np.random.default_rng(draw(st.integers(0, 1 << 30))), width, shape)
    if way[0] == "differential":  # a pair holds magnitudes: not the lowest number
        weights = np.maximum(weights, 1 - (1 << (width - 1)))
    readout = draw(readouts(way[0], shape[0], plain=True))
    shared = way[0] == "offset" and not readout.digital
    return Case(
        weights, width, draw(st.integers(1, input_bits)), draw(st.booleans()), draw(st.integers(1, cell_bits)),
        draw(st.integers(1, dac_bits)), draw(st.integers(1, adc_bits)), way, readout,
        draw(steps_of(shape[1], shared, readout.twin)) if steps else None,
    )  # fmt: skip
