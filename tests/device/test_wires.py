"""Wires with resistance: by hand, by Kirchhoff's laws in fractions, by ngspice; the fast solution by the exact one."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cimc.crossbar.device import PhysicalCells, Specimen, device_of
from cimc.crossbar.device.ladders import two_terms
from cimc.crossbar.device.layout import Layout
from cimc.crossbar.device.spice import netlist
from cimc.crossbar.device.wires import effective, exact, tail
from cimc.target.device import WireKeys
from cimc.target.load import load_target
from tests.device.cells import WRITE, Floats, cells_of, levels, target_with

FULL = WireKeys(row_segment=2.0, column_segment=3.0, driver=50.0, sense=20.0)
KINDS = [
    FULL,
    WireKeys(row_segment=2.0),
    WireKeys(column_segment=3.0),
    WireKeys(driver=50.0),
    WireKeys(sense=20.0),
    WireKeys(row_segment=2.0, sense=20.0),
    WireKeys(column_segment=3.0, driver=50.0),
    WireKeys(driver=50.0, sense=20.0),
    WireKeys(),
]
needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")


def by_kirchhoff(cells: Floats, wires: WireKeys, array_rows: int) -> list[list[float]]:
    """Effective conductances of the network, node by node and drive by drive, in fractions. Resistances of 0 are taken
    as a billionth of an ohm, beside cells of kilohms."""
    rows, columns = cells.shape
    least = Fraction(1, 10**9)
    row, column, driver, sense = (
        max(Fraction(value), least) for value in (wires.row_segment, wires.column_segment, wires.driver, wires.sense)
    )
    count = 2 * rows * columns
    top = lambda r, c: r * columns + c  # noqa: E731
    low = lambda r, c: rows * columns + r * columns + c  # noqa: E731
    found = []
    for driven in range(rows):
        matrix = [[Fraction(0)] * (count + 1) for _ in range(count)]

        def join(a: int, b: int | None, conductance: Fraction, volts: Fraction = Fraction(0)) -> None:
            matrix[a][a] += conductance  # noqa: B023
            if b is None:
                matrix[a][count] += conductance * volts  # noqa: B023
            else:
                matrix[b][b] += conductance  # noqa: B023
                matrix[a][b] -= conductance  # noqa: B023
                matrix[b][a] -= conductance  # noqa: B023

        for r in range(rows):
            join(top(r, 0), None, 1 / (driver + row), Fraction(r == driven))
            for c in range(columns):
                join(top(r, c), low(r, c), Fraction(float(cells[r, c])))
                if c:
                    join(top(r, c - 1), top(r, c), 1 / row)
                if r:
                    join(low(r - 1, c), low(r, c), 1 / column)
        end = column * (1 + array_rows - rows) + sense
        for c in range(columns):
            join(low(rows - 1, c), None, 1 / end)
        volts = solved(matrix)
        found.append([float(volts[low(rows - 1, c)] / end) for c in range(columns)])
    return found


def solved(matrix: list[list[Fraction]]) -> list[Fraction]:
    """Gaussian elimination; the last column is the right side."""
    size = len(matrix)
    for i in range(size):
        pivot = matrix[i][i]
        matrix[i] = [value / pivot for value in matrix[i]]
        for j in range(size):
            if j != i and matrix[j][i]:
                factor = matrix[j][i]
                matrix[j] = [a - factor * b for a, b in zip(matrix[j], matrix[i], strict=True)]
    return [row[size] for row in matrix]


def random_cells(rows: int, columns: int, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).uniform(1e-6, 1e-4, (rows, columns))


def test_one_cell_is_a_row_of_resistors() -> None:
    """50 + 2 of the driver and the row, 10 kohm, and 3 * (1 + 4 unused rows) + 20 of the column."""
    for solution in (exact, effective):
        assert solution(np.array([[1e-4]]), FULL, 5)[0, 0] == pytest.approx(1 / (52 + 1e4 + 15 + 20), rel=1e-12)


def test_two_by_two_by_hand() -> None:
    """All of 1 kohm. Ideal columns, rows with a driver: the second cell and its segment are 2 kohm beside the first
    cell, together 2/3 kohm behind 2 kohm: the first cell has 1/4 V of 1 V, the second half of that. Ideal rows: the
    lower cell and its column's end are 1/2 kohm behind the upper cell and a segment: 1 V drives 0.4 mA, half of it to
    the end. The lower cell alone meets the end beside the 2 kohm of the way up: 0.6 mA, two thirds of it to the end."""
    cells = np.full((2, 2), 1e-3)
    wires = WireKeys(row_segment=1e3, driver=1e3)
    for solution in (exact, effective):
        assert solution(cells, wires, 2) == pytest.approx(np.array([[2.5e-4, 1.25e-4]] * 2), rel=1e-12)
        down = solution(cells, WireKeys(column_segment=1e3), 2)  # the upper cell's 1 mA meets 1 kohm more
        assert down == pytest.approx(np.array([[0.2e-3] * 2, [0.4e-3] * 2]), rel=1e-12)


@pytest.mark.parametrize("wires", KINDS)
@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (3, 1)])
def test_the_exact_solution_obeys_kirchhoff(wires: WireKeys, shape: tuple[int, int]) -> None:
    cells = random_cells(*shape)
    expected = np.array(by_kirchhoff(cells, wires, shape[0] + 2))
    assert exact(cells, wires, shape[0] + 2) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("wires", KINDS)
def test_wires_take_and_never_add(wires: WireKeys) -> None:
    cells = random_cells(7, 9)
    found = exact(cells, wires, 9)
    assert np.all(found >= 0) and found.sum() <= cells.sum() * (1 + 1e-12)
    if wires == WireKeys():
        assert np.array_equal(found, cells)


PRESETS = ("b-rram", "pcm", "rram-binary", "rram-filamentary", "sram")


def filled(on: float, off: float) -> dict[str, Floats]:
    """Cells of a 64x64 crossbar: all on, at random, one in ten on, lower rows on, a checkerboard."""
    rng, (row, column) = np.random.default_rng(5), np.indices((64, 64))
    return {
        "all": np.full((64, 64), on),
        "random": rng.uniform(off, on, (64, 64)),
        "sparse": np.where(rng.random((64, 64)) < 0.1, on, off),
        "lower": np.where(row >= 32, on, off),
        "board": np.where((row + column) % 2, on, off),
    }


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("segment", [1.0, 2.5])
def test_the_fast_solution_is_within_a_hundredth_of_the_largest_column_current(name: str, segment: float) -> None:
    """For every drive between 0 and 1 of every row: the worst drives those rows whose errors have one sign."""
    device = load_target("puma", {"device.preset": name}).device
    assert device is not None
    wires = WireKeys(row_segment=segment, column_segment=segment)
    for cells in filled(device.on_conductance, device.off_conductance).values():
        right, near = exact(cells, wires, 64), two_terms(cells, wires, tail(wires, 64, 64))
        assert near is not None
        error = near - right
        worst = max(np.maximum(error, 0).sum(axis=0).max(), np.maximum(-error, 0).sum(axis=0).max())
        assert worst < 0.01 * right.sum(axis=0).max()


@pytest.mark.parametrize("wires", [*KINDS, WireKeys(2.5, 2.5, 500, 100), WireKeys(1e4, 1e4), WireKeys(1e6, 1e6)])
@pytest.mark.parametrize("shape", [(64, 64), (128, 20), (20, 128), (1, 9), (9, 1)])
def test_where_two_terms_do_not_suffice_the_network_is_solved(wires: WireKeys, shape: tuple[int, int]) -> None:
    """So what is taken is within a hundredth, whatever the wires."""
    cells = random_cells(*shape)
    right, found = exact(cells, wires, shape[0] + 3), effective(cells, wires, shape[0] + 3)
    assert np.abs(found - right).sum(axis=0).max() < 0.01 * right.sum(axis=0).max()


def test_bad_wires_are_solved_exactly() -> None:
    cells, wires = random_cells(64, 64), WireKeys(row_segment=50.0, column_segment=50.0, driver=1e3)
    assert two_terms(cells, wires, tail(wires, 64, 64)) is None
    assert np.array_equal(effective(cells, wires, 64), exact(cells, wires, 64))
    mild = WireKeys(row_segment=2.5, column_segment=2.5)
    assert not np.array_equal(effective(cells, mild, 64), exact(cells, mild, 64))
    assert np.array_equal(effective(cells, replace(mild, solution="exact"), 64), exact(cells, mild, 64))


def spice_currents(cells: Floats, volts: Floats, wires: WireKeys, array_rows: int, folder: Path) -> list[float]:
    file = folder / "array.cir"
    file.write_text(netlist("a test", cells, volts, wires, array_rows))
    done = subprocess.run(["ngspice", "-b", file], capture_output=True, text=True, check=False)
    return [float(value) for value in re.findall(r"i\(vout\d+\) = (\S+)", done.stdout)]


@needs_ngspice
@pytest.mark.parametrize("wires", KINDS)
def test_ngspice_agrees(wires: WireKeys, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for shape in ((2, 2), (9, 5), (24, 16)):
        cells, volts = random_cells(*shape), rng.uniform(0, 0.2, shape[0])
        cells[rng.random(shape) < 0.2] = 0
        found = spice_currents(cells, volts, wires, shape[0] + 3, tmp_path)
        assert found == pytest.approx(list(volts @ exact(cells, wires, shape[0] + 3)), rel=1e-6)


def test_layouts_by_hand() -> None:
    """Two halves, two slices, three columns: on crossbars of their own, or side by side, positive beside negative."""
    shape = (2, 2, 5, 3)
    apart = Layout(8, 8, side_by_side=False).crossbars(shape)
    assert [(set(c.signs), set(c.slices), c.columns.tolist()) for c in apart] == [
        ({sign}, {number}, [0, 1, 2]) for sign in (0, 1) for number in (0, 1)
    ]
    beside = Layout(8, 9, side_by_side=True).crossbars(shape)  # 9 columns hold two weights of four cells
    assert [list(zip(c.columns.tolist(), c.slices.tolist(), c.signs.tolist(), strict=True)) for c in beside] == [
        [(j, number, sign) for j in (0, 1) for number in (0, 1) for sign in (0, 1)],
        [(2, number, sign) for number in (0, 1) for sign in (0, 1)],
    ]
    cells = np.arange(60.0).reshape(shape)
    assert beside[1].of(cells)[3].tolist() == [
        cells[0, 0, 3, 2],
        cells[1, 0, 3, 2],
        cells[0, 1, 3, 2],
        cells[1, 1, 3, 2],
    ]


@pytest.mark.parametrize("slices", ["crossbars", "columns"])
def test_cells_of_an_mvmu_through_their_wires(slices: str) -> None:
    """Each crossbar by itself, the unit column right of the first one's, in steps and on the grid."""
    wires: dict[str, Any] = {"row_segment": 5.0, "column_segment": 5.0, "solution": "exact"}
    target = target_with({}, wires)
    target = replace(
        target, mvmu=replace(target.mvmu, slices=slices), crossbar=replace(target.crossbar, rows=50, columns=6)
    )
    device = device_of(target)
    assert isinstance(device, PhysicalCells)
    rng = np.random.default_rng(4)
    one = levels(np.ones((40, 4)), "offset")
    cells = replace(one, levels=rng.integers(0, 4, (1, 3, 40, 4)).astype(np.uint8))
    found = device.program(cells, WRITE)
    seen, keys = np.zeros((1, 3, 40, 4)), WireKeys(**wires)
    conductances = cells.levels[0] * 10e-6
    if slices == "crossbars":
        parts = [exact(np.column_stack([conductances[0], np.full(40, 10e-6)]), keys, 50)]
        parts += [exact(conductances[k], keys, 50) for k in (1, 2)]
        seen[0], unit = [parts[0][:, :4], *parts[1:]], parts[0][:, 4]
    else:  # two columns of three slices a crossbar
        both = [np.stack([conductances[k][:, j] for j in pair for k in range(3)], axis=1) for pair in ((0, 1), (2, 3))]
        left, right = exact(np.column_stack([both[0], np.full(40, 10e-6)]), keys, 50), exact(both[1], keys, 50)
        for j in range(4):
            for k in range(3):
                seen[0, k, :, j] = (left, right)[j // 2][:, 3 * (j % 2) + k]
        unit = left[:, 6]
    assert found.unit is not None
    assert found.cells == pytest.approx(seen / 10e-6, abs=2**-12)
    assert found.unit[:, 0] == pytest.approx(unit / 10e-6, abs=2**-12)


def test_noise_of_cells_shrinks_as_their_currents_do() -> None:
    keys = {"read_noise": 1e-6}
    plain, wired = cells_of(**keys), cells_of(wires={"row_segment": 20.0, "column_segment": 20.0}, **keys)
    cells = levels(np.full((30, 6), 2))
    a, b = plain.program(cells, WRITE), wired.program(cells, WRITE)
    assert a.variances is not None and b.variances is not None
    assert np.all(b.variances < a.variances)
    assert b.variances / a.variances == pytest.approx((b.cells / a.cells) ** 2, rel=2e-3)
    assert wired.specimen == Specimen()
