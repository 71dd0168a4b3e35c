"""The commands asm and disasm, and targets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.syntax import Syntax

from cimc.base.diagnostics import CimcError, Place, fail
from cimc.base.layer_names import LayerNames
from cimc.base.options import made
from cimc.cli.console import answer, check_json, new_console, write_out
from cimc.driver.options import TargetOptions
from cimc.isa.binary.file import MAGIC, decode, encode
from cimc.isa.effects import access_of
from cimc.isa.files import check_program, program_bytes, program_from
from cimc.isa.program import Program, TileCode
from cimc.isa.text.printer import print_program
from cimc.report.folder import check_writable, load_report, write_whole
from cimc.report.json_text import fields_of
from cimc.report.view_table import table_of
from cimc.target.load import load_target, preset_names, target_file
from cimc.target.model import Target
from cimc.target.write import write_target


def assemble_job(text: Path, out: Path, target: str | None, settings: list[str] | None, unchecked: bool) -> None:
    """`cimc asm`. The program is checked against `target`, or against the preset that it names itself."""
    check_writable(out, text, target_file(target))
    data = program_bytes(text)
    if data.startswith(MAGIC):
        raise fail("asm.form", "this is a binary program already", Place(str(text)), "cimc disasm makes text from it")
    program = program_from(data, str(text))
    against = target if target is not None else program.target if program.target in preset_names() else None
    if against is not None and not unchecked:
        check_program(program, _chip(against, settings), text)
    write_whole(out, encode(program))


def disassemble_job(binary: Path, out: Path | None, layer: str | None) -> None:
    """`cimc disasm`. layer: whose cores alone are of interest."""
    if out is not None:
        check_writable(out, binary)
    data = program_bytes(binary)
    if not data.startswith(MAGIC):
        what = "this is not a binary program of cimc"
        raise fail("binary.magic", what, Place(str(binary)), "cimc asm makes one from text")
    program = decode(data, str(binary))
    text = print_program(program if layer is None else _only(program, binary.parent, layer))
    if out is None:
        write_out(text)
    else:
        write_whole(out, text.encode("utf-8"))


def _only(program: Program, folder: Path, layer: str) -> Program:
    """The cores that work for a layer, with the rings of their tiles."""
    wanted = _names(program, folder).index(layer, "--layer")

    def only(tiles: tuple[TileCode, ...]) -> tuple[TileCode, ...]:
        kept = (
            replace(tile, cores=tuple(c for c in tile.cores if any(i.origin == wanted for i in c.stream)), channels=())
            for tile in tiles
        )
        return tuple(tile for tile in kept if tile.cores)

    phases = (replace(phase, tiles=only(phase.tiles)) for phase in program.phases)
    return replace(program, tiles=only(program.tiles), phases=tuple(phase for phase in phases if phase.tiles))


def _names(program: Program, folder: Path) -> LayerNames:
    """The names of layers with the tensors that they store, and their other ONNX nodes where the report lies in
    the folder."""
    try:
        names = load_report(folder, program).names
    except CimcError:
        names = LayerNames(())
    if names.shown == list(program.strings):
        return names
    tiles = [tile for part in program.parts for tile in part.tiles]
    rings = {ring.name: ring.tensor for tile in tiles for ring in tile.rings}
    tensors: dict[int, str] = {}
    for instruction in (one for tile in tiles for core in tile.cores for one in core.stream):
        access = access_of(instruction)
        if access is not None and access.writes and rings[access.window.ring]:
            tensors.setdefault(instruction.origin, rings[access.window.ring])
    return LayerNames((tensors.get(number, name), name) for number, name in enumerate(program.strings))


def targets_job(json: Path | None) -> None:
    """`cimc targets`."""
    check_json(json)
    found = {name: load_target(name) for name in preset_names()}
    record = {name: fields_of(target) for name, target in found.items()}
    for fields in record.values():
        del fields["sources"]
    table = table_of(
        found.values(),
        ("target", lambda target: target.name),
        ("tiles>", lambda target: f"{target.chip.tiles:,}"),
        ("cores>", lambda target: f"{target.tile.cores} a tile"),
        ("MVMUs>", lambda target: f"{target.chip.tiles * target.tile.cores * target.core.mvmus:,}"),
        ("MVMU", lambda target: f"{target.crossbar.rows}x{target.crossbar.columns}"),
        ("word>", lambda target: target.numbers.word),
        ("what it is", lambda target: target.description),
    )
    answer(record, json, [table])


def show_target_job(name: str, settings: list[str] | None) -> None:
    """`cimc targets show`."""
    text = write_target(_chip(name, settings))
    console = new_console()
    if console.is_terminal:
        console.print(Syntax(text, "toml", background_color="default", word_wrap=True))
    else:
        write_out(text)


def _chip(target: str, settings: list[str] | None) -> Target:
    return made(TargetOptions, {"target": target, "set": settings or {}}).chip()
