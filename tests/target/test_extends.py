"""A target file that takes over what it does not name from another one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from cimc.base.diagnostics import CimcError
from cimc.target.load import UNSAID, load_target
from cimc.target.write import write_target

ROWS = '{ value = 64, unit = "rows", source = "assumed: a test" }'


def test_a_file_overrides_only_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text(f'extends = "puma"\n[crossbar]\nrows = {ROWS}\n')
    puma, small = load_target("puma"), load_target(str(file))
    assert small == dataclasses.replace(puma, name="small", crossbar=dataclasses.replace(puma.crossbar, rows=64))


def test_files_extend_files_relative_to_themselves(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "base.toml").write_text(f'extends = "ideal"\n[crossbar]\nrows = {ROWS}\n')
    leaf = tmp_path / "sub" / "leaf.toml"
    leaf.write_text('name = "mine"\nextends = "../base.toml"\n')
    assert load_target(str(leaf)).crossbar.rows == 64
    assert load_target(str(leaf)).name == "mine"


def test_dotted_keys_and_tables_mean_the_same(tmp_path: Path) -> None:
    dotted, table = tmp_path / "t.toml", tmp_path / "sub.toml"
    dotted.write_text(f'name = "x"\nextends = "puma"\ncrossbar.rows = {ROWS}\n')
    table.write_text(
        'name = "x"\nextends = "puma"\n[crossbar.rows]\nvalue = 64\nunit = "rows"\nsource = "assumed: x"\n'
    )
    assert load_target(str(dotted)) == load_target(str(table))


def test_joules_replace_watts(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_text('extends = "puma"\n[prices.alu]\njoules = { value = 3, unit = "pJ", source = "assumed: a test" }\n')
    price = load_target(str(file)).prices["alu"]
    assert (price.seconds, price.joules) == (1e-9, 3e-12)
    assert price.source == "time: assumed: one word a cycle at 1 GHz; energy: assumed: a test"


def test_a_circle_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.toml").write_text('extends = "b.toml"\n')
    Path("b.toml").write_text('name = "b"\nextends = "a.toml"\n')
    with pytest.raises(CimcError) as caught:
        load_target("a.toml")
    assert str(caught.value) == (
        "error[target.extends]: targets extend each other in a circle: a.toml -> b.toml -> a.toml\n"
        "  at b.toml:2, extends\n"
        "  help: let one of them start from a preset: atomlayer, bram-256, bram-soc, dpe, hermes, ideal, "
        "isaac, prime, puma, xnor-rram"
    )


def test_a_mistake_in_the_base_points_to_the_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("base.toml").write_text('extends = "puma"\n\n[crossbar]\nrows = { value = 64, unit = "rows" }\n')
    Path("leaf.toml").write_text('extends = "base.toml"\n')
    with pytest.raises(CimcError) as caught:
        load_target("leaf.toml")
    assert [str(diagnostic.where) for diagnostic in caught.value.diagnostics] == ["base.toml:4, crossbar.rows"]


def test_a_key_with_a_default_may_be_left_out(tmp_path: Path) -> None:
    """It is what the model says, and so is written with the others."""
    text = write_target(load_target("puma"))
    left = "\n".join(line for line in text.splitlines() if not line.startswith(("adc_keeps", "resident")))
    file = tmp_path / "puma.toml"
    file.write_text(left)
    found = load_target(str(file))
    assert found == load_target("puma")
    assert (found.crossbar.adc_keeps, found.chip.resident) == ("low bits", "all layers")
    assert found.sources["chip", "resident"] == UNSAID != found.sources["chip", "tiles"]
    assert 'resident = { value = "all layers", source = "assumed: what cimc takes' in write_target(found)
