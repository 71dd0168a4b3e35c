"""place: tasks onto cores and tiles, in network order, each tile filled until cores, memory or FIFOs run out.

Needs: tasks. Promises: every task has a core, and what its tile must hold for it - rings at their first depths,
constants, receive FIFOs - fits the tile's budget.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cimc.base.diagnostics import Place, fail
from cimc.ir.layers import MatrixLayer
from cimc.ir.mapped import MappedGraph, MappedLayer, Task, pieces_of
from cimc.passes.needs import Need, needs_of
from cimc.target.model import Target

LOOK_BACK = 3  # tiles, newest first, that may still take a task

Key = tuple[str, int]  # a piece of a map: (its name, first channel); with "\0" in the name what only one task needs


@dataclass(frozen=True, slots=True)
class Work:
    """A task of a copy of its layer, and what it reads. roomy: rings hold the rows of the next window beside those of
    this one."""

    layer: int
    task: int
    mapped: MappedLayer
    body: Task
    needs: tuple[Need, ...]
    roomy: bool
    copy: int

    @property
    def piece(self) -> Key:
        """The piece of the layer's map that it works for."""
        return self.mapped.layer.output, self.body.low

    def makes(self, works: list[Work]) -> Key:
        """The key of its out ring on a tile with these tasks.

        Partial sums have rings of their own, and so has a copy away from the tile where copy 0 assembles the piece.
        """
        if self.body.is_partial:
            return partial_key(self.mapped, self.task, self.copy)
        at_home = self.copy == 0 or any(w.copy == 0 and w.piece == self.piece for w in works if not w.body.is_partial)
        return self.piece if at_home else (f"{self.mapped.layer.output}\0copy{self.copy}", self.body.low)

    def rows(self, height: int) -> int:
        """How many of `height` rows its copy makes."""
        return -(-(height - self.copy) // self.mapped.copies)


def partial_key(mapped: MappedLayer, index: int, copy: int) -> Key:
    """The key of a task's partial sums."""
    return f"{mapped.layer.output}\0{index}\0{copy}", mapped.tasks[index].low


@dataclass(slots=True)
class TileLoad:
    """What a tile holds so far."""

    number: int
    works: list[Work] = field(default_factory=list)


def core_numbers(works: list[Work]) -> list[int]:
    """The core of each task of a tile: tasks that share one have the same."""
    numbers: dict[tuple[int, int], int] = {}
    found = []
    for position, work in enumerate(works):
        key = (0, work.body.shares) if work.body.shares >= 0 else (1, position)
        found.append(numbers.setdefault(key, len(numbers)))
    return found


@dataclass(frozen=True, slots=True)
class RingSize:
    """Extent of one ring of a tile: channels low .. high, pixels."""

    low: int
    high: int
    pixels: int
    remote: bool


class Placer:
    """Fills tiles; `tiles` is the result."""

    def __init__(self, graph: MappedGraph, target: Target, segments: Mapping[str, int], budget: float) -> None:
        self.graph = graph
        self.target = target
        self.segments = segments
        self.budget = int(target.tile.memory_words * budget)
        self.tiles: list[TileLoad] = []
        tasks = {m.layer.output: m.tasks for m in graph.layers}
        self.pieces = {name: pieces_of(tasks, name) or ((0, graph.maps[name].channels),) for name in graph.maps}
        self.inputs = {binding.maps[0] for binding in graph.inputs}

    def run(self) -> list[TileLoad]:
        """Place every task; refuse with what is missing where a task fits no tile or the chip is full."""
        for works in self._together():
            if not self._place(works):
                self._place_or_fail([replace(work, roomy=False) for work in works])
        if len(self.tiles) > self.target.chip.tiles:
            what = f"the network needs {len(self.tiles)} tiles; {self.target.name} has {self.target.chip.tiles}"
            todo = "take a target with more tiles, or one whose tiles hold more"
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

    def _place(self, works: list[Work]) -> bool:
        """Put the tasks of a core on one of the last tiles or a new one; whether they fit."""
        for tile in self.tiles[: -LOOK_BACK - 1 : -1]:
            if self._lacking(tile, works) == ("", ""):
                tile.works += works
                return True
        fresh = TileLoad(len(self.tiles))
        if self._lacking(fresh, works) != ("", ""):
            return False
        fresh.works += works
        self.tiles.append(fresh)
        return True

    def _place_or_fail(self, works: list[Work]) -> None:
        if not self._place(works):
            problem, todo = self._lacking(TileLoad(0), works)
            work = works[0]
            what = f'layer "{work.mapped.layer.name}" does not fit a tile of {self.target.name}: {problem}'
            raise fail("place.memory", what, Place(item=work.mapped.layer.origin), todo)

    def _lacking(self, tile: TileLoad, more: list[Work]) -> tuple[str, str]:
        """What a tile lacks for more tasks, and what to do about it; two empty texts where it lacks nothing."""
        works = [*tile.works, *more]
        cores = len(set(core_numbers(works)))
        if cores > self.target.tile.cores:
            return f"{cores} cores of {self.target.tile.cores}", "take a target with more cores a tile"
        rings = self.rings_of(works)
        words = sum((r.high - r.low) * r.pixels for r in rings.values()) + sum(self.constants(w) for w in works)
        if words > self.budget:
            todo = "take a target with more tile memory, or a network with smaller feature maps"
            return f"{words} words of shared memory of {self.budget}", todo
        fifos = sum(ring.remote and key[0] not in self.inputs for key, ring in rings.items())
        for work in works:
            if work.copy == 0 and not work.body.is_partial:  # copies on other tiles send their rows here
                fifos += work.mapped.copies - sum(w.piece == work.piece and not w.body.is_partial for w in works)
        if fifos > self.target.tile.fifos:
            todo = "take a target with more receive FIFOs a tile, or with larger crossbars"
            return f"{fifos} receive FIFOs of {self.target.tile.fifos}", todo
        return "", ""

    def rings_of(self, works: list[Work]) -> dict[Key, RingSize]:
        """The rings that a tile with these tasks needs, at their first depths."""
        rings: dict[Key, RingSize] = {}
        for work in works:
            key = work.makes(works)
            rings[key] = RingSize(work.body.low, work.body.high, self._made_pixels(work, key), remote=False)
        for work in works:
            for need in work.needs:
                key = (need.map, need.piece)
                pixels = self.pixels_for(work, need)
                old = rings.get(key, RingSize(need.low, need.high, pixels, remote=True))
                low, high = (min(old.low, need.low), max(old.high, need.high)) if old.remote else (old.low, old.high)
                rings[key] = RingSize(low, high, self.joined(need.map, old.pixels, pixels), old.remote)
            for partner in work.body.partials:
                key = partial_key(work.mapped, partner, work.copy)
                if key not in rings:
                    rings[key] = RingSize(work.body.low, work.body.high, self._made_pixels(work, key), remote=True)
        return rings

    def _made_pixels(self, work: Work, key: Key) -> int:
        """Pixels of a ring for its producer: two segments, or a row for each copy that assembles the map and one."""
        width = self.graph.maps[work.mapped.layer.output].width
        if key == work.piece and work.mapped.copies > 1:
            return (work.mapped.copies + 1) * width
        return 2 * width // self.segments[work.mapped.layer.output]

    def pixels_for(self, work: Work, need: Need) -> int:
        """Pixels that a ring must hold for one reader: two segments of a stream, or the rows of its window and some."""
        source, out = self.graph.maps[need.map], self.graph.maps[work.mapped.layer.output]
        if need.streaming and self.segments[need.map] == self.segments[out.name]:
            return 2 * source.width // self.segments[need.map]
        rows = need.span + (need.advance if work.roomy else 0)
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
        per_float = 32 // min(32, self.target.numbers.word)
        channels = work.body.high - work.body.low
        finish = work.mapped.finish
        words = channels * per_float * (1 if finish.n is None else 2)
        if isinstance(work.mapped.layer, MatrixLayer):
            words += channels * math.ceil(self.target.numbers.accumulator / self.target.numbers.word)
        if finish.table is not None:
            words += len(finish.table.entries)
        words += len(work.mapped.pre) * 2 * channels * per_float
        if work.mapped.softmax is not None:
            tables = (work.mapped.softmax.high, work.mapped.softmax.low)
            words += sum(len(table.entries) for table in tables if table is not None)
        return words


def choose_segments(graph: MappedGraph, target: Target) -> dict[str, int]:
    """Pieces that a row of each map is handed over in: the fewest that keep one to a sixteenth of a tile's memory."""
    most = max(1, target.tile.memory_words // 16)
    tasks = {m.layer.output: m.tasks for m in graph.layers}
    segments = {}
    for name, m in graph.maps.items():
        widest = max((high - low for low, high in pieces_of(tasks, name)), default=m.channels)
        fitting = (s for s in range(1, m.width + 1) if m.width % s == 0 and m.width // s * widest <= most)
        segments[name] = next(fitting, m.width)
    return segments
