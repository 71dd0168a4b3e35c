"""The tables are complete: every form and kind is printed, read, encoded, checked and documented."""

from __future__ import annotations

import pytest

from cimc.isa.binary.bytestream import LONGEST_VARINT
from cimc.isa.binary.file import FORMAT, MAGIC, decode, encode
from cimc.isa.directives import DIRECTIVES
from cimc.isa.document import PAGE, PROGRAM_PAGE, current
from cimc.isa.form import Form
from cimc.isa.table import FORM, ISA_VERSION
from cimc.isa.text.parser import parse
from cimc.isa.text.printer import print_program
from cimc.isa.verify.counts import MOST_INSTRUCTIONS
from cimc.isa.verify.wellformed import MOST_NESTED

HEAD = """.isa 1
.program "net" target="puma" weights=""
.tile 0
.ring x addr=0 height=6 width=6 channels=64 segments=1 pixels=24 ports=1
.scale conv1.scale addr=100 entries=4 rows=1 zero=0 low=0 high=255 a0=0 b0=0 array=half
.vector bias addr=0 entries=64 array=bias
.table sigmoid addr=0 entries=64 first=0 step=0 array=sigmoid
"""


@pytest.mark.parametrize("form", FORM.values(), ids=lambda form: form.mnemonic)
def test_every_form_goes_through_text_and_bytes(form: Form) -> None:
    """With the examples of the documentation as operands."""
    unit = ".channel 0" if form.place == "tile" else ".core 0"
    lines = {"loop": ["loop oy, 24", "end"], "end": ["loop oy, 24", "end"], "hlt": []}
    body = lines.get(form.mnemonic, ["loop oy, 2", "loop ox, 3", form.sample(), "end", "end"])
    text = "\n".join([HEAD.rstrip(), unit, *body, "hlt"])
    program = parse(text)
    assert parse(print_program(program)) == program
    assert decode(encode(program)) == program
    assert f"`{form.mnemonic}`" in current(PAGE)


def test_the_pages_are_current() -> None:
    for page, parts in ((PAGE, 4), (PROGRAM_PAGE, 1)):
        text = page.read_text(encoding="utf-8")
        assert text == current(page), "run python -m cimc.isa.document"
        assert text.count(": python -m cimc.isa.document -->") == text.count("<!-- end -->") == parts


def test_the_prose_has_the_numbers_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.startswith(f"# The instruction set, version {ISA_VERSION}\n")
    assert f"## Binary form, FORMAT {FORMAT}\n" in page
    assert f"varints of at most {LONGEST_VARINT} bytes" in page and f"the bytes `{MAGIC.hex(' ')}`" in page
    assert f"nested at most {MOST_NESTED} deep" in page and f"takes at most {MOST_INSTRUCTIONS:,} instructions" in page


def test_everything_is_on_the_page() -> None:
    page, program = current(PAGE), PROGRAM_PAGE.read_text(encoding="utf-8")
    assert all(f"| {field.kind.name} |" in page for form in FORM.values() for field in form.fields)
    for directive in DIRECTIVES:
        rows = [line for line in program.splitlines() if f"`.{directive.name}`" in line.split(" | ")[0]]
        assert all(any(f"| *{key.name}* |" in row for row in rows) for key in directive.leading), directive.name
        assert all(any(f"| `{key.name}` |" in row for row in rows) for key in directive.keys), directive.name


def test_opcodes_stay_as_they_are() -> None:
    """A change here is a new version of the instruction set."""
    assert {form.mnemonic: form.opcode for form in FORM.values()} == {
        "loop": 1,
        "end": 2,
        "hlt": 3,
        "wait": 8,
        "space": 9,
        "release": 10,
        "signal": 11,
        "load": 16,
        "store": 17,
        "loadv": 18,
        "mvm": 24,
        "write": 25,
        "readback": 26,
        "set": 32,
        "copy": 33,
        "add": 34,
        "sub": 35,
        "max": 36,
        "min": 37,
        "addi": 38,
        "maxi": 39,
        "mini": 40,
        "shri": 41,
        "andi": 42,
        "mulshr": 43,
        "requant": 48,
        "requant2": 49,
        "requantm": 50,
        "rsum": 51,
        "rmax": 52,
        "lut": 53,
        "clrs": 56,
        "sums": 57,
        "requants": 58,
        "send": 64,
        "receive": 65,
    }
