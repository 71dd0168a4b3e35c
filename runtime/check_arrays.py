"""The arrays of the weights file that a program names: present, of the right size and kind, and values that fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import NamedTuple

import numpy as np

from cimc.base.diagnostics import Diagnostic, Place
from cimc.base.moves import ELEMENTS, WORDS, Moves
from cimc.base.options import require
from cimc.isa.program import Matrix, Plug, Program, Scale, Table, Vector
from cimc.isa.verify.records import signed_range
from cimc.runtime.machine import AnyArray
from cimc.target.model import Target

LEAST_STEP, LARGEST_STEP = 2.0**-10, 2.0**48
"""Of a converter, in units: codes of the widest sums stay below 2^60."""

WIDEST = 32
"""Bits of the widest word or accumulator that a target may have."""


def check_arrays(program: Program, weights: Mapping[str, AnyArray], target: Target, file: str) -> None:
    """Check the arrays of a program that the verifier finds right for the target; file: where they come from.

    Raises CimcError (run.weights) with everything that is missing, misshapen or out of range.
    """
    todo = "give the weights file that was written with the program"

    @cache
    def span(name: str) -> tuple[int, int]:  # many matrices may name the same array
        values = weights[name]
        return (int(values.min()), int(values.max())) if values.size else (0, 0)

    found = [
        Diagnostic("run.weights", what, Place(file, item=array.item), todo)
        for array in arrays_of(program)
        if (what := _wrong(array, weights.get(array.name), target, span))
    ]
    require(found)
    if target.mvmu.encoding == "offset" and target.mvmu.correction == "unit column":
        require(_uneven_steps(program, weights, file))


def _uneven_steps(program: Program, weights: Mapping[str, AnyArray], file: str) -> Iterator[Diagnostic]:
    """MVMUs whose columns have converters' steps that differ, while all of them share a unit column."""
    for tile in (tile for part in program.parts for tile in part.tiles):
        for core in tile.cores:
            for number, held in core.by_mvmu().items():
                steps = [weights[m.steps] if m.steps else np.ones(m.columns) for m in held]
                if any((one != steps[0][..., :1]).any() for one in steps):
                    item = f"tile {tile.number} core {core.number}, MVMU {number}"
                    what = "its columns have converters' steps that differ, and a unit column that all of them share"
                    yield Diagnostic(
                        "run.weights", what, Place(file, item=item), 'mvmu.correction = "digital" has none'
                    )


class Ends(NamedTuple):
    """What moves are between: so many elements and words, each of one side with one partner."""

    side: int
    sizes: tuple[int, int]


class Steps(NamedTuple):
    """What an array of converters' steps holds: reals from LEAST_STEP to LARGEST_STEP for so many columns."""

    columns: int


class Named(NamedTuple):
    """An array that a program names, its shape (of moves: the most numbers), and the directive that names it, in words
    and as data."""

    name: str
    shape: tuple[int, ...]
    item: str
    holds: Scale | Vector | Table | Matrix | Steps | Plug | Ends


def arrays_of(program: Program) -> Iterator[Named]:
    """The array of every directive, and those that phases take out of off-chip memory as weights."""
    for part, phase in zip(program.parts, program.phases or (None,), strict=True):
        yield from _arrays_of(part)
        for plug in phase.inputs if phase is not None and phase.once else ():
            yield Named(plug.name, plug.shape, f'input "{plug.name}"', plug)


def _arrays_of(program: Program) -> Iterator[Named]:
    """Those of a program without phases."""
    rings = {(tile.number, ring.name): ring for tile in program.tiles for ring in tile.rings}
    for kind, plugs in (("input", program.inputs), ("output", program.outputs)):
        for plug in plugs:
            maps = [rings[ref.tile, ref.ring] for ref in plug.rings if (ref.tile, ref.ring) in rings]
            words = sum(ring.height * ring.width * ring.channels for ring in maps)
            ends = Ends(WORDS if kind == "input" else ELEMENTS, (math.prod(plug.shape), words))
            yield Named(plug.index, (3 * ends.sizes[ends.side],), f'{kind} "{plug.name}"', ends)
    for tile in program.tiles:
        where = f"tile {tile.number}"
        for scale in tile.scales:
            shape = (scale.rows, scale.entries) if scale.rows > 1 else (scale.entries,)
            yield Named(scale.array, shape, f"{where}, scale {scale.name}", scale)
        for vector in tile.vectors:
            yield Named(vector.array, (vector.entries,), f"{where}, vector {vector.name}", vector)
        for table in tile.tables:
            yield Named(table.array, (table.entries,), f"{where}, table {table.name}", table)
        for core in tile.cores:
            for matrix in core.matrices:
                item = f"{where} core {core.number}, MVMU {matrix.mvmu}"
                if matrix.array:
                    yield Named(matrix.array, (matrix.rows, matrix.columns), item, matrix)
                if matrix.steps:
                    yield Named(matrix.steps, (matrix.columns,), item, Steps(matrix.columns))


def _wrong(array: Named, values: AnyArray | None, target: Target, span: Callable[[str], tuple[int, int]]) -> str:
    """What is wrong with the values of an array, or "". span: least and largest of an array of integers, by name."""
    reals = isinstance(array.holds, Scale | Steps)
    if values is None:
        return f'there is no array "{array.name}"'
    if values.dtype.kind not in ("f" if reals else "iu"):
        return f'array "{array.name}" is of {values.dtype}, not of {"reals" if reals else "integers"}'
    if isinstance(array.holds, Ends):
        try:
            problem = Moves.read(values).problem(*array.holds)
        except ValueError as error:
            problem = str(error)
        return problem and f'array "{array.name}" {problem}'
    if reals:  # multipliers may be 0 or negative, as gains may be
        with np.errstate(over="ignore"):
            finite = np.isfinite(values.astype(np.float32, copy=False))
        count = finite.size - int(finite.sum())
        return f'array "{array.name}" has {count} multipliers that are no finite numbers of 32 bits' if count else ""
    low, high = span(array.name)
    if isinstance(array.holds, Matrix):
        bits, limit = array.holds.weight_bits, 1 << (array.holds.weight_bits - 1)
        pair = target.mvmu.encoding == "differential"
        cells = target.slices(bits) * target.crossbar.cell_bits
        if low < -limit or high >= limit or (pair and max(-low, high) >= 1 << cells):
            way = f"{bits} bits" + (" in differential pairs" if pair else "")
            return f'array "{array.name}" has weights {low} to {high}, which {way} do not hold'
    elif isinstance(array.holds, Plug):
        least, most = signed_range(target.numbers.word)
        if low < least or high > most:
            return f'array "{array.name}" has words {low} to {high}; they must be {least} to {most}'
    else:  # entries saturate to the register that they go to; no target has one of more than WIDEST bits
        least, most = signed_range(WIDEST)
        if low < least or high > most:
            return f'array "{array.name}" has values {low} to {high}; they must be {least} to {most}'
    return ""
