"""The streams of placed tasks: what each core does for an input, and what a message costs.

The code of each is emitted as the compiler emits it and priced as the timing engine prices it; of tasks that are alike
once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from cimc.backends.emit import emit_alone
from cimc.backends.streams import transfer_streams
from cimc.estimator.tiling import Floor, lay_out
from cimc.ir.mapped import MappedGraph
from cimc.ir.placed import AccessRegion, PartialSum, PlacedTask, RingKey
from cimc.ir.scheduled import Transfer
from cimc.isa.cost.prices import PriceList
from cimc.isa.program import ChannelCode, CoreCode, TileCode
from cimc.layer_kinds.matrix.mapped import matrices_of
from cimc.runtime.timing.account import link_seconds
from cimc.runtime.timing.operations import cost_stream
from cimc.target.mesh import Link, Mesh
from cimc.target.model import Target

MESH_LINK = Link("", router=True)

TICK = 10**10
"""Ticks a second that the times of pace_of are rounded to, so that sums of fractions stay small."""


@dataclass(slots=True)
class Spent:
    """Seconds of a stream that has its tile's memory to itself, and actions."""

    seconds: float = 0.0
    counts: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    @classmethod
    def of(cls, tile: TileCode, code: CoreCode | ChannelCode, prices: PriceList) -> Spent:
        """What a stream spends on one input."""
        spent = cls()
        for _, cost, _, each in cost_stream(tile, code, prices).executions():
            spent.seconds += each * cost.seconds
            for action, count in cost.counts.items() if each else ():
                spent.counts[action] += each * count
        return spent

    def shared(self, copies: int) -> Spent:
        """The same work done by so many at the same time."""
        return self if copies == 1 else Spent(self.seconds / copies, self.counts)


@dataclass(slots=True)
class Stream:
    """A core or a transfer channel. layer: index of the layer it works for; units: segments of rows of an input, in
    turn; spent: for an input."""

    layer: int
    tile: int
    kind: str
    units: int
    spent: Spent

    @property
    def unit(self) -> float:
        """Seconds of one unit, its share of the loops around it included."""
        return self.spent.seconds / self.units


@dataclass(frozen=True, slots=True)
class Sent:
    """What a transfer costs. messages: segments of an input; sender, receiver: what the channels at both ends spend on
    all of them; behind: s from when a segment is ready until it is in the other tile's memory, where nobody is in the
    way; pace: s after which the next one can follow."""

    messages: int
    sender: Spent
    receiver: Spent
    behind: float
    pace: float


class Streams:
    """The cores of all tasks of a floor, and who makes what. tasks: (tile, task), a task behind those it adds up.
    beside: copies of layers, by index, that share the work of one core."""

    def __init__(self, floor: Floor, target: Target, prices: PriceList, beside: Mapping[int, int]) -> None:
        self.floor, self.target, self.prices, self.beside = floor, target, prices, beside
        self.tasks = floor.tasks()
        self.made: dict[RingKey, list[tuple[int, PlacedTask]]] = defaultdict(list)
        self._mesh = Mesh.of(target)
        self._sent: dict[Hashable, Sent] = {}
        self._spent: dict[Hashable, Spent] = {}
        self._cores: dict[int, Stream] = {}
        for tile, task in self.tasks:
            self.made[task.out if isinstance(task.out, PartialSum) else floor.piece_of(task)].append((tile, task))
            self._cores[id(task)] = self._core(tile, task)

    def core(self, task: PlacedTask) -> Stream:
        """The core of a task."""
        return self._cores[id(task)]

    def row(self, task: PlacedTask) -> float:
        """Seconds of a row of a task."""
        return self.core(task).spent.seconds / self.rows(task)

    def rows(self, task: PlacedTask) -> int:
        """Rows of an input that a task makes, or makes a part of."""
        return self.floor.scheduled_as[task.at].rows

    def segments(self, task: PlacedTask) -> int:
        """Segments that it makes of each."""
        return self.floor.scheduled_as[task.at].segments

    def streaming(self, tile: int, task: PlacedTask, region: AccessRegion) -> bool:
        """Whether a task reads a map segment by segment, as it is made."""
        return region.streaming and self.floor.rings[tile][region.piece].segments == self.segments(task)

    def partners(self, task: PlacedTask) -> list[PlacedTask]:
        """The tasks whose sums a task adds."""
        return [self.made[key][0][1] for key in self.floor.placed.sums_of(task)]

    def way(self, tile: int, key: RingKey) -> float:
        """Seconds from when a segment is made until it is in a tile's ring, over all tiles that hand it on."""
        if tile == self.floor.home[key]:
            return 0.0
        transfer = self.floor.filled_by[tile, key, 0]
        return self.way(transfer.source_tile, key) + self.sent(transfer).behind

    def sent(self, transfer: Transfer) -> Sent:
        """What a transfer costs; of those that are alike once."""
        rings = self.floor.scheduled.rings
        source, ring = rings[transfer.source_tile, transfer.source], rings[transfer.tile, transfer.ring]
        words = source.segment_pixels * (transfer.high - transfer.low)
        start, end = self.floor.places[transfer.source_tile], self.floor.places[transfer.tile]
        hops, away = self._mesh.hops(start, end), self._mesh.chip(start) != self._mesh.chip(end)
        messages = source.height * transfer.segments(source, ring)
        alike = hops, away, words, messages, source.height, source.segments, ring.segments, transfer.share
        if alike not in self._sent:
            seated = replace(transfer, source_tile=start, tile=end)
            ends = zip((start, end), transfer_streams(seated, source, ring, 0), strict=True)
            send, take = (Spent.of(TileCode(tile), ChannelCode(0, stream), self.prices) for tile, stream in ends)
            sending = max(send.seconds / messages, link_seconds(MESH_LINK, words, self.prices))
            receiving = take.seconds / messages
            way = self.prices.seconds("network_hop", hops) + away * self.prices.seconds("off_chip_word", words)
            pace = max(sending, receiving)
            self._sent[alike] = Sent(messages, send, take, sending + way + receiving, pace)
        return self._sent[alike]

    def _core(self, tile: int, task: PlacedTask) -> Stream:
        """A core's work for one input."""
        units = self.rows(task) * self.segments(task)
        alike = self._alike(tile, task)
        if alike not in self._spent:
            rings = list(self.floor.rings[tile].values())
            code = emit_alone(self.floor.scheduled, self.floor.scheduled_as[task.at], rings, self.target)
            self._spent[alike] = Spent.of(code, code.cores[0], self.prices)
        return Stream(task.layer, tile, "core", units, self._spent[alike].shared(self.beside.get(task.layer, 1)))

    def _alike(self, tile: int, task: PlacedTask) -> Hashable:
        """What the code of a task depends on, but for addresses."""
        body, rings, scheduled = (
            self.floor.placed.task_of(task),
            self.floor.rings[tile],
            self.floor.scheduled_as[task.at],
        )
        return (
            task.layer, scheduled.rows, scheduled.segments, len(scheduled.syncs),
            body.high - body.low, body.is_partial, len(body.partials),
            tuple((b.high - b.low, *((r.start, r.length, r.channels) for r in b.runs)) for b in body.blocks),
            tuple((n.role, n.low - rings[n.piece].channel, n.high - n.low, n.first, n.advance, n.span,
                   n.streaming, rings[n.piece].channels) for n in task.regions),
        )  # fmt: skip


def pace_of(graph: MappedGraph, target: Target) -> Mapping[str, Fraction]:
    """Seconds that the busiest core of a layer's one copy takes for a pixel, by the layer's name.

    Empty where the target has no prices, or not all that it takes: a product is the unit of time then.
    """
    if not target.prices:
        return {}
    prices = PriceList(target)
    streams = Streams(lay_out(graph, target), target, prices, {})
    if prices.missing:
        return {}
    found: dict[str, Fraction] = {}
    matrices = {one.layer.name for one in matrices_of(graph)}
    for _, task in streams.tasks:
        layer = graph.layers[task.layer].layer
        if layer.name in matrices:
            out = graph.maps[layer.output]
            seconds = Fraction(max(1, round(streams.core(task).spent.seconds / (out.height * out.width) * TICK)), TICK)
            found[layer.name] = max(found.get(layer.name, seconds), seconds)
    return found
