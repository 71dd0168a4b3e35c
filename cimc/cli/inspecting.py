"""The command inspect: questions about one compiled program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cimc.base.diagnostics import Place, fail
from cimc.base.names import printable
from cimc.cli.console import answer, check_json
from cimc.cli.options import no_answer, not_a_place, split_numbers
from cimc.cli.stopping import stopped_view
from cimc.crossbar.storage import Cells, Storage
from cimc.isa.program import Matrix, Program
from cimc.report.folder import load_report
from cimc.report.json_text import fields_of
from cimc.report.model import Report
from cimc.report.view_table import new_table, table_of
from cimc.runtime.package import Package, load_package


@dataclass(frozen=True, slots=True)
class Stored:
    """An MVMU's matrix and where it is."""

    tile: int
    core: int
    matrix: Matrix

    @property
    def place(self) -> str:
        """In words."""
        return f"tile {self.tile}, core {self.core}, MVMU {self.matrix.mvmu}"


def inspect_job(
    folder: Path, weight: str | None, cell: str | None, stop: str | None, data: str | None, lane: int, json: Path | None
) -> None:
    """`cimc inspect`. weight, cell, stop: what to show, as the option says it; without any, where the matrices are."""
    check_json(json)
    if json is not None and stop is not None:
        raise fail("options.inspect", "--stop shows the machine to people, not as JSON", todo="leave out --json")
    if sum(question is not None for question in (weight, cell, stop)) > 1:
        raise fail("options.inspect", "--weight, --cell and --stop are three questions", todo="ask one at a time")
    if (stop is None) != (data is None):
        todo = "write --input FILE.npz --stop TILE,CORE,INSTRUCTION or --stop LAYER"
        raise fail("options.inspect", "--stop and --input belong together", todo=todo)
    package = load_package(folder)
    program, report = package.program, load_report(folder, package.program)
    if program.phases:
        what = f"{program.name} runs in rounds: what lies in its crossbars changes while it runs"
        todo = "`cimc report` shows which layers a round has; compile without --rounds to look into crossbars"
        raise fail("rounds.view", what, Place(str(folder)), todo)
    if stop is not None and data is not None:
        answer(None, None, stopped_view(package, report, stop, data, lane))
        return
    stored = matrices_of(program)
    names = {one.matrix.layer: one.matrix.layer for one in stored}
    names |= {layer.output: layer.name for layer in report.layers}  # an edited program may name others
    if weight is not None:
        place, row, column = find_weight(program, report, weight)
    elif cell is not None:
        place, row, column = find_cell(program, cell)
    else:
        answer([_record(one, names) for one in stored], json, _matrices(program, names))
        return
    cells, value = cells_of(package, place), int(_numbers(package, place.matrix)[row, column])
    levels = cells.levels[:, :, row, column].tolist()
    record = {**_record(place, names), "weight": value, "in_mvmu": [row, column], "levels": levels}
    m = place.matrix
    answer(record, json, [
        Text(printable(f"{names[m.layer]}[{m.row + row}, {m.column + column}] = {value}"), style="bold", no_wrap=True),
        f"{place.place}, row {row}, column {column}; {m.weight_bits} bits, {package.target.mvmu.encoding}\n",
        _levels(cells, row, column),
        *([f"\nthe unit column takes {cells.offset} off the sum"] if cells.offset else []),
    ])  # fmt: skip


def _record(stored: Stored, names: Mapping[str, str]) -> dict[str, object]:
    """A matrix and its place, for JSON."""
    return {**fields_of(stored.matrix), "layer": names[stored.matrix.layer], "tile": stored.tile, "core": stored.core}


def matrices_of(program: Program) -> list[Stored]:
    """Every matrix in an MVMU, in the order of the program."""
    return [
        Stored(tile.number, core.number, matrix)
        for tile in program.tiles
        for core in tile.cores
        for matrix in core.matrices
    ]


def find_weight(program: Program, report: Report, text: str) -> tuple[Stored, int, int]:
    """The MVMU of LAYER,ROW,COLUMN, and the row and column in it."""
    layer, *numbers = text.rsplit(",", 2)
    if len(numbers) != 2 or not all(number.strip().isdecimal() for number in numbers):
        raise not_a_place(text, "--weight", "LAYER,ROW,COLUMN")
    row, column = (int(number) for number in numbers)
    found = report.layers[report.names.index(layer, "--weight")]
    there = [stored for stored in matrices_of(program) if stored.matrix.layer == found.output]
    if not there:
        what = f'no MVMU holds weights of the layer "{found.name}": it is a {found.kind}'
        todo = "cimc inspect DIR lists the layers that have a matrix"
        raise fail("inspect.layer", what, Place(item="--weight"), todo)
    for stored in there:
        m = stored.matrix
        if m.row <= row < m.row + m.rows and m.column <= column < m.column + m.columns:
            return stored, row - m.row, column - m.column
    rows = max(s.matrix.row + s.matrix.rows for s in there)
    columns = max(s.matrix.column + s.matrix.columns for s in there)
    what = f'"{found.name}" has {rows} rows x {columns} columns; there is no [{row}, {column}]'
    raise no_answer("weight", what, "rows and columns count from 0")


def find_cell(program: Program, text: str) -> tuple[Stored, int, int]:
    """The MVMU of TILE,CORE,MVMU,ROW,COLUMN, and the row and column."""
    tile, core, mvmu, row, column = split_numbers(text, "--cell", "TILE,CORE,MVMU,ROW,COLUMN", 5)
    for stored in matrices_of(program):
        m = stored.matrix
        if (stored.tile, stored.core, m.mvmu) == (tile, core, mvmu):
            if row < m.rows and column < m.columns:
                return stored, row, column
            what = f"{stored.place} holds {m.rows} rows x {m.columns} columns; [{row}, {column}] is empty"
            raise no_answer("cell", what, "rows and columns count from 0")
    what = f"tile {tile}, core {core}, MVMU {mvmu} holds no matrix"
    raise no_answer("cell", what, "cimc inspect DIR lists those that do")


def _numbers(package: Package, matrix: Matrix) -> npt.NDArray[Any]:
    """The weights of a matrix, (rows, columns)."""
    return package.weights[matrix.array].reshape(matrix.rows, matrix.columns)


def cells_of(package: Package, stored: Stored) -> Cells:
    """The cells of a matrix."""
    mvmu, cell_bits = package.target.mvmu, package.target.crossbar.cell_bits
    storage = Storage(mvmu.encoding, mvmu.flipped, cell_bits)
    return storage.store(_numbers(package, stored.matrix).astype("int64"), stored.matrix.weight_bits)


def _levels(cells: Cells, row: int, column: int) -> Table:
    """The cells of a weight, and what each adds to it."""
    storage = cells.storage
    table = new_table("slice>", "sign", "level>", "flipped", "worth>")
    for (sign, number), level in np.ndenumerate(cells.levels[:, :, row, column]):
        flipped = sign == 0 and bool(cells.flips[number, column])
        worth = int(storage.top - level if flipped else level) << (number * storage.cell_bits)
        signed = f"{-worth if sign else worth}"
        table.add_row(str(number), "-" if sign else "+", str(level), "yes" if flipped else "", signed)
    return table


def _matrices(program: Program, names: Mapping[str, str]) -> Iterator[RenderableType]:
    """Where every matrix is."""
    yield Text(printable(f"{program.name} for {program.target}"), style="bold")
    yield table_of(
        matrices_of(program),
        ("layer", lambda one: names[one.matrix.layer]),
        ("rows>", lambda one: f"{one.matrix.row}..{one.matrix.row + one.matrix.rows - 1}"),
        ("columns>", lambda one: f"{one.matrix.column}..{one.matrix.column + one.matrix.columns - 1}"),
        ("tile>", lambda one: one.tile),
        ("core>", lambda one: one.core),
        ("MVMU>", lambda one: one.matrix.mvmu),
        ("bits>", lambda one: one.matrix.weight_bits),
        ("shift>", lambda one: one.matrix.shift),
    )
