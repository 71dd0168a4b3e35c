"""Programs in files, as text or binary: which of the two a file is, its first bytes say."""

from __future__ import annotations

from pathlib import Path

from cimc.base.diagnostics import Place, fail
from cimc.base.reading import PROGRAM_LIMIT, read_bytes
from cimc.isa.binary.file import MAGIC, decode, encode
from cimc.isa.program import Program
from cimc.isa.text.parser import parse
from cimc.isa.text.printer import print_program


def read_program(path: Path) -> Program:
    """The program in a file of either form. Raises CimcError for whatever is wrong with it."""
    return program_from(program_bytes(path), str(path))


def program_bytes(path: Path) -> bytes:
    """A program's file as it is."""
    try:
        return read_bytes(path, PROGRAM_LIMIT)
    except OSError as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error.strerror).lower()
        raise fail("asm.file", f"the program cannot be read: {reason}", Place(str(path)), "check the path") from None


def program_from(data: bytes, file: str = "") -> Program:
    """The program in the bytes of a file of either form; file: its name for diagnostics."""
    if data.startswith(MAGIC):
        return decode(data, file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"neither a binary program nor text in UTF-8 (byte {error.start})"
        todo = "give a file that `cimc compile`, `cimc asm` or `cimc disasm` wrote"
        raise fail("asm.encoding", what, Place(file), todo) from error
    return parse(text, file)


def write_text(program: Program, path: Path) -> None:
    """Write the program as assembly text."""
    path.write_text(print_program(program), encoding="utf-8", newline="\n")


def write_binary(program: Program, path: Path) -> None:
    """Write the program as bytes."""
    path.write_bytes(encode(program))
