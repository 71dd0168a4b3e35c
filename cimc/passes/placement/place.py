"""place: tasks onto cores and tiles, in network order, each tile filled until cores, memory or FIFOs run out.

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
from cimc.ir.mapped import MappedGraph, pieces_of
from cimc.passes.placement.depths import Depths
from cimc.passes.placement.needs import Need, needs_of
from cimc.passes.placement.works import Key, RingSize, TileLoad, Work, core_numbers, partial_key
from cimc.target.model import Target

LOOK_BACK = 3  # tiles, newest first, that may still take a task


class Placer:
    """Fills tiles; `tiles` is the result, and `relays` tells the tiles that pass on what another one reads, first to
    last, by (tile, key) of the ring that they fill."""

    def __init__(
        self, graph: MappedGraph, target: Target, segments: Mapping[str, int], depths: Depths, chips: int
    ) -> None:
        self.graph = graph
        self.target = target
        self.segments = segments
        self.depths = depths
        self.chips = chips
        self.relays: dict[tuple[int, Key], list[int]] = {}
        self.tiles: list[TileLoad] = []
        tasks = {m.layer.output: m.tasks for m in graph.layers}
        self.pieces = {name: pieces_of(tasks, name) or ((0, graph.maps[name].channels),) for name in graph.maps}
        self.inputs = {binding.maps[0] for binding in graph.inputs}

    def run(self) -> list[TileLoad]:
        """Place every task; refuse with what is missing where a task fits no tile or the chip is full."""
        for works in self._together():
            if not self._place(works, self._homes(works)):
                self._place_or_fail([replace(work, roomy=False) for work in works])
        for tile in list(self.tiles):
            self._relay(tile)
        there = self.target.chip.tiles
        if len(self.tiles) > there * self.chips:
            on = there if self.chips == 1 else f"{there} on each of {self.chips} chips"
            what = f"the network needs {len(self.tiles)} tiles; {self.target.name} has {on}"
            needed = math.ceil(len(self.tiles) / there)
            fewer = ", fewer copies (--mvmus)" if any(m.copies > 1 for m in self.graph.layers) else ""
            todo = f"map it onto more chips: --chips {needed}; or take a larger target{fewer}"
            raise fail("place.chip", what, todo=todo)
        return self.tiles

    def _together(self) -> list[list[Work]]:
        """Tasks in network order; those that share a core together, at the place of the first."""
        groups: dict[int, list[Work]] = {}
        order: list[list[Work]] = []
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

    def _work(self, layer: int, index: int, copy: int) -> Work:
        mapped = self.graph.layers[layer]
        task = mapped.tasks[index]
        needs = tuple(needs_of(self.graph, mapped, task, self.pieces, copy))
        return Work(layer, index, mapped, task, needs, roomy=True, copy=copy)

    def _place(self, works: list[Work], homes: Mapping[Key, Work]) -> bool:
        """Put the tasks of a core, with the homes of their pieces, on one of the last tiles or a new one; whether they
        fit."""
        for tile in (*self.tiles[: -LOOK_BACK - 1 : -1], TileLoad(len(self.tiles))):
            if self._lacking(tile.with_more(works, homes)) == ("", ""):
                tile.works += works
                tile.homes |= homes
                if tile.number == len(self.tiles):
                    self.tiles.append(tile)
                return True
        return False

    def _place_or_fail(self, works: list[Work]) -> None:
        """Put tasks on a tile with the least that they can do with: homes elsewhere, and deep rings in relays."""
        homes = self._homes(works)
        while not self._place(works, homes):
            if self._place(works, {}):
                for key, work in homes.items():
                    self._place_home(key, work)
                return
            if self._spill(works):
                continue
            alone = TileLoad(0).with_more(works, {})
            problem, todo = self._lacking(alone)
            work = works[0]
            what = f'layer "{work.mapped.layer.name}" does not fit a tile of {self.target.name}: {problem}'
            raise fail("place.memory", what, Place(item=work.mapped.layer.origin), todo)

    def _homes(self, works: list[Work]) -> dict[Key, Work]:
        """The pieces that copies of these tasks make together; copy 0 answers for where."""
        return {work.piece: work for work in works if work.shares_piece and work.copy == 0}

    def _place_home(self, key: Key, work: Work) -> None:
        """Assemble a piece on a tile apart from copy 0: the nearest with room, the last ones first."""
        for room in (True, False):
            home = {key: replace(work, roomy=room)}
            for tile in (*reversed(self.tiles), TileLoad(len(self.tiles))):
                if key in self.rings_of(tile) or self._lacking(tile.with_more([], home)) != ("", ""):
                    continue
                tile.homes |= home
                if tile.number == len(self.tiles):
                    self.tiles.append(tile)
                return
        problem, todo = self._lacking(TileLoad(0).with_more([], home))
        what = f'the map of layer "{work.mapped.layer.name}" does not fit a tile of {self.target.name}: {problem}'
        raise fail("place.memory", what, Place(item=work.mapped.layer.origin), todo)

    def _spill(self, works: list[Work]) -> bool:
        """Let other tiles hold what these tasks need of their largest deep ring; whether there was one."""
        deep = []
        for work in works:
            for need in work.needs:
                key = Key(need.map, need.piece)
                extra = self.depths.of(work.who, key) - self.first_pixels(work, need)
                if extra > 0 and need.map not in self.inputs:
                    deep.append((extra * (need.high - need.low), work, need))
        if not deep:
            return False
        _, work, need = max(deep, key=lambda one: one[0])
        pixels, width = self.first_pixels(work, need), self.graph.maps[need.map].width
        self.depths.relay(work.who, Key(need.map, need.piece), pixels, width)
        return True

    def _relay(self, tile: TileLoad) -> None:
        """Find tiles for what is held on the way to this one: any with room, the nearest in network order first."""
        sizes = self.rings_of(tile)
        wanted: dict[Key, int] = {}
        for work in tile.works:
            for key in work.reads():
                pixels = self.depths.relayed.get((work.who, key), 0)
                if pixels and sizes[key].remote:
                    wanted[key] = max(wanted.get(key, 0), pixels)
        for key, pixels in wanted.items():
            width = self.graph.maps[key.map].width
            row = sizes[key].of_row(width)
            room = self.target.tile.memory_words // (sizes[key].high - sizes[key].low)
            unit = row if room >= row else width // self.segments[key.map]
            most = room // unit * unit
            pixels = sizes[key].of_row(pixels)
            chain: list[int] = []
            while pixels > 0:
                part = min(pixels, most)
                ring = replace(sizes[key], pixels=part)
                chain.append(self._relay_tile(tile, key, ring).number)
                pixels -= part
            self.relays[tile.number, key] = chain

    def _relay_tile(self, tile: TileLoad, key: Key, ring: RingSize) -> TileLoad:
        """A tile that has no ring of this piece, and room for one."""
        for other in sorted(self.tiles, key=lambda t: (abs(t.number - tile.number), t.number)):
            if key in self.rings_of(other):
                continue
            other.relays[key] = ring
            if self._lacking(other) == ("", ""):
                return other
            del other.relays[key]
        self.tiles.append(TileLoad(len(self.tiles), relays={key: ring}))
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
        fifos = sum(ring.remote and key.map not in self.inputs for key, ring in rings.items())
        for key, work in tile.homes.items():  # copies on other tiles send what they make here
            fifos += work.mapped.copies - sum(w.piece == key and w.shares_piece for w in tile.works)
        if fifos > self.target.tile.fifos:
            todo = "take a target with more receive FIFOs a tile, or with larger crossbars"
            return f"{fifos} receive FIFOs of {self.target.tile.fifos}", todo
        return "", ""

    def rings_of(self, tile: TileLoad) -> dict[Key, RingSize]:
        """The rings that a tile needs, at their first depths."""
        rings: dict[Key, RingSize] = {}
        made = [(work.makes(tile), work) for work in tile.works]
        for key, work in (*tile.homes.items(), *((key, work) for key, work in made if key not in tile.homes)):
            pixels = max(self._made_pixels(work, key), self.depths.of(work.who, key))
            rings[key] = RingSize(work.body.low, work.body.high, pixels, remote=False)
        for work in tile.works:
            for need in work.needs:
                key = Key(need.map, need.piece)
                pixels, (left, right) = self.pixels_for(work, need), self.reach(work, need)
                whole = self.segments[need.map]
                old = rings.get(key, RingSize(need.low, need.high, pixels, True, left, right, whole))
                pixels, low, high = self.joined(need.map, old.pixels, pixels), old.low, old.high
                if old.remote:
                    low, high = min(low, need.low), max(high, need.high)
                    left, right = min(old.left, left), max(old.right, right)
                else:
                    left, right, whole = old.left, old.right, old.whole
                rings[key] = RingSize(low, high, pixels, old.remote, left, right, whole)
            for partner in work.body.partials:
                key = partial_key(work.mapped, partner, work.copy)
                pixels = max(self._made_pixels(work, key), self.depths.of(work.who, key))
                old = rings.get(key, RingSize(work.body.low, work.body.high, pixels, remote=True))
                rings[key] = replace(old, pixels=max(old.pixels, pixels))
        for key, ring in rings.items():
            if ring.right - ring.left != ring.whole:  # it has a part of every row only
                width = self.graph.maps[key.map].width
                rings[key] = replace(ring, pixels=ring.of_row(math.ceil(ring.pixels / width) * width))
        return rings | tile.relays

    def reach(self, work: Work, need: Need) -> tuple[int, int]:
        """The segments of a row of the map that it reads that a task needs: all, or those under its part of a row."""
        source, out = self.graph.maps[need.map], self.graph.maps[work.mapped.layer.output]
        whole, share = self.segments[need.map], work.share
        if share.parts == 1:
            return 0, whole
        layer = work.mapped.layer
        operand = layer.reads[need.role]
        kernel, strides, pads, dilations = layer.window if need.role == 0 else ONE_PIXEL
        first = share.column(out.width, self.segments[out.name])
        last = first + share.segments(self.segments[out.name]) * (out.width // self.segments[out.name]) - 1
        step = operand.step[1]
        before = operand.offset[1] - pads[1] * step
        left = before + first * strides[1] * step
        right = before + last * strides[1] * step + (kernel[1] - 1) * dilations[1] * step
        segment = source.width // whole
        return min(max(left, 0) // segment, whole - 1), min(max(right, 0) // segment + 1, whole)

    def _made_pixels(self, work: Work, key: Key) -> int:
        """Pixels of a ring for its producer: two segments, or where copies assemble the map the rows that they are at,
        and one."""
        width = self.graph.maps[work.mapped.layer.output].width
        if key == work.piece and work.mapped.copies > 1:
            return (work.share.row_step + work.roomy) * width
        return 2 * width // self.segments[work.mapped.layer.output]

    def pixels_for(self, work: Work, need: Need) -> int:
        """Pixels that a ring must hold for one reader."""
        return max(self.first_pixels(work, need), self.depths.of(work.who, Key(need.map, need.piece)))

    def first_pixels(self, work: Work, need: Need) -> int:
        """What a reader asks for at first: two segments of a stream, or the rows of its window and some; and those
        above its first window, which it does not release before it."""
        source, out = self.graph.maps[need.map], self.graph.maps[work.mapped.layer.output]
        if need.streaming and self.segments[need.map] == self.segments[out.name]:
            return 2 * source.width // self.segments[need.map]
        rows = need.span + max(need.first, need.advance if work.roomy else 0)
        return min(rows, source.height) * source.width

    def joined(self, name: str, a: int, b: int) -> int:
        """Pixels that serve two readers: the larger number, whole rows where it is a row or more."""
        width = self.graph.maps[name].width
        most = max(a, b)
        return math.ceil(most / width) * width if most > width else most

    def constants(self, work: Work) -> int:
        """Memory words of a task's constants: multipliers, bias, tables."""
        if work.body.is_partial:
            return 0
        return work.mapped.constant_words(work.body.high - work.body.low, self.target.numbers)
