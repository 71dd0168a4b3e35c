"""seat_tiles: the tiles' places on the mesh, so that what travels has short ways and little leaves a chip.

Starts with the tiles in network order, which puts neighbours next to each other, and swaps the places of two while
that shortens the ways (local search on the quadratic assignment problem). Needs a whole schedule; promises the same
schedule under other tile numbers, and the same numbers for the same seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cimc.ir.scheduled import ScheduledGraph, Travel
from cimc.target.mesh import Mesh, flits
from cimc.target.model import Target

PASSES = 20
"""Most rounds over all tiles; the search ends with a round that finds no better place for any."""
ROOM = 2
"""Places on one chip that are looked at for each tile in use."""
OFF_CHIP = 100.0
"""Hops that leaving a chip counts for on a target without prices for both. Assumed: on puma it is 405 times a hop's
energy."""

Floats = npt.NDArray[np.float64]


def seat_tiles(graph: ScheduledGraph, target: Target, chips: int, seed: int) -> ScheduledGraph:
    """The schedule with its tiles on their places, and what travels before and after. seed: of the order in which
    tiles look for better places."""
    places, travel = places_of(graph, target, chips, seed)
    moved = _renumbered(graph, places)
    last = max(tile for tile, _ in moved.rings)
    return replace(moved, chips=last // target.chip.tiles + 1, travel=travel)


def places_of(graph: ScheduledGraph, target: Target, chips: int, seed: int) -> tuple[list[int], tuple[Travel, Travel]]:
    """The place of every tile, and what travels before and after; see seat_tiles."""
    used = 1 + max(tile for tile, _ in graph.rings)
    count = chips * target.chip.tiles if chips > 1 else min(target.chip.tiles, ROOM * used)
    network = _network(graph, target, count)
    costs = network.costs(target)
    order = np.arange(count)
    places = _swapped(network, costs, np.random.default_rng(seed))
    if network.total(places, costs) >= network.total(order, costs):
        places = order
    return places.tolist(), (network.travel(order), network.travel(places))


@dataclass(frozen=True, slots=True)
class _Network:
    """Flits of one input: moved[a, b] from tile a to tile b or back, hosted[a] between tile a and the host."""

    moved: sparse.csr_array
    hosted: Floats
    hops: npt.NDArray[np.int64]
    crossings: npt.NDArray[np.int64]
    host_hops: npt.NDArray[np.int64]

    def costs(self, target: Target) -> Floats:
        """What a flit's way costs between two places, in hops."""
        return self.hops + _off_chip_hops(target) * self.crossings

    def total(self, places: npt.NDArray[np.int64], costs: Floats) -> float:
        """What all flits' ways cost."""
        pairs = self.moved.tocoo()
        between = float((pairs.data * costs[places[pairs.row], places[pairs.col]]).sum()) / 2
        return between + float((self.hosted * self.host_hops[places]).sum())

    def travel(self, places: npt.NDArray[np.int64]) -> Travel:
        """What travels when the tiles lie there."""
        pairs = self.moved.tocoo()
        row, column = places[pairs.row], places[pairs.col]
        hops = float((pairs.data * self.hops[row, column]).sum()) / 2
        hops += float((self.hosted * self.host_hops[places]).sum())
        crossing = float((pairs.data * self.crossings[row, column]).sum()) / 2
        return Travel(round(hops), round(crossing))


def _off_chip_hops(target: Target) -> float:
    """Hops that leaving a chip for another is worth, by the energy of both."""
    hop, word = target.prices.get("network_hop"), target.prices.get("off_chip_word")
    if hop is None or word is None or not hop.joules:
        return OFF_CHIP
    return word.joules / hop.joules / flits(1, target.numbers.word) * (32 / target.numbers.word)


def _network(graph: ScheduledGraph, target: Target, count: int) -> _Network:
    """Traffic between the tiles, and the ways between the places."""
    bits = target.numbers.word
    rows, columns, moved = [], [], []
    for transfer in graph.transfers:
        plan = graph.rings[transfer.source_tile, transfer.source]
        message = flits(plan.segment_pixels * (transfer.high - transfer.low), bits)
        messages = plan.height * transfer.segments(plan, graph.rings[transfer.tile, transfer.ring])
        rows += [transfer.source_tile, transfer.tile]
        columns += [transfer.tile, transfer.source_tile]
        moved += [message * messages] * 2
    hosted = np.zeros(count)
    for ends in (*graph.feeds, *graph.drains):
        for tile, name, _ in ends:
            plan = graph.rings[tile, name]
            hosted[tile] += flits(plan.segment_pixels * plan.channels, bits) * plan.tickets
    traffic = sparse.csr_array((np.array(moved, float), (rows, columns)), shape=(count, count))
    traffic.sum_duplicates()
    mesh = Mesh.of(target)
    at = np.array([mesh.router(place) for place in range(count)])
    chip = np.arange(count) // mesh.tiles
    from_link = at.sum(axis=1)
    apart = np.abs(at[:, None] - at[None, :]).sum(axis=2)
    crossings = (chip[:, None] != chip[None, :]).astype(np.int64)
    hops = np.where(crossings == 1, from_link[:, None] + from_link[None, :] + 1, apart) + 1
    np.fill_diagonal(hops, 0)
    return _Network(traffic, hosted, hops, crossings, from_link + 1)


def _swapped(network: _Network, costs: Floats, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """The place of every tile after all swaps of two that help. Tiles that hold nothing stand for free places."""
    count = len(network.hosted)
    places = np.arange(count)
    moved = network.moved
    line, to, flow = np.repeat(np.arange(count), np.diff(moved.indptr)), moved.indices, moved.data
    busy = np.flatnonzero((np.diff(moved.indptr) > 0) | (network.hosted > 0))

    def all_ways() -> Floats:
        between = np.bincount(line, flow * costs[places[line], places[to]], count)
        return between + network.hosted * network.host_hops[places]

    own, swaps, looked = all_ways(), 0, np.full(count, -1)  # how many swaps there were when a tile looked in vain
    for _ in range(PASSES):
        before = swaps
        for tile in generator.permutation(busy):
            if looked[tile] == swaps:
                continue
            mine = slice(moved.indptr[tile], moved.indptr[tile + 1])
            friends, flows = to[mine], flow[mine]
            here = costs[places[tile]]
            there = ((flows @ costs[places[friends]]) + network.hosted[tile] * network.host_hops)[places]
            others = moved @ here[places] + network.hosted * network.host_hops[places[tile]]
            change = there - own[tile] + others - own
            change[friends] += 2 * flows * here[places[friends]]  # the way between the two stays as it is
            best = int(change.argmin())
            if change[best] < -0.5:
                places[[tile, best]] = places[[best, tile]]
                own, swaps = all_ways(), swaps + 1
            else:
                looked[tile] = swaps
        if swaps == before:
            break
    return places


def _renumbered(graph: ScheduledGraph, number: list[int]) -> ScheduledGraph:
    """The schedule with every tile's number changed to its place."""
    return replace(
        graph,
        rings={(number[tile], name): replace(p, tile=number[tile]) for (tile, name), p in graph.rings.items()},
        tasks=tuple(replace(task, tile=number[task.tile]) for task in graph.tasks),
        transfers=tuple(replace(t, source_tile=number[t.source_tile], tile=number[t.tile]) for t in graph.transfers),
        feeds=tuple(tuple((number[tile], name, port) for tile, name, port in feed) for feed in graph.feeds),
        drains=tuple(tuple((number[tile], name, port) for tile, name, port in drain) for drain in graph.drains),
    )
