"""The ScheduledGraph: every task on a core, every map in rings, every wait and signal, every transfer between tiles."""

from __future__ import annotations

from dataclasses import dataclass

from cimc.ir.mapped import MappedGraph, MappedLayer, Share, Task

WHOLE = Share()


@dataclass(frozen=True, slots=True)
class RingPlan:
    """A ring of a tile. See cimc.isa.program.Ring for the fields; ports counts its consumers.

    tensor: the map whose channels channel .. channel + channels it holds, or "" for partial sums.
    """

    name: str
    tile: int
    height: int
    width: int
    channels: int
    segments: int
    pixels: int
    ports: int
    tensor: str
    channel: int
    producers: int = 1
    row: int = 0
    row_step: int = 1
    column: int = 0

    @property
    def segment_pixels(self) -> int:
        """Pixels of one segment."""
        return self.width // self.segments

    @property
    def words(self) -> int:
        """Memory words."""
        return self.pixels * self.channels

    @property
    def tickets(self) -> int:
        """Tickets of one input."""
        return self.height * self.segments


@dataclass(frozen=True, slots=True)
class Source:
    """Channels low .. high of a map that a task reads in a role (0: its first operand, 1: its second or residual),
    found in a ring of its tile behind a port of its own."""

    role: int
    map: str
    low: int
    high: int
    ring: str
    port: int


@dataclass(frozen=True, slots=True)
class Sync:
    """A wait, space, release or signal of a stream with the ticket per_row * row + per_segment * segment + constant.

    kind: "wait", "space", "release", "signal". level: "image", "row" or "segment" - the loop in whose body it stands;
    after: behind the work of that body, else before it. port: -1 for space and signal.
    """

    kind: str
    ring: str
    port: int
    level: str
    after: bool
    per_row: int
    per_segment: int
    constant: int


@dataclass(frozen=True, slots=True)
class ScheduledTask:
    """A task on a core. rows, segments, pixels: the loops over its output (pixels of one segment).

    copy: of its layer, which makes `share` of the map; out_share: where that lies in its ring, which is
    compact where nobody else writes it. partials: (ring, port) of each partner's sums, in the order of Task.partials.
    """

    layer: int
    task: int
    tile: int
    core: int
    rows: int
    segments: int
    pixels: int
    sources: tuple[Source, ...]
    partials: tuple[tuple[str, int], ...]
    out: str
    syncs: tuple[Sync, ...]
    copy: int = 0
    share: Share = WHOLE
    out_share: Share = WHOLE


@dataclass(frozen=True, slots=True)
class Transfer:
    """A ring's channels low .. high (of the ring) copied into a ring of another tile through a FIFO of that tile.

    share: what the source has of the ring it goes to, where it holds what one copy of a layer makes. segment: the first
    of a row of the source that is sent, where the ring it goes to has a part of every row only.
    """

    source_tile: int
    source: str
    port: int
    low: int
    high: int
    tile: int
    fifo: int
    ring: str
    copy: int = 0
    share: Share = WHOLE
    segment: int = 0

    def segments(self, source: RingPlan, target: RingPlan) -> int:
        """How many segments of a row it sends."""
        return min(source.segments, target.segments)


@dataclass(frozen=True, slots=True)
class Travel:
    """What one input makes travel: flits times the routers that they pass, and flits from one chip to another."""

    hops: int
    off_chip: int


@dataclass(frozen=True, slots=True)
class ScheduledGraph:
    """Tasks, rings by (tile, name), transfers; and for every network input and output the (tile, ring, port) where
    the host writes (port -1) or reads. chips: in use; tiles are numbered through, chip after chip. travel: with tiles
    in network order, and where they are; None while they have no places."""

    mapped: MappedGraph
    rings: dict[tuple[int, str], RingPlan]
    tasks: tuple[ScheduledTask, ...]
    transfers: tuple[Transfer, ...]
    feeds: tuple[tuple[tuple[int, str, int], ...], ...]
    drains: tuple[tuple[tuple[int, str, int], ...], ...]
    chips: int = 1
    travel: tuple[Travel, Travel] | None = None

    def layer_of(self, placed: ScheduledTask) -> MappedLayer:
        """The layer that a task works for."""
        return self.mapped.layers[placed.layer]

    def task_of(self, placed: ScheduledTask) -> Task:
        """The task that is placed."""
        return self.layer_of(placed).tasks[placed.task]
