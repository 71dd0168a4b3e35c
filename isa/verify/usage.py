"""What a program takes of each tile: memory words by region, instruction bytes by stream, FIFOs."""

from __future__ import annotations

from dataclasses import dataclass

from cimc.base.tokens import RECEIVE
from cimc.isa.binary.code import code_bytes
from cimc.isa.cost.products import multiplier_words
from cimc.isa.effects import event_of
from cimc.isa.kinds.numbers import Fifo
from cimc.isa.program import Ring, Scale, Table, TileCode, Vector
from cimc.isa.table import FORM
from cimc.target.model import Numbers


@dataclass(frozen=True, slots=True)
class Region:
    """A run of tile memory. kind: "ring", "scale", "vector" or "table"; address and words in words."""

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


def _words_of(record: Ring | Scale | Vector | Table, numbers: Numbers) -> int:
    """Memory words of a ring or a constant: multipliers have 32 bits, everything else is words."""
    if isinstance(record, Ring):
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
