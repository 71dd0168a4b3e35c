"""Places on the mesh: never worse than network order, counted as the mesh counts, and no two tiles better exchanged."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations, pairwise, product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cimc.backends.emit import emit
from cimc.driver.compile import Compiled
from cimc.ir.mapped import Arithmetic, MappedGraph
from cimc.ir.scheduled import RingPlan, ScheduledGraph, Transfer, Travel
from cimc.ir.verify_stage import verify_stage
from cimc.isa.operands import Window
from cimc.isa.tree import build_tree, leaves
from cimc.passes.crossbars.duplicate import Duplication, duplicate
from cimc.passes.pipelines import schedule_network
from cimc.passes.placement.seat_tiles import PASSES, ROOM, seat_tiles
from cimc.target.mesh import TILES_A_ROUTER, Mesh, flits
from cimc.target.model import Target
from tests.laws.digits import compiled, varied
from tests.passes.end_to_end import PUMA

Traffic = dict[tuple[int, int], int]
"""Words that a tile sends to another one in an input."""
Places = npt.NDArray[np.int64]
NOTHING = MappedGraph("", (), {}, {}, (), (), Arithmetic.of(PUMA))


def small(tiles: int) -> Target:
    """puma with so many tiles a chip."""
    return varied(PUMA, chip={"tiles": tiles})


def scheduled(tiles: int, traffic: Traffic, hosted: Iterable[int] = ()) -> ScheduledGraph:
    """Tiles with a ring each, named after it, and one for each transfer. hosted: tiles that the host feeds."""
    rings = {(tile, f"t{tile}"): ring(f"t{tile}", tile, 4) for tile in range(tiles)}
    transfers = []
    for (source, to), words in traffic.items():
        name = f"from{source}to{to}"
        rings[source, name], rings[to, name] = ring(name, source, words), ring(name, to, words)
        transfers.append(Transfer(source, name, 0, 0, words, to, 0, name))
    feed = tuple((tile, f"t{tile}", -1) for tile in hosted)
    return ScheduledGraph(NOTHING, rings, (), tuple(transfers), (feed,), ())


def ring(name: str, tile: int, channels: int) -> RingPlan:
    """A ring of six tickets an input, a pixel each."""
    return RingPlan(name, tile, 3, 2, channels, 2, 2, 1, "", 0)


def hops_of(graph: ScheduledGraph, target: Target) -> Travel:
    """What travels, message by message over the mesh's own routes; the host's go from router 0 or to it."""
    mesh, bits = Mesh.of(target), target.numbers.word
    hops = off_chip = 0
    for t in graph.transfers:
        plan = graph.rings[t.source_tile, t.source]
        moved = plan.tickets * flits(plan.segment_pixels * (t.high - t.low), bits)
        hops += moved * mesh.hops(t.source_tile, t.tile)
        off_chip += moved * (mesh.chip(t.source_tile) != mesh.chip(t.tile))
    for tile, name, _ in (end for ends in (*graph.feeds, *graph.drains) for end in ends):
        plan = graph.rings[tile, name]
        first = mesh.chip(tile) * mesh.tiles
        hops += plan.tickets * flits(plan.segment_pixels * plan.channels, bits) * mesh.hops(first, tile)
    return Travel(hops, off_chip)


def cost(travel: Travel, target: Target) -> float:
    """Hops, and flits between chips by what they take of a hop's energy. A flit is two words on puma."""
    crossing = 2 * target.prices["off_chip_word"].joules / target.prices["network_hop"].joules
    return travel.hops + travel.off_chip * crossing


def places_of(graph: ScheduledGraph, tiles: int) -> list[int]:
    """Where each tile went."""
    at = {name: tile for tile, name in graph.rings if name.startswith("t")}
    return [at[f"t{tile}"] for tile in range(tiles)]


def moved_to(graph: ScheduledGraph, places: list[int], target: Target) -> Travel:
    """What travels with the tiles of a schedule somewhere else, found without the pass."""
    mesh, hops, off_chip = Mesh.of(target), 0, 0
    for t in graph.transfers:
        source, to = places[t.source_tile], places[t.tile]
        moved = 6 * flits(t.high - t.low, 16)
        hops += moved * mesh.hops(source, to)
        off_chip += moved * (mesh.chip(source) != mesh.chip(to))
    for tile, _, _ in graph.feeds[0]:
        place = places[tile]
        hops += 6 * flits(4, 16) * mesh.hops(mesh.chip(place) * mesh.tiles, place)
    return Travel(hops, off_chip)


@st.composite
def networks(draw: st.DrawFn, most: int = 24) -> tuple[int, Traffic, list[int]]:
    """Tiles, words between some of them, and those that the host feeds."""
    tiles = draw(st.integers(2, most))
    pairs = st.tuples(st.integers(0, tiles - 1), st.integers(0, tiles - 1)).filter(lambda pair: pair[0] != pair[1])
    traffic = draw(st.dictionaries(pairs, st.integers(1, 99), max_size=3 * tiles))
    return tiles, traffic, draw(st.lists(st.integers(0, tiles - 1), unique=True, max_size=3))


CHIPS = st.sampled_from([(138, 1), (24, 1), (40, 1), (8, 3), (12, 2), (5, 5)])


@given(networks(), CHIPS, st.integers(0, 3))
@settings(max_examples=60)
def test_ways_get_no_longer_and_are_what_the_mesh_says(
    network: tuple[int, Traffic, list[int]], chips: tuple[int, int], seed: int
) -> None:
    (tiles, traffic, hosted), (there, most) = network, chips
    target, graph = small(there), scheduled(tiles, traffic, hosted)
    found = seat_tiles(graph, target, -(-tiles // there), seed)
    assert found.travel is not None
    assert found.travel == (hops_of(graph, target), hops_of(found, target))
    assert cost(found.travel[1], target) <= cost(found.travel[0], target)
    assert found.chips == max(tile for tile, _ in found.rings) // there + 1 <= most
    assert found == seat_tiles(graph, target, -(-tiles // there), seed)


@given(networks(), st.integers(0, 3))
@settings(max_examples=60)
def test_only_the_numbers_of_tiles_change(network: tuple[int, Traffic, list[int]], seed: int) -> None:
    tiles, traffic, hosted = network
    graph = scheduled(tiles, traffic, hosted)
    found = seat_tiles(graph, PUMA, 1, seed)
    places = places_of(found, tiles)
    assert len(set(places)) == tiles
    assert [(t.source_tile, t.source, t.tile, t.ring) for t in found.transfers] == [
        (places[t.source_tile], t.source, places[t.tile], t.ring) for t in graph.transfers
    ]
    assert found.feeds == (tuple((places[tile], name, port) for tile, name, port in graph.feeds[0]),)
    assert {(tile, name): plan.tile for (tile, name), plan in found.rings.items()} == {
        (places[tile], name): places[tile] for tile, name in graph.rings
    }


@given(networks(8), st.sampled_from([(12, 1), (4, 2), (6, 2)]), st.integers(0, 3))
@settings(max_examples=40)
def test_no_two_places_are_better_exchanged(
    network: tuple[int, Traffic, list[int]], chips: tuple[int, int], seed: int
) -> None:
    """Free places too. Less than half a hop is left alone."""
    (tiles, traffic, hosted), (there, _) = network, chips
    target, graph = small(there), scheduled(tiles, traffic, hosted)
    needed = -(-tiles // there)
    found = seat_tiles(graph, target, needed, seed)
    places = places_of(found, tiles)
    count = needed * there if needed > 1 else min(there, ROOM * tiles)
    free = [place for place in range(count) if place not in places]
    least = cost(moved_to(graph, places, target), target)
    assert found.travel is not None and least == cost(found.travel[1], target)
    assert PASSES >= 20, "few rounds may end before no exchange helps"
    everywhere = [*places, *free]
    for a, b in combinations(range(count), 2):
        other = list(everywhere)
        other[a], other[b] = other[b], other[a]
        assert cost(moved_to(graph, other[:tiles], target), target) >= least - 0.5


@given(networks(6), st.integers(0, 3))
@settings(max_examples=40)
def test_between_network_order_and_the_best_there_is(network: tuple[int, Traffic, list[int]], seed: int) -> None:
    """Six tiles at most, on three routers: every way to give them to the routers."""
    tiles, traffic, hosted = network
    target, graph = small(12), scheduled(tiles, traffic, hosted)
    travel = seat_tiles(graph, target, 1, seed).travel
    assert travel is not None
    assert best(graph, tiles, target) <= travel[1].hops <= travel[0].hops


def best(graph: ScheduledGraph, tiles: int, target: Target) -> int:
    routers = min(target.chip.tiles, ROOM * tiles) // TILES_A_ROUTER
    least = moved_to(graph, list(range(tiles)), target).hops
    for given_to in product(range(max(1, routers)), repeat=tiles):
        taken: list[int] = []
        for router in given_to:
            taken.append(router * TILES_A_ROUTER + sum(place // TILES_A_ROUTER == router for place in taken))
        if all(place // TILES_A_ROUTER == router for place, router in zip(taken, given_to, strict=True)):
            least = min(least, moved_to(graph, taken, target).hops)
    return least


@pytest.mark.parametrize("seed", range(5))
def test_six_tiles_in_two_groups_reach_the_best(seed: int) -> None:
    """0, 2, 4 talk, and 1, 3, 5: each group at a router of its own."""
    talking = {pair: 40 for group in ((0, 2, 4), (1, 3, 5)) for pair in combinations(group, 2)}
    graph = scheduled(6, talking)
    found = seat_tiles(graph, small(12), 1, seed)
    assert found.travel is not None
    assert found.travel[1].hops == best(graph, 6, small(12)) < found.travel[0].hops
    routers = [place // TILES_A_ROUTER for place in places_of(found, 6)]
    assert routers[0] == routers[2] == routers[4] != routers[1] == routers[3] == routers[5]


@pytest.mark.parametrize("seed", range(5))
def test_two_groups_of_tiles_get_a_chip_each(seed: int) -> None:
    """Sixteen tiles for two chips of eight: the even ones talk to each other, and the odd ones; in network order half
    of it crosses."""
    talking = {(a, b): 10 for a in range(16) for b in range(a + 2, 16, 2)}
    found = seat_tiles(scheduled(16, talking), small(8), 2, seed)
    assert found.travel is not None and found.chips == 2
    assert found.travel[0].off_chip > 0
    assert found.travel[1].off_chip == 0
    chips = [place // 8 for place in places_of(found, 16)]
    assert len(set(chips[::2])) == len(set(chips[1::2])) == 1


def test_a_group_that_no_chip_holds_is_cut_once() -> None:
    """A line of sixteen tiles, shuffled: one transfer crosses from one chip to the other."""
    line = [int(tile) for tile in np.random.default_rng(3).permutation(16)]
    graph = scheduled(16, {(a, b): 10 for a, b in pairwise(line)})
    found = [seat_tiles(graph, small(8), 2, seed).travel for seed in range(8)]
    assert min(travel[1].off_chip for travel in found if travel) == 6 * flits(10, 16)


def sent_by(made: Compiled, target: Target) -> Travel:
    """What the program's own sends make travel in an input, and the host."""
    mesh, hops, off_chip = Mesh.of(target), 0, 0
    for tile in made.program.tiles:
        for channel in tile.channels:
            for loops, leaf in leaves(build_tree(channel.stream)):
                if leaf.instruction.mnemonic == "send":
                    window, to, _ = leaf.instruction.operands
                    assert isinstance(window, Window) and isinstance(to, int)
                    words = window.rows.count * window.columns.count * window.channels.count
                    moved = math.prod(loop.count for loop in loops if loop.count > 0) * flits(words, 16)
                    hops += moved * mesh.hops(tile.number, to)
                    off_chip += moved * (mesh.chip(tile.number) != mesh.chip(to))
    rings = {(tile.number, ring.name): ring for tile in made.program.tiles for ring in tile.rings}
    for plug in (*made.program.inputs, *made.program.outputs):
        for ref in plug.rings:
            ring = rings[ref.tile, ref.ring]
            words = ring.width // ring.segments * ring.channels
            first = mesh.chip(ref.tile) * mesh.tiles
            hops += ring.tickets * flits(words, 16) * mesh.hops(first, ref.tile)
    return Travel(hops, off_chip)


@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("chips", [1, 4])
def test_a_real_schedule_counts_all_that_its_program_sends(chips: int, copies: bool) -> None:
    """The bundled network over many tiles, also with copies that are sent parts of rows."""
    target = varied(PUMA, tile={"cores": 1}, crossbar={"rows": 48})
    made = compiled("digits_residual", target)
    mapped = duplicate(made.mapped, target, Duplication(40))[0] if copies else made.mapped
    target = target if chips == 1 else varied(target, chip={"tiles": -(-len(made.program.tiles) // 2)})
    scheduled = schedule_network(mapped, target, 2 * chips if copies else chips)
    verify_stage(scheduled)
    program, weights = emit(scheduled, target)
    made = replace(made, scheduled=scheduled, program=program, weights=weights)
    assert len(program.tiles) > 5 and len(scheduled.transfers) > 5
    assert scheduled.travel is not None
    assert scheduled.travel[1] == sent_by(made, target)
    assert (scheduled.travel[1].off_chip > 0) == (program.chips > 1) == (chips > 1)
