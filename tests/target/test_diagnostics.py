"""What a user is told about a mistake in a target file: one golden message for each kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from cimc.base.diagnostics import CimcError
from cimc.target.keys import DEFAULTS, OPTIONAL, SECTIONS
from cimc.target.load import load_target

PUMA = 'extends = "puma"\n'

GOLDENS = {
    "broken": (
        PUMA + "[crossbar]\nrows = { value = 64, unit = rows }\n",
        """error[target.toml]: this is not TOML: Invalid value
  at chip.toml:3:29
  help: a key reads: rows = { value = 128, unit = "rows", ... }""",
    ),
    "broken at the end": (
        PUMA + "[crossbar",
        """error[target.toml]: this is not TOML: Expected ']' at the end of a table declaration
  at chip.toml:2
  help: a key reads: rows = { value = 128, unit = "rows", ... }""",
    ),
    "unknown key": (
        PUMA + '[crossbar]\nrow = { value = 64, unit = "rows", source = "assumed: x" }\n',
        """error[target.key]: [crossbar] has no key "row"
  at chip.toml:3, crossbar.row
  help: did you mean "rows"?""",
    ),
    "unknown table": (
        PUMA + "[xyz]\n",
        """error[target.key]: a target file has no key "xyz"
  at chip.toml:2, xyz
  help: known here: name, description, extends, numbers, crossbar, mvmu, core, tile, chip, writing, device, wires, \
prices""",
    ),
    "unknown action": (
        PUMA + '[prices.mvmm]\nseconds = { value = 1, unit = "ns", source = "assumed: x" }\n',
        """error[target.key]: [prices] has no key "mvmm"
  at chip.toml:2, prices.mvmm
  help: did you mean "mvm"?""",
    ),
    "unknown part": (
        PUMA + '[crossbar]\nrows = { value = 64, units = "rows", unit = "rows", source = "assumed: x" }\n',
        """error[target.key]: "crossbar.rows" has no part "units"
  at chip.toml:3, crossbar.rows.units
  help: did you mean "unit"?""",
    ),
    "bare number": (
        PUMA + "[crossbar]\nrows = 64\n",
        """error[target.type]: "crossbar.rows" must say its value, unit and source
  at chip.toml:3, crossbar.rows
  help: write rows = { value = 1, unit = "rows", source = "..." }""",
    ),
    "wrong type": (
        PUMA + '[crossbar]\nrows = { value = "many", unit = "rows", source = "assumed: x" }\n',
        """error[target.type]: "crossbar.rows" needs a whole number, not 'many'
  at chip.toml:3, crossbar.rows.value
  help: write rows = { value = 1, unit = "rows", source = "..." }""",
    ),
    "no value": (
        PUMA + '[mvmu]\nencoding = { source = "assumed: x" }\n',
        """error[target.type]: "mvmu.encoding" has no value
  at chip.toml:3, mvmu.encoding.value
  help: write encoding = { value = "offset", source = "..." }""",
    ),
    "not a table": (
        PUMA + "crossbar = 3\n",
        """error[target.type]: "crossbar" must be a table
  at chip.toml:2, crossbar
  help: write it as [crossbar]""",
    ),
    "wrong unit": (
        PUMA + '[prices.mvm]\nseconds = { value = 1, unit = "min", source = "assumed: x" }\n',
        """error[target.unit]: "prices.mvm.seconds" cannot be given in "min"
  at chip.toml:3, prices.mvm.seconds.unit
  help: the unit is "s" or "ms" or "us" or "ns" or "ps" or "fs\"""",
    ),
    "no unit": (
        PUMA + '[tile]\nmemory_words = { value = 64, source = "assumed: x" }\n',
        """error[target.unit]: "tile.memory_words" has no unit
  at chip.toml:3, tile.memory_words.unit
  help: the unit is "words" or "Kiwords" or "Miwords\"""",
    ),
    "no source": (
        PUMA + '[crossbar]\nrows = { value = 64, unit = "rows" }\n',
        """error[target.source]: "crossbar.rows" does not say where its value comes from
  at chip.toml:3, crossbar.rows
  help: name the paper and table, or write source = "assumed: why" where no paper says it""",
    ),
    "wrong word": (
        PUMA + '[mvmu]\nencoding = { value = "ofset", source = "assumed: x" }\n',
        """error[target.value]: "mvmu.encoding" cannot be "ofset"
  at chip.toml:3, mvmu.encoding.value
  help: did you mean "offset"?""",
    ),
    "out of range": (
        PUMA + '[crossbar]\nrows = { value = 0, unit = "rows", source = "assumed: x" }\n',
        """error[target.range]: "crossbar.rows" is 0 rows, which is out of range
  at chip.toml:3, crossbar.rows.value
  help: it goes from 1 to 65536 rows""",
    ),
    "beyond the floats": (
        PUMA + f'[prices.mvm]\nseconds = {{ value = 1{"0" * 400}, unit = "s", source = "assumed: x" }}\n',
        f"""error[target.range]: "prices.mvm.seconds" is 1{"0" * 400} s, which is out of range
  at chip.toml:3, prices.mvm.seconds.value
  help: it goes from 0 to 1 s""",
    ),
    "joules and watts": (
        PUMA + '[prices.mvm]\njoules = { value = 1, unit = "nJ", source = "assumed: x" }\n'
        'watts = { value = 1, unit = "mW", source = "assumed: x" }\n',
        """error[target.inconsistent]: "prices.mvm" gives both joules and watts
  at chip.toml:4, prices.mvm.watts
  help: keep one: joules = watts x seconds""",
    ),
    "half a price": (
        'extends = "ideal"\n[prices.mvm]\njoules = { value = 1, unit = "nJ", source = "assumed: x" }\n',
        """error[target.missing]: the target does not say "prices.mvm.seconds"
  at chip.toml:2, prices.mvm.seconds
  help: add it, or start the file with extends = "ideal" to take over what it does not name""",
    ),
    "unknown base": (
        'extends = "pumma"\n',
        """error[target.extends]: no target is called "pumma"
  at chip.toml:1, extends
  help: did you mean "puma"? presets: atomlayer, bram-256, bram-soc, dpe, hermes, ideal, isaac, prime, puma, \
xnor-rram; or the path of a .toml file""",
    ),
    "missing base": (
        'extends = "base.toml"\n',
        """error[target.file]: the target file "base.toml" cannot be read: no such file or directory
  at chip.toml:1, extends
  help: check the path; presets: atomlayer, bram-256, bram-soc, dpe, hermes, ideal, isaac, prime, puma, xnor-rram""",
    ),
    "empty name": (
        PUMA + 'name = ""\n',
        """error[target.type]: "name" must be a text
  at chip.toml:2, name
  help: write name = "...\"""",
    ),
    "slices on too few crossbars": (
        PUMA + '[mvmu]\ncrossbars = { value = 4, unit = "crossbars", source = "assumed: x" }\n',
        """error[target.inconsistent]: a 16-bit weight needs 8 crossbars in 2-bit cells (offset encoding), \
and there are 4
  at chip.toml:3, mvmu.crossbars
  help: give it 8 crossbars, more crossbar.cell_bits, or a narrower numbers.weight""",
    ),
    "slices in too few columns": (
        'extends = "isaac"\n[crossbar]\ncolumns = { value = 4, unit = "columns", source = "assumed: x" }\n',
        """error[target.inconsistent]: a 16-bit weight needs 8 columns in 2-bit cells (offset encoding), \
and there are 4
  at chip.toml:3, crossbar.columns
  help: give it 8 columns, more crossbar.cell_bits, or a narrower numbers.weight""",
    ),
    "flipped pairs": (
        'extends = "ideal"\n[mvmu]\nflipped = { value = true, source = "assumed: x" }\n',
        """error[target.inconsistent]: columns cannot be flipped with encoding "differential"
  at chip.toml:3, mvmu.flipped
  help: set mvmu.flipped to false, or mvmu.encoding to "offset\"""",
    ),
    "odd word, wide inputs": (
        PUMA + '[numbers]\nword = { value = 12, unit = "bits", source = "assumed: x" }\n',
        """error[target.inconsistent]: a word of 12 bits is not a whole number of bytes
  at chip.toml:3, numbers.word
  help: use a multiple of 8
error[target.inconsistent]: inputs of 16 bits do not fit words of 12 bits
  at puma.toml, numbers.input
  help: make numbers.word wider or numbers.input narrower""",
    ),
    "wide DAC": (
        'extends = "ideal"\n[crossbar]\ndac_bits = { value = 9, unit = "bits", source = "assumed: x" }\n',
        """error[target.inconsistent]: a DAC of 9 bits is wider than inputs of 8 bits
  at chip.toml:3, crossbar.dac_bits
  help: make crossbar.dac_bits at most numbers.input""",
    ),
    "nothing rounds": (
        'extends = "ideal"\n[numbers]\nword = { value = 16, unit = "bits", source = "assumed: x" }\n',
        """error[target.inconsistent]: sums of 32 bits do not fit words of 16 bits, and nothing rounds them
  at ideal.toml, numbers.accumulator
  help: make numbers.word wider, or set mvmu.round to "shift\"""",
    ),
    "nothing writes the layers": (
        'extends = "ideal"\n[chip]\nresident = { value = "one layer", source = "assumed: x" }\n',
        """error[target.inconsistent]: layers take turns on the crossbars, and the target does not say what writing \
them takes
  at chip.toml:3, chip.resident
  help: add [writing], or set chip.resident to "all layers\"""",
    ),
    "sums overflow": (
        'extends = "ideal"\n[numbers]\naccumulator = { value = 16, unit = "bits", source = "assumed: x" }\n',
        """error[target.inconsistent]: a sum over 256 rows of 8-bit weights times 8-bit inputs has up to 24 bits; \
the accumulator has 16 and nothing rounds
  at ideal.toml, mvmu.round
  help: set mvmu.round to "shift", or make numbers.accumulator wider""",
    ),
    "pairs where there are none": (
        'extends = "puma"\n[crossbar]\n'
        'adc_signed = { value = true, source = "assumed: x" }\n'
        "[mvmu]\n"
        'pairs = { value = "subtracted", source = "assumed: x" }\n',
        """error[target.inconsistent]: encoding "offset" has no pairs of cells to subtract
  at chip.toml:5, mvmu.pairs
  help: set mvmu.pairs to "apart", or mvmu.encoding to "differential\"""",
    ),
    "a difference without negative codes": (
        'extends = "bram-soc"\n[mvmu]\npairs = { value = "subtracted", source = "assumed: x" }\n',
        """error[target.inconsistent]: the difference of a pair may be negative, and the ADC has no negative codes
  at chip.toml, crossbar.adc_signed
  help: set crossbar.adc_signed to true, or mvmu.pairs to "apart\"""",
    ),
    "pairs have no offset": (
        'extends = "bram-soc"\n[mvmu]\ncorrection = { value = "digital", source = "assumed: x" }\n',
        """error[target.inconsistent]: pairs of cells have no offset to correct
  at chip.toml:3, mvmu.correction
  help: set mvmu.correction to "unit column", which pairs do not have either""",
    ),
    "a top without a fixed range": (
        'extends = "puma"\n[crossbar]\nadc_top = { value = 9, unit = "units", source = "assumed: x" }\n',
        """error[target.inconsistent]: the top of the ADC's range is given where adc_keeps is "range" and adc_range \
"fixed", and only there
  at chip.toml:3, crossbar.adc_top
  help: set crossbar.adc_top to the sum at the largest code, or leave it out""",
    ),
    "a fixed range without a top": (
        'extends = "puma"\n[crossbar]\n'
        'adc_keeps = { value = "range", source = "assumed: x" }\n'
        'adc_range = { value = "fixed", source = "assumed: x" }\n',
        """error[target.inconsistent]: the top of the ADC's range is given where adc_keeps is "range" and adc_range \
"fixed", and only there
  at chip.toml:2, crossbar.adc_top
  help: set crossbar.adc_top to the sum at the largest code, or leave it out""",
    ),
    "steps below the least": (
        'extends = "puma"\n[crossbar]\n'
        'adc_keeps = { value = "range", source = "assumed: x" }\n'
        'adc_range = { value = "fixed", source = "assumed: x" }\n'
        'adc_top = { value = 0.2, unit = "units", source = "assumed: x" }\n'
        'adc_bits = { value = 8, unit = "bits", source = "assumed: x" }\n',
        """error[target.inconsistent]: a range of 0.2 units for 255 codes has steps below 2^-10 units
  at chip.toml:5, crossbar.adc_top
  help: make crossbar.adc_top larger, or crossbar.adc_bits smaller""",
    ),
    "a unit column and columns' ranges": (
        'extends = "puma"\n[crossbar]\n'
        'adc_keeps = { value = "range", source = "assumed: x" }\n'
        'adc_range = { value = "minmax", source = "assumed: x" }\n'
        'adc_scale = { value = "column", source = "assumed: x" }\n',
        """error[target.inconsistent]: columns have ranges of their own, and the unit column, which all of them \
share, would need all of these
  at chip.toml:5, crossbar.adc_scale
  help: set mvmu.correction to "digital", or crossbar.adc_scale to "layer\"""",
    ),
    "two ranges that nothing measures": (
        'extends = "puma"\n[crossbar]\nadc_kind = { value = "twin range", source = "assumed: x" }\n',
        """error[target.inconsistent]: a twin-range converter takes both steps from calibration data, and reads no \
negative sums
  at chip.toml:3, crossbar.adc_kind
  help: set crossbar.adc_keeps to "range", adc_range to "least squares" and adc_signed to false""",
    ),
    "two ranges with negative codes": (
        'extends = "puma"\n[crossbar]\n'
        'adc_keeps = { value = "range", source = "assumed: x" }\n'
        'adc_range = { value = "least squares", source = "assumed: x" }\n'
        'adc_kind = { value = "twin range", source = "assumed: x" }\n'
        'adc_signed = { value = true, source = "assumed: x" }\n',
        """error[target.inconsistent]: a twin-range converter takes both steps from calibration data, and reads no \
negative sums
  at chip.toml:5, crossbar.adc_kind
  help: set crossbar.adc_keeps to "range", adc_range to "least squares" and adc_signed to false""",
    ),
    "more rows at once than there are": (
        'extends = "puma"\n[crossbar]\nrows_at_once = { value = 129, unit = "rows", source = "assumed: x" }\n',
        """error[target.inconsistent]: 129 rows at once of 128
  at chip.toml:3, crossbar.rows_at_once
  help: make crossbar.rows_at_once at most crossbar.rows, or 0 for all""",
    ),
}


@pytest.mark.parametrize("case", GOLDENS)
def test_message(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text, expected = GOLDENS[case]
    Path("chip.toml").write_text(text)
    with pytest.raises(CimcError) as caught:
        load_target("chip.toml")
    message = str(caught.value)
    for preset in ("puma", "ideal"):  # a line of a preset may move; its file must be right
        message = _without_line(message, f"{preset}.toml")
    assert message == expected


def _without_line(message: str, file: str) -> str:
    head, mark, tail = message.partition(f"  at {file}:")
    return head + (mark.removesuffix(":") + tail.lstrip("0123456789") if mark else "")


def test_all_mistakes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("chip.toml").write_text(
        PUMA + '[crossbar]\nrow = 1\nrows = { value = 0, unit = "bits" }\n[mvmu]\nround = { value = 3 }\n'
    )
    with pytest.raises(CimcError) as caught:
        load_target("chip.toml")
    found = [(diagnostic.code, diagnostic.where.line) for diagnostic in caught.value.diagnostics]
    assert found == [
        ("target.key", 3),
        ("target.source", 4),
        ("target.unit", 4),
        ("target.source", 6),
        ("target.type", 6),
    ]


def test_an_empty_file_lacks_every_key_without_a_default(tmp_path: Path) -> None:
    file = tmp_path / "chip.toml"
    file.write_text("")
    with pytest.raises(CimcError) as caught:
        load_target(str(file))
    assert len(caught.value.diagnostics) == sum(
        len(keys) for section, keys in SECTIONS.items() if section not in OPTIONAL
    ) - sum(path[0] not in OPTIONAL for path in DEFAULTS)
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {"target.missing"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "pumma",
            """error[target.unknown]: no target is called "pumma"
  help: did you mean "puma"? presets: atomlayer, bram-256, bram-soc, dpe, hermes, ideal, isaac, prime, puma, \
xnor-rram; or the path of a .toml file""",
        ),
        (
            "xyz",
            """error[target.unknown]: no target is called "xyz"
  help: presets: atomlayer, bram-256, bram-soc, dpe, hermes, ideal, isaac, prime, puma, \
xnor-rram; or the path of a .toml file""",
        ),
        (
            "nowhere.toml",
            """error[target.file]: the target file "nowhere.toml" cannot be read: no such file or directory
  at nowhere.toml
  help: check the path; presets: atomlayer, bram-256, bram-soc, dpe, hermes, ideal, isaac, prime, puma, xnor-rram""",
        ),
        (
            "./",
            """error[target.file]: the target file "./" cannot be read: is a directory
  at ./
  help: check the path; presets: atomlayer, bram-256, bram-soc, dpe, hermes, ideal, isaac, prime, puma, xnor-rram""",
        ),
    ],
)
def test_unknown_target(name: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CimcError) as caught:
        load_target(name)
    assert str(caught.value) == expected


def test_bytes_that_are_not_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("chip.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(CimcError) as caught:
        load_target("chip.toml")
    assert str(caught.value) == "error[target.toml]: this is not TOML: byte 8 is not UTF-8\n  at chip.toml"
