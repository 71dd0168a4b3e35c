"""A crossbar as a SPICE netlist: cells and wires as resistors, rows driven by voltages, columns into sources of 0 V
whose currents are printed. Written from the geometry in wires.py's docstring, not from its nodes."""

from __future__ import annotations

from collections.abc import Iterator

from cimc.crossbar.storage import Floats
from cimc.target.device import WireKeys


def netlist(title: str, cells: Floats, volts: Floats, wires: WireKeys, array_rows: int) -> str:
    """The netlist of cells (rows, columns), in S, with rows at these voltages (rows,). array_rows: of the array."""
    return "\n".join(_lines(title, cells, volts, wires, array_rows)) + "\n"


def _lines(title: str, cells: Floats, volts: Floats, wires: WireKeys, array_rows: int) -> Iterator[str]:
    rows, columns = cells.shape
    yield f"* {title}"
    yield f"* {rows} rows, {columns} columns; Vin: drivers of rows, Rd: driver and first segment, Rr: segments of rows,"
    yield "* Rx: cells, Rc: segments of columns, Rs: last segments, those of rows without weights, and the sense"
    row = [[f"r{i}_{j}" for j in range(columns)] for i in range(rows)]
    if not wires.row_segment:
        row = [[f"r{i}" if wires.driver else f"in{i}"] * columns for i in range(rows)]
    end = wires.column_segment * (1 + array_rows - rows) + wires.sense
    column = [[f"c{i}_{j}" for j in range(columns)] for i in range(rows)]
    if not wires.column_segment:
        column = [[f"c{j}" if end else f"out{j}" for j in range(columns)]] * rows
    for i in range(rows):
        yield f"Vin{i} in{i} 0 {volts[i]:.12g}"
        if wires.driver + wires.row_segment:
            yield f"Rd{i} in{i} {row[i][0]} {wires.driver + wires.row_segment:.12g}"
        for j in range(columns):
            if wires.row_segment and j:
                yield f"Rr{i}_{j} {row[i][j - 1]} {row[i][j]} {wires.row_segment:.12g}"
            if cells[i, j] > 0:
                yield f"Rx{i}_{j} {row[i][j]} {column[i][j]} {1 / cells[i, j]:.12g}"
            if wires.column_segment and i:
                yield f"Rc{i}_{j} {column[i - 1][j]} {column[i][j]} {wires.column_segment:.12g}"
    for j in range(columns):
        if end:
            yield f"Rs{j} {column[-1][j]} out{j} {end:.12g}"
        yield f"Vout{j} out{j} 0 0"
    yield from (".control", "set numdgt=10", "op")
    yield from (f"print i(Vout{j})" for j in range(columns))
    yield from ("quit", ".endc", ".end")
