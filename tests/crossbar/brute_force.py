"""A crossbar in plain integers, cell by cell and conversion by conversion: what the converters' tests expect.

Written from words (docs/isa.md; ISAAC, ISCA 2016, sections on offset encoding and flipped columns; Wu et al. for pairs
of cells), not from cimc.crossbar, and slow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

Matrix = Sequence[Sequence[int]]
Step = float | tuple[float, float]
"""Of a converter; of one with two ranges the fine and the coarse step."""


@dataclass(frozen=True)
class Readout:
    """How columns are read. signed: the ADC has negative codes. down: it rounds to the lower code. once: an input is
    converted whole. subtracted: pairs before they are converted. digital: an offset is corrected without a unit column.
    rows_at_once: 0 for all. halves: the positive and the negative part of signed inputs are fed after each
    other. twin: the ADC has two ranges."""

    signed: bool = False
    down: bool = False
    once: bool = False
    subtracted: bool = False
    digital: bool = False
    rows_at_once: int = 0
    halves: bool = False
    twin: bool = False


PLAIN = Readout()


@dataclass
class Met:
    """The sums that are converted: of columns, and of the unit column, which all columns share."""

    columns: list[int] = field(default_factory=list)
    units: list[int] = field(default_factory=list)


def ends(adc_bits: int, signed: bool) -> tuple[int, int]:
    """The first and the last code of an ADC."""
    return (1 - 2 ** (adc_bits - 1), 2 ** (adc_bits - 1)) if signed else (0, 2**adc_bits - 1)


def code_of(current: int, step: Step, adc_bits: int, signed: bool, down: bool) -> int:
    """What one conversion gives, in (fine) steps."""
    first, last = ends(adc_bits, signed)
    if isinstance(step, tuple):
        fine, coarse = (math.floor(current / one) if down else round(current / one) for one in step)
        if fine > last:
            return min(coarse, last) * round(Fraction(step[1]) / Fraction(step[0]))
        return max(fine, first)
    code = math.floor(current / step) if down else round(current / step)
    return first if code < first else last if code > last else code


def digits(value: int, base_bits: int, count: int) -> list[int]:
    """The lowest `count` digits of base_bits bits each of a number that is not negative, lowest first."""
    return [(value >> (base_bits * k)) % (1 << base_bits) for k in range(count)]


def moved_by(readout: Readout, input_bits: int, signed: bool, dac_bits: int, adc_bits: int) -> int:
    """What is added to every input so that rows are driven with what is not negative, where that is needed."""
    if not signed or readout.halves:
        return 0
    reads_negative = readout.once and dac_bits == 1 and ends(adc_bits, readout.signed)[0] < 0
    sign_bit_apart = not readout.once and dac_bits == 1
    return 0 if reads_negative or sign_bit_apart else 2 ** (input_bits - 1)


def drives(
    x: Sequence[int], moved: int, input_bits: int, signed: bool, dac_bits: int, readout: Readout
) -> Iterator[tuple[int, list[int]]]:
    """Step by step what a step counts, and what each row is driven with."""
    steps = -(-input_bits // dac_bits)
    if signed and readout.halves:
        for sign in (1, -1):
            part = [max(sign * value, 0) for value in x]
            if readout.once:
                yield sign, part
            else:
                for k in range(steps):
                    yield sign * 2 ** (dac_bits * k), [digits(value, dac_bits, steps)[k] for value in part]
    elif readout.once:
        yield 1, [value + moved for value in x]
    else:
        for k in range(steps):
            sign_bit = signed and not moved and k == steps - 1
            cut = [digits((value + moved) % 2**input_bits, dac_bits, steps)[k] for value in x]
            yield 2 ** (dac_bits * k) * (-1 if sign_bit else 1), cut


def stored_columns(column: Sequence[int], bits: int, cell_bits: int, offset: bool) -> list[list[list[int]]]:
    """The cells of one column of weights: for each slice the column's, or those of both halves of a pair."""
    slices = -(-(bits if offset else max(1, bits - 1)) // cell_bits)
    halves = []
    for sign in (1,) if offset else (1, -1):
        raw = [w + 2 ** (bits - 1) if offset else max(sign * w, 0) for w in column]
        halves.append([digits(value, cell_bits, slices) for value in raw])
    return [[[row[k] for row in half] for half in halves] for k in range(slices)]


def product(
    weights: Matrix, x: Sequence[int], bits: int, input_bits: int, signed: bool,
    cell_bits: int, dac_bits: int, adc_bits: int, encoding: str, flipped: bool,
    readout: Readout = PLAIN, steps: Sequence[Step] | None = None, met: Met | None = None,
) -> list[int]:  # fmt: skip
    """One input vector, integers of input_bits bits, times weights (rows of columns), in the steps of each column's
    converter. met: gets every sum that is converted."""
    top, offset = 2**cell_bits - 1, encoding == "offset"
    met = Met() if met is None else met
    moved = moved_by(readout, input_bits, signed, dac_bits, adc_bits)
    driven = list(drives(x, moved, input_bits, signed, dac_bits, readout))
    size = readout.rows_at_once or len(x)
    groups = [range(first, min(first + size, len(x))) for first in range(0, len(x), size)]

    def convert(current: int, step: Step) -> int:
        return code_of(current, step, adc_bits, readout.signed, readout.down)

    results = []
    for j in range(len(weights[0])):
        step = 1.0 if steps is None else steps[j]
        unit_of_codes = step[0] if isinstance(step, tuple) else step
        column = [row[j] for row in weights]
        total, known = 0, -moved * sum(column)
        units = -(2 ** (bits - 1)) if offset else 0  # what the sum of all that is fed counts
        for k, halves in enumerate(stored_columns(column, bits, cell_bits, offset)):
            turned = flipped and offset and 2 * sum(halves[0]) > top * len(column)
            held = [[top - cell for cell in halves[0]]] if turned else halves
            units += top * 2 ** (cell_bits * k) if turned else 0
            for worth, rows in driven:
                for group in groups:
                    sums = [sum(rows[i] * cells[i] for i in group) for cells in held]
                    if readout.subtracted:
                        sums = [sums[0] - sums[1]]
                    met.columns += sums
                    codes = [convert(current, step) for current in sums]
                    read = codes[0] - sum(codes[1:])
                    total += worth * 2 ** (cell_bits * k) * (-read if turned else read)
        if offset and readout.digital:
            known += units * sum(value + moved for value in x)
        elif offset:
            for worth, rows in driven:
                for group in groups:
                    current = sum(rows[i] for i in group)
                    met.units += [current] if j == 0 else []
                    total += worth * units * convert(current, step)
        results.append(total + round(known / unit_of_codes))
    return results
