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
from cimc.ir.scheduled import RingPlan, Transfer
from cimc.isa.cost.prices import PriceList
from cimc.isa.cost.products import Counts
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
class Message:
    """A segment sent from tile to tile. send, receive: s of the channels at both ends; behind: s from when it is ready
    until it is in the other tile's memory, where nobody is in the way; sent, received: actions."""

    send: float
    receive: float
    behind: float
    sent: Counts
    received: Counts

    @property
    def pace(self) -> float:
        """Seconds after which the next one can follow."""
        return max(self.send, self.receive)


class Streams:
    """The cores of all tasks of a floor, and who makes what. tasks: (tile, task), a task behind those it adds up.
    beside: copies of layers, by index, that share the work of one core."""

    def __init__(self, floor: Floor, target: Target, prices: PriceList, beside: Mapping[int, int]) -> None:
        self.floor, self.target, self.prices, self.beside = floor, target, prices, beside
        self.tasks = floor.tasks()
        self.made: dict[RingKey, list[tuple[int, PlacedTask]]] = defaultdict(list)
        self._mesh = Mesh.of(target)
        self._messages: dict[tuple[int, bool, int], Message] = {}
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

    def streaming(self, task: PlacedTask, region: AccessRegion) -> bool:
        """Whether a task reads a map segment by segment, as it is made."""
        segments = self.floor.placed.segments
        return region.streaming and segments[region.piece.map] == segments[self.floor.piece_of(task).map]

    def partners(self, task: PlacedTask) -> list[PlacedTask]:
        """The tasks whose sums a task adds."""
        return [self.made[key][0][1] for key in self.floor.placed.sums_of(task)]

    def message(self, source: int, to: int, key: RingKey) -> Message:
        """A segment of a ring, on its way from a tile to another one's ring of the same piece."""
        rings = self.floor.rings[to]
        plan = rings[key] if key in rings else self.floor.rings[source][key]
        words, hops = plan.segment_pixels * plan.channels, self._mesh.hops(source, to)
        away = self._mesh.chip(source) != self._mesh.chip(to)
        if (hops, away, words) not in self._messages:
            self._messages[hops, away, words] = self._message(source, to, plan)
        return self._messages[hops, away, words]

    def _message(self, source: int, to: int, plan: RingPlan) -> Message:
        transfer = Transfer(source, plan.name, 0, 0, plan.channels, to, 0, plan.name)
        ends = zip((source, to), transfer_streams(transfer, plan, plan, 0), strict=True)
        send, take = (Spent.of(TileCode(tile), ChannelCode(0, stream), self.prices) for tile, stream in ends)
        for end in (send, take):  # of one segment
            end.seconds /= plan.tickets
            end.counts.update({action: count / plan.tickets for action, count in end.counts.items()})
        words = plan.segment_pixels * plan.channels
        sending = max(send.seconds, link_seconds(MESH_LINK, words, self.prices))
        way = self.prices.seconds("network_hop", self._mesh.hops(source, to))
        if self._mesh.chip(source) != self._mesh.chip(to):
            way += self.prices.seconds("off_chip_word", words)
        return Message(sending, take.seconds, sending + way + take.seconds, send.counts, take.counts)

    def _core(self, tile: int, task: PlacedTask) -> Stream:
        """A core's work for one input."""
        units = self.rows(task) * self.segments(task)
        alike = self._alike(tile, task)
        if alike not in self._spent:
            rings = list(self.floor.rings[tile].values())
            code = emit_alone(self.floor.scheduled, self.floor.scheduled_as[task.at], rings, self.target)
            self._spent[alike] = Spent.of(code, code.cores[0], self.prices)
        spent, copies = self._spent[alike], self.beside.get(task.layer, 1)
        return Stream(task.layer, tile, "core", units, replace(spent, seconds=spent.seconds / copies))

    def _alike(self, tile: int, task: PlacedTask) -> Hashable:
        """What the code of a task depends on, but for addresses."""
        body, rings = self.floor.placed.task_of(task), self.floor.rings[tile]
        return (
            task.layer, self.rows(task), self.segments(task), body.high - body.low, body.is_partial, len(body.partials),
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
