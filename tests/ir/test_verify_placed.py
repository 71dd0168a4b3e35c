"""The PlacedGraph verifier sees what a faulty placement could do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from cimc.driver.compile import compile_network
from cimc.driver.options import CompileOptions
from cimc.ir.mapped import MappedGraph
from cimc.ir.placed import CopyPiece, PartialSum, Piece, PlacedGraph, PlacedRing, PlacedTile, RingKey
from cimc.ir.verify_stage import verify_stage
from cimc.passes.pipelines import PASSES, Context, run_passes
from cimc.target.model import Target
from tests.cli.commands import DIGITS, QUANTISED, RESIDUAL
from tests.passes.test_partial_sums import CUT_SMALL, deep_sums
from tests.passes.test_placement import copied, long_residual

Breaks = Callable[[PlacedGraph], PlacedGraph]
X, OUT = Piece("x", 0), Piece("relu1", 0)


def placed(mapped: MappedGraph, target: Target) -> PlacedGraph:
    passes = [one for one in PASSES if one.name in ("choose_segments", "place")]
    found: PlacedGraph = run_passes(mapped, Context(target), passes)
    return found


def segments(change: Callable[[Mapping[str, int]], Mapping[str, int]]) -> Breaks:
    return lambda graph: replace(graph, mapped=replace(graph.mapped, segments=change(graph.segments)))


@cache
def sums() -> PlacedGraph:
    """One layer of 17 tasks, 16 of them partial sums, in four copies: two rows at a time, in two parts each."""
    return placed(copied(deep_sums()[1], [(2, 2)]), CUT_SMALL)


@cache
def relayed() -> PlacedGraph:
    """A residual whose start waits for its end in the rings of two other tiles."""
    made = long_residual(200)
    return placed(made.mapped, made.target)


def tile_with(graph: PlacedGraph, key: RingKey, remote: bool) -> int:
    return next(tile for tile, held, ring in graph.rings() if held == key and ring.remote == remote)


def on_tile(number: int, change: Callable[[PlacedTile], PlacedTile]) -> Breaks:
    return lambda g: replace(g, tiles=(*g.tiles[:number], change(g.tiles[number]), *g.tiles[number + 1 :]))


def first(**changes: Any) -> Breaks:
    """Another task in the place of the first."""
    return on_tile(0, lambda tile: replace(tile, tasks=(replace(tile.tasks[0], **changes), *tile.tasks[1:])))


def region(**changes: Any) -> Breaks:
    return lambda g: first(regions=(replace(g.tiles[0].tasks[0].regions[0], **changes),))(g)


def ring(key: RingKey, /, remote: bool = False, **changes: Any) -> Breaks:
    """Another ring in the place of the first of its key that is filled from elsewhere, or here."""

    def done(graph: PlacedGraph) -> PlacedGraph:
        number = tile_with(graph, key, remote)
        held = replace(graph.tiles[number].rings[key], **changes)
        return on_tile(number, lambda tile: replace(tile, rings={**tile.rings, key: held}))(graph)

    return done


def without(key: RingKey, remote: bool = False) -> Breaks:
    """The first of these rings missing."""

    def done(graph: PlacedGraph) -> PlacedGraph:
        number = tile_with(graph, key, remote)
        rest = {other: held for other, held in graph.tiles[number].rings.items() if other != key}
        return on_tile(number, lambda tile: replace(tile, rings=rest))(graph)

    return done


def beside(key: RingKey, held: PlacedRing) -> Breaks:
    """One ring more on the last tile."""
    return lambda g: on_tile(len(g.tiles) - 1, lambda tile: replace(tile, rings={**tile.rings, key: held}))(g)


def room(**changes: int) -> Breaks:
    return lambda g: replace(g, room=replace(g.room, **changes))


def moved(graph: PlacedGraph) -> PlacedGraph:
    """The last task on the first tile."""
    last = graph.tiles[-1].tasks[-1]
    graph = on_tile(len(graph.tiles) - 1, lambda tile: replace(tile, tasks=tile.tasks[:-1]))(graph)
    return on_tile(0, lambda tile: replace(tile, tasks=(*tile.tasks, replace(last, core=7))))(graph)


def a_copy_away(graph: PlacedGraph) -> CopyPiece:
    return next(key for _, key, _ in graph.rings() if isinstance(key, CopyPiece))


def chain(graph: PlacedGraph) -> tuple[int, Piece, tuple[int, ...]]:
    """(tile, piece, relays) of the ring that relays fill."""
    return next((tile, key, held.relays) for tile, key, held in graph.rings() if held.relays and isinstance(key, Piece))


def test_good_graphs_pass() -> None:
    verify_stage(sums())
    verify_stage(relayed())
    assert sum(len(tile.tasks) for tile in sums().tiles) == 4 * 17
    assert {type(key) for _, key, _ in sums().rings()} == {Piece, CopyPiece, PartialSum}
    assert len(chain(relayed())[2]) == 2


@pytest.mark.parametrize("options", [{"mvmus": 200}, {"pack": True}, {"rows": "channels"}], ids=str)
@pytest.mark.parametrize("model", [DIGITS, RESIDUAL, QUANTISED], ids=["plain", "residual", "quantised"])
def test_bundled_networks_pass(model: str, options: dict[str, Any]) -> None:
    found: list[PlacedGraph] = []

    def observe(_: str, stage: Any) -> None:
        if isinstance(stage, PlacedGraph):
            found.append(stage)

    compile_network(model, CompileOptions(**options), observe=observe)
    assert len(found) == 2
    for stage in found:
        verify_stage(stage)


@pytest.mark.parametrize(
    ("breaks", "complaint"),
    [
        (on_tile(0, lambda t: replace(t, tasks=t.tasks[1:])), r"missing: \[\(0, 0, 0\)\], too often: \[\]"),
        (on_tile(0, lambda t: replace(t, tasks=(*t.tasks, t.tasks[0]))), r"missing: \[\], too often: \[\(0, 0, 0\)\]"),
        (first(copy=1), r"missing: \[\(0, 0, 0\)\], too often: \[\(0, 0, 1\)\]"),
        (first(core=1), r"tasks of cores \[-1, -1\] are on"),
        (first(core=9), "core 9 of "),
        (on_tile(0, lambda t: replace(t, number=3)), r"tiles \[3, 1, 2"),
        (moved, "there is no ring of its own|core 7 of"),
        (first(out=CopyPiece(0, 0, 0)), "fills CopyPiece"),
        (first(out=PartialSum(0, 0, 0)), "fills PartialSum"),
        (first(regions=()), r"multiplies RowRun.* reads \[\]"),
        (region(piece=OUT), r"of \('x',\)"),
        (region(high=31), "high=31"),
        (region(low=1), "multiplies RowRun"),
        (lambda g: region(first=1)(ring(X, remote=True, pixels=15)(g)), "must hold 20 pixels"),
        (without(X, remote=True), "no ring of AccessRegion"),
        (without(PartialSum(0, 2, 0), remote=True), "no ring of PartialSum"),
        (without(OUT), "fills Piece"),
        (lambda g: without(a_copy_away(g))(g), "there is no ring of its own"),
        (ring(X, remote=True, high=31), "channels 0 to 30 are there"),
        (ring(X, remote=True, high=7), "high=7"),
        (ring(X, remote=True, pixels=5), "must hold"),
        (ring(X, remote=True, pixels=0), "no whole segments"),
        (ring(OUT, high=5), "all of 0 to 6 are made here"),
        (ring(OUT, part=(0, 1)), "a part of every row"),
        (ring(X, remote=True, part=(0, 9)), "segments are there"),
        (ring(X, remote=True, pixels=16), "no whole segments"),
        (ring(OUT, pixels=1 << 20), "words of"),
        (room(memory_words=100), "words of 100"),
        (room(fifos=3), "receive FIFOs of 3"),
        (room(cores=1), "core 1 of 1"),
        (beside(Piece("x", 1), PlacedRing(1, 30, 20, True)), "there is no such piece"),
        (beside(Piece("z", 0), PlacedRing(0, 30, 20, True)), "there is no such piece"),
        (beside(CopyPiece(0, 1, 0), PlacedRing(0, 6, 20)), "task.is_partial=True"),
        (beside(CopyPiece(0, 0, 7), PlacedRing(0, 6, 20)), "no such copy"),
        (beside(CopyPiece(0, 0, 0), PlacedRing(0, 6, 20)), "0 tasks make"),
        (beside(PartialSum(0, 1, 3), PlacedRing(0, 6, 20, True)), "neither read nor passed on"),
        (beside(OUT, PlacedRing(0, 6, 20)), "fills CopyPiece|made on several tiles"),
        (segments(lambda there: {**there, "x": 2}), '"x": 2 segments of 5 pixels'),
        (segments(lambda there: {"x": 1}), '"relu1": 0 segments'),
        (lambda g: replace(g, mapped=replace(g.mapped, quants={})), "without a format"),
    ],
)  # fmt: skip
def test_a_broken_graph_is_caught(breaks: Breaks, complaint: str) -> None:
    broken = breaks(sums())
    with pytest.raises(AssertionError, match=complaint):
        verify_stage(broken)


def relays(change: Callable[[int, tuple[int, ...]], tuple[int, ...]]) -> Breaks:
    """Other relays. change: of the reader's tile and its relays."""

    def done(graph: PlacedGraph) -> PlacedGraph:
        tile, key, through = chain(graph)
        return ring_on(tile, key, relays=change(tile, through))(graph)

    return done


def ring_on(number: int, key: RingKey, **changes: Any) -> Breaks:
    return on_tile(number, lambda t: replace(t, rings={**t.rings, key: replace(t.rings[key], **changes)}))


def at_relay(**changes: Any) -> Breaks:
    def done(graph: PlacedGraph) -> PlacedGraph:
        _, key, through = chain(graph)
        return ring_on(through[0], key, **changes)(graph)

    return done


@pytest.mark.parametrize(
    ("breaks", "complaint"),
    [
        (relays(lambda tile, through: (tile, *through)), "is no other tile"),
        (relays(lambda tile, through: (*through, 99)), "is no other tile"),
        (relays(lambda tile, through: (through[0], through[0])), "passes it to two"),
        (relays(lambda tile, through: through[:1]), "neither read nor passed on"),
        (relays(lambda tile, through: ()), "neither read nor passed on"),
        (at_relay(high=3), "from PlacedRing"),
        (at_relay(remote=False), "tasks make"),
        (at_relay(relays=(0,)), "from PlacedRing|has no ring"),
    ],
)
def test_a_broken_chain_of_relays_is_caught(breaks: Breaks, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        verify_stage(breaks(relayed()))


def test_a_tile_is_full_with_its_constants() -> None:
    fullest = max(sums().tiles, key=lambda tile: tile.words)
    assert fullest.constants > 0
    verify_stage(room(memory_words=fullest.words)(sums()))
    with pytest.raises(AssertionError, match=f"{fullest.words} words of {fullest.words - 1}"):
        verify_stage(room(memory_words=fullest.words - 1)(sums()))


def test_copies_that_send_what_they_make_take_a_fifo_each() -> None:
    """Four copies make the map: those away from the tile that gathers it send their columns there."""
    received = {tile.number: sum(r.remote for key, r in tile.rings.items() if key != X) for tile in sums().tiles}
    (gathers,) = [tile for tile in sums().tiles if OUT in tile.rings and not tile.rings[OUT].remote]
    away = 4 - sum(task.out == OUT for task in gathers.tasks)
    few = received[gathers.number] + away - 1
    assert (received[gathers.number], away, max(received.values())) == (4, 3, 5)
    with pytest.raises(AssertionError, match=f"receive FIFOs of {few}"):
        verify_stage(room(fifos=few)(sums()))


def test_tasks_that_share_a_core_are_on_one() -> None:
    found: list[PlacedGraph] = []

    def observe(name: str, stage: Any) -> None:
        if name == "place":
            found.append(stage)

    compile_network(DIGITS, CompileOptions(target="ideal", pack=True), observe=observe)
    graph = found[-1]
    number, at = next(
        (number, at)
        for number, tile in enumerate(graph.tiles)
        for at, task in enumerate(tile.tasks)
        if graph.task_of(task).shares >= 0
    )
    tasks = list(graph.tiles[number].tasks)
    tasks[at] = replace(tasks[at], core=max(task.core for task in tasks) + 1)
    with pytest.raises(AssertionError, match=r"is on \(tile, core\)"):
        verify_stage(on_tile(number, lambda tile: replace(tile, tasks=tuple(tasks)))(graph))
