"""Names as they are printed and stored: nothing invisible, nothing that leads out of a folder, nothing lost."""

from __future__ import annotations

import json
import tomllib
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cimc.base.diagnostics import Diagnostic, Place
from cimc.base.names import in_json, in_toml, member_name, printable, printable_lines

ANY = st.text(st.characters(exclude_categories=()), max_size=40)
ODD = st.text(st.sampled_from("a.%/\\:~2F\0\x1b\u202e\n \ud800"), max_size=12)
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def invisible(text: str) -> list[str]:
    """What of a text a terminal would not show as it is."""
    return [c for c in text if unicodedata.category(c) in INVISIBLE]


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("conv1/W:0", "conv1/W:0"),
        ("größe 尺寸", "größe 尺寸"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\u202eb", r"a\u202eb"),
        ("a\0b\nc\td\r", r"a\x00b\nc\td\r"),
        ("\x9b2J", r"\x9b2J"),
        ("\ud83d", r"\ud83d"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_is_printed(name: str, printed: str) -> None:
    assert printable(name) == printed


@given(ANY)
def test_nothing_invisible_is_printed(text: str) -> None:
    assert not invisible(printable(text))
    assert not invisible(printable_lines(text).replace("\n", ""))
    told = str(Diagnostic("a.b", f'the tensor "{text}"', Place(f"f{text}", 3, 4, text), f"do {text}"))
    assert not invisible(told.replace("\n", ""))
    assert told.count("\n") == 2 + text.count("\n    ")
    assert not any(line.startswith("error[") for line in told.splitlines()[1:])


@given(st.dictionaries(ANY, ANY))
def test_json_and_toml_keep_every_value(values: dict[str, str]) -> None:
    text = in_json(json.dumps(values, ensure_ascii=False, indent=2))
    assert not invisible(text.replace("\n", ""))
    assert json.loads(text) == values
    for value in values.values():
        if not any(unicodedata.category(c) == "Cs" for c in value):  # these have no UTF-8
            assert not invisible(in_toml(value))
            assert tomllib.loads(f'x = "{in_toml(value)}"') == {"x": value}


@given(ANY | ODD)
def test_a_member_stays_in_its_folder_and_gives_the_name_back(name: str) -> None:
    member = member_name(name)
    assert not invisible(member)
    for path in (PurePosixPath(f"{member}.npy"), PureWindowsPath(f"{member}.npy")):
        assert not path.is_absolute() and not path.root
        assert ".." not in path.parts
    assert "\\" not in member
    assert unquote(member, errors="surrogatepass") == name


@pytest.mark.parametrize("name", ["logits", "out/y:0", "StatefulPartitionedCall:0", "100 %", "a.b.c", "größe"])
def test_usual_names_are_kept(name: str) -> None:
    assert member_name(name) == name


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("../../x", "%2E%2E%2F%2E%2E%2Fx"),
        ("/etc/passwd", "%2Fetc%2Fpasswd"),
        ("a\0b", "a%00b"),
        ("..\\x", "..%5Cx"),
        ("%2E", "%252E"),
    ],
)
def test_what_would_lead_out_is_escaped(name: str, member: str) -> None:
    assert member_name(name) == member


@given(st.lists(st.text("aä/\0", min_size=90, max_size=300), unique=True, max_size=6))
def test_long_names_are_cut_and_stay_different(names: list[str]) -> None:
    members = [member_name(name) for name in names]
    assert len(set(members)) == len(names)
    assert all(len(member.encode()) <= 200 for member in members)
    assert len({*members, *(member_name(member) for member in members if len(member.encode()) > 196)}) >= len(names)
