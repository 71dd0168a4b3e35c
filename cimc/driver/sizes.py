"""How large a program is: instructions, bytes of code, crossbars, cores, tiles."""

from __future__ import annotations

from dataclasses import dataclass

from cimc.isa.binary.code import code_bytes
from cimc.isa.program import Program


@dataclass(frozen=True, slots=True)
class Sizes:
    """instructions and code_bytes: of all streams. crossbars: MVMUs that hold weights. cores, tiles: in use."""

    instructions: int
    code_bytes: int
    crossbars: int
    cores: int
    tiles: int


def sizes_of(program: Program) -> Sizes:
    """Sizes of a program."""
    streams = [(core.stream, tile) for tile in program.tiles for core in tile.cores]
    streams += [(channel.stream, tile) for tile in program.tiles for channel in tile.channels]
    return Sizes(
        instructions=sum(len(stream) for stream, _ in streams),
        code_bytes=sum(code_bytes(stream, tile) for stream, tile in streams),
        crossbars=sum(len(core.by_mvmu()) for tile in program.tiles for core in tile.cores),
        cores=sum(len(tile.cores) for tile in program.tiles),
        tiles=len(program.tiles),
    )
