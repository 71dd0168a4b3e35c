"""Where tasks go is not in the result: small tiles, small memories, relays, copies gathered apart, and all of these at
once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from cimc.backends.emit import emit, emit_frame
from cimc.base.diagnostics import CimcError
from cimc.driver.compile import Compiled
from cimc.driver.verify import differences, reference_maps
from cimc.frontends import load_onnx
from cimc.ir.graph import Graph
from cimc.ir.mapped import MappedGraph, MappedLayer
from cimc.ir.placed import CopyPiece, Piece, PlacedGraph, PlacedTask
from cimc.ir.scheduled import RingPlan, ScheduledGraph
from cimc.ir.verify_stage import verify_stage
from cimc.ir.widths import Widths
from cimc.isa.operands import Name, Port
from cimc.isa.program import Program
from cimc.isa.verify.findings import Findings
from cimc.isa.verify.patterns import walk_all
from cimc.isa.verify.verifier import verify as verify_program
from cimc.isa.verify.wiring import wire
from cimc.layer_kinds.matrix.mapped import as_matrix
from cimc.passes.crossbars.choose_segments import choose_segments
from cimc.passes.pipelines import MapOptions, map_network, schedule_network
from cimc.passes.placement.depths import Depths
from cimc.passes.placement.place import Placer, place_tasks
from cimc.runtime.step import StepEngine
from cimc.target.model import Target
from tests.laws.digits import Bits, bits_of, compiled, digits, run, same, varied
from tests.laws.test_mutations import SYNCHRONISATION, Spot, removed, spots
from tests.passes.cases.net import Net
from tests.passes.end_to_end import PUMA, random_inputs

Copies = list[tuple[int, int]]
"""For every layer how many rows its copies make at a time, and in how many parts."""
RingAt = tuple[int, str]


def copied(graph: MappedGraph, copies: Copies) -> MappedGraph:
    """With copies of its matrix layers, as far as their maps go."""

    def one(mapped: MappedLayer, rows: int, parts: int) -> MappedLayer:
        out = graph.maps[mapped.layer.output]
        across = min(parts, out.width)
        return replace(mapped, copies=min(rows, out.height) * across, across=across)

    ways = [*copies, *[(1, 1)] * len(graph.layers)]
    layers = tuple(m if as_matrix(m) is None else one(m, *way) for m, way in zip(graph.layers, ways, strict=False))
    return replace(graph, layers=layers)


def placed(made: Compiled, target: Target, copies: Copies | None = None, chips: int = 1) -> Compiled:
    """The same numbers on other tiles, checked by the verifier."""
    mapped = made.mapped if copies is None else copied(made.mapped, copies)
    scheduled = schedule_network(mapped, target, chips)
    verify_stage(scheduled)
    program, weights = emit(scheduled, target)
    verify_program(program, target)
    return replace(made, mapped=mapped, scheduled=scheduled, program=program, weights=weights, target=target)


@cache
def residual() -> tuple[Compiled, Bits]:
    """The bundled residual network on one roomy tile, and what it computes."""
    made = compiled("digits_residual", PUMA)
    assert len(made.program.tiles) == 1
    return made, bits_of(run(made))


def assert_streams_like_one(made: Compiled) -> None:
    """Three inputs that follow each other give what three runs give, in whatever order the cores go."""
    images = digits("test", 6).reshape(3, 2, 1, 1, 8, 8)
    engine = StepEngine(made.program, made.weights, made.target)
    streamed = engine.run({"input": images}, images=3, capture=True, schedule_seed=1)
    for number in range(3):
        alone = engine.run({"input": images[number]}, capture=True)
        assert np.array_equal(streamed.outputs["logits"][number], alone.outputs["logits"])
        for name, values in alone.stored.items():
            assert np.array_equal(streamed.stored[name][number], values[0]), name


# anywhere


@given(
    st.sampled_from((1, 2, 4, 8)), st.sampled_from((700, 1000, 1400, 2000, 32768)), st.sampled_from((12, 16, 24)),
    st.sampled_from((2, 3, 5, 138)), st.lists(st.tuples(st.integers(1, 2), st.integers(1, 5)), max_size=4),
)  # fmt: skip
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_where_tasks_go_changes_no_bit(cores: int, memory: int, fifos: int, tiles: int, copies: Copies) -> None:
    made, wanted = residual()
    tile = {"cores": cores, "memory_words": memory, "fifos": fifos}
    target = varied(PUMA, tile=tile, chip={"tiles": tiles})
    try:
        other = placed(made, target, copies, chips=100)
    except CimcError as refused:
        assert {d.code for d in refused.diagnostics} == {"place.memory"}, str(refused)
        event("refused")
        return
    event(f"{other.program.chips} chips")
    assert same(bits_of(run(other)), wanted)


# relays


LONG = 14
"""Convolutions of the branch: its end needs 15 rows of its start."""


@cache
def long_residual(memory: int) -> Compiled:
    """A residual over many convolutions for tiles with little memory."""
    net = Net(1, 4, 20, 6)
    a = net.node("Relu", net.same("x", 4, 4))
    b = a
    for _ in range(LONG):
        b = net.node("Relu", net.same(b, 4, 4))
    return finished(load_onnx(net.model(net.node("Add", b, a))), varied(PUMA, tile={"memory_words": memory}))


def mapped_for(graph: Graph, target: Target) -> MappedGraph:
    widths = Widths(target.numbers.weight, target.numbers.input, {}, {})
    return map_network(graph, target, random_inputs(graph), MapOptions(widths))


def finished(graph: Graph, target: Target, chips: int = 1) -> Compiled:
    mapped = mapped_for(graph, target)
    scheduled = schedule_network(mapped, target, chips)
    verify_stage(scheduled)
    program, weights = emit(scheduled, target)
    verify_program(program, target)
    return Compiled(graph, mapped, scheduled, program, weights, target, ())


def passed_on(graph: ScheduledGraph) -> dict[RingAt, RingPlan]:
    """Rings that only pass through their tile: filled by a transfer, and read by one alone."""
    filled = {(t.tile, t.ring) for t in graph.transfers}
    read = {(placed.tile, source.ring) for placed in graph.tasks for source in placed.sources}
    read |= {(placed.tile, ring) for placed in graph.tasks for ring, _ in placed.partials}
    read |= {(tile, ring) for drain in graph.drains for tile, ring, _ in drain}
    return {at: plan for at, plan in graph.rings.items() if at in filled - read}


def is_right(made: Compiled) -> bool:
    """Bit for bit, and three inputs streamed like three alone."""
    data = random_inputs(made.graph)
    engine = StepEngine(made.program, made.weights, made.target)
    alone = engine.run(data, capture=True)
    x = {name: np.stack([values, values[::-1], values]) for name, values in data.items()}
    streamed = engine.run(x, images=3, schedule_seed=2)
    (output,) = made.graph.outputs
    wanted = [alone.outputs[output], alone.outputs[output][::-1], alone.outputs[output]]
    right = all(np.array_equal(a, b) for a, b in zip(streamed.outputs[output], wanted, strict=True))
    return right and differences(made, reference_maps(made, data), alone) == (0, None)


@pytest.mark.parametrize(("memory", "relays"), [(2000, 0), (260, 1), (200, 2)])
def test_a_residual_that_no_tile_holds_is_kept_by_others_on_the_way(memory: int, relays: int) -> None:
    made = long_residual(memory)
    kept = passed_on(made.scheduled)
    assert len(kept) == relays
    assert {plan.tensor for plan in kept.values()} <= {"relu1"}
    assert is_right(made)


def ring_of(spot: Spot) -> str:
    """The ring that a wait, space, release or signal is about."""
    thing = spot.instruction.operands[0]
    assert isinstance(thing, Port | Name)
    return thing.ring if isinstance(thing, Port) else thing.name


def test_relays_stand_one_after_the_other_before_their_reader() -> None:
    made = long_residual(200)
    graph = made.scheduled
    kept = passed_on(graph)
    into = {(t.tile, t.ring): (t.source_tile, t.source) for t in graph.transfers}
    after = {source: at for at, source in into.items() if source in kept}
    (first,) = [at for at in kept if into[at] not in kept]
    second = after[first]
    assert second in kept
    end = graph.rings[after[second]]
    (reader,) = [p for p in graph.tasks if p.tile == end.tile and end.name in [s.ring for s in p.sources]]
    assert reader.layer == len(made.mapped.layers) - 1


@pytest.mark.parametrize("mnemonic", SYNCHRONISATION)
def test_every_removed_synchronisation_of_a_relay_is_seen_by_the_verifier(mnemonic: str) -> None:
    made = long_residual(200)
    kept = passed_on(made.scheduled)
    tried = 0
    for spot in spots(made.program, mnemonic):
        if spot.unit == "channel" and (spot.tile, ring_of(spot)) in kept:
            with pytest.raises(CimcError, match="verify"):
                verify_program(removed(made.program, spot), made.target)
            tried += 1
    assert tried == len(kept)


def test_relays_that_hold_less_deadlock() -> None:
    made = long_residual(200)
    graph = made.scheduled
    shallow = {at: replace(plan, pixels=plan.width) for at, plan in passed_on(graph).items()}
    program, _ = emit(replace(graph, rings=graph.rings | shallow), made.target)
    with pytest.raises(CimcError, match="wait for each other"):
        verify_program(program, made.target)


def test_a_row_that_no_tile_holds_goes_through_relays_in_segments() -> None:
    """Rows of 16 x 32 words for tiles of 500: relays hold less than a row each."""
    net = Net(1, 16, 6, 32)
    a = net.node("Relu", net.conv("x", 16, 16, (1, 1)))
    graph = load_onnx(net.model(net.node("Add", net.same(net.same(a, 16, 16), 16, 16), a)))
    target = varied(
        PUMA, tile={"memory_words": 500, "fifos": 64}, core={"mvmus": 1}, crossbar={"rows": 16, "columns": 16}
    )
    made = finished(graph, target)
    kept = passed_on(made.scheduled)
    assert len(kept) >= 2
    assert all(plan.pixels < plan.width for plan in kept.values())
    assert is_right(made)


def tiles_of(graph: MappedGraph, target: Target, depths: Depths) -> PlacedGraph:
    return place_tasks(choose_segments(graph, target), target, depths, 1)


def tile_of(graph: PlacedGraph, layer: int) -> int:
    """The tile of a layer of one task."""
    (tile,) = [tile.number for tile in graph.tiles for task in tile.tasks if task.layer == layer]
    return tile


def test_what_comes_through_relays_is_not_read_where_it_is_made() -> None:
    """There the ring would have to be as deep as the relays were to save it."""
    graph = long_residual(2000).mapped
    before = tiles_of(graph, PUMA, Depths())
    assert len(before.tiles) == 2 and tile_of(before, 0) == tile_of(before, 1)
    piece = Piece("relu1", 0)
    after = tiles_of(graph, PUMA, Depths(relayed={((1, 0, 0), piece): 60}))
    reader, maker = tile_of(after, 1), tile_of(after, 0)
    assert reader != maker
    (relay,) = after.tiles[reader].rings[piece].relays
    assert relay not in (reader, maker)
    assert after.tiles[relay].rings[piece].pixels == 60


def test_a_reader_gets_the_rows_above_its_first_window() -> None:
    """A copy that begins with the third row has released nothing before: its ring holds the first two as well."""
    made, _ = residual()
    graph = copied(made.mapped, [(1, 1), (1, 1), (4, 2)])
    placer = Placer(choose_segments(graph, PUMA), PUMA, Depths(), 1)
    placer.run()
    seen = 0
    for work in (replace(work, roomy=False) for tile in placer.tiles for work in tile.works):
        for region in work.regions:
            source = graph.maps[region.piece.map]
            held = placer.first_pixels(work, region) // source.width
            assert held >= min(region.first + region.span, source.height) or region.streaming
            seen += region.first > 0
    assert seen > 2


# copies


APART: list[Copies] = [
    [(1, 1), (1, 1), (3, 2), (2, 2)],
    [(1, 4), (2, 2), (4, 4), (1, 3)],
    [(2, 1), (1, 4), (4, 4), (2, 2)],
    [(2, 4), (3, 2), (1, 1), (2, 4)],
]


def piece_of(graph: PlacedGraph, task: PlacedTask) -> Piece:
    """The piece that a task works for."""
    return Piece(graph.layer_of(task).layer.output, graph.task_of(task).low)


def gathered(graph: PlacedGraph) -> dict[Piece, int]:
    """Pieces that copies make together, and the tile where they are gathered."""
    copied = {mapped.layer.output for mapped in graph.mapped.layers if mapped.copies > 1}
    return {key: tile for key, tile in graph.made_on().items() if isinstance(key, Piece) and key.map in copied}


def apart_from_first(graph: PlacedGraph) -> list[Piece]:
    """Pieces that are gathered on a tile without copy 0 of their task."""
    firsts = {(piece_of(graph, task), tile.number) for tile in graph.tiles for task in tile.tasks if task.copy == 0}
    return [piece for piece, tile in gathered(graph).items() if (piece, tile) not in firsts]


@cache
def apart() -> tuple[Compiled, Target]:
    """The first copies, and the most memory, with which a map is gathered where none of its copies 0 is."""
    made, _ = residual()
    for copies, memory in product(APART, range(1600, 500, -50)):
        target = varied(PUMA, tile={"cores": 4, "memory_words": memory}, chip={"tiles": 4})
        with suppress(CimcError):
            if apart_from_first(tiles_of(copied(made.mapped, copies), varied(target, chip={"tiles": 138}), Depths())):
                return placed(made, target, copies, chips=8), target
    raise AssertionError("every map is gathered with a copy 0")


def test_copies_are_gathered_apart_from_the_first_of_them() -> None:
    made, target = apart()
    graph = tiles_of(made.mapped, varied(target, chip={"tiles": 138}), Depths())
    tasks = [(tile.number, task) for tile in graph.tiles for task in tile.tasks]
    shared = [
        (tile, task) for tile, task in tasks if graph.layer_of(task).copies > 1 and not graph.task_of(task).is_partial
    ]
    assert gathered(graph).keys() == {piece_of(graph, task) for _, task in shared}
    assert apart_from_first(graph)
    for tile, task in shared:
        here = gathered(graph)[piece_of(graph, task)] == tile
        assert task.out == (piece_of(graph, task) if here else CopyPiece(*task.at))


def test_copies_read_the_segments_under_their_part_of_a_row() -> None:
    """Eight columns in four segments and four parts, read through 3x3 windows: a column more on either side."""
    graph = copied(residual()[0].mapped, [(1, 1), (1, 4), (1, 4)])
    placed_graph = tiles_of(graph, varied(PUMA, tile={"cores": 1}), Depths())
    assert placed_graph.segments["relu2_out"] == 4
    parts = {
        task.copy: tile.rings[Piece("relu2_out", 0)].part
        for tile in placed_graph.tiles
        for task in tile.tasks
        if task.layer == 2
    }
    assert parts == {0: (0, 2), 1: (0, 3), 2: (1, 4), 3: (2, 4)}


def test_a_tile_has_a_fifo_for_every_copy_that_sends_its_part() -> None:
    """Sixteen copies on as many tiles: one of them is where the map is gathered."""
    graph, (cores, fifos) = copied(residual()[0].mapped, [(1, 1), (4, 4)]), (1, 15)
    tiles_of(graph, varied(PUMA, tile={"cores": cores, "fifos": fifos + 1}), Depths())  # and one for what it reads
    with pytest.raises(CimcError, match=r"16 receive FIFOs of 15"):
        tiles_of(graph, varied(PUMA, tile={"cores": cores, "fifos": fifos}), Depths())


def test_maps_that_are_gathered_apart_are_bit_exact() -> None:
    made, _ = apart()
    assert made.program.chips > 1
    assert same(bits_of(run(made)), residual()[1])
    assert_streams_like_one(made)


def test_copies_on_other_tiles_write_their_columns_of_the_map() -> None:
    """Their own rings are as wide as what they make, and say from which column and row on."""
    made, _ = apart()
    rings = [ring for tile in made.program.tiles for ring in tile.rings if ".copy" in ring.name]
    assert any(ring.column > 0 for ring in rings) and any(ring.row > 0 for ring in rings)
    for ring in rings:
        out = made.mapped.maps[ring.tensor]
        assert ring.width < out.width or ring.height < out.height
        assert ring.column + ring.width <= out.width
        assert ring.row + (ring.height - 1) * ring.row_step < out.height
    execution = run(made)
    assert set(execution.stored) == {m.layer.output for m in made.mapped.layers}


@pytest.mark.parametrize("mnemonic", SYNCHRONISATION)
def test_every_removed_synchronisation_between_copies_is_seen_or_harmless(mnemonic: str) -> None:
    """Those of the channels through which copies send what they make and get what they read. A signal or release that a
    later one of the same row includes may be missing: others only wait longer, and the bits are the same."""
    made, target = apart()
    parts = {at for at, plan in made.scheduled.rings.items() if plan.producers > 1 or ".copy" in at[1]}
    refused = harmless = 0
    for spot in spots(made.program, mnemonic):
        if spot.unit == "channel" and (spot.tile, ring_of(spot)) in parts:
            program = removed(made.program, spot)
            try:
                verify_program(program, target)
            except CimcError:
                refused += 1
                continue
            harmless += 1
            assert mnemonic in ("signal", "release"), spot
            assert same(bits_of(run(replace(made, program=program), 2)), bits_of(run(made, 2))), spot
    assert refused > harmless / 4 and refused > 4


# refusals


def test_a_layer_that_no_tile_holds_is_named() -> None:
    with pytest.raises(CimcError) as caught:
        placed(residual()[0], varied(PUMA, tile={"memory_words": 300}))
    (found,) = caught.value.diagnostics
    assert found.code == "place.memory"
    assert found.what.startswith('layer "relu2_out" does not fit a tile of puma: ')
    assert found.what.endswith(" words of shared memory of 300")
    assert found.todo == "take a target with more tile memory, or a network with smaller feature maps"


Moves = dict[str, list[tuple[int, int, int, int]]]


def moves(program: Program) -> Moves:
    """(kind, ring or FIFO, port, ticket) of what every stream waits for, gives, sends and receives."""
    wiring, findings = wire(program), Findings(program)
    walks = walk_all(wiring, findings)
    assert not len(findings)
    streams = zip(wiring.streams, walks, strict=True)
    return {str(one): [(e.kind, e.thing, e.port, e.ticket) for e in walk.events] for one, walk in streams}


@pytest.mark.parametrize("copies", [[], [(1, 2), (2, 2), (4, 2)]], ids=["one of each", "copies"])
def test_a_frame_has_the_moves_of_the_whole_program(copies: Copies) -> None:
    made = placed(residual()[0], varied(PUMA, tile={"cores": 1}), copies)
    assert len(made.program.tiles) > 1
    assert moves(emit_frame(made.scheduled)) == moves(made.program)


def test_a_frame_has_the_moves_of_relays() -> None:
    made = long_residual(200)
    assert moves(emit_frame(made.scheduled)) == moves(made.program)
