"""Programs in files: text or binary, which its first bytes say; and checked, with the lines of the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cimc.base.diagnostics import CimcError, Diagnostic, Place, fail
from cimc.base.reading import PROGRAM_LIMIT, read_bytes
from cimc.isa.binary.file import MAGIC, decode, encode
from cimc.isa.program import Program
from cimc.isa.text.parser import parse
from cimc.isa.text.printer import print_program
from cimc.isa.verify.verifier import verify
from cimc.target.model import Target


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


def check_program(program: Program, target: Target, file: Path) -> None:
    """Prove what can be proved before a run. program: what `file` says. Raises CimcError with everything that is wrong,
    at its lines of `file`."""
    try:
        verify(program, target, formed=True)
    except CimcError as error:
        lines = _lines_of(program, file)
        raise CimcError(_moved(diagnostic, file, lines) for diagnostic in error.diagnostics) from None


def read_checked(file: Path, target: Target) -> Program:
    """The program in a file, text or binary, checked for the target, which must be the one that it names."""
    program = read_program(file)
    if program.target != target.name:
        what = f'the program is for the target "{program.target}", and this target is "{target.name}"'
        raise fail("verify.target", what, Place(str(file)), "compile the model for this target")
    check_program(program, target, file)
    return program


def _moved(diagnostic: Diagnostic, file: Path, lines: dict[int, int]) -> Diagnostic:
    place = diagnostic.where
    return replace(diagnostic, where=Place(str(file), lines.get(place.line, 0), item=place.item))


def _lines_of(program: Program, file: Path) -> dict[int, int]:
    """The line in the file of each instruction's line in the printed program; empty where they do not correspond."""
    data = read_bytes(file, PROGRAM_LIMIT)
    if data.startswith(MAGIC):
        return {}
    printed = list(_instructions(print_program(program)))
    written = list(_instructions(data.decode("utf-8-sig")))
    if [word for _, word in printed] != [word for _, word in written]:
        return {}
    return {ours: theirs for (ours, _), (theirs, _) in zip(printed, written, strict=True)}


def _instructions(text: str) -> Iterator[tuple[int, str]]:
    """(line, mnemonic) of every instruction."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if words and not words[0].startswith((".", ";")):
            yield number, words[0]
