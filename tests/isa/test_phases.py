"""A program that writes its crossbars in two rounds, to check by hand; and what the verifier refuses of it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from cimc.base.diagnostics import CimcError
from cimc.isa.binary.file import decode, encode
from cimc.isa.program import Program
from cimc.isa.text.parser import parse
from cimc.isa.text.printer import lines_by_part, print_program
from cimc.isa.verify.phases import writes_of
from cimc.isa.verify.verifier import verify
from cimc.runtime.rounds import RoundsEngine
from cimc.target.write import write_target
from tests.isa.chip import CHIP
from tests.oracles import interpreter

TEXT = (Path(__file__).parent / "two_rounds.cimasm").read_text(encoding="utf-8")

FIRST = [[1, -2], [3, 7]]
"""The matrix of the first round, bytes. Words: 1 + 254 * 256 = 65025, which is -511 in 16 bits; 3 + 7 * 256 = 1795."""
SECOND = [[-8], [5]], [[1, -1], [2, 7]]
"""Those of the second, four bits each. MVMU 0: 8 and 5; MVMU 1: 1 + 15 * 16 = 241 and 2 + 7 * 16 = 114."""
WEIGHTS = {
    "w0": np.array([-511, 1795], np.int32).reshape(2, 1, 1),
    "w1": np.array([8, 241, 5, 114], np.int32).reshape(2, 2, 1),
    **{f"i{n}": np.array([1, 0, 0, n, 1, 1]) for n in (2, 4, 5)},
}
X = np.array([[10, 1], [-3, 4], [100, -100]], np.int32)


def by_hand(x: np.ndarray) -> list[int]:
    """Both products, then the row of MVMU 1 that is read back."""
    m = x @ np.array(FIRST)
    return [*(m @ np.array(SECOND[0])), *(m @ np.array(SECOND[1])), *SECOND[1][1]]


def test_both_forms_are_one_program() -> None:
    program = parse(TEXT)
    assert print_program(program) == TEXT
    assert decode(encode(program)) == program
    assert [plug.name for plug in program.inputs] == ["x"] and [plug.name for plug in program.outputs] == ["y"]
    lines = TEXT.split("\n")
    for part, spots in zip(program.parts, lines_by_part(program), strict=True):
        for (tile, _, number, index), line in spots.items():
            core = next(c for t in part.tiles if t.number == tile for c in t.cores if c.number == number)
            assert lines[line - 1].split()[0] == core.stream[index].mnemonic


def test_numbers_by_hand() -> None:
    """Lanes, and inputs after each other, of which the third begins the rounds anew."""
    program = parse(TEXT)
    verify(program, CHIP)
    engine = RoundsEngine(program, WEIGHTS, CHIP)
    assert engine.run({"x": X}).outputs["y"].tolist() == [by_hand(x) for x in X]
    assert engine.run({"x": X[:, None]}, 3).outputs["y"][:, 0].tolist() == [by_hand(x) for x in X]


def test_the_interpreter_of_the_pages_agrees() -> None:
    made = interpreter.load(TEXT, WEIGHTS, tomllib.loads(write_target(CHIP)))
    assert interpreter.run(made, {"x": X})["y"].tolist() == [by_hand(x) for x in X]


def test_writes_are_counted_cell_by_cell() -> None:
    """MVMU 0 is written in both rounds, MVMU 1 in one."""
    assert writes_of(parse(TEXT)) == 2
    twice = TEXT.replace("      loop    row, 2\n        wait    w.0, row+1\n        write   0b1,",
                         "      loop    row, 2\n        wait    w.0, row+1\n        write   0b1, row, w[row, 0, 0]\n"
                         "        write   0b1,", 1)  # fmt: skip
    assert writes_of(parse(twice)) == 3


def part(number: int) -> str:
    """The text of a phase."""
    return TEXT.split(".phase ")[number + 1]


MVMU1 = '    .mvmu 1 array="" rows=2 columns=2 weight_bits=4'
LAST = part(3)
CASES: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "no phase writes": (
        "unwritten-cells",
        "MVMU 0 has no array, and no phase before this one has written all its rows",
        [(".phase " + part(0), ""), *[(f".phase {n} ", f".phase {n - 1} ") for n in (1, 2, 3)]],
    ),
    "a row is left out": ("cells", "row 1 of the MVMU is not written", [("write   0b1, row,", "write   0b1, 0,")]),
    "another shape is multiplied": (
        "unwritten-cells",
        "MVMU 1 was written otherwise than it is declared here: 2 x 2 weights of 4 bits and 2 x 1 weights of 4 bits",
        [(LAST, LAST.replace("columns=2", "columns=1").replace("[1:3], xout[100:102]", "[1:3], xout[0:2]"))],
    ),
    "an MVMU too many is read back": ("mask", "nothing says what lies in MVMU 2", [("readback 1,", "readback 2,")]),
    "a row too many is read back": (
        "cells", "rows 2 to 2 of MVMU 1, which has rows 0 to 1",
        [("readback 1, 1", "readback 1, 2")],
    ),
    "columns too many are read back": (
        "cells", "3 weights of a row of MVMU 1, which has 2", [("readback 1, 1, r[3:5]", "readback 1, 1, r[3:6]")],
    ),
    "rows beyond the matrix": (
        "cells", "rows 1 to 2 of MVMU 0, which has rows 0 to 1",
        [("write   0b1, row,", "write   0b1, row+1,")],
    ),
    "too many words": (
        "cells", "1 words for a row of MVMU 0, whose weights take 2",
        [("columns=2 weight_bits=8", "columns=3 weight_bits=8")],
    ),
    "pixels of other MVMUs": ("cells", "1 x 2 pixels for 1 MVMUs", [("write   0b11, row", "write   0b10, row")]),
    "a write for every input": (
        "cells", "it stands in a phase that runs for every input",
        [("round=0 once=true", "round=0 once=false"), ("rings=(0:w) memory=true", "rings=(0:w)")],
    ),
    "a write without phases": (
        "cells", "the program has no phases", [(TEXT[TEXT.index(".phase 1"):], ""), (".phase 0 round=0 once=true", ""),
                                              (" memory=true", "")],
    ),
    "weights from the start": (
        "cells", "an MVMU has an array from the start",
        [('array="" rows=2 columns=1', 'array=w0 rows=2 columns=1')],
    ),
    "used while it is written": (
        "cells", "MVMU 0 is used in the phase that writes it",
        [("        write   0b1, row,", "        readback 0, 0, r[0:2]\n        write   0b1, row,")],
    ),
    "an input of the host in a phase that writes": (
        "phase", "a phase that runs once takes weights out of off-chip memory alone", [("(0:w) memory=true", "(0:w)")],
    ),
    "a map that nobody made": (
        "plug", "no phase before this one puts it into off-chip memory", [('.input "maps/m"', '.input "maps/n"')],
    ),
    "a map of another shape": (
        "plug", "no phase before this one puts it into off-chip memory",
        [('.input "maps/m" dtype=int32 shape=(1, 1, 2)', '.input "maps/m" dtype=int32 shape=(2)')],
    ),
    "a map with a scale": (
        "plug", "its scale is 0.5; off-chip memory holds words, scale 0",
        [("int32 shape=(1, 1, 2) scale=0.0 zero=0 low=-32768 high=32767 index=i2 rings=(0:m.0)",
          "float32 shape=(1, 1, 2) scale=0.5 zero=0 low=-32768 high=32767 index=i2 rings=(0:m.0)")],
    ),
    "an input of two shapes": (
        "plug", "an earlier phase takes int32 of shape (2,)",
        [
            ('.input "maps/m" dtype=int32 shape=(1, 1, 2)', ".input x dtype=int32 shape=(1, 2)"),
            ("rings=(0:m) memory=true area=(0:kept0)", "rings=(0:m)"),
        ],
    ),
    "an output that comes twice": (
        "plug", "an earlier phase gives it",
        [('.output "maps/m"', ".output y"), ("rings=(0:m.0) memory=true area=(0:kept0)", "rings=(0:m.0)")],
    ),
    "rounds out of order": ("phase", "round 2 behind round 0", [("round=1", "round=2")]),
    "nobody shares a round": ("phase", "it runs in rounds, and 0 inputs go through each", [(" shared=2", "")]),
    "an area that a phase in between lacks": (
        "area", "phases 1 to 3 do not all have area kept0 of tile 0 alike",
        [(part(2), part(2).replace("  .area kept0 addr=900 words=4\n", ""))],
    ),
    "an area elsewhere": (
        "area", "phases 1 to 3 do not all have area kept0 of tile 0 alike",
        [(LAST, LAST.replace(".area kept0 addr=900", ".area kept0 addr=800"))],
    ),
    "an area for one input of two": (
        "area", "4 words, and area kept0 of tile 0 has 3", [("words=4", "words=3")],
    ),
    "a map that is looked for elsewhere": (
        "area", "it does not lie where the phase that made it put it", [(LAST, LAST.replace(" area=(0:kept0)", ""))],
    ),
    "an area over a ring": (
        "overlap", "ring w (words 0 to 1) and area kept0 (from word 1) overlap by 1 words",
        [("addr=900", "addr=1")],
    ),
}  # fmt: skip


def changed(edits: list[tuple[str, str]]) -> Program:
    text = TEXT
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return parse(text)


@pytest.mark.parametrize("name", CASES)
def test_what_is_refused(name: str) -> None:
    code, message, edits = CASES[name]
    with pytest.raises(CimcError) as caught:
        verify(changed(edits), CHIP)
    found = [(one.code.removeprefix("verify."), one.what) for one in caught.value.diagnostics]
    assert any(one == code and message in what for one, what in found), str(caught.value)


def test_a_finding_names_its_phase_and_line() -> None:
    with pytest.raises(CimcError) as caught:
        verify(changed([("readback 1, 1", "readback 1, 2")]), CHIP)
    place = caught.value.diagnostics[0].where
    assert place.line == 1 + TEXT[: TEXT.index("readback")].count("\n")
    assert "phase 3, tile 0 core 0, instruction 0: readback 1, 2, r[3:5]" in place.item


def test_a_map_is_not_overwritten_while_it_waits() -> None:
    """A second map in the same area, made before the first is read."""
    one = part(1)
    second = one.replace("maps/m", "maps/n").replace("1 round=0", "2 round=0")
    text = TEXT.replace(".phase " + one, ".phase " + one + ".phase " + second)
    text = text.replace(".phase 3 round", ".phase 4 round").replace(".phase 2 round=1", ".phase 3 round=1")
    with pytest.raises(CimcError, match='"maps/m" still waits in area kept0 of tile 0'):
        verify(parse(text), CHIP)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ((".phase 1 ", ".phase 2 "), "phase 2 stands where 1 is due"),
        ((".phase 0 round", ".tile 0\n.phase 0 round"), "inputs, outputs or tiles stand before the first .phase"),
    ],
)
def test_phases_in_text(edit: tuple[str, str], message: str) -> None:
    with pytest.raises(CimcError, match=message):
        parse(TEXT.replace(*edit))
