"""Programs that somebody edited: the tokens and lines of their text, the bytes of their binary form."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable

from cimc.isa.binary.file import FORMAT, MAGIC
from cimc.isa.table import ISA_VERSION
from cimc.runtime.package import BINARY, TARGET, TEXT
from tests.fuzz.bases import BASES, base_files
from tests.fuzz.draw import Draw
from tests.fuzz.example import NET, Example
from tests.fuzz.values import changed_bytes, changed_text, other_number

EDITED_TEXT, EDITED_BINARY = "edited.casm", "edited.cimb"
_WORD, _NUMBER = re.compile(r"[a-z_]\w*(?:\.\w+)*"), re.compile(r"-?\d+")
HEADER = struct.Struct("<4sBBIQ")


def binary(payload: bytes) -> bytes:
    """A payload behind a header that fits it."""
    return HEADER.pack(MAGIC, FORMAT, ISA_VERSION, zlib.crc32(payload), len(payload)) + payload


def edited_text(draw: Draw, base: str) -> bytes:
    """A program's text with some changes. A lone half of a character is no text, so it becomes a question mark."""
    text = base_files(base)[f"{NET}/{TEXT}"].decode()
    if draw.random() < 0.6:
        return near_text(draw, text).encode()
    return changed_text(draw, text).encode("utf-8", "replace")


def near_text(draw: Draw, text: str) -> str:
    """A program that still reads as one, mostly: numbers a little off, lines moved, lost or repeated nearby, one word
    in the place of another that stands in the same place elsewhere."""
    lines, words = text.split("\n"), sorted(set(_WORD.findall(text)))
    for _ in range(draw.choice((1, 1, 2, 4))):
        at = draw.randrange(2, len(lines))
        near = min(len(lines) - 1, max(2, at + draw.choice((-3, -2, -1, 1, 2, 3))))
        match draw.randrange(8):
            case 0:
                lines[at] = ""
            case 1:
                lines.insert(near, lines[at])
            case 2:
                lines[at], lines[near] = lines[near], lines[at]
            case 3:
                lines[at] = _replaced(draw, _WORD, lines[at], lambda old: draw.choice(words))
            case _:
                lines[at] = _replaced(draw, _NUMBER, lines[at], lambda old: other_number(draw, old))
    return "\n".join(lines)


def _replaced(draw: Draw, pattern: re.Pattern[str], line: str, new: Callable[[str], str]) -> str:
    """A line with one match of a pattern replaced."""
    places = list(pattern.finditer(line))
    if not places:
        return line
    place = draw.choice(places)
    return line[: place.start()] + new(place[0]) + line[place.end() :]


def edited_binary(draw: Draw, base: str) -> bytes:
    """A program's bytes with some changes, mostly behind a header that fits."""
    whole = base_files(base)[f"{NET}/{BINARY}"]
    if draw.random() < 0.1:
        return changed_bytes(draw, whole)
    return binary(changed_bytes(draw, whole[HEADER.size :]))


def program_example(draw: Draw) -> Example:
    """An edited program, assembled or disassembled, and run in place of the one that it was made from."""
    base = draw.choice(tuple(BASES))
    run = ("run", NET, "--input", "input.npz", "--limit", "2", "-o", "out.npz", "--program")
    again = ("asm", "made.casm", "-o", "again.cimb", "--unchecked")
    if draw.random() < 0.7:
        checks = (
            ("asm", EDITED_TEXT, "-o", "made.cimb", "--target", f"{NET}/{TARGET}"),
            ("asm", EDITED_TEXT, "-o", "made.cimb"),
            ("asm", EDITED_TEXT, "-o", "made.cimb", "--unchecked"),
        )
        commands = (draw.choice(checks), ("disasm", "made.cimb", "-o", "made.casm"), again, (*run, EDITED_TEXT))
        return Example(commands, {EDITED_TEXT: edited_text(draw, base)}, base, (("made.cimb", "again.cimb"),))
    disasm = ("disasm", EDITED_BINARY, "-o", "made.casm")
    commands = (disasm, again, ("disasm", "again.cimb", "-o", "again.casm"), (*run, EDITED_BINARY))
    return Example(commands, {EDITED_BINARY: edited_binary(draw, base)}, base, (("made.casm", "again.casm"),))
