"""How a matrix of signed integers is stored in cells, and what the converters make of it.

offset: w + 2^(bits-1) >= 0 is stored in slices of cell_bits; 2^(bits-1) * (sum of inputs), read from a unit column,
is taken off again. flipped: a slice's column that would hold more than half of its range is stored as its complement,
and (2^cell_bits - 1) * (sum of inputs) minus the conversion is used, so that a conversion never passes half range.
differential: positive and negative magnitudes on two cells; their conversions are subtracted.
Sources: ISAAC (ISCA 2016) for offset and flipping, the b-RRAM chip (seed 001) for differential pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cells:
    """Stored levels: (signs, slices, rows, columns), 0 .. 2^cell_bits - 1; slice 0 holds the lowest bits.

    signs: 2 for a differential pair (positive, negative), else 1. flips: bool (slices, columns). offset: what the unit
    column is multiplied with, 2^(bits-1) or 0.
    """

    levels: Ints
    flips: npt.NDArray[np.bool_]
    offset: int
    cell_bits: int


def encode(weights: Ints, bits: int, cell_bits: int, encoding: str, flipped: bool) -> Cells:
    """Store signed integers of `bits` bits, (rows, columns), in cells of cell_bits bits."""
    weights = np.asarray(weights, np.int64)
    top = (1 << cell_bits) - 1
    if encoding == "offset":
        slices = math.ceil(bits / cell_bits)
        stored = (weights + (1 << (bits - 1)))[None]
        offset = 1 << (bits - 1)
    else:
        assert encoding == "differential", f"encoding {encoding!r}"
        slices = max(1, math.ceil((bits - 1) / cell_bits))
        stored = np.stack([np.maximum(weights, 0), np.maximum(-weights, 0)])
        offset = 0
    assert stored.min(initial=0) >= 0 and stored.max(initial=0) < 1 << (slices * cell_bits), "a weight is too wide"
    levels = np.stack([(stored >> (s * cell_bits)) & top for s in range(slices)], axis=1)
    flips = np.zeros((slices, weights.shape[1]), bool)
    if flipped and encoding == "offset":
        flips = 2 * levels[0].sum(axis=1) > top * weights.shape[0]
        levels[0] = np.where(flips[:, None, :], top - levels[0], levels[0])
    return Cells(levels, flips, offset, cell_bits)


def decode(cells: Cells) -> Ints:
    """The signed integers that cells stand for, (rows, columns)."""
    top = (1 << cells.cell_bits) - 1
    plain = cells.levels.copy()
    plain[0] = np.where(cells.flips[:, None, :], top - plain[0], plain[0])
    weights = np.sum([plain[:, s] << (s * cells.cell_bits) for s in range(plain.shape[1])], axis=0)
    signed = weights[0] - weights[1] if plain.shape[0] == 2 else weights[0] - cells.offset
    return np.asarray(signed, np.int64)


def loses_nothing(cells: Cells, dac_bits: int, adc_bits: int) -> bool:
    """Whether no input can make a conversion clip: every column's sum of levels times the largest input digit fits.

    The unit column, all cells at 1, is converted as well where the encoding has one.
    """
    digit = (1 << dac_bits) - 1
    largest = int(cells.levels.sum(axis=2).max(initial=0))
    if cells.offset:
        largest = max(largest, cells.levels.shape[2])
    return largest * digit <= (1 << adc_bits) - 1


def input_steps(input_bits: int, dac_bits: int) -> int:
    """How many steps an input of input_bits bits is fed in."""
    return math.ceil(input_bits / dac_bits)


def digits_of(x: Ints, input_bits: int, input_signed: bool, dac_bits: int) -> Iterator[tuple[int, Ints]]:
    """What rows are fed, step by step: (the worth of a unit, digits like x). A signed input is fed as multiply_by_steps
    says; the bias of its digits is not taken off."""
    bias = 1 << (input_bits - 1) if input_signed and dac_bits > 1 else 0
    code = (x + bias) & ((1 << input_bits) - 1)
    for step in range(input_steps(input_bits, dac_bits)):
        negative = input_signed and dac_bits == 1 and step == input_bits - 1
        worth = 1 << (step * dac_bits)
        yield -worth if negative else worth, (code >> (step * dac_bits)) & ((1 << dac_bits) - 1)


def column_sums(x: Ints, cells: Cells, input_bits: int, input_signed: bool, dac_bits: int) -> Iterator[Ints]:
    """What every conversion of a product meets, before it clips: (lanes, columns) of a step and slice, and (lanes, 1)
    of a unit column."""
    levels = cells.levels.astype(np.float64)
    for _, digit in digits_of(x, input_bits, input_signed, dac_bits):
        if cells.offset:
            yield digit.sum(axis=1, keepdims=True)
        for one in levels.reshape(-1, *levels.shape[2:]):
            yield (digit.astype(np.float64) @ one).astype(np.int64)


def multiply_by_steps(x: Ints, cells: Cells, input_bits: int, input_signed: bool, dac_bits: int, adc_bits: int) -> Ints:
    """Product of inputs x (lanes, rows) with the stored matrix, (lanes, columns), conversion by conversion.

    Inputs are fed dac_bits at a time, lowest first; in two's complement the sign bit weighs -2^(bits-1), so a signed
    input is fed as the digits of x + 2^(bits-1) and that many times the columns' known sums are taken off digitally,
    one step at a time, where dac_bits > 1; with one-bit steps the last step is subtracted. Each conversion clips at
    2^adc_bits - 1.
    """
    ceiling = (1 << adc_bits) - 1
    top = (1 << cells.cell_bits) - 1
    total = np.zeros((x.shape[0], cells.levels.shape[3]), np.int64)
    bias = 1 << (input_bits - 1) if input_signed and dac_bits > 1 else 0
    units = np.zeros((x.shape[0], 1), np.int64)
    levels = cells.levels.astype(np.float64)
    for weight, digit in digits_of(x, input_bits, input_signed, dac_bits):
        unit = np.minimum(digit.sum(axis=1, keepdims=True), ceiling)
        units += weight * unit
        for sign in range(levels.shape[0]):
            for s in range(levels.shape[1]):
                sums = (digit.astype(np.float64) @ levels[sign, s]).astype(np.int64)
                read = np.minimum(sums, ceiling)
                if sign == 0 and cells.offset:
                    read = np.where(cells.flips[s], top * unit - read, read)
                total += (-1 if sign else 1) * weight * (read << (s * cells.cell_bits))
    total -= cells.offset * units
    if bias:
        total -= bias * decode(cells).sum(axis=0)
    return total
