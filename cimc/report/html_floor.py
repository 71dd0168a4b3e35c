"""The floor plan: a square for each tile with its cores, where it stands on the mesh of its chip."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from cimc.base.quantities import si
from cimc.report.html_values import hue_class, shade, shortened
from cimc.report.model import CoreReport, Report, TileReport
from cimc.target.mesh import TILES_A_ROUTER, Mesh
from cimc.target.model import Target

TILE, HEADER, GAP, ROUTER_GAP = 100, 18, 8, 18
"""Lengths in the drawing: a tile's side, its heading, between tiles of a router, between routers."""
NARROWEST = 72
"""CSS pixels below which a tile is not drawn; the plan scrolls instead."""
MOST_SLOTS = 64
"""Cores that a tile is drawn with beyond those in use."""


class Way(NamedTuple):
    """A way to colour the plan. name: the id of its button; shades: the class of its shades, or "" if it has none."""

    name: str
    label: str
    legend: str
    shades: str


WAYS = (
    Way("by-layer", "by layer", "Colours are those of the layers.", ""),
    Way("by-cells", "by fill of crossbars", "Cells that hold weights, of all of the core's MVMUs: none to all ", "c"),
    Way("by-memory", "by fill of memory", "How high a tile is filled: the words of its memory in use.", ""),
    Way("by-energy", "by energy", "Energy of one input against the core that spends most (square root): 0 to 1 ", "e"),
)
"""All ways, the first of them chosen."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A chip, cut off behind the last column and row of routers in use. squares: left and top of every tile, its
    number, and what is there if it is in use; least: CSS pixels of width."""

    chip: int
    used: int
    width: int
    height: int
    least: int
    squares: tuple[tuple[int, int, int, TileReport | None], ...]


class Floor:
    """All chips in use, and what their cores are drawn with: a grid of places, and the most that a core spends."""

    def __init__(self, report: Report, target: Target) -> None:
        self.tiles_a_chip, self.side, self.header = target.chip.tiles, TILE, HEADER
        self.plans = [_plan(chip, report, Mesh.of(target)) for chip in sorted({tile.chip for tile in report.tiles})]
        self.ways = [way for way in WAYS if way.name != "by-energy" or report.cost is not None]
        cores = [core for tile in report.tiles for core in tile.cores]
        slots = max(min(target.tile.cores, MOST_SLOTS), max((core.core for core in cores), default=0) + 1)
        self.across = min(slots, math.ceil(math.sqrt(2 * slots)))
        self.core_width, self.core_height = (
            (TILE - 4) / self.across,
            (TILE - HEADER - 2) / math.ceil(slots / self.across),
        )
        self._layers = {layer.name: index for index, layer in reversed(list(enumerate(report.layers)))}
        self._most_joules = max((core.joules or 0.0 for core in cores), default=0.0)

    def shades(self, core: CoreReport) -> str:
        """The classes of a core's square: its layer's hue, and its shades by fill and by energy."""
        layer = self._layers.get(core.layers[0], -1) if core.layers else -1
        share = (core.joules or 0.0) / self._most_joules if self._most_joules else 0.0
        return f"{hue_class(layer)} c{shade(core.cells_percent / 100)} e{shade(math.sqrt(share))}"

    def numbers(self, core: CoreReport) -> str:
        """The numbers of a core's first layers."""
        return "+".join(str(self._layers.get(name, -1) + 1) for name in core.layers[:2])


def _plan(chip: int, report: Report, mesh: Mesh) -> Plan:
    used = {tile.tile: tile for tile in report.tiles if tile.chip == chip}
    routers = [mesh.router(tile) for tile in used]
    columns, rows = max(x for x, _ in routers) + 1, max(y for _, y in routers) + 1
    squares = []
    for tile in range(chip * mesh.tiles, (chip + 1) * mesh.tiles):
        column, row = mesh.router(tile)
        if column < columns and row < rows:
            place, step = tile % TILES_A_ROUTER, 2 * TILE + GAP + ROUTER_GAP  # tiles of a router stand two by two
            left, top = column * step + place % 2 * (TILE + GAP), row * step + place // 2 * (TILE + GAP)
            squares.append((1 + left, 1 + top, tile, used.get(tile)))
    width, height = (n * (2 * TILE + GAP) + (n - 1) * ROUTER_GAP + 2 for n in (columns, rows))
    return Plan(chip, len(used), width, height, 2 * columns * NARROWEST, tuple(squares))


def tile_says(tile: TileReport) -> str:
    """What is said of a tile where the pointer is over it."""
    largest = tile.largest
    most = "" if largest is None else f"; most: {largest.kind} {shortened(largest.name, 60)}, {largest.words:,}"
    return (
        f"tile {tile.tile}: {tile.memory_words:,} of {tile.memory_capacity:,} words{most}; "
        f"{tile.fifos} of {tile.fifo_capacity} FIFOs" + ("" if tile.joules is None else f"; {si(tile.joules, 'J')}")
    )


def core_says(tile: TileReport, core: CoreReport) -> str:
    """What is said of a core where the pointer is over it."""
    spent = "" if core.joules is None or core.seconds is None else f"; {si(core.seconds, 's')}, {si(core.joules, 'J')}"
    filled = f" {core.cells_percent:.0f} % full" if core.mvmus else ""
    return (
        f"tile {tile.tile} core {core.core}: {shortened(', '.join(core.layers), 60)}; {core.mvmus} of "
        f"{core.mvmu_capacity} MVMUs{filled}; {core.code_bytes:,} bytes of code{spent}"
    )
