"""The PlacedGraph: every task on a core, and what the memory of every tile holds: rings, each with its depth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from cimc.ir.mapped import MappedGraph, MappedLayer, Task
from cimc.target.model import Chip, Tile

TaskAt = tuple[int, int, int]
"""A task of a copy of a layer: (layer, task, copy)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The channels of a map that one task makes, from `channel` on; an input is one piece."""

    map: str
    channel: int


@dataclass(frozen=True, slots=True)
class CopyPiece:
    """What a task of one copy of a layer makes of a piece, on a tile where the piece is not gathered."""

    layer: int
    task: int
    copy: int


@dataclass(frozen=True, slots=True)
class PartialSum:
    """The sums of a task of a copy of a layer, to which its partner adds its own."""

    layer: int
    task: int
    copy: int


RingKey = Piece | CopyPiece | PartialSum
"""What a ring holds. A tile has one ring of each at most."""


@dataclass(frozen=True, slots=True)
class AccessRegion:
    """Channels low .. high of a map, within a piece, that a task reads in a role (0: its first operand, 1: its second
    or residual).

    Row r of the output reads rows first + r * advance .. first + r * advance + span - 1 of the map (advance 0: always
    the same). streaming: exactly pixel (y, x) for pixel (y, x), so that segments can be handed over one by one.
    """

    role: int
    piece: Piece
    low: int
    high: int
    first: int
    advance: int
    span: int
    streaming: bool


@dataclass(frozen=True, slots=True)
class PlacedRing:
    """A ring of a tile: channels low .. high of the map, and how many pixels it holds at once.

    remote: another tile, or the host, fills it. part: the segments left .. right of every row that it has; None for
    whole rows. relays: the tiles that hold what comes here while it is on its way, first to last.
    """

    low: int
    high: int
    pixels: int
    remote: bool = False
    part: tuple[int, int] | None = None
    relays: tuple[int, ...] = ()

    @property
    def words(self) -> int:
        """Memory words."""
        return (self.high - self.low) * self.pixels


@dataclass(frozen=True, slots=True)
class PlacedTask:
    """A task of a copy of its layer on a core, what it reads, and the ring of its tile that it fills."""

    layer: int
    task: int
    copy: int
    core: int
    regions: tuple[AccessRegion, ...]
    out: RingKey

    @property
    def at(self) -> TaskAt:
        """Which task it is."""
        return self.layer, self.task, self.copy


@dataclass(frozen=True, slots=True)
class PlacedTile:
    """The tasks on a tile and its rings. constants: memory words of its tasks' multipliers, biases and tables.

    A ring of a piece that several copies make together, and that is not remote, is where they are gathered.
    """

    number: int
    tasks: tuple[PlacedTask, ...]
    rings: Mapping[RingKey, PlacedRing]
    constants: int

    @property
    def words(self) -> int:
        """Memory words in use."""
        return self.constants + sum(ring.words for ring in self.rings.values())


@dataclass(frozen=True, slots=True)
class PlacedGraph:
    """Tiles in network order. room, chip: what a tile and a chip have."""

    mapped: MappedGraph
    tiles: tuple[PlacedTile, ...]
    room: Tile
    chip: Chip

    @property
    def segments(self) -> Mapping[str, int]:
        """Of a row of every map."""
        return self.mapped.segments

    @property
    def inputs(self) -> frozenset[str]:
        """The maps that the host writes."""
        return frozenset(binding.maps[0] for binding in self.mapped.inputs)

    def layer_of(self, placed: PlacedTask | CopyPiece | PartialSum) -> MappedLayer:
        """The layer that a task works for."""
        return self.mapped.layers[placed.layer]

    def task_of(self, placed: PlacedTask | CopyPiece | PartialSum) -> Task:
        """The task that is placed."""
        return self.layer_of(placed).tasks[placed.task]

    def sums_of(self, placed: PlacedTask) -> tuple[PartialSum, ...]:
        """What a task adds to its own sums, in order."""
        return tuple(PartialSum(placed.layer, partner, placed.copy) for partner in self.task_of(placed).partials)

    def map_of(self, key: RingKey) -> str:
        """The map that a ring is a part of."""
        return key.map if isinstance(key, Piece) else self.layer_of(key).layer.output

    def extent(self, key: RingKey, ring: PlacedRing) -> tuple[int, int, int]:
        """(height, width, segments of a row) of all that passes through a ring for one input."""
        name = self.map_of(key)
        m, whole = self.mapped.maps[name], self.segments[name]
        if isinstance(key, Piece):
            left, right = ring.part or (0, whole)
            height, own = m.height, right - left
        else:
            share = self.layer_of(key).share(key.copy)
            height, own = share.rows(m.height), share.segments(whole)
        return height, m.width // whole * own, own

    def rings(self) -> Iterator[tuple[int, RingKey, PlacedRing]]:
        """(tile, key, ring) of all rings, tile after tile."""
        return ((tile.number, key, ring) for tile in self.tiles for key, ring in tile.rings.items())

    def made_on(self) -> dict[RingKey, int]:
        """The tile where each piece, part of a piece or sum is made, or gathered."""
        return {key: tile for tile, key, ring in self.rings() if not ring.remote}

    def relays(self) -> dict[tuple[int, RingKey], int]:
        """Rings that only pass on what another tile reads, by (tile, key), and which tile that is."""
        return {(relay, key): tile for tile, key, ring in self.rings() for relay in ring.relays}

    def with_pixels(self, pixels: Iterable[int]) -> PlacedGraph:
        """The same with other depths. pixels: of all rings, tile after tile."""
        given = iter(pixels)
        tiles = tuple(
            replace(tile, rings={key: replace(ring, pixels=next(given)) for key, ring in tile.rings.items()})
            for tile in self.tiles
        )
        return replace(self, tiles=tiles)
