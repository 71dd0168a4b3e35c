"""The cost of writing weights follows from a row's time and a cell's energy, and is absent where a target has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from cimc.base.diagnostics import CimcError
from cimc.target.load import load_target


def test_one_array_of_puma_takes_what_its_simulator_says() -> None:
    # The simulator's array program: 10,969 ns and 676/32 = 21.125 nJ for all 128 x 128 cells of an array.
    cost = load_target("puma").write_cost(cells=128 * 128, rows=128)
    assert cost is not None
    seconds, joules = cost
    assert seconds == pytest.approx(10_969e-9, rel=1e-4)
    assert joules == pytest.approx(21.125e-9, rel=1e-12)


def test_mvmus_are_written_side_by_side() -> None:
    # Two MVMUs of eight 128 x 128 arrays, one of them with 20 rows: the time of 128 rows, the energy of all cells.
    puma = load_target("puma")
    cells = (128 + 20) * 128 * 8
    assert puma.writing is not None
    assert puma.write_cost(cells, rows=128) == (128 * puma.writing.row_seconds, cells * puma.writing.cell_joules)
    assert puma.write_cost(cells=0, rows=0) == (0.0, 0.0)


def test_no_cost_without_a_price() -> None:
    assert load_target("ideal").write_cost(cells=10, rows=1) is None


def test_half_a_section_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("chip.toml").write_text(
        'extends = "ideal"\n[writing]\nrow_seconds = { value = 1, unit = "us", source = "assumed: a test" }\n'
    )
    with pytest.raises(CimcError) as caught:
        load_target("chip.toml")
    todo = 'add it, or start the file with extends = "ideal" to take over what it does not name'
    assert str(caught.value) == "\n".join(
        f'error[target.missing]: the target does not say "writing.{key}"\n'
        f"  at chip.toml:2, writing.{key}\n"
        f"  help: {todo}"
        for key in ("cell_joules", "endurance")
    )
