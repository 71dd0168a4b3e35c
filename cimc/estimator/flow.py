"""When a stream of inputs flows through placed tasks: when each row is ready, and how long each stream works.

Closed forms: the n-th unit of a task that takes t for each is done at (n + 1) t + max over k <= n of (arrival of what
unit k reads - k t). Memory and links are taken to be free when they are wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cimc.estimator.stalls import Stall, find_stalls
from cimc.estimator.streams import Spent, Stream, Streams
from cimc.estimator.tiling import Floor
from cimc.ir.placed import Piece, PlacedTask, RingKey
from cimc.ir.scheduled import Transfer
from cimc.isa.cost.prices import PriceList
from cimc.target.model import Target

Times = npt.NDArray[np.float64]


@dataclass(slots=True)
class Flow:
    """What one input costs. streams: cores and channels; stalls: circles of streams in wait for each other; host: what
    the host moves; links: s by the chip's link in or out; memories: s by tile; latency: s of the first input."""

    streams: list[Stream] = field(default_factory=list)
    stalls: list[Stall] = field(default_factory=list)
    host: Spent = field(default_factory=Spent)
    links: dict[str, float] = field(default_factory=dict)
    memories: dict[int, float] = field(default_factory=dict)
    latency: float = 0.0


def flow_through(floor: Floor, target: Target, prices: PriceList, beside: Mapping[int, int]) -> Flow:
    """The flow of inputs through a laid out network. beside: copies of layers, by index, that share the work of one
    and are not placed themselves."""
    return _Run(Streams(floor, target, prices, beside)).run()


def paced(arrivals: Times, unit: float) -> Times:
    """When each unit of work is done that takes `unit` s and starts at its arrival or behind the one before."""
    before = np.arange(len(arrivals)) * unit
    done: Times = np.maximum.accumulate(arrivals - before) + before + unit
    return done


class _Run:
    """The walk over the tasks in network order. ready: when each segment is in a tile's ring, s."""

    def __init__(self, streams: Streams) -> None:
        self.streams, self.floor, self.prices = streams, streams.floor, streams.prices
        self.flow = Flow()
        self.done: dict[int, Times] = {}
        self.ready: dict[tuple[int, RingKey], Times] = {}

    def run(self) -> Flow:
        """All of it."""
        flow = self.flow
        flow.streams += [self.streams.core(task) for _, task in self.streams.tasks]
        flow.stalls = find_stalls(self.streams)
        pace = {id(task): self.streams.core(task).unit for _, task in self.streams.tasks}
        for stall in flow.stalls:
            for maker in stall.makers if stall.binds else ():
                pace[id(maker)] = max(pace[id(maker)], stall.seconds / self.streams.core(maker).units)
        self._inputs()
        for tile, task in self.streams.tasks:
            self.done[id(task)] = paced(self._arrivals(tile, task), pace[id(task)])
        self._outputs()
        for stream in flow.streams:
            words = stream.spent.counts.get("memory_word", 0) / self.streams.beside.get(stream.layer, 1)
            seconds = self.prices.memory(words)
            flow.memories[stream.tile] = flow.memories.get(stream.tile, 0.0) + seconds
        return flow

    def _arrivals(self, tile: int, task: PlacedTask) -> Times:
        """When each unit of a task finds all that it reads."""
        count = self.streams.core(task).units
        units = np.arange(count) if count > 1 else np.int64(0)  # numbers are quicker than arrays of one
        row = units // self.streams.segments(task)
        found: Times = np.zeros(())
        for region in task.regions:
            there = self._in_ring(tile, region.piece)
            tickets = (region.first + region.span + region.advance * row) * self.floor.rings[tile][
                region.piece
            ].segments
            if count > 1 and self.streams.streaming(tile, task, region):
                tickets = units + 1
            found = np.maximum(found, there[np.minimum(np.maximum(tickets, 1), len(there)) - 1])
        for key in self.floor.placed.sums_of(task):
            there = self._in_ring(tile, key)
            found = np.maximum(found, there if count > 1 else there[0])
        return np.atleast_1d(found)

    def _in_ring(self, tile: int, key: RingKey) -> Times:
        """When each segment is in a tile's ring."""
        if (tile, key) not in self.ready:
            home = self.floor.home[key]
            if tile == home:
                self.ready[tile, key] = self._assembled(home, key)
            else:
                transfer = self.floor.filled_by[tile, key, 0]
                self.ready[tile, key] = self._sent(transfer, key, self._in_ring(transfer.source_tile, key))
        return self.ready[tile, key]

    def _assembled(self, home: int, key: RingKey) -> Times:
        """When each segment of a piece or of partial sums is in the ring where it is made."""
        makers = self.streams.made[key]
        if len(makers) == 1:
            return self.done[id(makers[0][1])]
        name = self.floor.placed.map_of(key)
        found = np.zeros((self.floor.graph.maps[name].height, self.floor.placed.segments[name]), np.float64)
        for tile, task in makers:
            rows = self.done[id(task)]
            if tile != home:
                rows = self._sent(self.floor.filled_by[home, key, task.copy], task.out, rows)
            share, wide = self.floor.share_of(task), self.streams.segments(task)
            first = share.first_segment(found.shape[1])
            columns = slice(first, first + wide)
            found[share.row :: share.row_step, columns] = rows.reshape(-1, wide)
        ready: Times = np.maximum.accumulate(found.ravel(), dtype=np.float64)
        return ready

    def _sent(self, transfer: Transfer, key: RingKey, there: Times) -> Times:
        """When segments arrive that are sent from tile to tile as they get ready."""
        sent, source = self.streams.sent(transfer), self.floor.scheduled.rings[transfer.source_tile, transfer.source]
        if sent.messages < len(there):  # parts of rows
            wide = sent.messages // source.height
            there = there.reshape(source.height, -1)[:, transfer.segment : transfer.segment + wide].ravel()
        layer = self.streams.made[key][0][1].layer if isinstance(key, Piece) else key.layer
        beside = self.streams.beside.get(layer, 1)
        for tile, spent in ((transfer.source_tile, sent.sender), (transfer.tile, sent.receiver)):
            self.flow.streams.append(Stream(layer, tile, "channel", sent.messages, spent.shared(beside)))
        pace = sent.pace / beside
        return paced(there + sent.behind - pace, pace)

    def _inputs(self) -> None:
        """The host fills every ring of an input, segment by segment, over one link."""
        rings = [(tile, key) for tile, there in self.floor.rings.items() for key in there
                 if isinstance(key, Piece) and key.map in self.floor.inputs]  # fmt: skip
        self._over_link("link into the chip", rings)
        for tile, key in rings:
            plan = self.floor.rings[tile][key]
            pace = self.flow.links["link into the chip"] / plan.tickets
            memory = self.prices.memory(plan.segment_pixels * plan.channels)
            self.ready[tile, key] = np.arange(1, plan.tickets + 1, dtype=np.float64) * pace + memory

    def _outputs(self) -> None:
        """The host takes the outputs as they get ready."""
        pieces = self.floor.graph.pieces()
        rings = [(self.floor.home[Piece(name, low)], Piece(name, low)) for binding in self.floor.graph.outputs
                 for name in binding.maps for low, _ in pieces[name]]  # fmt: skip
        self._over_link("link out of the chip", rings)
        for tile, key in rings:
            plan = self.floor.rings[tile][key]
            words = plan.segment_pixels * plan.channels
            pace = self.prices.seconds("off_chip_word", words) + self.prices.memory(words)
            self.flow.latency = max(self.flow.latency, float(paced(self._in_ring(tile, key), pace)[-1]))

    def _over_link(self, link: str, rings: Sequence[tuple[int, Piece]]) -> None:
        plans = [self.floor.rings[tile][key] for tile, key in rings]
        words = sum(plan.height * plan.width * plan.channels for plan in plans)
        self.flow.links[link] = self.prices.seconds("off_chip_word", words)
        for action in ("off_chip_word", "memory_word", "memory_bus_word"):
            self.flow.host.counts[action] += words
