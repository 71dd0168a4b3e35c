"""Text and binary are two views of one object: laws on random programs, and one golden text."""

from __future__ import annotations

import struct
import time
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cimc.base.diagnostics import CimcError
from cimc.isa.binary.code import code_bytes, encode_each
from cimc.isa.binary.file import FORMAT, MAGIC, decode, encode
from cimc.isa.files import program_from, read_program, write_binary, write_text
from cimc.isa.program import Instruction, Program
from cimc.isa.table import ISA_VERSION
from cimc.isa.text.parser import parse
from cimc.isa.text.printer import line_of, print_instruction, print_program
from cimc.isa.text.reader import shapes_of
from cimc.isa.text.syntax import Refused
from cimc.isa.verify.wellformed import problems
from tests.isa.lark_shapes import lark_shapes
from tests.isa.small import CONV, SMALL
from tests.isa.strategies import programs

GOLDEN = Path(__file__).parent / "golden" / "small.cimasm"


def test_the_small_program_prints_as_its_golden_text() -> None:
    assert print_program(SMALL) == GOLDEN.read_text(encoding="utf-8")


@settings(max_examples=120)
@given(programs())
def test_what_is_printed_is_read_back(program: Program) -> None:
    assert not list(problems(program))
    assert parse(print_program(program)) == program


@settings(max_examples=120)
@given(programs())
def test_what_is_encoded_is_decoded(program: Program) -> None:
    assert decode(encode(program)) == program


PIECES = (
    *(
        "",
        " ",
        "\t",
        "\r",
        "+",
        "-",
        "0",
        "1.",
        ".0",
        ".",
        ":",
        ":+",
        ": +",
        ",",
        "x",
        '"',
        '"a b"',
        ";",
        "[",
        "]",
        "()",
    ),
    *("(", ")", "*", "=", "oy", "\\", "0b1", "0b2", "-1", "1e5", "1234567890" * 2, "é", "\u2028", "\x1f"),
)


@settings(max_examples=300)
@given(programs(), st.data())
def test_a_line_is_read_as_the_grammar_has_it(program: Program, data: st.DataObject) -> None:
    """Right or damaged: the same shapes at the same columns, or a refusal by both."""
    lines = [line.strip() for line in print_program(program).split("\n")]
    line = data.draw(st.sampled_from([line for line in lines if line]))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(line)))
        line = line[:at] + data.draw(st.sampled_from(PIECES)) + line[at + data.draw(st.integers(0, 3)) :]
    line = line.strip(" \t\r")
    try:
        shapes = shapes_of(line)
    except Refused:
        assert lark_shapes(line) is None, line
    else:
        assert lark_shapes(line) == shapes, line


def framed(payload: bytes) -> bytes:
    """A payload behind a header that is right for it."""
    return struct.pack("<4sBBIQ", MAGIC, FORMAT, ISA_VERSION, zlib.crc32(payload), len(payload)) + payload


@settings(max_examples=20)
@given(programs())
def test_the_frame_of_damaged_bytes_is_the_one_that_is_written(program: Program) -> None:
    """Else every damaged program below would be refused for its header, whatever stands behind it."""
    data = encode(program)
    assert framed(data[len(data) - struct.unpack_from("<Q", data, 10)[0] :]) == data


@settings(max_examples=100)
@given(programs(), st.data())
def test_damaged_bytes_give_a_diagnostic_or_another_program(program: Program, data: st.DataObject) -> None:
    payload = bytearray(encode(program)[18:])
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    payload = payload[: data.draw(st.one_of(st.just(len(payload)), st.integers(0, len(payload))))]
    try:
        found = decode(framed(bytes(payload)), "net.cim")
    except CimcError as error:
        codes = {diagnostic.code for diagnostic in error.diagnostics}
        assert all(code.startswith("binary.") for code in codes)
        assert not codes & {"binary.magic", "binary.version", "binary.checksum"}
    else:
        assert decode(encode(found)) == found


def test_spaces_comments_and_other_spellings_are_read() -> None:
    text = print_program(SMALL)
    loose = text.replace("x[oy-1:+3, ox-1:+3, 0], 3", "x[ -1 + oy :+3,ox-1 : +3:1 , 0:1 ] ,+3 ; a 3x3 window")
    loose = loose.replace("mvm     0b1", "mvm 1").replace("r[0:4], 0\n", "r[0:4],-0\r\n").replace("oy, 6", '"oy", 6')
    loose = loose.replace("height=6 width=6", "width = 6 height=6")
    assert parse(loose) == SMALL


def test_line_of_points_at_the_printed_instructions() -> None:
    lines = print_program(SMALL).split("\n")
    spots = line_of(SMALL)
    assert len(spots) == sum(len(code.stream) for tile in SMALL.tiles for code in tile.cores + tile.channels)
    for index, instruction in enumerate(CONV):
        assert lines[spots[0, "core", 0, index] - 1].strip() == print_instruction(instruction)


def test_code_bytes_counts_instructions_only() -> None:
    """`loop oy, 6` is opcode and count + 1; `wait x.0, oy+2` is opcode, ring, port, constant and term."""
    tile = SMALL.tiles[0]
    encoded = encode_each(CONV, tile)
    assert encoded[2] == bytes((1, 7))
    assert encoded[3] == bytes((8, 0, 0, 4 << 2 | 1, 2 << 3 | 1))
    unnamed = [replace(instruction, origin=-1) for instruction in CONV]
    assert code_bytes(CONV, tile) == code_bytes(unnamed, tile) == sum(map(len, encoded))


def test_files_of_either_form_are_told_apart(tmp_path: Path) -> None:
    write_text(SMALL, tmp_path / "small.cimasm")
    write_binary(SMALL, tmp_path / "small.cim")
    assert read_program(tmp_path / "small.cimasm") == read_program(tmp_path / "small.cim") == SMALL
    assert program_from(b"\xef\xbb\xbf" + print_program(SMALL).encode()) == SMALL


def test_what_is_no_program_is_said(tmp_path: Path) -> None:
    with pytest.raises(CimcError, match=r"asm\.encoding.*neither a binary program nor text in UTF-8 \(byte 0\)"):
        program_from(b"\xff\xfe", "net")
    with pytest.raises(CimcError, match=r"asm\.file.*there is no such file"):
        read_program(tmp_path / "missing")


def test_five_thousand_instructions_take_less_than_a_second_each_way() -> None:
    """The bound is some ten times what is needed: it is there to catch a quadratic parser."""
    core = SMALL.tiles[0].cores[0]
    rows = [
        Instruction(i.mnemonic, tuple(n if isinstance(operand, int) else operand for operand in i.operands), n % 2)
        for n in range(400)
        for i in CONV[2:16]
    ]
    stream = (*CONV[:2], *rows, Instruction("end"), Instruction("hlt"))
    tile = replace(SMALL.tiles[0], cores=(replace(core, stream=stream),))
    program = replace(SMALL, tiles=(tile,))
    start = time.process_time()
    text = print_program(program)
    printed = time.process_time()
    assert parse(text) == program
    parsed = time.process_time()
    assert len(stream) > 5000
    assert printed - start < 1 and parsed - printed < 1
