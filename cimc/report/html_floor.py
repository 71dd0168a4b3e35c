"""The floor plan: a square for each tile with its cores, where it stands on the mesh of its chip."""

from __future__ import annotations

import math

from cimc.base.quantities import si
from cimc.report.html_markup import Markup, element, join, scrolled, section, shortened
from cimc.report.html_style import WAYS, hue_class, scale, shade
from cimc.report.model import CoreReport, Report, TileReport
from cimc.target.mesh import TILES_A_ROUTER, Mesh
from cimc.target.model import Target

TILE, HEADER, GAP, ROUTER_GAP = 100, 18, 8, 18
"""Lengths in the drawing: a tile's side, its heading, between tiles of a router, between routers."""
NARROWEST = 72
"""CSS pixels below which a tile is not drawn; the plan scrolls instead."""
MOST_SLOTS = 64
"""Cores that a tile is drawn with beyond those in use."""


def floor_part(report: Report, target: Target) -> Markup:
    """The plan of all chips in use, coloured by layer, by what is filled or by energy."""
    mesh = Mesh.of(target)
    chips = sorted({tile.chip for tile in report.tiles})
    drawing = _Drawing(report, target.tile.cores)
    plans = []
    for chip in chips:
        tiles = [tile for tile in report.tiles if tile.chip == chip]
        if len(chips) > 1:
            plans.append(element("h3", f"Chip {chip}: {len(tiles)} of {mesh.tiles} tiles"))
        plans.append(_plan(tiles, mesh, drawing))
    ways = [way for way in WAYS if way.name != "by-energy" or report.cost is not None]
    choice = [
        part
        for way in ways
        for part in (
            element("input", type="radio", name="floor", id=way.name, **({"checked": ""} if way is ways[0] else {})),
            element("label", way.label, for_=way.name),
        )
    ]
    legends = [element("p", way.legend, scale() if way.shades else "", class_=f"dim {way.name}") for way in ways]
    note = (
        "Numbers are the layers of the tables above; empty places have no code. Tiles stand as the timing model takes "
        f"them, {TILES_A_ROUTER} at a router; hold the pointer over one to read what is there."
    )
    return section(
        "floor", "Floor plan", element("p", note, class_="dim"), *choice, *legends, scrolled(join(plans), "tall")
    )


class _Drawing:
    """What tiles are drawn with: layers by name, places for cores, and the most that a core spends."""

    def __init__(self, report: Report, capacity: int) -> None:
        self.by_name: dict[str, int] = {}
        for index, layer in enumerate(report.layers):
            self.by_name.setdefault(layer.name, index)
        cores = [core for tile in report.tiles for core in tile.cores]
        self.slots = max(min(capacity, MOST_SLOTS), max((core.core for core in cores), default=0) + 1)
        self.across = min(self.slots, math.ceil(math.sqrt(2 * self.slots)))
        self.down = math.ceil(self.slots / self.across)
        self.most_joules = max((core.joules or 0.0 for core in cores), default=0.0)

    def core(self, tile: TileReport, core: CoreReport) -> Markup:
        """A core with its number of a layer, shaded for every way."""
        width, height = (TILE - 4) / self.across, (TILE - HEADER - 2) / self.down
        x, y = 2 + core.core % self.across * width, HEADER + core.core // self.across * height
        layer = self.by_name.get(core.layers[0], -1) if core.layers else -1
        share = (core.joules or 0.0) / self.most_joules if self.most_joules else 0.0
        shades = f"c{shade(core.cells_percent / 100)} e{shade(math.sqrt(share))}"
        square = element(
            "rect",
            element("title", _core_says(tile, core)),
            class_=f"core {hue_class(layer)} {shades}",
            x=round(x + 1, 1), y=round(y + 1, 1), width=round(width - 2, 1), height=round(height - 2, 1),
        )  # fmt: skip
        number = "+".join(str(self.by_name.get(name, -1) + 1) for name in core.layers[:2])
        return join([square, element("text", number, x=round(x + width / 2, 1), y=round(y + height / 2 + 4, 1))])


def _plan(tiles: list[TileReport], mesh: Mesh, drawing: _Drawing) -> Markup:
    """One chip, cut off behind the last column and row of routers in use."""
    used = {tile.tile: tile for tile in tiles}
    places = [mesh.router(tile) for tile in used]
    columns, rows = max(x for x, _ in places) + 1, max(y for _, y in places) + 1
    first = tiles[0].chip * mesh.tiles
    drawn = []
    for tile in range(first, first + mesh.tiles):
        column, row = mesh.router(tile)
        if column >= columns or row >= rows:
            continue
        x, y = _corner(tile, column, row)
        if tile in used:
            parts = _tile(used[tile], drawing)
        else:
            parts = element("rect", element("title", f"tile {tile}, not in use"), **_box("unused"))
        drawn.append(element("g", parts, transform=f"translate({x} {y})"))
    width, height = _extent(columns), _extent(rows)
    return element(
        "svg",
        join(drawn, "\n"),
        viewBox=f"0 0 {width} {height}",
        style=f"width:100%;min-width:{2 * columns * NARROWEST}px;max-width:{width}px",
        role="img",
        aria_label=f"floor plan of {len(tiles)} tiles",
    )


def _corner(tile: int, column: int, row: int) -> tuple[int, int]:
    """Where a tile's square starts: tiles of a router stand two by two."""
    place = tile % TILES_A_ROUTER
    across, down = place % 2, place // 2
    step = 2 * TILE + GAP + ROUTER_GAP
    return 1 + column * step + across * (TILE + GAP), 1 + row * step + down * (TILE + GAP)


def _extent(routers: int) -> int:
    return routers * (2 * TILE + GAP) + (routers - 1) * ROUTER_GAP + 2


def _tile(tile: TileReport, drawing: _Drawing) -> Markup:
    """A tile with its cores and its memory; the style sheet shows what is chosen."""
    share = min(1.0, tile.memory_words / tile.memory_capacity) if tile.memory_capacity else 0.0
    high = (TILE - 2) * share
    return join(
        [
            element("rect", element("title", _says(tile)), **_box("")),
            element("g", *(drawing.core(tile, core) for core in tile.cores), class_="cores"),
            element(
                "g",
                element("rect", x=1, y=TILE - 1 - high, width=TILE - 2, height=high, class_="level"),
                element("text", f"{100 * share:.0f} %", x=TILE / 2, y=TILE / 2 + 6),
                class_="memory",
            ),
            element("text", f"tile {tile.tile}", x=6, y=13, class_="dim"),
        ]
    )


def _box(kind: str) -> dict[str, str | float]:
    return {"x": 0, "y": 0, "width": TILE, "height": TILE, "rx": 4, "class_": f"tile {kind}".rstrip()}


def _says(tile: TileReport) -> str:
    largest = tile.largest
    most = "" if largest is None else f"; most: {largest.kind} {shortened(largest.name, 60)}, {largest.words:,}"
    return (
        f"tile {tile.tile}: {tile.memory_words:,} of {tile.memory_capacity:,} words{most}; "
        f"{tile.fifos} of {tile.fifo_capacity} FIFOs" + ("" if tile.joules is None else f"; {si(tile.joules, 'J')}")
    )


def _core_says(tile: TileReport, core: CoreReport) -> str:
    spent = "" if core.joules is None or core.seconds is None else f"; {si(core.seconds, 's')}, {si(core.joules, 'J')}"
    filled = f" {core.cells_percent:.0f} % full" if core.mvmus else ""
    return (
        f"tile {tile.tile} core {core.core}: {shortened(', '.join(core.layers), 60)}; {core.mvmus} of "
        f"{core.mvmu_capacity} MVMUs{filled}; {core.code_bytes:,} bytes of code{spent}"
    )
