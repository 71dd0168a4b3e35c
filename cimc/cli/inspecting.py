"""The command inspect: questions about one compiled program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from cimc.base.diagnostics import Place, fail
from cimc.base.names import printable
from cimc.cli.console import check_json, new_console, put_json
from cimc.cli.options import not_a_place, split_numbers
from cimc.cli.stopping import show_stop
from cimc.crossbar.storage import Cells, Storage
from cimc.isa.program import Matrix, Program
from cimc.report.folder import load_report
from cimc.report.json_text import fields_of, json_text
from cimc.report.model import Report
from cimc.report.view_table import new_table
from cimc.runtime.package import Package, load_package


@dataclass(frozen=True, slots=True)
class Question:
    """What a user wants to see, each as the option says it. Without any: where the matrices are."""

    weight: str | None
    cell: str | None
    stop: str | None
    data: str | None
    lane: int


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


def inspect_job(folder: Path, question: Question, json: Path | None) -> None:
    """`cimc inspect`."""
    check_json(json)
    if json is not None and question.stop is not None:
        raise fail("options.inspect", "--stop shows the machine to people, not as JSON", todo="leave out --json")
    asked = [q for q in (question.weight, question.cell, question.stop) if q is not None]
    if len(asked) > 1:
        raise fail("options.inspect", "--weight, --cell and --stop are three questions", todo="ask one at a time")
    if (question.stop is None) != (question.data is None):
        raise fail(
            "options.inspect",
            "--stop and --input belong together",
            todo="write --input FILE.npz --stop TILE,CORE,INSTRUCTION or --stop LAYER",
        )
    package, console = load_package(folder), new_console()
    report = load_report(folder, package.program)
    names = {stored.matrix.layer: stored.matrix.layer for stored in matrices_of(package.program)}
    names |= {layer.output: layer.name for layer in report.layers}  # an edited program may name others
    if question.stop is not None and question.data is not None:
        show_stop(console, package, report, question.stop, question.data, question.lane)
        return
    found = None
    if question.weight is not None:
        found = find_weight(package.program, report, question.weight)
    elif question.cell is not None:
        found = find_cell(package.program, question.cell)
    if json is not None:
        matrices = [found[0]] if found is not None else matrices_of(package.program)
        listed = [_record(stored, names) for stored in matrices]
        put_json(json_text(listed if found is None else {**listed[0], **_weight(package, *found)}), json)
    elif found is not None:
        show_weight(console, package, names, *found)
    else:
        show_matrices(console, package.program, names)


def _record(stored: Stored, names: Mapping[str, str]) -> dict[str, object]:
    """A matrix and its place, for JSON."""
    return {**fields_of(stored.matrix), "layer": names[stored.matrix.layer], "tile": stored.tile, "core": stored.core}


def _weight(package: Package, stored: Stored, row: int, column: int) -> dict[str, object]:
    """A weight of a matrix, its row and column there, and the levels of its cells by sign and slice, for JSON."""
    m = stored.matrix
    value = int(package.weights[m.array].reshape(m.rows, m.columns)[row, column])
    return {
        "weight": value,
        "in_mvmu": [row, column],
        "levels": cells_of(package, stored).levels[:, :, row, column].tolist(),
    }


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
        raise fail(
            "inspect.layer", what, Place(item="--weight"), "cimc inspect DIR lists the layers that have a matrix"
        )
    for stored in there:
        m = stored.matrix
        if m.row <= row < m.row + m.rows and m.column <= column < m.column + m.columns:
            return stored, row - m.row, column - m.column
    rows = max(s.matrix.row + s.matrix.rows for s in there)
    columns = max(s.matrix.column + s.matrix.columns for s in there)
    raise fail(
        "inspect.weight",
        f'"{found.name}" has {rows} rows x {columns} columns; there is no [{row}, {column}]',
        Place(item="--weight"),
        "rows and columns count from 0",
    )


def find_cell(program: Program, text: str) -> tuple[Stored, int, int]:
    """The MVMU of TILE,CORE,MVMU,ROW,COLUMN, and the row and column."""
    tile, core, mvmu, row, column = split_numbers(text, "--cell", "TILE,CORE,MVMU,ROW,COLUMN", 5)
    for stored in matrices_of(program):
        m = stored.matrix
        if (stored.tile, stored.core, m.mvmu) == (tile, core, mvmu):
            if row < m.rows and column < m.columns:
                return stored, row, column
            what = f"{stored.place} holds {m.rows} rows x {m.columns} columns; [{row}, {column}] is empty"
            raise fail("inspect.cell", what, Place(item="--cell"), "rows and columns count from 0")
    raise fail(
        "inspect.cell",
        f"tile {tile}, core {core}, MVMU {mvmu} holds no matrix",
        Place(item="--cell"),
        "cimc inspect DIR lists those that do",
    )


def cells_of(package: Package, stored: Stored) -> Cells:
    """The cells of a matrix."""
    m, target = stored.matrix, package.target
    values = package.weights[m.array].reshape(m.rows, m.columns).astype("int64")
    storage = Storage(target.mvmu.encoding, target.mvmu.flipped, target.crossbar.cell_bits)
    return storage.store(values, m.weight_bits)


def show_weight(
    console: Console, package: Package, names: Mapping[str, str], stored: Stored, row: int, column: int
) -> None:
    """A weight with its place and its cells."""
    m = stored.matrix
    value = int(package.weights[m.array].reshape(m.rows, m.columns)[row, column])
    console.print(
        f"{printable(names[m.layer])}[{m.row + row}, {m.column + column}] = {value}", style="bold", soft_wrap=True
    )
    console.print(f"{stored.place}, row {row}, column {column}; {m.weight_bits} bits, {package.target.mvmu.encoding}\n")
    cells = cells_of(package, stored)
    storage = cells.storage
    table = new_table("slice>", "sign", "level>", "flipped", "worth>")
    for sign in range(cells.levels.shape[0]):
        for number in range(cells.levels.shape[1]):
            level = int(cells.levels[sign, number, row, column])
            flipped = sign == 0 and bool(cells.flips[number, column])
            worth = (storage.top - level if flipped else level) << (number * storage.cell_bits)
            table.add_row(
                str(number), "-" if sign else "+", str(level), "yes" if flipped else "", f"{-worth if sign else worth}"
            )
    console.print(table)
    if cells.offset:
        console.print(f"\nthe unit column takes {cells.offset} off the sum")


def show_matrices(console: Console, program: Program, names: Mapping[str, str]) -> None:
    """Where every matrix is."""
    console.print(Text(printable(f"{program.name} for {program.target}"), style="bold"))
    table = new_table("layer", "rows>", "columns>", "tile>", "core>", "MVMU>", "bits>", "shift>")
    for stored in matrices_of(program):
        m = stored.matrix
        table.add_row(
            names[m.layer],
            f"{m.row}..{m.row + m.rows - 1}",
            f"{m.column}..{m.column + m.columns - 1}",
            str(stored.tile),
            str(stored.core),
            str(m.mvmu),
            str(m.weight_bits),
            str(m.shift),
        )
    console.print(table)
