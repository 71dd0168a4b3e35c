"""Binary programs that are damaged: every message, and no memory taken for lengths that lie."""

from __future__ import annotations

import struct
import zlib

import pytest

from cimc.base.diagnostics import CimcError
from cimc.isa.binary.bytestream import Reader, signed, unsigned, unzigzag, zigzag
from cimc.isa.binary.file import FORMAT, decode, encode
from tests.isa.small import SMALL

DATA = encode(SMALL)
HELP = "\n  help: write the file again with `cimc compile` or `cimc asm`"
AGAIN = "\n  help: compile the model again with this cimc"
COPY = "\n  help: copy the file again"


def framed(payload: bytes) -> bytes:
    """A payload with a header that is right."""
    return struct.pack("<4sBBIQ", b"\x7fCIM", FORMAT, 1, zlib.crc32(payload), len(payload)) + payload


def text(value: str) -> bytes:
    return unsigned(len(value.encode())) + value.encode()


NAMES = unsigned(2) + text("") + text("a")
"""Two texts; "" is number 0."""
EMPTY = NAMES + bytes([0, 0, 0]) + signed(1) + bytes([0, 0, 0]) + bytes([0, 0, 0, 0])
"""A program for one chip that says no widths, without strings, phases, inputs, outputs; the count of tiles follows."""


def core(code: bytes, counters: bytes = b"\0", origins: bytes = b"\0") -> bytes:
    """A program of one tile with one core that has the code."""
    return framed(
        EMPTY + b"\x01" + b"\0" * 6 + b"\x01" + b"\0\0" + unsigned(len(code)) + code + counters + origins + b"\0"
    )


CASES = {
    "nothing": (b"", "error[binary.truncated]: a program is longer than these 0 bytes\n  at net.cim"),
    "another file": (
        b"PK\x03\x04" + DATA[4:],
        "error[binary.magic]: this is not a binary program of cimc\n  at net.cim\n"
        "  help: one begins with the bytes 7f 43 49 4d",
    ),
    "another format": (
        DATA[:4] + b"\x09" + DATA[5:],
        "error[binary.version]: file format version 9; this cimc knows version 4\n  at net.cim" + AGAIN,
    ),
    "another instruction set": (
        DATA[:5] + b"\x09" + DATA[6:],
        "error[binary.version]: instruction set version 9; this cimc knows version 1\n  at net.cim" + AGAIN,
    ),
    "half a file": (
        DATA[:100],
        f"error[binary.truncated]: {len(DATA) - 18} bytes are announced and 82 are there\n  at net.cim" + COPY,
    ),
    "a flipped bit": (
        DATA[:-1] + bytes([DATA[-1] ^ 1]),
        "error[binary.checksum]: the bytes are not those that were written\n  at net.cim" + COPY,
    ),
    "a count that lies": (
        framed(unsigned(1 << 40)),
        "error[binary.truncated]: 1099511627776 things are announced here "
        "and 0 bytes are left\n  at net.cim, byte 24" + HELP,
    ),
    "a text that lies": (
        framed(b"\x01" + unsigned(1 << 40) + b"abc"),
        "error[binary.truncated]: 1099511627776 things are "
        "announced here and 3 bytes are left\n  at net.cim, byte 25" + HELP,
    ),
    "no end to a number": (
        framed(b"\xff" * 20),
        "error[binary.number]: a number of more than 10 bytes\n  at net.cim, byte 28" + HELP,
    ),
    "no UTF-8": (framed(b"\x01\x01\xff"), "error[binary.text]: a text that is not UTF-8\n  at net.cim, byte 21" + HELP),
    "no such text": (framed(NAMES + b"\x02"), "error[binary.index]: text number 2 of 2\n  at net.cim, byte 23" + HELP),
    "an early end": (
        framed(NAMES + b"\x00"),
        "error[binary.truncated]: the data ends in the middle of something\n  at net.cim, byte 23" + HELP,
    ),
    "bytes too many": (
        framed(EMPTY + b"\x00\x00"),
        "error[binary.trailing]: 1 bytes too many\n  at net.cim, byte 34" + HELP,
    ),
    "no such opcode": (
        core(b"\x63"),
        "error[binary.opcode]: no instruction has opcode 99\n  at net.cim, byte 45" + HELP,
    ),
    "no such register file": (
        core(b"\x20\x03\x01\x00"),
        "error[binary.operand]: register file 3 of 3\n  at net.cim, byte 46" + HELP,
    ),
    "no such ring": (core(b"\x08\x00"), "error[binary.index]: ring number 0 of 0\n  at net.cim, byte 46" + HELP),
    "an end too many": (core(b"\x02"), "error[binary.structure]: an end without a loop\n  at net.cim, byte 45" + HELP),
    "a loop without a name": (
        core(b"\x01\x05"),
        "error[binary.structure]: a loop whose counter has no name\n  at net.cim, byte 45" + HELP,
    ),
    "a name without a loop": (
        core(b"\x03", b"\x01\x00", b"\x01\x01\x01"),
        "error[binary.structure]: 1 counters of 0 loops have names\n  at net.cim, byte 47" + HELP,
    ),
    "no hlt": (
        core(b"\x38", origins=b"\x01\x01\x01"),
        "error[binary.structure]: the stream does not end with hlt\n"
        "  at net.cim, tile 0 core 0, instruction 0\n  help: add `hlt` as its last line",
    ),
    "no origin": (
        core(b"\x03"),
        "error[binary.structure]: 0 of 1 instructions have an origin\n  at net.cim, byte 47" + HELP,
    ),
    "origins too many": (
        core(b"\x03", origins=b"\x01\x01\x05"),
        "error[binary.structure]: more origins than instructions\n  at net.cim, byte 49" + HELP,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_damage_has_its_message(name: str) -> None:
    data, message = CASES[name]
    with pytest.raises(CimcError) as caught:
        decode(data, "net.cim")
    assert str(caught.value) == message


def test_the_frame_of_the_cases_is_right() -> None:
    assert decode(core(b"\x38\x03", origins=b"\x01\x01\x02")).tiles[0].cores[0].stream[1].mnemonic == "hlt"


def test_numbers_are_as_long_as_they_say() -> None:
    for value in (0, 1, -1, 63, 64, -64, -65, 127, 128, 1 << 40, -(1 << 40), (1 << 64) - 1, 1 - (1 << 64)):
        assert unzigzag(zigzag(value)) == value
        assert Reader(signed(value), "").signed() == value
        assert len(unsigned(zigzag(value))) == max(1, -(-zigzag(value).bit_length() // 7))
