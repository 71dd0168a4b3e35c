"""The verifier's look at what a tile holds: rings and constants in memory, code in instruction memory."""

from __future__ import annotations

from itertools import pairwise

from cimc.isa.program import Program
from cimc.isa.verify.findings import Findings
from cimc.isa.verify.usage import TileUsage, tile_usage
from cimc.target.model import Target

_MOST_CHANNELS = 1 << 16


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
                findings.add(
                    "core",
                    f"a tile of {target.name} has {target.tile.cores} cores, numbered from 0",
                    f"{item} core {core.number}",
                )
        for channel in tile.channels:
            if not 0 <= channel.number < _MOST_CHANNELS:
                what = f"a tile has {_MOST_CHANNELS} transfer channels at most, numbered from 0"
                findings.add("channel", what, f"{item} channel {channel.number}")
        used = tile_usage(tile, target.numbers)
        _check_memory(used, target, findings)
        _check_code(used, target, findings)


def _check_memory(used: TileUsage, target: Target, findings: Findings) -> None:
    item = f"tile {used.tile}"
    for region in used.regions:
        end = region.address + region.words
        if region.address < 0 or region.words < 1 or end > target.tile.memory_words:
            findings.add(
                "memory",
                f"{region.kind} {region.name} takes words {region.address} to {end - 1}; the memory "
                f"has words 0 to {target.tile.memory_words - 1}",
                f"{item}, {region.kind} {region.name}",
                _advice(used),
            )
    for first, second in pairwise(used.regions):
        overlap = first.address + first.words - second.address
        if overlap > 0:
            findings.add(
                "overlap",
                f"{first.kind} {first.name} (words {first.address} to "
                f"{first.address + first.words - 1}) and {second.kind} {second.name} (from word "
                f"{second.address}) overlap by {overlap} words",
                item,
            )


def _advice(used: TileUsage) -> str:
    largest = used.largest
    assert largest is not None, "a region that is too large is missing"
    return (
        f"the tile takes {used.words} words, {largest.words} of them for {largest.kind} {largest.name}: split the "
        "layer by channel over further tiles"
    )


def _check_code(used: TileUsage, target: Target, findings: Findings) -> None:
    for core, size in used.core_bytes:
        if size > target.core.instruction_bytes:
            findings.add(
                "code",
                f"the stream takes {size} bytes, {size - target.core.instruction_bytes} more than the "
                f"{target.core.instruction_bytes} of a core's instruction memory",
                f"tile {used.tile} core {core}",
                "put fewer layers on the core, or use loops",
            )
    size = sum(size for _, size in used.channel_bytes)
    if size > target.tile.instruction_bytes:
        over = size - target.tile.instruction_bytes
        findings.add(
            "code",
            f"the transfer channels take {size} bytes together, {over} more than the "
            f"{target.tile.instruction_bytes} of a tile's instruction memory",
            f"tile {used.tile}",
            "let fewer rings cross tiles, or use loops",
        )
    if used.fifos > target.tile.fifos:
        findings.add(
            "fifo",
            f"{used.fifos} receive FIFOs are used; a tile of {target.name} has {target.tile.fifos}",
            f"tile {used.tile}",
        )
