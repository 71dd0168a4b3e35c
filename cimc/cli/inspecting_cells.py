"""The command inspect, of cells: all of them as conductances, or one crossbar as a netlist."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from cimc.base.diagnostics import fail
from cimc.base.names import printable
from cimc.base.quantities import counted
from cimc.cli.console import new_console
from cimc.cli.options import no_answer, not_a_place
from cimc.crossbar.device import physical_cells
from cimc.crossbar.device.spice import netlist
from cimc.driver.conductances import stored_cells, wanted_conductances, write_conductances
from cimc.report.folder import check_writable, write_whole
from cimc.runtime.package import Package, load_package

SKETCH = "TILE,CORE,MVMU or TILE,CORE,MVMU,CROSSBAR"


def cells_job(folder: Path, spice: str | None, out: Path | None, conductances: Path | None, others: bool) -> None:
    """`cimc inspect --spice` and `--conductances`. others: whether something else is asked for too."""
    if others or (spice is not None and conductances is not None):
        raise fail("options.inspect", "--spice and --conductances are questions of their own", todo="ask one at a time")
    if (spice is None) != (out is None):
        raise fail("options.inspect", "--spice and -o belong together", todo="write --spice TILE,CORE,MVMU -o FILE")
    for file in (out, conductances):
        if file is not None:
            check_writable(file)
    package = load_package(folder)
    if conductances is not None:
        arrays = wanted_conductances(package.program, package.weights, package.target)
        if not arrays:
            what = "no MVMU holds a matrix from the start: this program writes them while it runs"
            raise no_answer("conductances", what, "compile it for a chip on which all of its matrices fit")
        write_conductances(conductances, arrays)
        count = sum(values.size for values in arrays.values())
        mvmus = counted(sum(not name.endswith(".unit") for name in arrays), "MVMU")
        new_console().print(f"{printable(str(conductances))}: {count:,} cells of {mvmus}", soft_wrap=True)
    if spice is not None and out is not None:
        text, shape = _crossbar(package, spice)
        write_whole(out, text.encode("ascii"))
        new_console().print(f"{printable(str(out))}: {shape}; ngspice -b prints the currents", soft_wrap=True)


def _crossbar(package: Package, text: str) -> tuple[str, str]:
    """The netlist of one crossbar, and its size in words."""
    if not re.fullmatch(r"\d{1,9}(,\d{1,9}){2,3}", text.replace(" ", "")):
        raise not_a_place(text, "--spice", SKETCH)
    *place, number = (int(part) for part in (text if text.count(",") == 3 else f"{text},0").split(","))
    found = dict(stored_cells(package.program, package.weights, package.target))
    cells = found.get(tuple(place))
    where = "tile {}, core {}, MVMU {}".format(*place)
    if cells is None:
        raise no_answer("spice", f"{where} holds no matrix", "cimc inspect DIR lists those that do")
    device, target = physical_cells(package.target), package.target
    wanted, unit = device.wanted(cells)
    crossbars = device.layout.crossbars(wanted.shape)
    if number >= len(crossbars):
        what = f"{where} holds its matrix in {counted(len(crossbars), 'crossbar')}; there is no number {number}"
        raise no_answer("spice", what, "they count from 0")
    conductances = crossbars[number].of(wanted)
    if unit is not None and number == 0:
        conductances = np.concatenate([conductances, unit], axis=1)
    volts = np.full(len(conductances), device.device.read_voltage)
    title = f"{where}, crossbar {number} of {target.name}".encode("ascii", "replace").decode("ascii")
    title = "".join(c if c.isprintable() else " " for c in title)
    shape = f"{conductances.shape[0]} rows x {conductances.shape[1]} columns"
    return netlist(title, conductances, volts, device.wires, target.crossbar.rows), shape
