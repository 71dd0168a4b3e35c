"""docs/targets.md works as written, and its tables are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cimc.target.fields import Choice, Count, Field, Listing, Number, Quantity, Value
from cimc.target.keys import ACTIONS, DEFAULTS, OPTIONAL, SECTIONS
from cimc.target.load import load_target, preset_names

DOCS = (Path(__file__).parents[2] / "docs" / "targets.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The one code block of a language."""
    (text,) = re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    return str(text)


def table(name: str) -> str:
    """What stands between a marker and the next end."""
    found = re.search(rf"<!-- {name}:.*?-->\n(.*?)<!-- end -->", DOCS, re.DOTALL)
    assert found, name
    return found[1]


def may_be(field: Field) -> str:
    """What a key may be, for its row."""
    match field:
        case Choice(words=(True, False)):
            return "`true`, `false`"
        case Choice(words=words):
            return ", ".join(f'`"{word}"`' for word in words)
        case Listing():
            return f"a list, each {field.low:g} to {field.high:g} {field.unit}"
        case Quantity() | Number():
            return f"{field.low:g} to {field.high:g} {field.unit}"
        case Count():
            return f"{field.low} to {field.high} {field.unit}"


def test_the_tutorial_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bram.toml").write_text(block("toml"))
    exec(block("python"), {})
    printed = capsys.readouterr().out
    assert "".join(f"    {line}\n" for line in printed.splitlines()) in DOCS
    assert load_target("bram.toml").prices["mvm"].seconds == 0.72e-6


def otherwise(path: tuple[str, ...], value: Value) -> str:
    """What a key is that is left out."""
    field = SECTIONS[path[0]][path[1]]
    if isinstance(value, str):
        return f'; `"{value}"` if left out'
    if isinstance(value, bool):
        return f"; `{str(value).lower()}` if left out"
    unit = f" {field.unit}" if isinstance(field, Quantity) and not isinstance(field, Listing) else ""
    return f"; {value or 'none'}{unit} if left out" if isinstance(value, tuple) else f"; {value:g}{unit} if left out"


@pytest.mark.parametrize("name", ["keys", *OPTIONAL])
def test_the_keys_are_those_of_the_code(name: str) -> None:
    """Of all sections that every target has, and of each other one."""
    left_out = {path: otherwise(path, value) for path, value in DEFAULTS.items()}
    rows = [
        f"| `{section}.{key}` | {may_be(field)} | {field.meaning}{left_out.get((section, key), '')} |"
        for section, keys in SECTIONS.items()
        for key, field in keys.items()
        if section == name or (name == "keys" and section not in OPTIONAL)
    ]
    assert table(name) == "\n".join(["| key | may be | meaning |", "|---|---|---|", *rows, ""])


def test_the_arrays_are_those_of_the_presets() -> None:
    rows = []
    for name in preset_names():
        target = load_target(name)
        if target.writing is not None:
            height, width = target.crossbar.rows, target.crossbar.columns
            cost = target.write_cost(height * width, height)
            assert cost is not None
            figures = f"{cost[0] * 1e6:.1f} | {cost[1] * 1e9:,.1f} | 10^{len(str(target.writing.endurance)) - 1}"
            rows.append(f"| `{name}` | {height}x{width} | {figures} |")
    printed = [line for line in table("arrays").splitlines() if line.startswith("| `")]
    assert [line.rsplit("|", 2)[0] + "|" for line in printed] == rows


def test_the_actions_are_those_of_the_code() -> None:
    rows = [f"| `{name}` | {action.meaning} |" for name, action in ACTIONS.items()]
    assert table("actions") == "\n".join(["| action | meaning |", "|---|---|", *rows, ""])


def test_every_preset_is_named() -> None:
    introduction = DOCS.split("## ")[0]
    assert sorted(re.findall(r"^\| `([\w-]+)` \|", introduction, re.MULTILINE)) == list(preset_names())
