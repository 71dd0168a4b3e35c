"""Chains, matrices and inputs for the tests of this room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from cimc.crossbar.chain import Chain, Feed, Programmed
from cimc.crossbar.storage import Cells
from cimc.numerics.keys import NOTHING_DRAWN
from cimc.target.model import Crossbar
from tests.crossbar.brute_force import product

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


@dataclass(frozen=True)
class Case:
    """A matrix of `bits` bits with everything around it. way: encoding, and whether columns are flipped."""

    weights: Ints
    bits: int
    input_bits: int
    signed: bool
    cell_bits: int
    dac_bits: int
    adc_bits: int
    way: tuple[str, bool]

    @property
    def chain(self) -> Chain:
        crossbar = Crossbar(*self.weights.shape, self.cell_bits, self.dac_bits, self.adc_bits)
        return Chain.of(crossbar, *self.way)

    @property
    def feed(self) -> Feed:
        return self.chain.feed(self.input_bits, self.signed)

    @property
    def programmed(self) -> Programmed:
        return self.chain.program(self.weights, self.bits, NOTHING_DRAWN)

    def multiply(self, x: Ints) -> Ints:
        """By the room."""
        return self.programmed.multiply(x, self.feed)

    def by_hand(self, x: Ints, met: list[int] | None = None) -> list[list[int]]:
        """By the crossbar in plain integers; met: gets every sum that is converted."""
        rows, rest = self.weights.tolist(), (self.bits, self.input_bits, self.signed)
        converters = (self.cell_bits, self.dac_bits, self.adc_bits, *self.way)
        return [product(rows, lane, *rest, *converters, met) for lane in x.tolist()]


@st.composite
def cases(
    draw: st.DrawFn, bits: int = 9, input_bits: int = 9, cell_bits: int = 4, dac_bits: int = 4, rows: int = 12,
    columns: int = 3, adc_bits: int = 9,
) -> Case:  # fmt: skip
    """Cases up to these widths and sizes."""
    way, width = draw(st.sampled_from(KINDS)), draw(st.integers(2, bits))
    shape = draw(st.integers(1, rows)), draw(st.integers(1, columns))
    weights = integers(np.random.default_rng(draw(st.integers(0, 1 << 30))), width, shape)
    if way[0] == "differential":  # a pair holds magnitudes: not the lowest number
        weights = np.maximum(weights, 1 - (1 << (width - 1)))
    return Case(
        weights, width, draw(st.integers(1, input_bits)), draw(st.booleans()), draw(st.integers(1, cell_bits)),
        draw(st.integers(1, dac_bits)), draw(st.integers(1, adc_bits)), way,
    )  # fmt: skip
