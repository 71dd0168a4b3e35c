"""schedule: rings, ports, transfers and synchronisation for placed tasks.

Needs: a PlacedGraph. Promises: every map piece has one producing stream, every reader a port of its own, and every
wait, release and transfer of one input is stated. Rings follow each other as in the PlacedGraph, with its depths.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from cimc.ir.mapped import Share
from cimc.ir.placed import (
    AccessRegion,
    CopyPiece,
    PartialSum,
    Piece,
    PlacedGraph,
    PlacedRing,
    PlacedTask,
    PlacedTile,
    RingKey,
)
from cimc.ir.scheduled import WHOLE, RingPlan, ScheduledGraph, ScheduledTask, Source, Sync, Transfer
from cimc.passes.scheduling.fan_out import Reader, feeders

RingAt = tuple[int, str]


def schedule(graph: PlacedGraph) -> ScheduledGraph:
    """All that placed tasks need to run, with tiles in network order."""
    return _Scheduler(graph).run()


class _Scheduler:
    """Builds a ScheduledGraph out of filled tiles. names: of rings; home: the tile where what a ring holds is made or
    gathered."""

    def __init__(self, graph: PlacedGraph) -> None:
        self.graph = graph
        self.maps, self.inputs = graph.mapped.maps, graph.inputs
        self.pieces = graph.mapped.pieces()
        self.letters = {name: _letters(name) for name in self.maps}
        self.copies = {mapped.layer.output: mapped.copies for mapped in graph.mapped.layers}
        self.names: dict[tuple[int, RingKey], str] = {}
        self.plans: dict[RingAt, RingPlan] = {}
        self.ports: dict[RingAt, int] = {}
        self.home = graph.made_on()
        self.away = [key for key in self.home if isinstance(key, CopyPiece)]

    def run(self) -> ScheduledGraph:
        """All of it."""
        transfers: list[Transfer] = []
        for tile, key, ring in self.graph.rings():
            self._plan_ring(tile, key, ring)
        fed_by = self._feeders()
        for placed_tile in self.graph.tiles:
            transfers += self._transfers(placed_tile, fed_by)
        tasks = [self._task(tile.number, task) for tile in self.graph.tiles for task in tile.tasks]
        tasks.sort(key=lambda task: (task.layer, task.task))
        feeds = tuple(
            tuple((tile, name, -1) for (tile, key), name in self.names.items() if key == Piece(binding.maps[0], 0))
            for binding in self.graph.mapped.inputs
        )
        drains = tuple(tuple(self._drain(name, low) for name in b.maps for low, _ in self.pieces[name])
                       for b in self.graph.mapped.outputs)  # fmt: skip
        rings = {at: replace(plan, ports=self.ports.get(at, 0)) for at, plan in self.plans.items()}
        return ScheduledGraph(self.graph.mapped, rings, tuple(tasks), tuple(transfers), feeds, drains)

    def _port(self, at: RingAt) -> int:
        """A new consumer's port of a ring."""
        number = self.ports.get(at, 0)
        self.ports[at] = number + 1
        return number

    def _plan_ring(self, tile: int, key: RingKey, ring: PlacedRing) -> None:
        """A name, an extent and its producers for a ring of a tile."""
        name = self.graph.map_of(key)
        height, width, segments = self.graph.extent(key, ring)
        label = self.letters[name]
        if len(self.pieces[name]) > 1 or ring.low:  # a part of the channels, which the first of them tells apart
            label += f".c{ring.low}"
        label += _suffix(key)
        while (tile, label) in self.plans:
            label += "_"
        producers, row, row_step, column = 1, 0, 1, 0
        if isinstance(key, Piece):
            producers = 1 if ring.remote else self.copies[name]
            column = 0 if ring.part is None else ring.part[0] * (width // segments)
        elif isinstance(key, CopyPiece):
            share = self.graph.layer_of(key).share(key.copy)
            row, row_step, column = (
                share.row,
                share.row_step,
                share.column(self.maps[name].width, self.graph.segments[name]),
            )
        self.names[tile, key] = label
        self.plans[tile, label] = RingPlan(
            name=label,
            tile=tile,
            height=height,
            width=width,
            channels=ring.high - ring.low,
            segments=segments,
            pixels=ring.pixels,
            ports=0,
            tensor="" if isinstance(key, PartialSum) else name,
            channel=0 if isinstance(key, PartialSum) else ring.low,
            producers=producers,
            row=row,
            row_step=row_step,
            column=column,
        )

    def _from_host(self, key: RingKey) -> bool:
        return isinstance(key, Piece) and key.map in self.inputs

    def _feeders(self) -> dict[tuple[int, RingKey], int]:
        """The tile that fills each ring that another tile fills, by (tile, key)."""
        readers: dict[RingKey, list[Reader]] = {}
        relays = self.graph.relays()
        for tile, key, ring in self.graph.rings():
            if ring.remote and (tile, key) not in relays and not self._from_host(key):
                left, right = ring.part or (0, self.graph.segments[self.graph.map_of(key)])
                reader = Reader(tile, ring.low, ring.high, ring.relays, left, right)
                readers.setdefault(key, []).append(reader)
        there = self.graph.chip.tiles
        return {(tile, key): source for key, found in readers.items()
                for tile, source in feeders(self.home[key], found, there).items()}  # fmt: skip

    def _transfers(self, tile: PlacedTile, fed_by: Mapping[tuple[int, RingKey], int]) -> list[Transfer]:
        """A transfer into every ring that is filled from another tile, and from every copy that is away."""
        found: list[Transfer] = []
        for key, ring in tile.rings.items():
            if not ring.remote or self._from_host(key):
                continue
            there = fed_by[tile.number, key]
            source = self.names[there, key]
            plan = self.plans[there, source]
            low, segment = 0, 0
            if isinstance(key, Piece):
                low = ring.low - plan.channel
                segment = (0 if ring.part is None else ring.part[0]) - plan.column // plan.segment_pixels
            found.append(
                Transfer(there, source, self._port((there, source)), low, low + ring.high - ring.low, tile.number,
                         len(found), self.names[tile.number, key], segment=segment)
            )  # fmt: skip
        for away in self.away:
            mapped, task = self.graph.layer_of(away), self.graph.task_of(away)
            piece = Piece(mapped.layer.output, task.low)
            if self.home[piece] == tile.number:
                there = self.home[away]
                source = self.names[there, away]
                found.append(
                    Transfer(there, source, self._port((there, source)), 0, task.high - task.low, tile.number,
                             len(found), self.names[tile.number, piece], away.copy, mapped.share(away.copy))
                )  # fmt: skip
        return found

    def _drain(self, name: str, low: int) -> tuple[int, str, int]:
        tile = self.home[Piece(name, low)]
        ring = self.names[tile, Piece(name, low)]
        return tile, ring, self._port((tile, ring))

    def _task(self, tile: int, task: PlacedTask) -> ScheduledTask:
        mapped = self.graph.layer_of(task)
        out, share = self.maps[mapped.layer.output], mapped.share(task.copy)
        whole, rows = self.graph.segments[out.name], share.rows(out.height)
        segments = share.segments(whole)
        syncs: list[Sync] = []
        sources, partials = [], []
        for region in task.regions:
            ring = self.names[tile, region.piece]
            port = self._port((tile, ring))
            sources.append(Source(region.role, region.piece.map, region.low, region.high, ring, port))
            syncs += self._read_syncs(region, tile, ring, port, rows, segments)
        for key in self.graph.sums_of(task):
            ring = self.names[tile, key]
            port = self._port((tile, ring))
            partials.append((ring, port))
            syncs += stream_reads(ring, port, segments)
        ring, in_piece = self.names[tile, task.out], isinstance(task.out, Piece)
        out_share = share if in_piece else WHOLE
        syncs += share_writes(ring, whole if in_piece else segments, out_share)
        pixels = out.width // whole
        return ScheduledTask(task.layer, task.task, tile, task.core, rows, segments, pixels, tuple(sources),
                             tuple(partials), ring, tuple(syncs), task.copy, share, out_share)  # fmt: skip

    def _read_syncs(
        self, region: AccessRegion, tile: int, ring: str, port: int, rows: int, segments: int
    ) -> list[Sync]:
        """Waits and releases of one reader over the rows of its output."""
        s = self.plans[tile, ring].segments
        height, advance = self.maps[region.piece.map].height, region.advance
        if region.streaming and s == segments:
            return stream_reads(ring, port, s)
        last = region.first + region.span  # rows below this are needed for output row 0
        syncs = []
        if advance == 0 or rows == 1:
            syncs.append(Sync("wait", ring, port, "image", False, 0, 0, min(last, height) * s))
        else:
            syncs.append(Sync("wait", ring, port, "row", False, advance * s, 0, last * s))
            syncs.append(Sync("release", ring, port, "row", True, advance * s, 0, (region.first + advance) * s))
        released = region.first + advance * rows if advance and rows > 1 else 0
        if released < height:
            if last + advance * (rows - 1) < height:
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


def _letters(name: str) -> str:
    """A tensor's name in letters, digits and underscores."""
    letters = "".join(c if c.isascii() and c.isalnum() else "_" for c in name).strip("_") or "map"
    return letters if letters[0].isalpha() else f"m{letters}"


def _suffix(key: RingKey) -> str:
    """What a ring's name ends in that only one task needs."""
    if isinstance(key, Piece):
        return ""
    return f".copy{key.copy}" if isinstance(key, CopyPiece) else f".p{key.task}.p{key.copy}"


def grown(plan: RingPlan) -> int:
    """Pixels of a ring with one more segment, or one more row where it holds rows."""
    unit = plan.width if plan.pixels >= plan.width else plan.segment_pixels
    more = plan.pixels + unit
    return math.ceil(more / plan.width) * plan.width if more > plan.width else more
