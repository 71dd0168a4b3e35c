"""What a program takes of each tile: memory words by region, instruction bytes by stream, FIFOs; whether it fits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from cimc.base.tokens import RECEIVE
from cimc.isa.binary.code import code_bytes
from cimc.isa.cost.products import multiplier_words
from cimc.isa.effects import event_of
from cimc.isa.kinds.numbers import Fifo
from cimc.isa.program import Area, Program, Ring, Scale, Table, TileCode, Vector
from cimc.isa.table import FORM
from cimc.isa.verify.findings import Findings
from cimc.target.model import Numbers, Target

_MOST_CHANNELS = 1 << 16


@dataclass(frozen=True, slots=True)
class Region:
    """A run of tile memory. kind: "ring", "scale", "vector", "table" or "area"; address and words in words."""

    kind: str
    name: str
    address: int
    words: int

    @property
    def last(self) -> int:
        """Its last word."""
        return self.address + self.words - 1

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class TileUsage:
    """What a program takes of one tile.

    regions: by address. core_bytes, channel_bytes: instruction bytes of each core and channel, by its number.
    fifos: receive FIFOs in use.
    """

    tile: int
    regions: tuple[Region, ...]
    core_bytes: tuple[tuple[int, int], ...]
    channel_bytes: tuple[tuple[int, int], ...]
    fifos: int

    @property
    def words(self) -> int:
        """Memory words used, together."""
        return sum(region.words for region in self.regions)

    @property
    def largest(self) -> Region | None:
        """The region that takes most."""
        return max(self.regions, key=lambda region: region.words, default=None)


def _words_of(record: Ring | Scale | Vector | Table | Area, numbers: Numbers) -> int:
    """Memory words of a ring, an area or a constant: multipliers have 32 bits, everything else is words."""
    if isinstance(record, Ring | Area):
        return record.words
    if isinstance(record, Scale):
        return record.entries * record.rows * multiplier_words(numbers.word)
    return record.entries


def tile_usage(tile: TileCode, numbers: Numbers) -> TileUsage:
    """What the program takes of one tile."""
    regions = [
        Region(kind, record.name, record.address, _words_of(record, numbers))
        for kind, records in tile.things.items()
        for record in records
    ]
    received = {
        FORM[instruction.mnemonic].operand(instruction, Fifo)
        for channel in tile.channels
        for instruction in channel.stream
        if event_of(instruction) == RECEIVE
    }
    return TileUsage(
        tile.number,
        tuple(sorted(regions, key=lambda region: (region.address, region.words))),
        tuple((core.number, code_bytes(core.stream, tile)) for core in tile.cores),
        tuple((channel.number, code_bytes(channel.stream, tile)) for channel in tile.channels),
        len(received),
    )


def check_capacity(program: Program, target: Target, findings: Findings) -> None:
    """Everything fits: tiles, cores, memory, code, FIFOs."""
    there = target.chip.tiles * program.chips
    for tile in program.tiles:
        item = f"tile {tile.number}"
        if not 0 <= tile.number < there:
            chips = "a chip" if program.chips == 1 else f"{program.chips} chips"
            verb = "has" if program.chips == 1 else "have"
            findings.add("tile", f"{chips} of {target.name} {verb} {there} tiles, numbered from 0", item)
        for core in tile.cores:
            if not 0 <= core.number < target.tile.cores:
                what = f"a tile of {target.name} has {target.tile.cores} cores, numbered from 0"
                findings.add("core", what, f"{item} core {core.number}")
        for channel in tile.channels:
            if not 0 <= channel.number < _MOST_CHANNELS:
                what = f"a tile has {_MOST_CHANNELS} transfer channels at most, numbered from 0"
                findings.add("channel", what, f"{item} channel {channel.number}")
        used = tile_usage(tile, target.numbers)
        _check_memory(used, target, findings)
        _check_code(used, target, findings)


def _check_memory(used: TileUsage, target: Target, findings: Findings) -> None:
    item, last = f"tile {used.tile}", target.tile.memory_words - 1
    for region in used.regions:
        if region.address < 0 or region.words < 1 or region.last > last:
            what = f"{region} takes words {region.address} to {region.last}; the memory has words 0 to {last}"
            most = f"the tile takes {used.words} words, {max(r.words for r in used.regions)} of them for {used.largest}"
            todo = f"{most}: split the layer by channel over further tiles"
            findings.add("memory", what, f"{item}, {region}", todo)
    for first, second in pairwise(used.regions):
        overlap = first.last + 1 - second.address
        if overlap > 0:
            one, other = f"{first} (words {first.address} to {first.last})", f"{second} (from word {second.address})"
            findings.add("overlap", f"{one} and {other} overlap by {overlap} words", item)


def _check_code(used: TileUsage, target: Target, findings: Findings) -> None:
    item, most = f"tile {used.tile}", target.core.instruction_bytes
    for core, size in used.core_bytes:
        if size > most:
            what = f"the stream takes {size} bytes, {size - most} more than the {most} of a core's instruction memory"
            findings.add("code", what, f"{item} core {core}", "put fewer layers on the core, or use loops")
    size, most = sum(size for _, size in used.channel_bytes), target.tile.instruction_bytes
    if size > most:
        over = f"{size - most} more than the {most} of a tile's instruction memory"
        what = f"the transfer channels take {size} bytes together, {over}"
        findings.add("code", what, item, "let fewer rings cross tiles, or use loops")
    if used.fifos > target.tile.fifos:
        what = f"{used.fifos} receive FIFOs are used; a tile of {target.name} has {target.tile.fifos}"
        findings.add("fifo", what, item)
