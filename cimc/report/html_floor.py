"""The floor plan: a square for each tile with its cores, where it stands on the mesh of its chip."""

from __future__ import annotations

import math

from cimc.report.html_markup import Markup, element, join, scrolled, section, shortened
from cimc.report.html_style import hue_class
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
    """The plan of all chips in use, by layer or by fill of memory."""
    mesh = Mesh.of(target)
    chips = sorted({mesh.chip(tile.tile) for tile in report.tiles})
    plans = []
    for chip in chips:
        tiles = [tile for tile in report.tiles if mesh.chip(tile.tile) == chip]
        if len(chips) > 1:
            plans.append(element("h3", f"Chip {chip}"))
        plans.append(_plan(report, tiles, mesh, target.tile.cores))
    choice = (
        element("input", type="radio", name="floor", id="by-layer", checked=""),
        element("label", "by layer", for_="by-layer"),
        element("input", type="radio", name="floor", id="by-fill"),
        element("label", "by fill of memory", for_="by-fill"),
    )
    note = (
        "Numbers and colours are the layers of the table above; grey places have no code. Tiles stand as the timing "
        f"model takes them, {TILES_A_ROUTER} at a router; hold the pointer over one to read what is there."
    )
    return section("floor", "Floor plan", element("p", note, class_="dim"), *choice, scrolled(join(plans)))


def _plan(report: Report, tiles: list[TileReport], mesh: Mesh, capacity: int) -> Markup:
    """One chip, cut off behind the last column and row of routers in use."""
    used = {tile.tile: tile for tile in tiles}
    places = [mesh.router(tile) for tile in used]
    columns, rows = max(x for x, _ in places) + 1, max(y for _, y in places) + 1
    by_name: dict[str, int] = {}
    for index, layer in enumerate(report.layers):
        by_name.setdefault(layer.name, index)
    first = mesh.chip(tiles[0].tile) * mesh.tiles
    drawn = []
    for tile in range(first, first + mesh.tiles):
        column, row = mesh.router(tile)
        if column >= columns or row >= rows:
            continue
        x, y = _corner(tile, column, row)
        if tile in used:
            parts = _tile(used[tile], by_name, capacity)
        else:
            parts = element("rect", element("title", f"tile {tile}, not in use"), **_box(0, 0, TILE, TILE, "unused"))
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


def _tile(tile: TileReport, by_name: dict[str, int], capacity: int) -> Markup:
    """A tile both ways; the style sheet shows the one that is chosen."""
    heading = element("text", f"tile {tile.tile}", x=6, y=13, class_="dim")
    return join([_layers(tile, by_name, capacity, heading), _fill(tile, heading)])


def _layers(tile: TileReport, by_name: dict[str, int], capacity: int, heading: Markup) -> Markup:
    cores = {core.core: core for core in tile.cores}
    slots = max(min(capacity, MOST_SLOTS), max(cores, default=0) + 1)
    across = min(slots, math.ceil(math.sqrt(2 * slots)))
    down = math.ceil(slots / across)
    width, height = (TILE - 4) / across, (TILE - HEADER - 2) / down
    drawn = [element("rect", element("title", _says(tile)), **_box(0, 0, TILE, TILE, "")), heading]
    for slot in range(slots):
        x, y = 2 + slot % across * width, HEADER + slot // across * height
        core = cores.get(slot)
        place = {"x": x + 1, "y": y + 1, "width": width - 2, "height": height - 2}
        if core is None:
            drawn.append(element("rect", class_="idle", **place))
            continue
        layer = by_name.get(core.layer, -1)
        square = element("rect", class_=f"core {hue_class(layer)}", **place)
        name = element("text", str(layer + 1), x=x + width / 2, y=y + height / 2 + 4, class_="middle")
        drawn.append(element("g", element("title", _core_says(tile, core)), square, name))
    return element("g", *drawn, class_="layers")


def _fill(tile: TileReport, heading: Markup) -> Markup:
    share = min(1.0, tile.memory_words / tile.memory_capacity) if tile.memory_capacity else 0.0
    high = (TILE - 2) * share
    return element(
        "g",
        element("title", _says(tile)),
        element("rect", **_box(0, 0, TILE, TILE, "")),
        element("rect", x=1, y=TILE - 1 - high, width=TILE - 2, height=high, class_="level"),
        heading,
        element("text", f"{100 * share:.0f} %", x=TILE / 2, y=TILE / 2 + 6, class_="middle"),
        class_="fills",
    )


def _box(x: float, y: float, width: float, height: float, kind: str) -> dict[str, str | float]:
    return {"x": x, "y": y, "width": width, "height": height, "rx": 4, "class_": f"tile {kind}".rstrip()}


def _says(tile: TileReport) -> str:
    largest = tile.largest
    most = "" if largest is None else f"; most: {largest.kind} {shortened(largest.name, 60)}, {largest.words:,}"
    return (
        f"tile {tile.tile}: {tile.memory_words:,} of {tile.memory_capacity:,} words{most}; "
        f"{tile.fifos} of {tile.fifo_capacity} FIFOs"
    )


def _core_says(tile: TileReport, core: CoreReport) -> str:
    return (
        f"tile {tile.tile} core {core.core}: {shortened(core.layer, 80)}; {core.mvmus} of {core.mvmu_capacity} MVMUs; "
        f"{core.code_bytes:,} of {core.code_capacity:,} bytes of code"
    )
