"""The streams of placed tasks, without their code: what each core does for an input, and what a message costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from cimc.driver.pixel_code import Spent, words_of
from cimc.driver.pixel_work import PixelWriter
from cimc.driver.tiling import Floor
from cimc.isa.cost.prices import PriceList
from cimc.isa.cost.products import Counts, Setting
from cimc.isa.program import Instruction, TileCode
from cimc.passes.needs import Need
from cimc.passes.works import Key, Work, partial_key
from cimc.runtime.timing.account import link_seconds
from cimc.target.mesh import Link, Mesh
from cimc.target.model import Target

MESH_LINK = Link("", router=True)
STEPS_OF_A_MESSAGE = 3
"""Instructions of a transfer channel beside the send or receive: wait or space, release or signal, the loop's end."""


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
        self.tasks = floor.works()
        self.made: dict[Key, list[tuple[int, Work]]] = defaultdict(list)
        self._mesh = Mesh.of(target)
        self._messages: dict[tuple[int, bool, int], Message] = {}
        writer = PixelWriter(floor.graph, target, prices)
        self._cores: dict[int, Stream] = {}
        for tile, work in self.tasks:
            self.made[sum_key(work) if work.body.is_partial else work.piece].append((tile, work))
            self._cores[id(work)] = self._core(writer, tile, work)

    def core(self, work: Work) -> Stream:
        """The core of a task."""
        return self._cores[id(work)]

    def row(self, work: Work) -> float:
        """Seconds of a row of a task."""
        return self.core(work).spent.seconds / self.rows(work)

    def rows(self, work: Work) -> int:
        """Rows of an input that a task makes, or makes a part of."""
        return work.share.rows(self.floor.graph.maps[work.mapped.layer.output].height)

    def segments(self, work: Work) -> int:
        """Segments that it makes of each."""
        return work.share.segments(self.floor.segments[work.mapped.layer.output])

    def streaming(self, work: Work, need: Need) -> bool:
        """Whether a task reads a map segment by segment, as it is made."""
        return need.streaming and self.floor.segments[need.map] == self.floor.segments[work.mapped.layer.output]

    def partners(self, work: Work) -> list[Work]:
        """The tasks whose sums a task adds."""
        return [self.made[partial_key(work.mapped, partner, work.copy)][0][1] for partner in work.body.partials]

    def message(self, source: int, to: int, key: Key) -> Message:
        """A segment of a ring, on its way from a tile to another one's ring of the same piece."""
        rings = self.floor.rings[to]
        plan = rings[key] if key in rings else self.floor.rings[source][key]
        words, hops = plan.segment_pixels * plan.channels, self._mesh.hops(source, to)
        away = self._mesh.chip(source) != self._mesh.chip(to)
        if (hops, away, words) not in self._messages:
            self._messages[hops, away, words] = self._message(source, to, words)
        return self._messages[hops, away, words]

    def _message(self, source: int, to: int, words: int) -> Message:
        window = words_of(words)
        send = self.prices.cost(Instruction("send", (window, to, 0)), Setting(self.target, TileCode(source), None))
        take = self.prices.cost(Instruction("receive", (window, 0)), Setting(self.target, TileCode(to), None))
        steps = {"tile_instruction": float(STEPS_OF_A_MESSAGE)}
        around = self.prices.seconds("tile_instruction", STEPS_OF_A_MESSAGE)
        link = max(send.own, link_seconds(MESH_LINK, words, self.prices))
        way = self.prices.seconds("network_hop", self._mesh.hops(source, to))
        if self._mesh.chip(source) != self._mesh.chip(to):
            way += self.prices.seconds("off_chip_word", words)
        return Message(
            send=around + send.fetch + link,
            receive=around + take.seconds,
            behind=around + send.fetch + link + way + take.seconds,
            sent=_sum(send.counts, steps),
            received=_sum(take.counts, steps),
        )

    def _core(self, writer: PixelWriter, tile: int, work: Work) -> Stream:
        """A core's work for one input: its pixels, and the loops, waits and signals around them."""
        out = self.floor.graph.maps[work.mapped.layer.output]
        segments, rows = self.segments(work), self.rows(work)
        pixels = out.width // self.floor.segments[out.name]
        streaming = sum(self.streaming(work, need) for need in work.needs)
        windows = len(work.needs) - streaming
        a_segment = 2 + 2 * (streaming + len(work.body.partials)) + (1 + pixels if pixels > 1 else 0)
        a_row = (1 + segments if segments > 1 else 0) + (1 + 2 * windows if rows > 1 else 0)
        steps = rows * (segments * a_segment + a_row) + 2 + 2 * windows
        spent = Spent()
        spent.add(writer.pixel(work, self.floor.rings[tile]), rows * segments * pixels)
        spent.seconds += self.prices.seconds("core_instruction", steps)
        spent.counts["core_instruction"] += steps
        spent.seconds /= self.beside.get(work.layer, 1)
        return Stream(work.layer, tile, "core", rows * segments, spent)


def sum_key(work: Work) -> Key:
    """The key of the sums that a task sends on."""
    return partial_key(work.mapped, work.task, work.copy)


def _sum(a: Mapping[str, float], b: Mapping[str, float]) -> Counts:
    return {action: a.get(action, 0) + b.get(action, 0) for action in {**a, **b}}
