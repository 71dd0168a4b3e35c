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
from cimc.isa.files import program_bytes, program_from
from cimc.isa.operands import Window
from cimc.isa.program import CoreCode, Program
from cimc.isa.text.printer import print_program
from cimc.isa.verify.checked import check_program
from cimc.report.folder import check_writable, write_whole
from cimc.report.json_text import fields_of
from cimc.report.view_table import table_of
from cimc.target.emulated import require_emulated
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
    text = print_program(program if layer is None else _only(program, layer))
    if out is None:
        write_out(text)
    else:
        write_whole(out, text.encode("utf-8"))


def _only(program: Program, layer: str) -> Program:
    """The cores that work for a layer, with the rings of their tiles."""
    made = {core: _made_by(program, core) for tile in program.tiles for core in tile.cores}
    layers = list(dict.fromkeys(made.values()))
    wanted = layers[LayerNames(layers).index(layer, "--layer")]
    tiles = (
        replace(tile, cores=tuple(core for core in tile.cores if made[core] == wanted), channels=())
        for tile in program.tiles
    )
    return replace(program, tiles=tuple(tile for tile in tiles if tile.cores))


def _made_by(program: Program, core: CoreCode) -> tuple[str, str]:
    """The layer that a core works for: the tensor that it stores, and the origin of its instructions."""
    rings = {ring.name: ring.tensor for tile in program.tiles for ring in tile.rings}
    stored = (o.ring for i in core.stream if i.mnemonic == "store" for o in i.operands if isinstance(o, Window))
    origin = next((program.strings[one.origin] for one in core.stream if one.origin >= 0), "")
    return next((rings[name] for name in stored if rings.get(name)), origin), origin


def targets_job(json: Path | None) -> None:
    """`cimc targets`."""
    check_json(json)
    found = {name: load_target(name) for name in preset_names()}
    record = {name: {**fields_of(target), "runs": _runs(target)} for name, target in found.items()}
    for fields in record.values():
        del fields["sources"]
    table = table_of(
        found.values(),
        ("target", lambda target: target.name),
        ("runs=", lambda target: "code" if _runs(target) else "estimates"),
        ("tiles>", lambda target: f"{target.chip.tiles:,}"),
        ("cores>", lambda target: f"{target.tile.cores} a tile"),
        ("MVMUs>", lambda target: f"{target.chip.tiles * target.tile.cores * target.core.mvmus:,}"),
        ("MVMU", lambda target: f"{target.crossbar.rows}x{target.crossbar.columns}"),
        ("word>", lambda target: target.numbers.word),
        ("what it is", lambda target: target.description),
    )
    answer(record, json, [table])


def _runs(target: Target) -> bool:
    """Whether programs for it run; where not, there are estimates."""
    try:
        require_emulated(target, target.numbers.input)
    except CimcError:
        return False
    return True


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
