"""Copies in a grid: together they make every pixel of the map once, and the busiest makes as many as was said."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cimc.frontends import load_onnx
from cimc.ir.mapped import MappedGraph, MappedLayer, Share
from cimc.ir.widths import Widths
from cimc.layer_kinds.matrix.mapped import matrices_of
from cimc.passes.crossbars.choose_segments import segments_of
from cimc.passes.crossbars.duplicate import Duplication, _grids, duplicate, load_of
from cimc.passes.pipelines import MapOptions, map_network, schedule_network
from cimc.target.model import Target
from tests.laws.digits import NETWORKS, bits_of, compiled, run, same, varied
from tests.laws.test_sharing import again, mvmus
from tests.passes.cases.net import Net
from tests.passes.end_to_end import IDEAL, PUMA, random_inputs

SMALL_MEMORY = varied(PUMA, tile={"memory_words": 1200, "fifos": 24})
TARGETS = {"ideal": IDEAL, "puma": PUMA, "small memory": SMALL_MEMORY}


def pixels(share: Share, height: int, width: int, segments: int) -> npt.NDArray[np.int64]:
    """How often a copy makes each pixel of a map."""
    found = np.zeros((height, width), np.int64)
    first = share.column(width, segments)
    for i in range(share.rows(height)):
        found[share.row + i * share.row_step, first : first + share.segments(segments) * (width // segments)] += 1
    return found


@st.composite
def grids(draw: st.DrawFn) -> tuple[int, int, int, MappedLayer]:
    """A map of height, width and segments a row, and a layer with copies that make it."""
    width = draw(st.integers(1, 24))
    segments = draw(st.sampled_from([s for s in range(1, width + 1) if width % s == 0]))
    height, across = draw(st.integers(1, 12)), draw(st.integers(1, segments))
    mapped = layers_of("puma")[1][0]
    return height, width, segments, replace(mapped, copies=across * draw(st.integers(1, height)), across=across)


@given(grids())
def test_shares_of_all_copies_are_the_map(grid: tuple[int, int, int, MappedLayer]) -> None:
    height, width, segments, mapped = grid
    made = [pixels(mapped.share(copy), height, width, segments) for copy in range(mapped.copies)]
    assert (np.sum(made, axis=0) == 1).all()
    assert min(one.sum() for one in made) > 0


@given(grids())
def test_tickets_of_a_share_are_those_of_its_segments(grid: tuple[int, int, int, MappedLayer]) -> None:
    """Segments are numbered row by row; the first that a copy makes has all those before it in front."""
    height, width, segments, mapped = grid
    for copy in range(mapped.copies):
        share = mapped.share(copy)
        own = np.flatnonzero(pixels(share, height, width, segments)) // (width // segments)
        assert share.first_ticket(segments) == own[0]
        assert share.first_segment(segments) == own[0] % segments


@cache
def layers_of(name: str) -> tuple[MappedGraph, list[MappedLayer]]:
    """A network with kernels, strides, dilation, odd widths and a fully connected end, and its matrix layers."""
    net = Net(1, 3, 14, 14)
    a = net.node("Relu", net.conv("x", 3, 20, (5, 5), pads=[2, 2, 2, 2]))
    b = net.node("Relu", net.conv(a, 20, 24, (3, 3), strides=[2, 1], pads=[1, 1, 1, 0]))
    c = net.node("Relu", net.conv(b, 24, 6, (2, 2), dilations=[2, 3]))
    graph = load_onnx(net.model(net.gemm(net.node("Flatten", c), 6 * 5 * 10, 9)))
    target = TARGETS[name]
    widths = Widths(target.numbers.weight, target.numbers.input, {}, {})
    mapped = map_network(graph, target, random_inputs(graph, 2), MapOptions(widths))
    return mapped, matrices_of(mapped)


@pytest.mark.parametrize("name", TARGETS)
def test_turns_of_every_offer_are_those_of_the_busiest_copy(name: str) -> None:
    target = TARGETS[name]
    graph, layers = layers_of(name)
    offered = 0
    for mapped in layers:
        out = graph.maps[mapped.layer.output]
        found = _grids(graph, target, mapped)
        assert load_of(graph, target, mapped).offers == tuple((copies, grid.turns) for copies, grid in found)
        for copies, grid in found:
            copied = replace(mapped, copies=copies, across=grid.across)
            segments = segments_of(out, copied, target)
            made = [pixels(copied.share(copy), out.height, out.width, segments) for copy in range(copies)]
            assert (np.sum(made, axis=0) == 1).all()
            assert max(int(one.sum()) for one in made) == grid.turns
        offered += len(found)
    assert offered > 2 * len(layers)


@pytest.mark.parametrize("name", TARGETS)
def test_more_copies_are_only_offered_where_they_are_faster(name: str) -> None:
    graph, layers = layers_of(name)
    for mapped in layers:
        offers = load_of(graph, TARGETS[name], mapped).offers
        out = graph.maps[mapped.layer.output]
        assert offers[0] == (1, out.height * out.width)
        assert [copies for copies, _ in offers] == sorted({copies for copies, _ in offers})
        assert [turns for _, turns in offers] == sorted({turns for _, turns in offers}, reverse=True)
        assert all(copies * turns >= out.height * out.width for copies, turns in offers)
        assert offers[-1][0] <= max(1, TARGETS[name].tile.fifos * 3 // 4)


def test_offers_by_hand() -> None:
    """A map of 4 x 6. Four copies in a row of six pixels would make 2, 1, 2 and 1 of it; two by two make 3 each."""
    net = Net(1, 2, 4, 6)
    graph = load_onnx(net.model(net.same("x", 2, 2)))
    mapped = map_network(graph, IDEAL, random_inputs(graph, 2), MapOptions(Widths(8, 8, {}, {})))
    found = _grids(mapped, IDEAL, mapped.layers[0])
    assert [(copies, grid.across, grid.turns) for copies, grid in found] == [
        (1, 1, 24), (2, 2, 12), (3, 3, 8), (4, 2, 6), (6, 6, 4), (8, 2, 3), (12, 6, 2), (24, 6, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("memory", [500, 800, 1200, 3000])
def test_no_grid_needs_more_memory_than_a_tile_has(memory: int) -> None:
    """Every number of copies that is offered can be placed, on its own."""
    target = varied(PUMA, tile={"memory_words": memory})
    net = Net(1, 4, 10, 12)
    graph = load_onnx(net.model(net.same(net.node("Relu", net.same("x", 4, 6)), 6, 6)))
    widths = Widths(target.numbers.weight, target.numbers.input, {}, {})
    mapped = map_network(graph, target, random_inputs(graph, 2), MapOptions(widths))
    for number, layer in enumerate(mapped.layers):
        for copies, grid in _grids(mapped, target, layer):
            copied = replace(layer, copies=copies, across=grid.across)
            layers = tuple(copied if i == number else m for i, m in enumerate(mapped.layers))
            scheduled = schedule_network(replace(mapped, layers=layers), target)
            assert sum(placed.layer == number for placed in scheduled.tasks) == copies * len(layer.tasks)


@pytest.mark.parametrize("objective", ["throughput", "latency"])
@pytest.mark.parametrize("network", NETWORKS)
def test_copies_that_a_budget_buys_change_no_bit(network: str, objective: str) -> None:
    target: Target = IDEAL if "int8" in network else varied(PUMA, tile={"cores": 4})
    made = compiled(network, target)
    one = mvmus(made.program)
    for budget in (one, one + 3, 3 * one, 8 * one):
        duplication = Duplication(budget, "latency" if objective == "latency" else "throughput")
        graph, chosen = duplicate(made.mapped, target, duplication)
        copied = again(made, layers=graph.layers)
        assert mvmus(copied.program) == chosen.crossbars == budget - chosen.left_over
        assert same(bits_of(run(copied)), bits_of(run(made)))
