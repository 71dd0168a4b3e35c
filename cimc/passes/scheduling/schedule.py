"""schedule: rings, ports, transfers and synchronisation for placed tasks.

Needs: tasks on tiles. Promises: every map piece has one producing stream, every reader a port of its own, and every
wait, release and transfer of one input is stated. Ring depths are first guesses; settle_depths makes them suffice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from cimc.ir.mapped import MappedGraph, Share
from cimc.ir.scheduled import WHOLE, PlacedTask, RingPlan, ScheduledGraph, Source, Sync, Transfer
from cimc.passes.placement.needs import Need
from cimc.passes.placement.place import Placer
from cimc.passes.placement.works import Key, RingSize, TileLoad, Work, core_numbers, partial_key
from cimc.passes.scheduling.fan_out import Reader, feeders

RingAt = tuple[int, str]


class Scheduler:
    """Builds a ScheduledGraph out of filled tiles."""

    def __init__(self, graph: MappedGraph, placer: Placer, tiles: list[TileLoad], segments: Mapping[str, int]) -> None:
        self.graph = graph
        self.placer = placer
        self.tiles = tiles
        self.segments = segments
        self.names: dict[tuple[int, Key], str] = {}
        self.plans: dict[RingAt, RingPlan] = {}
        self.ports: dict[RingAt, int] = {}
        made = [(w.makes(tile), w, tile.number) for tile in tiles for w in tile.works]
        self.home: dict[Key, int] = {key: tile for key, _, tile in made}
        self.home |= {key: tile.number for tile in tiles for key in tile.homes}
        self.away = [(key, w) for key, w, _ in made if not key.is_whole and key.task < 0]

    def run(self) -> ScheduledGraph:
        """All of it."""
        transfers: list[Transfer] = []
        sizes = {tile.number: self.placer.rings_of(tile) for tile in self.tiles}
        for tile in self.tiles:
            self._plan_rings(tile, sizes[tile.number])
        fed_by = self._feeders(sizes)
        for tile in self.tiles:
            transfers += self._transfers(tile, sizes[tile.number], fed_by)
        tasks = [
            self._task(tile, core, work)
            for tile in self.tiles
            for core, work in zip(core_numbers(tile.works), tile.works, strict=True)
        ]
        tasks.sort(key=lambda placed: (placed.layer, placed.task))
        feeds = tuple(
            tuple((tile, name, -1) for (tile, key), name in self.names.items() if key.map == binding.maps[0])
            for binding in self.graph.inputs
        )
        drains = tuple(tuple(self._drain(name, low) for name in b.maps for low, _ in self.placer.pieces[name])
                       for b in self.graph.outputs)  # fmt: skip
        rings = {at: replace(plan, ports=self.ports.get(at, 0)) for at, plan in self.plans.items()}
        return ScheduledGraph(self.graph, rings, tuple(tasks), tuple(transfers), feeds, drains)

    def _port(self, at: RingAt) -> int:
        """A new consumer's port of a ring."""
        number = self.ports.get(at, 0)
        self.ports[at] = number + 1
        return number

    def _plan_rings(self, tile: TileLoad, sizes: Mapping[Key, RingSize]) -> None:
        """A name, a height and its producers for every ring of a tile."""
        makers = dict(tile.homes)
        for work in tile.works:
            makers.setdefault(work.makes(tile), work)
            for partner in work.body.partials:
                makers.setdefault(partial_key(work.mapped, partner, work.copy), work)
        for key, size in sizes.items():
            name = key.map
            m = self.graph.maps[name]
            height, width, segments, producers = m.height, m.width, self.segments[name], 1
            if not key.is_whole:
                share = makers[key].share
                own = share.segments(segments)
                height, width, segments = share.rows(height), width // segments * own, own
            elif not size.remote:
                producers = makers[key].mapped.copies
            else:
                width, segments = size.of_row(m.width), size.right - size.left
            label = plain_name(name, size.low if len(self.placer.pieces[name]) > 1 or size.low else None)
            label += key.suffix
            while (tile.number, label) in self.plans:
                label += "_"
            plan = RingPlan(
                name=label,
                tile=tile.number,
                height=height,
                width=width,
                channels=size.high - size.low,
                segments=segments,
                pixels=size.pixels,
                ports=0,
                tensor="",
                channel=0,
                producers=producers,
            )
            if key.is_whole:
                column = size.left * (m.width // self.segments[name]) if size.remote else 0
                plan = replace(plan, tensor=name, channel=size.low, column=column)
            elif key.task < 0:
                share = makers[key].share
                plan = replace(plan, tensor=name, channel=size.low, row=share.row, row_step=share.row_step,
                               column=share.column(m.width, self.segments[name]))  # fmt: skip
            self.plans[tile.number, label] = plan
            self.names[tile.number, key] = label

    def _feeders(self, sizes: Mapping[int, Mapping[Key, RingSize]]) -> dict[tuple[int, Key], int]:
        """The tile that fills each ring that another tile fills, by (tile, key)."""
        readers: dict[Key, list[Reader]] = {}
        for tile in self.tiles:
            for key, size in sizes[tile.number].items():
                if size.remote and key not in tile.relays and key.map not in self.placer.inputs:
                    chain = tuple(self.placer.relays.get((tile.number, key), ()))
                    reader = Reader(tile.number, size.low, size.high, chain, size.left, size.right)
                    readers.setdefault(key, []).append(reader)
        there = self.placer.target.chip.tiles
        return {(tile, key): source for key, found in readers.items()
                for tile, source in feeders(self.home[key], found, there).items()}  # fmt: skip

    def _transfers(
        self, tile: TileLoad, sizes: Mapping[Key, RingSize], fed_by: Mapping[tuple[int, Key], int]
    ) -> list[Transfer]:
        """A transfer into every ring that is filled from another tile, and from every copy that is away."""
        found: list[Transfer] = []
        for key, size in sizes.items():
            if not size.remote or key.map in self.placer.inputs:
                continue
            there = fed_by[tile.number, key]
            source = self.names[there, key]
            plan = self.plans[there, source]
            low, segment = 0, 0
            if key.is_whole:
                low, segment = size.low - plan.channel, size.left - plan.column // plan.segment_pixels
            found.append(
                Transfer(there, source, self._port((there, source)), low, low + size.high - size.low, tile.number,
                         len(found), self.names[tile.number, key], segment=segment)
            )  # fmt: skip
        for key, work in self.away:
            if self.home[work.piece] == tile.number:
                away = self.home[key]
                source = self.names[away, key]
                found.append(
                    Transfer(away, source, self._port((away, source)), 0, work.body.high - work.body.low, tile.number,
                             len(found), self.names[tile.number, work.piece], work.copy, work.share)
                )  # fmt: skip
        return found

    def _drain(self, name: str, low: int) -> tuple[int, str, int]:
        tile = self.home[Key(name, low)]
        ring = self.names[tile, Key(name, low)]
        return tile, ring, self._port((tile, ring))

    def _task(self, tile: TileLoad, core: int, work: Work) -> PlacedTask:
        out = self.graph.maps[work.mapped.layer.output]
        share = work.share
        whole, rows = self.segments[out.name], share.rows(out.height)
        segments = share.segments(whole)
        syncs: list[Sync] = []
        sources, partials = [], []
        for need in work.needs:
            ring = self.names[tile.number, Key(need.map, need.piece)]
            port = self._port((tile.number, ring))
            sources.append(Source(need.role, need.map, need.low, need.high, ring, port))
            syncs += self._read_syncs(need, tile.number, ring, port, rows, segments)
        for partner in work.body.partials:
            ring = self.names[tile.number, partial_key(work.mapped, partner, work.copy)]
            port = self._port((tile.number, ring))
            partials.append((ring, port))
            syncs += stream_reads(ring, port, segments)
        key = work.makes(tile)
        ring = self.names[tile.number, key]
        out_share = share if key == work.piece else WHOLE
        syncs += share_writes(ring, whole if key == work.piece else segments, out_share)
        pixels = out.width // whole
        return PlacedTask(work.layer, work.task, tile.number, core, rows, segments, pixels, tuple(sources),
                          tuple(partials), ring, tuple(syncs), work.copy, share, out_share)  # fmt: skip

    def _read_syncs(self, need: Need, tile: int, ring: str, port: int, rows: int, segments: int) -> list[Sync]:
        """Waits and releases of one reader over the rows of its output."""
        s = self.plans[tile, ring].segments
        height = self.graph.maps[need.map].height
        if need.streaming and s == segments:
            return stream_reads(ring, port, s)
        last = need.first + need.span  # rows below this are needed for output row 0
        syncs = []
        if need.advance == 0 or rows == 1:
            syncs.append(Sync("wait", ring, port, "image", False, 0, 0, min(last, height) * s))
        else:
            syncs.append(Sync("wait", ring, port, "row", False, need.advance * s, 0, last * s))
            syncs.append(Sync("release", ring, port, "row", True, need.advance * s, 0, (need.first + need.advance) * s))
        released = need.first + need.advance * rows if need.advance and rows > 1 else 0
        if released < height:
            if need.first + need.advance * (rows - 1) + need.span < height:
                syncs.append(Sync("wait", ring, port, "image", True, 0, 0, height * s))
            syncs.append(Sync("release", ring, port, "image", True, 0, 0, height * s))
        return syncs


def share_writes(ring: str, whole: int, share: Share) -> list[Sync]:
    """Space for and signals of what one producer writes of a ring, segment by segment. whole: segments of a row.

    With others writing in between, a signal after a row says that the next own segment is the first missing.
    """
    per_row, at = whole * share.row_step, share.first_ticket(whole)
    syncs = [Sync("space", ring, -1, "segment", False, per_row, 1, at + 1)]
    if at:
        syncs.insert(0, Sync("signal", ring, -1, "image", False, 0, 0, at))
    alone = share.parts * share.row_step == 1
    if share.segments(whole) > 1 or alone:
        syncs.append(Sync("signal", ring, -1, "segment", True, per_row, 1, at + 1))
    if not alone:
        syncs.append(Sync("signal", ring, -1, "row", True, per_row, 0, at + per_row))
    return syncs


def stream_reads(ring: str, port: int, segments: int) -> list[Sync]:
    """Wait for and release of one segment after the other."""
    return [
        Sync("wait", ring, port, "segment", False, segments, 1, 1),
        Sync("release", ring, port, "segment", True, segments, 1, 1),
    ]


def plain_name(name: str, channel: int | None) -> str:
    """A ring's name: the tensor's in letters, digits and underscores, with its first channel where it is a piece."""
    letters = "".join(c if c.isascii() and c.isalnum() else "_" for c in name).strip("_") or "map"
    letters = letters if letters[0].isalpha() else f"m{letters}"
    return letters if channel is None else f"{letters}.c{channel}"


def grown(plan: RingPlan) -> int:
    """Pixels of a ring with one more segment, or one more row where it holds rows."""
    unit = plan.width if plan.pixels >= plan.width else plan.segment_pixels
    more = plan.pixels + unit
    return math.ceil(more / plan.width) * plan.width if more > plan.width else more
