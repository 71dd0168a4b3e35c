"""The commands asm and disasm, and targets."""

from __future__ import annotations

from pathlib import Path

from rich.syntax import Syntax

from cimc.base.diagnostics import Place, fail
from cimc.base.reading import PROGRAM_LIMIT, read_bytes
from cimc.cli.console import new_console, write_out
from cimc.isa.binary.file import MAGIC, encode
from cimc.isa.files import program_from, read_program
from cimc.isa.program import Program
from cimc.isa.text.printer import print_program
from cimc.isa.verify.checked import check_program
from cimc.report.files import check_writable, write_whole
from cimc.report.view_table import new_table
from cimc.target.load import load_sourced, load_target, preset_names, target_file
from cimc.target.write import write_target


def assemble_job(text: Path, out: Path, target: str | None, unchecked: bool) -> None:
    """`cimc asm`. The program is checked against `target`, or against the preset that it names itself."""
    check_writable(out, text, target_file(target))
    if _bytes(text).startswith(MAGIC):
        raise fail("asm.form", "this is a binary program already", Place(str(text)), "cimc disasm makes text from it")
    program = read_program(text)
    against = target if target is not None else program.target if program.target in preset_names() else None
    if against is not None and not unchecked:
        check_program(program, load_target(against), text)
    write_whole(out, encode(program))


def disassemble_job(binary: Path, out: Path | None) -> None:
    """`cimc disasm`."""
    if out is not None:
        check_writable(out, binary)
    text = print_program(_binary(binary))
    if out is None:
        write_out(text)
    else:
        write_whole(out, text.encode("utf-8"))


def targets_job() -> None:
    """`cimc targets`."""
    table = new_table("target", "tiles>", "cores>", "MVMUs>", "MVMU", "word>", "what it is")
    for name in preset_names():
        target = load_target(name)
        crossbar = target.crossbar
        mvmus = target.chip.tiles * target.tile.cores * target.core.mvmus
        table.add_row(
            name,
            f"{target.chip.tiles:,}",
            f"{target.tile.cores} a tile",
            f"{mvmus:,}",
            f"{crossbar.rows}x{crossbar.columns}",
            f"{target.numbers.word}",
            target.description,
        )
    new_console().print(table)


def show_target_job(name: str) -> None:
    """`cimc targets show`."""
    sourced = load_sourced(name)
    text = write_target(sourced.target, sourced.sources)
    console = new_console()
    if console.is_terminal:
        console.print(Syntax(text, "toml", background_color="default", word_wrap=True))
    else:
        write_out(text)


def _binary(path: Path) -> Program:
    data = _bytes(path)
    if not data.startswith(MAGIC):
        raise fail(
            "binary.magic", "this is not a binary program of cimc", Place(str(path)), "cimc asm makes one from text"
        )
    return program_from(data, str(path))


def _bytes(path: Path) -> bytes:
    try:
        return read_bytes(path, PROGRAM_LIMIT)
    except OSError as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error.strerror).lower()
        raise fail("asm.file", f"the program cannot be read: {reason}", Place(str(path)), "check the path") from None
