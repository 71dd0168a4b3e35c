"""place_tasks: onto cores and tiles, in network order, each tile filled until cores, memory or FIFOs run out.

Needs: tasks. Promises: every task has a core, and what its tile must hold for it - rings at their first depths or
those that were learned, constants, receive FIFOs - fits the tile. Tiles are numbered in network order here; seat_tiles
moves them to where they have the shortest ways.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from cimc.base.diagnostics import Place, fail
from cimc.ir.layers import ONE_PIXEL
from cimc.ir.mapped import MappedGraph
from cimc.ir.placed import (
    AccessRegion,
    PartialSum,
    Piece,
    PlacedGraph,
    PlacedRing,
    PlacedTask,
    PlacedTile,
    RingKey,
)
from cimc.passes.placement.depths import Depths
from cimc.passes.placement.regions import regions_of
from cimc.passes.placement.tile_load import TaskCopy, TileLoad, core_numbers
from cimc.target.model import Target

LOOK_BACK = 3  # tiles, newest first, that may still take a task


def place_tasks(graph: MappedGraph, target: Target, depths: Depths, chips: int) -> PlacedGraph:
    """All tasks on tiles of so many chips at most. depths: of rings, as far as they are known. Raises CimcError where a
    task fits no tile, or the network the chips."""
    return Placer(graph, target, depths, chips).run()


class Placer:
    """Fills tiles. relays: the tiles that pass on what another one reads, first to last, by (tile, key) of the ring
    that they fill."""

    def __init__(self, graph: MappedGraph, target: Target, depths: Depths, chips: int) -> None:
        self.graph, self.segments = graph, graph.segments
        self.target = target
        self.depths = depths
        self.chips = chips
        self.relays: dict[tuple[int, RingKey], tuple[int, ...]] = {}
        self.tiles: list[TileLoad] = []
        self.pieces = graph.pieces()
        self.inputs = {binding.maps[0] for binding in graph.inputs}

    def run(self) -> PlacedGraph:
        """Place every task; refuse with what is missing where a task fits no tile or the chip is full."""
        for works in self._together():
            if not self._place(works, self._gathers(works)):
                self._place_or_fail([replace(work, roomy=False) for work in works])
        for tile in list(self.tiles) if self.depths.relayed else ():
            self._relay(tile)
        there = self.target.chip.tiles
        if len(self.tiles) > there * self.chips:
            on = there if self.chips == 1 else f"{there} on each of {self.chips} chips"
            what = f"the network needs {len(self.tiles)} tiles; {self.target.name} has {on}"
            needed = math.ceil(len(self.tiles) / there)
            fewer = ", fewer copies (--mvmus)" if any(m.copies > 1 for m in self.graph.layers) else ""
            others = f"run it in rounds (--rounds), or take a larger target{fewer}"
            todo = f"map it onto more chips: --chips {needed}; {others}"
            raise fail("place.chip", what, todo=todo)
        tiles = tuple(self._placed(tile) for tile in self.tiles)
        return PlacedGraph(self.graph, tiles, self.target.tile, self.target.chip)

    def _placed(self, tile: TileLoad) -> PlacedTile:
        """A tile as it stays."""
        tasks = tuple(
            PlacedTask(work.layer, work.task, work.copy, core, work.regions, work.out(tile))
            for core, work in zip(core_numbers(tile.works), tile.works, strict=True)
        )
        rings = self.rings_of(tile)
        for key in rings:
            if (tile.number, key) in self.relays:
                rings[key] = replace(rings[key], relays=self.relays[tile.number, key])
        return PlacedTile(tile.number, tasks, rings, sum(self.constants(work) for work in tile.works))

    def _together(self) -> list[list[TaskCopy]]:
        """Tasks in network order; those that share a core together, at the place of the first."""
        groups: dict[int, list[TaskCopy]] = {}
        order: list[list[TaskCopy]] = []
        for layer, mapped in enumerate(self.graph.layers):
            for index, task in enumerate(mapped.tasks):
                work = self._work(layer, index, 0)
                if task.shares in groups:
                    groups[task.shares].append(work)
                    continue
                order.append([work])
                if task.shares >= 0:
                    groups[task.shares] = order[-1]
            for copy in range(1, mapped.copies):
                order += [[self._work(layer, index, copy)] for index in range(len(mapped.tasks))]
        return order

    def _work(self, layer: int, index: int, copy: int) -> TaskCopy:
        mapped = self.graph.layers[layer]
        task = mapped.tasks[index]
        regions = regions_of(self.graph, mapped, task, self.pieces, copy)
        sums = tuple(PartialSum(layer, partner, copy) for partner in task.partials)
        return TaskCopy(layer, index, copy, mapped, task, regions, sums)

    def _place(self, works: list[TaskCopy], gathers: Mapping[Piece, TaskCopy]) -> bool:
        """Put the tasks of a core, with the pieces that are gathered there, on one of the last tiles or a new one;
        whether they fit."""
        for tile in (*self.tiles[: -LOOK_BACK - 1 : -1], TileLoad(len(self.tiles))):
            if self._lacking(tile.with_more(works, gathers)) == ("", ""):
                tile.works += works
                tile.gathers |= gathers
                if tile.number == len(self.tiles):
                    self.tiles.append(tile)
                return True
        return False

    def _place_or_fail(self, works: list[TaskCopy]) -> None:
        """Put tasks on a tile with the least that they can do with: pieces gathered elsewhere, deep rings in relays."""
        gathers = self._gathers(works)
        while not self._place(works, gathers):
            if self._place(works, {}):
                for piece, work in gathers.items():
                    self._gather_apart(piece, work)
                return
            if self._spill(works):
                continue
            alone = TileLoad(0).with_more(works, {})
            problem, todo = self._lacking(alone)
            work = works[0]
            what = f'layer "{work.mapped.layer.name}" does not fit a tile of {self.target.name}: {problem}'
            raise fail("place.memory", what, Place(item=work.mapped.layer.origin), todo)

    def _gathers(self, works: list[TaskCopy]) -> dict[Piece, TaskCopy]:
        """The pieces that copies of these tasks make together; copy 0 answers for where."""
        return {work.piece: work for work in works if work.shares_piece and work.copy == 0}

    def _gather_apart(self, piece: Piece, work: TaskCopy) -> None:
        """Gather a piece on a tile apart from copy 0: the nearest with room, the last ones first."""
        for room in (True, False):
            gather = {piece: replace(work, roomy=room)}
            for tile in (*reversed(self.tiles), TileLoad(len(self.tiles))):
                if piece in self.rings_of(tile) or self._lacking(tile.with_more([], gather)) != ("", ""):
                    continue
                tile.gathers |= gather
                if tile.number == len(self.tiles):
                    self.tiles.append(tile)
                return
        problem, todo = self._lacking(TileLoad(0).with_more([], gather))
        what = f'the map of layer "{work.mapped.layer.name}" does not fit a tile of {self.target.name}: {problem}'
        raise fail("place.memory", what, Place(item=work.mapped.layer.origin), todo)

    def _spill(self, works: list[TaskCopy]) -> bool:
        """Let other tiles hold what these tasks need of their largest deep ring; whether there was one."""
        deep = []
        for work in works:
            for region in work.regions:
                extra = self.depths.of(work.at, region.piece) - self.first_pixels(work, region)
                if extra > 0 and region.piece.map not in self.inputs:
                    deep.append((extra * (region.high - region.low), work, region))
        if not deep:
            return False
        _, work, region = max(deep, key=lambda one: one[0])
        width = self.graph.maps[region.piece.map].width
        self.depths.relay(work.at, region.piece, self.first_pixels(work, region), width)
        return True

    def _relay(self, tile: TileLoad) -> None:
        """Find tiles for what is held on the way to this one: any with room, the nearest in network order first."""
        rings = self.rings_of(tile)
        wanted: dict[Piece, int] = {}
        for work in tile.works:
            for region in work.regions:
                pixels = self.depths.relayed.get((work.at, region.piece), 0)
                if pixels and rings[region.piece].remote:
                    wanted[region.piece] = max(wanted.get(region.piece, 0), pixels)
        for piece, pixels in wanted.items():
            ring, width = rings[piece], self.graph.maps[piece.map].width
            row = self._of_row(piece, ring, width)
            room = self.target.tile.memory_words // (ring.high - ring.low)
            unit = row if room >= row else width // self.segments[piece.map]
            most = room // unit * unit
            pixels = self._of_row(piece, ring, pixels)
            chain: list[int] = []
            while pixels > 0:
                part = min(pixels, most)
                chain.append(self._relay_tile(tile, piece, replace(ring, pixels=part)).number)
                pixels -= part
            self.relays[tile.number, piece] = tuple(chain)

    def _relay_tile(self, tile: TileLoad, piece: Piece, ring: PlacedRing) -> TileLoad:
        """A tile that has no ring of this piece, and room for one."""
        for other in sorted(self.tiles, key=lambda t: (abs(t.number - tile.number), t.number)):
            if piece in self.rings_of(other):
                continue
            other.relays[piece] = ring
            if self._lacking(other) == ("", ""):
                return other
            del other.relays[piece]
        self.tiles.append(TileLoad(len(self.tiles), relays={piece: ring}))
        return self.tiles[-1]

    def _lacking(self, tile: TileLoad) -> tuple[str, str]:
        """What a tile lacks for what is on it, and what to do about it; two empty texts where it lacks nothing."""
        cores = len(set(core_numbers(tile.works)))
        if cores > self.target.tile.cores:
            return f"{cores} cores of {self.target.tile.cores}", "take a target with more cores a tile"
        rings = self.rings_of(tile)
        words = sum(ring.words for ring in rings.values()) + sum(self.constants(w) for w in tile.works)
        if words > self.target.tile.memory_words:
            todo = "take a target with more tile memory, or a network with smaller feature maps"
            return f"{words} words of shared memory of {self.target.tile.memory_words}", todo
        late = self.depths.comes_late(tile)
        if late:
            return f'"{late}" at two times', "take a target with more tile memory"
        fifos = sum(
            ring.remote and not (isinstance(key, Piece) and key.map in self.inputs) for key, ring in rings.items()
        )
        for piece, work in tile.gathers.items():  # copies on other tiles send what they make here
            fifos += work.mapped.copies - sum(w.shares_piece and w.piece == piece for w in tile.works)
        if fifos > self.target.tile.fifos:
            todo = "take a target with more receive FIFOs a tile, or with larger crossbars"
            return f"{fifos} receive FIFOs of {self.target.tile.fifos}", todo
        return "", ""

    def rings_of(self, tile: TileLoad) -> dict[RingKey, PlacedRing]:
        """The rings that a tile needs, at their first depths."""
        rings: dict[RingKey, PlacedRing] = {}
        made = [(work.out(tile), work) for work in tile.works]
        for key, work in (*tile.gathers.items(), *((key, work) for key, work in made if key not in tile.gathers)):
            pixels = max(self._made_pixels(work, key), self.depths.of(work.at, key))
            rings[key] = PlacedRing(work.body.low, work.body.high, pixels)
        for work in tile.works:
            for region in work.regions:
                rings[region.piece] = self._read_ring(rings.get(region.piece), work, region)
            for key in work.sums:
                pixels = max(self._made_pixels(work, key), self.depths.of(work.at, key))
                old = rings.setdefault(key, PlacedRing(work.body.low, work.body.high, pixels, remote=True))
                if old.pixels < pixels:
                    rings[key] = replace(old, pixels=pixels)
        for key, ring in rings.items():
            if isinstance(key, Piece) and ring.part is not None:
                width = self.graph.maps[key.map].width
                rows = math.ceil(ring.pixels / width)
                rings[key] = replace(ring, pixels=self._of_row(key, ring, rows * width))
        return rings | tile.relays

    def _read_ring(self, ring: PlacedRing | None, work: TaskCopy, region: AccessRegion) -> PlacedRing:
        """A ring, or none yet, made to serve one more reader: the larger number of pixels, in whole rows where it is a
        row or more, and where another tile fills it all channels and segments."""
        pixels = max(self.first_pixels(work, region), self.depths.of(work.at, region.piece))
        width = self.graph.maps[region.piece.map].width
        most = pixels if ring is None else max(pixels, ring.pixels)
        pixels = math.ceil(most / width) * width if most > width else most
        if ring is None:
            return PlacedRing(region.low, region.high, pixels, True, self.reach(work, region))
        if not ring.remote:
            return ring if ring.pixels == pixels else replace(ring, pixels=pixels)
        if (ring.low, ring.high, ring.pixels, ring.part) == (region.low, region.high, pixels, None):
            return ring
        low, high, part = min(ring.low, region.low), max(ring.high, region.high), self.reach(work, region)
        if part is not None and ring.part is not None:
            part = min(part[0], ring.part[0]), max(part[1], ring.part[1])
            if part == (0, self.segments[region.piece.map]):
                part = None
        return PlacedRing(low, high, pixels, True, part if ring.part is not None else None)

    def _of_row(self, piece: Piece, ring: PlacedRing, pixels: int) -> int:
        """A ring's part of so many pixels of whole rows."""
        whole = self.segments[piece.map]
        left, right = ring.part or (0, whole)
        return pixels * (right - left) // whole

    def reach(self, work: TaskCopy, region: AccessRegion) -> tuple[int, int] | None:
        """The segments of a row of the map that it reads that a task needs, those under its part of a row; None for
        all."""
        share = work.share
        if share.parts == 1:
            return None
        source, out = self.graph.maps[region.piece.map], self.graph.maps[work.mapped.layer.output]
        whole, layer = self.segments[source.name], work.mapped.layer
        operand = layer.reads[region.role]
        kernel, strides, pads, dilations = layer.window if region.role == 0 else ONE_PIXEL
        first = share.column(out.width, self.segments[out.name])
        last = first + share.segments(self.segments[out.name]) * (out.width // self.segments[out.name]) - 1
        step = operand.step[1]
        before = operand.offset[1] - pads[1] * step
        left = before + first * strides[1] * step
        right = before + last * strides[1] * step + (kernel[1] - 1) * dilations[1] * step
        segment = source.width // whole
        part = min(max(left, 0) // segment, whole - 1), min(max(right, 0) // segment + 1, whole)
        return None if part == (0, whole) else part

    def _made_pixels(self, work: TaskCopy, key: RingKey) -> int:
        """Pixels of a ring for its producer: two segments, or where copies gather the map the rows that they are at,
        and one."""
        width = self.graph.maps[work.mapped.layer.output].width
        if work.mapped.copies > 1 and isinstance(key, Piece):
            return (work.share.row_step + work.roomy) * width
        return 2 * width // self.segments[work.mapped.layer.output]

    def first_pixels(self, work: TaskCopy, region: AccessRegion) -> int:
        """What a reader asks for at first: two segments of a stream, or the rows of its window and some; and those
        above its first window, which it does not release before it."""
        source, out = self.graph.maps[region.piece.map], self.graph.maps[work.mapped.layer.output]
        if region.streaming and self.segments[source.name] == self.segments[out.name]:
            return 2 * source.width // self.segments[source.name]
        rows = region.span + max(region.first, region.advance if work.roomy else 0)
        return min(rows, source.height) * source.width

    def constants(self, work: TaskCopy) -> int:
        """Memory words of a task's constants: multipliers, bias, tables."""
        if work.body.is_partial:
            return 0
        return work.mapped.constant_words(work.body.high - work.body.low, self.target.numbers)
