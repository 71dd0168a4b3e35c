"""Conductances of all cells of a program, to and from files: what cells are meant to conduct, and what was measured.

An .npz file has an array for each MVMU, "t0.c0.m0" (tile, core, MVMU): conductances in S of its cells, (signs, slices,
rows, columns); and where there is a unit column "t0.c0.m0.unit", (rows, 1). A .csv file has a line for each cell:
tile,core,mvmu,sign,slice,row,column,siemens, of the unit column with column -1. A file may leave MVMUs out.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.base.diagnostics import Diagnostic, Place, fail
from cimc.base.options import require
from cimc.base.reading import FilePath, read_text
from cimc.crossbar.device import Measured, physical_cells
from cimc.crossbar.device import Place as Mvmu
from cimc.crossbar.storage import Cells, Storage
from cimc.driver.arrays import read_arrays, write_arrays
from cimc.isa.program import Program
from cimc.report.folder import write_whole
from cimc.runtime.crossbar import joined
from cimc.target.model import Target

HEADER = ("tile", "core", "mvmu", "sign", "slice", "row", "column", "siemens")
MOST = 1.0
"""S: no cell conducts more."""
TEXT_LIMIT = 1 << 30
"""Bytes of a .csv file."""

Arrays = Mapping[str, npt.NDArray[Any]]


def stored_cells(program: Program, weights: Arrays, target: Target) -> Iterator[tuple[Mvmu, Cells]]:
    """What lies in the cells of every MVMU, in the order of the program."""
    storage = Storage(target.mvmu.encoding, target.mvmu.flipped, target.crossbar.cell_bits)
    for tile in program.tiles:
        for core in tile.cores:
            for number, matrices in core.by_mvmu().items():
                matrix, logical, _ = joined(matrices, weights)
                yield (tile.number, core.number, number), storage.store(logical, matrix.weight_bits)


def wanted_conductances(program: Program, weights: Arrays, target: Target) -> dict[str, npt.NDArray[np.float64]]:
    """What all cells are meant to conduct, by name."""
    found, device = {}, physical_cells(target)
    for place, cells in stored_cells(program, weights, target):
        main, unit = device.wanted(cells)
        found[name_of(place)] = main
        if unit is not None:
            found[f"{name_of(place)}.unit"] = unit
    return found


def name_of(place: Mvmu) -> str:
    """An MVMU's name in files."""
    return "t{}.c{}.m{}".format(*place)


def write_conductances(path: Path, arrays: Arrays) -> None:
    """Write them, as .csv where the file is called so, else as .npz."""
    if path.suffix.lower() != ".csv":
        write_arrays(path, arrays)
        return
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(HEADER)
    for name, values in arrays.items():
        place = re.findall(r"\d+", name)
        for at, value in np.ndenumerate(values):
            where = (0, 0, at[0], -1) if name.endswith(".unit") else at
            lines.writerow((*place, *where, repr(float(value))))
    write_whole(path, text.getvalue().encode("ascii"))


def read_conductances(path: FilePath, shapes: Mapping[str, tuple[int, ...]]) -> dict[Mvmu, Measured]:
    """Measured conductances by MVMU. shapes: of what may be in the file; CimcError with all that is wrong."""
    name = os.fspath(path)
    arrays = _lines(name, shapes) if name.lower().endswith(".csv") else read_arrays(name)
    require(_problems(arrays, shapes, name))
    found: dict[Mvmu, Measured] = {}
    for key, values in arrays.items():
        place = tuple(int(number) for number in re.findall(r"\d+", key))
        known, values = found.get(place, Measured(None, None)), values.astype(np.float64)
        found[place] = known._replace(unit=values) if key.endswith(".unit") else known._replace(cells=values)
    return found


def read_faults(path: FilePath, shapes: Mapping[str, tuple[int, ...]]) -> dict[Mvmu, npt.NDArray[np.int8]]:
    """Stuck cells by MVMU."""
    name = os.fspath(path)
    known = {key: shape for key, shape in shapes.items() if not key.endswith(".unit")}
    arrays = read_arrays(name)
    require(_strange(arrays, known, name))
    for key, values in arrays.items():
        if values.dtype.kind not in "iu" or not np.isin(values, (-1, 0, 1)).all():
            what = "faults are whole numbers: 1 stuck on, -1 stuck off, 0 good"
            raise fail("data.faults", what, Place(name, item=f'array "{key}"'))
    return {
        tuple(int(number) for number in re.findall(r"\d+", key)): values.astype(np.int8)
        for key, values in arrays.items()
    }


def _problems(arrays: Arrays, shapes: Mapping[str, tuple[int, ...]], file: str) -> Iterator[Diagnostic]:
    """What is wrong with arrays of conductances."""
    yield from _strange(arrays, shapes, file)
    for key in arrays.keys() & shapes.keys():
        values, where = arrays[key], Place(file, item=f'array "{key}"')
        if values.dtype.kind not in "fiu":
            yield Diagnostic("data.conductances", f"conductances are numbers in S, not {values.dtype}", where)
        elif not np.all((values >= 0) & (values <= MOST)):  # also what is no number
            yield Diagnostic("data.conductances", f"conductances go from 0 to {MOST:g} S, and not all here do", where)


def _strange(arrays: Arrays, shapes: Mapping[str, tuple[int, ...]], file: str) -> Iterator[Diagnostic]:
    """Arrays that the program has no cells for."""
    for key, values in arrays.items():
        where = Place(file, item=f'array "{key}"')
        if key not in shapes:
            todo = f"the program has: {', '.join(list(shapes)[:8])}{', ...' if len(shapes) > 8 else ''}"
            yield Diagnostic("data.conductances", "no MVMU of the program is called so", where, todo)
        elif values.shape != shapes[key]:
            what = f"its shape is {values.shape}; the cells are {shapes[key]}: signs, slices, rows, columns"
            yield Diagnostic("data.conductances", what, where)


def _lines(file: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, npt.NDArray[np.float64]]:
    """The arrays of a .csv file."""
    try:
        text = read_text(file, TEXT_LIMIT)
    except OSError as error:
        raise fail("data.file", f"it can't be read: {error.strerror}", Place(file), "check the path") from None
    except UnicodeDecodeError:
        raise fail("data.file", "it is no text", Place(file)) from None
    lines = text.splitlines()
    if not lines or lines[0].strip() != ",".join(HEADER):
        raise fail("data.conductances", "it has no header", Place(file, 1), f"write {','.join(HEADER)}")
    found: dict[str, npt.NDArray[np.float64]] = {}
    for number, line in enumerate(lines[1:], start=2):
        parts = line.split(",")
        if len(parts) != len(HEADER) or not all(re.fullmatch(r"-?\d{1,9}", part) for part in parts[:-1]):
            raise fail("data.conductances", f'"{line[:60]}" is no cell', Place(file, number), ",".join(HEADER))
        *place, sign, part, row, column = (int(part) for part in parts[:-1])
        name = name_of(tuple(place)) + (".unit" if column == -1 else "")
        at = (row, 0) if column == -1 else (sign, part, row, column)
        shape = shapes.get(name)
        if shape is None or not all(0 <= i < size for i, size in zip(at, shape, strict=True)):
            raise fail("data.conductances", f'"{line[:60]}" is no cell of the program', Place(file, number))
        try:
            value = float(parts[-1])
        except ValueError:
            raise fail("data.conductances", f'"{parts[-1][:60]}" is no number', Place(file, number)) from None
        found.setdefault(name, np.full(shape, math.nan))[at] = value
    for name, values in found.items():
        if np.isnan(values).any():
            what = f"{int(np.isnan(values).sum())} cells of {name} are missing, or no number"
            raise fail("data.conductances", what, Place(file), "give all cells of an MVMU, or none")
    return found
