"""A crossbar in plain integers, cell by cell and conversion by conversion: what the converters' tests expect.

Written from the papers' words (ISAAC, ISCA 2016, sections on offset encoding and flipped columns; Wu et al. for pairs
of cells), not from cimc.crossbar, and slow.
"""

from __future__ import annotations

from collections.abc import Sequence

Matrix = Sequence[Sequence[int]]


def digits(value: int, base_bits: int, count: int) -> list[int]:
    """The lowest `count` digits of base_bits bits each of a number that is not negative, lowest first."""
    return [(value >> (base_bits * k)) % (1 << base_bits) for k in range(count)]


def stored_columns(column: Sequence[int], bits: int, cell_bits: int, offset: bool) -> list[tuple[int, list[int]]]:
    """The columns of cells of one column of weights: (what a unit of it is worth, its cells)."""
    found = []
    slices = -(-(bits if offset else max(1, bits - 1)) // cell_bits)
    for sign in (1,) if offset else (1, -1):
        raw = [w + 2 ** (bits - 1) if offset else max(sign * w, 0) for w in column]
        cut = [digits(value, cell_bits, slices) for value in raw]
        found += [(sign * 2 ** (cell_bits * k), [row[k] for row in cut]) for k in range(slices)]
    return found


def product(
    weights: Matrix, x: Sequence[int], bits: int, input_bits: int, signed: bool,
    cell_bits: int, dac_bits: int, adc_bits: int, encoding: str, flipped: bool, met: list[int] | None = None,
) -> list[int]:  # fmt: skip
    """One input vector times weights (rows of columns). met: gets every sum that is converted."""
    top, ceiling, offset = 2**cell_bits - 1, 2**adc_bits - 1, encoding == "offset"
    steps = -(-input_bits // dac_bits)
    moved = 2 ** (input_bits - 1) if signed and dac_bits > 1 else 0
    fed = [digits((value + moved) % 2**input_bits, dac_bits, steps) for value in x]
    results = []
    for j in range(len(weights[0])):
        column = [row[j] for row in weights]
        total = 0
        for worth, cells in stored_columns(column, bits, cell_bits, offset):
            turned = flipped and offset and 2 * sum(cells) > top * len(cells)
            held = [top - cell for cell in cells] if turned else cells
            for step in range(steps):
                place = 2 ** (dac_bits * step)
                if signed and dac_bits == 1 and step == steps - 1:
                    place = -place
                driven = [one[step] for one in fed]
                current = sum(d * cell for d, cell in zip(driven, held, strict=True))
                if met is not None:
                    met += [current, sum(driven)] if offset else [current]
                read = min(current, ceiling)
                if turned:
                    read = top * min(sum(driven), ceiling) - read
                total += worth * place * read
        if offset:
            for step in range(steps):
                place = 2 ** (dac_bits * step)
                if signed and dac_bits == 1 and step == steps - 1:
                    place = -place
                total -= 2 ** (bits - 1) * place * min(sum(one[step] for one in fed), ceiling)
        results.append(total - moved * sum(column))
    return results
